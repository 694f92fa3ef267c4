import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { remoteWriteFiles } from './remote-write.ts'
import { keys } from './schema.ts'
import { placeOf, type Settings } from './settings.ts'

/** Files that are named and cannot be read, or hold something else than they should: a line each, as those of a ConfigError. */
export function filesProblems(settings: Settings): string[] {
  const problems: string[] = []
  for (const key of keys) {
    const path = settings.told.get(key.path)?.value
    if (key.type.path !== 'read' || typeof path !== 'string') continue
    const what = problemOf(path, /\.(cert|key|(client_)?ca)_file$/.test(key.path))
    if (what !== undefined) problems.push(`${placeOf(settings, key.path)}: ${path} ${what}`)
  }
  for (const receiver of settings.config.remoteWrite) {
    for (const name of remoteWriteFiles) {
      const path = receiver[name]
      const what = path && problemOf(path, /^(cert|key|ca)File$/.test(name))
      if (what !== undefined) problems.push(`${placeOf(settings, 'remote_write')}: ${path} ${what}`)
    }
  }
  return problems
}

function problemOf(path: string, isPem: boolean): string | undefined {
  try {
    if (!statSync(path).isFile()) return 'is no file; name a file'
    accessSync(path, constants.R_OK)
    const text = readFileSync(path, 'latin1')
    if (text.trim() === '') return 'is empty; put into it what it should hold'
    if (isPem && !text.includes('-----BEGIN '))
      return 'is not in PEM, which begins with -----BEGIN; name another, or convert it by openssl'
    return undefined
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return 'is not there; make it, or name another'
    if (code === 'EACCES')
      return 'cannot be read by the user that the gateway runs as; change its mode or owner'
    return `cannot be read: ${String(error)}`
  }
}
