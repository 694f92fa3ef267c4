import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { remoteWriteFiles } from './remote-write.ts'
import { keys } from './schema.ts'
import { placeOf, type Settings } from './settings.ts'

/** Files that are named and cannot be read, or have nothing in them: a line each, as those of a ConfigError. */
export function filesProblems(settings: Settings): string[] {
  const problems: string[] = []
  for (const key of keys) {
    const path = settings.told.get(key.path)?.value
    if (key.type.path !== 'read' || typeof path !== 'string') continue
    const what = problemOf(path)
    if (what !== undefined) problems.push(`${placeOf(settings, key.path)}: ${path} ${what}`)
  }
  for (const receiver of settings.config.remoteWrite) {
    const paths = remoteWriteFiles.map((name) => receiver[name]).filter((path) => path !== undefined)
    for (const path of paths) {
      const what = problemOf(path)
      if (what !== undefined) problems.push(`${placeOf(settings, 'remote_write')}: ${path} ${what}`)
    }
  }
  return problems
}

function problemOf(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return 'is no file; name a file'
    accessSync(path, constants.R_OK)
    return readFileSync(path, 'utf8').trim() === '' ? 'is empty; put into it what it should hold' : undefined
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return 'is not there; make it, or name another'
    if (code === 'EACCES')
      return 'cannot be read by the user that the gateway runs as; change its mode or owner'
    return `cannot be read: ${String(error)}`
  }
}
