import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readSpoolFile, type SpoolHeader } from '@swansong/otlp/spool'
import { readRequest, type Request } from './read-request.ts'

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  ms: number
}

export interface Running {
  pid: number
  kill: (signal: NodeJS.Signals) => void
  /** Resolves when the job has written this to its stdout. */
  saw: (text: string) => Promise<void>
  ended: Promise<Ended>
}

/** A job that hangs is ended, and its test fails by that. */
const jobMsMax = 90_000

/** Starts test/jobs/NAME.ts with nothing in its environment but what is given. */
export function start(
  job: string,
  given: string[],
  env: Record<string, string>,
  flags: string[] = []
): Running {
  const path = fileURLToPath(new URL(`../jobs/${job}.ts`, import.meta.url))
  const startedAt = Date.now()
  const child = spawn(process.execPath, ['--conditions=@swansong/source', ...flags, path, ...given], {
    env: { PATH: process.env['PATH'] ?? '', SWANSONG_EXPORT: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: jobMsMax,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  const watchers: (() => void)[] = []
  child.stdout.on('data', (text: Buffer) => {
    stdout += text.toString()
    for (const watch of watchers) watch()
  })
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr, ms: Date.now() - startedAt }))
  })
  const saw = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const watch = (): void => {
        if (stdout.includes(text)) resolve()
      }
      watchers.push(watch)
      watch()
      void ended.then(() => reject(new Error(`the job ended without '${text}': ${stderr}`)))
    })
  return { pid: child.pid ?? 0, kill: (signal) => child.kill(signal), saw, ended }
}

export function run(
  job: string,
  given: string[],
  env: Record<string, string>,
  flags: string[] = []
): Promise<Ended> {
  return start(job, given, env, flags).ended
}

export interface Spooled {
  name: string
  header: SpoolHeader
  request: Request
  body: Uint8Array
}

/** A temporary spool directory, and what lies in it. */
export function makeSpool(): {
  directory: string
  read: (living?: 'living') => Spooled[]
  remove: () => void
} {
  const directory = mkdtempSync(join(tmpdir(), 'swansong-spool-'))
  /** What stands under a dot is being written: an error, unless the job lives or was killed. */
  const read = (living?: 'living'): Spooled[] => {
    const names = readdirSync(directory)
    const whole = names.filter((name) => !name.startsWith('.'))
    if (living === undefined && whole.length < names.length)
      throw new Error(`left behind: ${names.join(' ')}`)
    return whole.map((name) => {
      const { header, body } = readSpoolFile(readFileSync(join(directory, name)))
      return { name, header, body, request: readRequest(body) }
    })
  }
  return { directory, read, remove: () => rmSync(directory, { recursive: true, force: true }) }
}
