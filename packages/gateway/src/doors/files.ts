import { statSync } from 'node:fs'
import type { Log } from '../log.ts'

/** How often files are looked at. */
const lookMs = 2000

/** A file of a door's (a certificate, a key, secrets) that cannot be used. */
export class DoorFileError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DoorFileError'
  }
}

/** What was made of files, and is made again when they change. */
export interface Refreshing {
  /** The files that it was made of. */
  files(): readonly string[]
  /** Reads them again; on an error throws, and stays what it was. */
  refresh(): void
}

/**
 * Looks every two seconds whether files have changed, also where a link leads elsewhere now, as Kubernetes does with
 * secrets. What cannot be used (half of a pair is written) is said once, and the old goes on. Returns what ends it.
 */
export function watchFiles(parts: readonly Refreshing[], log: Log): () => void {
  const seen = parts.map((part) => part.files().map(stateOf))
  const timer = setInterval(() => {
    for (const [at, part] of parts.entries()) {
      const states = part.files().map(stateOf)
      const before = seen[at] as string[]
      const files = part.files().filter((_, place) => states[place] !== before[place])
      if (files.length === 0) continue
      seen[at] = states // Before it is read: what changes from here on is seen the next time.
      try {
        part.refresh()
        log.info({ files }, 'files changed, and were read again')
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        log.warn({ files, error: why }, 'files changed, and cannot be used: what was read before stays')
      }
    }
  }, lookMs)
  timer.unref()
  return () => clearInterval(timer)
}

function stateOf(file: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(file, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch {
    return 'cannot be read'
  }
}
