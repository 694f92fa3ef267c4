import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { open, rename, rm, truncate, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../../make-directory.ts'
import { fileHead, readRecord, recordOf, type QueuedRequest, type ReadRequest } from './queue-file.ts'

/** A disk that has less room than this, or than this part of it, is left to the ledger. */
const diskFreeBytesMin: number = 256 * 1024 * 1024
const diskFreeShareMin = 0.05
const suffix = '.requests'
/** Unix milliseconds in a file's name: so the order of names is that of times. */
const digits = 15
const isQueued = /^\d{15}\.requests$/

export interface QueueOptions {
  /** Whose series they are: another ledger's are not sent. */
  ledgerId: string
  bytesMax: number
  /** Unix milliseconds. */
  now: () => number
  /** Bytes of the disk that a directory is on. */
  space: (directory: string) => Promise<DiskSpace>
}

export interface DiskSpace {
  free: number
  total: number
}

export interface QueuedFile {
  unixMs: number
  bytes: number
}

/** Why a collection is not queued: the queue is as large as it may be, or the disk nearly full. */
export type NoRoom = 'queue_full' | 'disk_full'

/**
 * What is to be sent to one receiver, in a directory: a file for each time that all lines were collected, named by that
 * time. A file is written aside, synced and renamed, so that a collection is there whole or not at all. It goes when all of
 * it was sent; the newest stays, empty, as its name says when lines were told last. What of the oldest was sent stands in
 * `progress`, which is not synced: after a power cut some requests are sent again, which changes nothing.
 */
export class Queue {
  /** Nothing is told as of this time, or before: over restarts, and wherever the clock was set. */
  lastUnixMs: number
  /** Whether lines were told here before, by this ledger or by one that it was before it was adopted. */
  readonly isResumed: boolean
  /** Files of another ledger's that were there, and are not sent. */
  readonly foreignCount: number
  bytes = 0
  readonly #directory: string
  readonly #options: QueueOptions
  readonly #files: QueuedFile[] = []
  #sentBytes = 0
  #progress: FileHandle | undefined

  constructor(directory: string, options: QueueOptions) {
    this.#directory = directory
    this.#options = options
    makeDirectory(directory, 0o700)
    const names = readdirSync(directory)
    for (const name of names.filter((each) => each.endsWith('.new'))) rmSync(join(directory, name))
    const times = names.filter((name) => isQueued.test(name)).map((name) => Number.parseInt(name, 10))
    times.sort((a, b) => a - b)
    const isOwn = readOr(join(directory, 'ledger')) === options.ledgerId
    this.isResumed = times.length > 0
    this.foreignCount = isOwn ? 0 : times.length
    this.lastUnixMs = times.at(-1) ?? options.now()
    if (isOwn && this.isResumed) this.#resume(times)
    else this.#begin(times)
  }

  /** Oldest first; those of which nothing is left to be sent are not among them. */
  get files(): readonly QueuedFile[] {
    return this.#files
  }

  /** Begins to write what was collected as of this time, which is later than any before. */
  async begin(unixMs: number): Promise<QueueWriter> {
    const path = this.#path(unixMs)
    const handle = await open(`${path}.new`, 'w', 0o600)
    await handle.write(fileHead)
    return new QueueWriter(path, handle)
  }

  /** Why there is no room for so many bytes, if there is none. */
  async noRoomFor(bytes: number): Promise<NoRoom | undefined> {
    if (this.bytes + bytes > this.#options.bytesMax) return 'queue_full'
    const { free, total } = await this.#options.space(this.#directory)
    return free < Math.min(diskFreeBytesMin, total * diskFreeShareMin) ? 'disk_full' : undefined
  }

  /** Puts it into the queue, durably. */
  async commit(writer: QueueWriter, unixMs: number): Promise<void> {
    await writer.finish()
    await syncDirectory(this.#directory)
    const before = this.lastUnixMs
    this.lastUnixMs = unixMs
    this.#files.push({ unixMs, bytes: writer.bytes })
    this.bytes += writer.bytes
    if (!this.#files.some((file) => file.unixMs === before)) await rm(this.#path(before), { force: true })
  }

  /** Reads the oldest file from where it was sent up to. It must not be removed meanwhile. */
  async read(): Promise<QueueReader> {
    const { unixMs } = this.#files[0] as QueuedFile
    const handle = await open(this.#path(unixMs))
    return new QueueReader(handle, Math.max(this.#sentBytes, fileHead.length))
  }

  /** The oldest file was sent up to here. */
  async sentTo(at: number): Promise<void> {
    this.#sentBytes = at
    this.#progress ??= await open(join(this.#directory, 'progress'), 'w', 0o600)
    const { unixMs } = this.#files[0] as QueuedFile
    await this.#progress.write(progressText(unixMs, at), 0)
  }

  /** The oldest file is done with. */
  async removeOldest(): Promise<void> {
    const file = this.#files.shift() as QueuedFile
    this.bytes -= file.bytes
    this.#sentBytes = 0
    if (file.unixMs === this.lastUnixMs) await truncate(this.#path(file.unixMs))
    else await rm(this.#path(file.unixMs), { force: true })
  }

  async close(): Promise<void> {
    await this.#progress?.close()
  }

  #resume(times: readonly number[]): void {
    this.lastUnixMs = times.at(-1) as number
    for (const unixMs of times) {
      const bytes = statSync(this.#path(unixMs)).size
      if (bytes > 0) this.#files.push({ unixMs, bytes })
      else if (unixMs !== this.lastUnixMs) rmSync(this.#path(unixMs))
      this.bytes += bytes
    }
    const [oldest, at] = readOr(join(this.#directory, 'progress')).split(' ').map(Number)
    if (oldest === this.#files[0]?.unixMs && Number.isSafeInteger(at)) this.#sentBytes = at as number
  }

  /**
   * What began before lines were first collected for this receiver began before its time. Behind another ledger's files it
   * goes on: all lines of one that was adopted began later, at 0.
   */
  #begin(foreign: readonly number[]): void {
    for (const unixMs of foreign.slice(0, -1)) rmSync(this.#path(unixMs))
    writeFileSync(this.#path(this.lastUnixMs), '', { mode: 0o600 })
    writeFileSync(join(this.#directory, 'ledger'), this.#options.ledgerId, { mode: 0o600 })
  }

  #path(unixMs: number): string {
    return join(this.#directory, `${String(unixMs).padStart(digits, '0')}${suffix}`)
  }
}

/** A file of the queue that is being written. */
export class QueueWriter {
  bytes: number = fileHead.length
  readonly #path: string
  readonly #handle: FileHandle

  constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  async add(request: QueuedRequest): Promise<void> {
    const record = recordOf(request)
    this.bytes += record.length
    await this.#handle.writeFile(record)
  }

  async finish(): Promise<void> {
    await this.#handle.sync()
    await this.#handle.close()
    await rename(`${this.#path}.new`, this.#path)
  }

  async abandon(): Promise<void> {
    await this.#handle.close()
    await rm(`${this.#path}.new`, { force: true })
  }
}

/** Reads a file of the queue, a request after the other. */
export class QueueReader {
  readonly #handle: FileHandle
  #at: number

  constructor(handle: FileHandle, at: number) {
    this.#handle = handle
    this.#at = at
  }

  /** Undefined at the end; `damaged` where what follows is none. */
  async next(): Promise<ReadRequest | 'damaged' | undefined> {
    const record = await readRecord(this.#handle, this.#at)
    if (record !== undefined && record !== 'damaged') this.#at = record.end
    return record
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

/** Of one length, as it is written over the one before. */
function progressText(unixMs: number, at: number): string {
  return `${String(unixMs).padStart(digits, '0')} ${String(at).padStart(digits, '0')}`
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path)
  await handle.sync()
  await handle.close()
}
