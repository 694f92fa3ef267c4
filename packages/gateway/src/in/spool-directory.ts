import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  type Stats as FileStats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { OtlpError } from '@swansong/otlp'
import type { Log } from '../log.ts'
import { makeDirectory } from '../make-directory.ts'
import { makeSpoolDirectory } from './heartbeat.ts'

/** Unfinished files of processes that died while writing go after this. */
const leftoverMs = 60 * 60 * 1000

/** A file of the spool, as it stood there when it was read. */
export interface ReadFile {
  file: Buffer
  version: string
  mtimeMs: number
}

/** The directory that anyone may put anything into: nothing in it is followed, waited for, or read past its limit. */
export class SpoolDirectory {
  readonly path: string
  readonly #limits: { spoolFileBytesMax: number }
  readonly #log: Log
  #complaint = ''

  constructor(path: string, limits: { spoolFileBytesMax: number }, log: Log) {
    this.path = path
    this.#limits = limits
    this.#log = log
  }

  /** What stands in it; `undefined` where it cannot be listed. One that somebody removed is made again. */
  names(): string[] | undefined {
    try {
      const names = readdirSync(this.path)
      this.#complaint = ''
      return names
    } catch (error) {
      this.#complain(error)
      if (isMissing(error)) this.#makeAgain()
      return undefined
    }
  }

  /** Of the name itself, where it is a link. Throws what the file system says. */
  stat(name: string): FileStats {
    return lstatSync(join(this.path, name))
  }

  /** Throws what the file system says, and BAD_SPOOL_FILE for what no spool file is. */
  read(name: string): ReadFile {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const descriptor = openSync(join(this.path, name), flags)
    try {
      const stat = fstatSync(descriptor)
      const max = this.#limits.spoolFileBytesMax
      if (!stat.isFile()) throw new OtlpError('BAD_SPOOL_FILE', 0, 'it is not a regular file')
      if (stat.size > max)
        throw new OtlpError('BAD_SPOOL_FILE', max, `${stat.size} bytes are over the limit of ${max}`)
      return { file: readFileSync(descriptor), version: versionOf(stat), mtimeMs: stat.mtimeMs }
    } finally {
      closeSync(descriptor)
    }
  }

  /** Throws what the file system says. */
  remove(name: string): void {
    unlinkSync(join(this.path, name))
  }

  /** Throws what the file system says. */
  rename(name: string, to: string): void {
    renameSync(join(this.path, name), join(this.path, to))
  }

  /** Sets a file aside that no later try can take, with the reason beside it. Throws where that cannot be done. */
  reject(name: string, reason: string): void {
    const rejectedDir = join(this.path, 'rejected')
    makeDirectory(rejectedDir, 0o700)
    const stat = lstatSync(rejectedDir) // Anyone may have put it there.
    if (!stat.isDirectory() || stat.uid !== process.geteuid?.())
      throw new Error("rejected/ is not the gateway's")
    renameSync(join(this.path, name), join(rejectedDir, name))
    writeFileSync(join(rejectedDir, `${name}.reason`), `${reason}\n`)
  }

  removeLeftover(name: string): void {
    try {
      const path = join(this.path, name)
      if (Date.now() - statSync(path).mtimeMs > leftoverMs) unlinkSync(path)
    } catch {
      // Somebody's unfinished file that was finished meanwhile, or is not ours to remove.
    }
  }

  /** Makes durable what was removed. */
  sync(): void {
    try {
      const descriptor = openSync(this.path, constants.O_RDONLY)
      fsyncSync(descriptor)
      closeSync(descriptor)
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'the spool directory could not be synced')
    }
  }

  #makeAgain(): void {
    try {
      makeSpoolDirectory(this.path)
    } catch {
      // That it cannot be read was said already, and it is tried again at each look.
    }
  }

  /** Once, and not at each of ten looks a second. */
  #complain(error: unknown): void {
    const complaint = String(error)
    if (complaint === this.#complaint) return
    this.#complaint = complaint
    this.#log.error({ error: complaint, directory: this.path }, 'the spool directory cannot be read')
  }
}

/** What tells one writing of a file from the next: a journal that is replaced is another, and one that grew too. */
export function versionOf(stat: { ino: number; mtimeMs: number; size: number }): string {
  return `${stat.ino} ${stat.mtimeMs} ${stat.size}`
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT'
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
