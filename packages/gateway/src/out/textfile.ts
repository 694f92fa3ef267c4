import { accessSync, constants, rmSync, statSync } from 'node:fs'
import { open, rename, unlink, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TextfileSettings } from '../config/config.ts'
import type { Log } from '../log.ts'
import { countUp, type Stats, type TextfileStats } from '../stats.ts'
import { TextTooLarge, type TextWriter } from './text-writer.ts'

/** Whoever runs node_exporter reads it. */
const fileMode = 0o644
/** The same complaint is said so often at most. */
const sayEveryMs = 60_000

/** The directory that the file is to stand in cannot be used. */
export class TextfileError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TextfileError'
  }
}

export interface TextfileOptions {
  /** A reload may change its interval: read anew each time. */
  settings: () => TextfileSettings
  /** What scrapers see now, as text 0.0.4; undefined where nothing may be shown. Rejects with a TextTooLarge. */
  render: () => Promise<TextWriter | undefined>
  /** Takes back what `render` gave, when it was written. */
  recycle: (writer: TextWriter) => void
  stats: Stats
  log: Log
  /** Milliseconds from any fixed point. */
  clock: () => number
  /** Unix milliseconds. */
  now: () => number
}

/** What `textfile` says, if it says anything: to be started when the gateway is ready. Throws TextfileError. */
export function openTextfile(options: TextfileOptions): Textfile | undefined {
  const { path } = options.settings()
  if (path === undefined) return undefined
  const temporary = temporaryOf(path)
  try {
    if (!statSync(dirname(path)).isDirectory()) throw new Error(`${dirname(path)} is no directory`)
    accessSync(dirname(path), constants.W_OK)
    rmSync(temporary, { force: true }) // A gateway was killed in the middle.
  } catch (error) {
    const why = `textfile: ${path} cannot be written: ${(error as Error).message}`
    throw new TextfileError(`${why}; make its directory, and let the gateway's user write there`, {
      cause: error,
    })
  }
  const stats: TextfileStats = { written: 0, failed: new Map(), lastSuccessUnixMs: undefined }
  options.stats.textfile = stats
  return new Textfile(path, options, stats)
}

/**
 * Writes what scrapers see into a file for node_exporter's textfile collector, every interval and at the end
 * (CONFORMANCE H1). A reader sees the whole of one time or the whole of another: the text goes to the disk under a name that
 * nobody reads and is renamed. What it says is durable in the ledger, so that the file after a start says no less.
 */
export class Textfile {
  readonly #path: string
  readonly #options: TextfileOptions
  readonly #stats: TextfileStats
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #isFailing = false
  readonly #saidAt = new Map<string, number>()

  constructor(path: string, options: TextfileOptions, stats: TextfileStats) {
    this.#path = path
    this.#options = options
    this.#stats = stats
  }

  start(): void {
    this.#running = this.#run(this.#stop.signal)
  }

  /** Writes it a last time. */
  async close(): Promise<void> {
    this.#stop.abort()
    if (this.#running === undefined) return
    await this.#running
    await this.#write()
  }

  async #run(stop: AbortSignal): Promise<void> {
    const { settings, clock } = this.#options
    while (!stop.aborted) {
      const begun = clock()
      await this.#write()
      const rest = Math.max(0, begun + settings().intervalMs - clock())
      await sleep(rest, undefined, { signal: stop }).catch(() => {}) // It is over then.
    }
  }

  /** Never rejects: what could not be written is written with the next, and the file stays as it was. */
  async #write(): Promise<void> {
    const { render, recycle, log, now } = this.#options
    try {
      const writer = await render()
      if (writer === undefined) return
      try {
        await replaceFile(this.#path, writer.finish())
      } finally {
        recycle(writer)
      }
    } catch (error) {
      return this.#fail(error)
    }
    this.#stats.written++
    this.#stats.lastSuccessUnixMs = now()
    if (this.#isFailing) log.info({ file: this.#path }, 'textfile: it is written again')
    this.#isFailing = false
    this.#saidAt.clear()
  }

  #fail(error: unknown): void {
    const { log, clock } = this.#options
    const { reason, advice } = causeOf(error)
    countUp(this.#stats.failed, reason)
    this.#isFailing = true
    const saidAt = this.#saidAt.get(reason)
    if (saidAt !== undefined && clock() - saidAt < sayEveryMs) return
    this.#saidAt.set(reason, clock())
    const why = error instanceof Error ? error.message : String(error)
    log.warn({ file: this.#path, error: why }, `textfile: it stays as it was, as ${advice}`)
  }
}

/** Why it could not be written, as it is counted, and in words that say what to do. */
function causeOf(error: unknown): { reason: string; advice: string } {
  if (error instanceof TextTooLarge)
    return { reason: 'too_large', advice: 'it would be larger than limits.scrape_bytes; raise that' }
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return { reason: 'disk_full', advice: 'its disk is full; make room' }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return { reason: 'not_allowed', advice: "the gateway's user may not write there; change that" }
  return { reason: 'failed', advice: 'it cannot be written; look after its directory' }
}

/** Hidden, in the same directory, and matched by no `*.prom`. */
function temporaryOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp`)
}

/** Puts bytes in the place of a file, so that also a power cut leaves all of one or all of the other. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = temporaryOf(path)
  try {
    await removeFile(temporary) // It is made anew, so that no link is followed.
    await closing(await open(temporary, 'wx', fileMode), async (file) => {
      await file.chmod(fileMode) // Whatever the umask says.
      await file.writeFile(bytes)
      await file.sync()
    })
    await rename(temporary, path)
  } catch (error) {
    await removeFile(temporary).catch(() => {}) // What went wrong first is what is told.
    throw error
  }
  await closing(await open(dirname(path), 'r'), (directory) => directory.sync())
}

/** Where there is one. What is no file stays there: `rm` would take a directory that appears between its two looks. */
async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

async function closing(file: FileHandle, use: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await use(file)
  } finally {
    await file.close()
  }
}
