import { join } from 'node:path'
import { spawnThatDiesWithUs } from './child.ts'

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface Worker {
  pid: number
  ended: Promise<Ended>
  /** Writes a line to its stdin. */
  tell(line: string): void
  /** Resolves when it has written this to its stdout. */
  saw(text: string): Promise<void>
  kill(signal: NodeJS.Signals): void
}

/** Node keeps here what it made of a job's TypeScript: to make it anew costs more than a short job does. */
export const compiled: string = join(import.meta.dirname, '..', '..', '.cache', 'compiled')

/**
 * Runs test/jobs/NAME.ts in a process of its own, with the SDK as it was built, and nothing in its environment but what
 * is given.
 */
export function startWorker(job: string, args: string[], env: Record<string, string>): Worker {
  const path = join(import.meta.dirname, '..', 'jobs', `${job}.ts`)
  const child = spawnThatDiesWithUs(process.execPath, [path, ...args], {
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE_COMPILE_CACHE: compiled,
      OTEL_SERVICE_NAME: 'test',
      ...env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const watchers = new Set<() => void>()
  let stdout = ''
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    for (const watch of watchers) watch()
  })
  child.stdin?.on('error', () => {}) // It ended before it read all.
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  const saw = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const watch = (): void => {
        if (stdout.includes(text)) resolve()
      }
      watchers.add(watch)
      watch()
      void ended.then(() => reject(new Error(`the job ended without '${text}': ${stderr}`)))
    })
  return {
    pid: child.pid ?? 0,
    ended,
    tell: (line) => void child.stdin?.write(`${line}\n`),
    saw,
    kill: (signal) => void child.kill(signal),
  }
}

/** The variables that make a worker leave its counts in a spool, post them, or both. */
export function wayOut(gateway: { spoolDir: string; urls: { endpoint: string } }): {
  journal: Record<string, string>
  post: Record<string, string>
  postOrSpool: Record<string, string>
} {
  const journal = { SWANSONG_SPOOL_DIR: gateway.spoolDir }
  const post = { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.urls.endpoint }
  return { journal, post, postOrSpool: { ...journal, ...post } }
}

/** Runs all, at most `atOnce` of them at a time, each started in its order. */
export async function runAll<T>(runs: readonly (() => Promise<T>)[], atOnce: number): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < runs.length) {
      const at = next++
      results[at] = await (runs[at] as () => Promise<T>)()
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, runs.length) }, lane))
  return results
}
