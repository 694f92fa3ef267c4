import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
} from 'node:fs'
import { lstatSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { batchSuffix, journalSuffix, readSpoolFile, type Owner, type SpoolHeader } from '@swansong/otlp/spool'
import { OtlpError } from '@swansong/otlp'
import type { BatchKey } from '../ledger/dedup.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import { refusals, type Refusal } from '../refusal.ts'
import type { Stats } from '../stats.ts'
import { batchKey, digestOf } from './body.ts'
import { beat, claimSpool, heartbeatMs } from './heartbeat.ts'
import { ownerWatch, type Life } from './owner.ts'
import type { Receiver } from './receive.ts'

export interface SpoolOptions {
  directory: string
  spoolFileBytesMax: number
  log: Log
}

/** Between two looks, at least; and no more than a tenth of the time is spent looking. */
const lookMs = 100
/** Files are read for this long in one turn of the event loop, then others have theirs. */
const sliceMs = 5
/** How often the owner of a journal that does not change is asked after. */
const ownerMs = 500
/** A journal that ended goes after this, also where it cannot be seen that its process is dead. */
const endedMs = 60_000
/** A file that could not be taken for now is tried again after this. */
const againMs = 1000
/** That what was removed stays removed is made durable this often: well within the window in which ids are known. */
const syncMs = 10_000
/** Unfinished files of processes that died while writing go after this. */
const leftoverMs = 60 * 60 * 1000
const idPattern = /^[\w-]{1,64}$/

/** What is known of a file in the directory. */
interface Known {
  /** Inode, time and size as it was last read; a journal that is replaced has others. */
  version: string
  owner: Owner | undefined
  /** A journal that said it ended, though its process may still live. */
  ended: boolean
  /** Not looked at before this, by the clock. */
  nextMs: number
  /** Posted, and not told yet. */
  waits: boolean
  /** Refused for now: an id that it needs must not expire meanwhile. */
  refused: boolean
  /** Its content is in the ledger for good, only the file could not be removed. */
  done: boolean
}

/** Takes up what workers leave in the spool directory: journals, read while they live, and frozen batches. */
export class Spool {
  readonly #receiver: Receiver
  readonly #ledger: Ledger
  readonly #stats: Stats
  readonly #options: SpoolOptions
  readonly #lifeOf: (owner: Owner) => Life = ownerWatch()
  readonly #known = new Map<string, Known>()
  #names: string[] = []
  /** Of those that were there at the start: what was not taken yet. */
  #draining: Set<string> | undefined
  /** What this look has cost so far, without the commits and whatever else ran between its slices. */
  #lookedMs = 0
  #timer: NodeJS.Timeout | undefined
  #slice: NodeJS.Immediate | undefined
  #beatAt = -Infinity
  #syncAt = Infinity

  /** Claims the directory and begins to look. Throws a SpoolDirError. */
  constructor(receiver: Receiver, ledger: Ledger, stats: Stats, options: SpoolOptions) {
    this.#receiver = receiver
    this.#ledger = ledger
    this.#stats = stats
    this.#options = options
    claimSpool(options.directory, ledger.identity.ledgerId, options.spoolFileBytesMax)
    this.#look()
  }

  /** Looks no more. What was posted is committed when the ledger closes. */
  close(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#slice)
    this.#sync()
    beat(this.#options.directory, this.#ledger.identity.ledgerId, this.#options.spoolFileBytesMax, true)
  }

  #look(): void {
    const { directory, log, spoolFileBytesMax } = this.#options
    const now = performance.now()
    if (now - this.#beatAt >= heartbeatMs) {
      beat(directory, this.#ledger.identity.ledgerId, spoolFileBytesMax, false)
      this.#beatAt = now
    }
    if (now >= this.#syncAt) this.#sync()
    try {
      this.#names = readdirSync(directory)
    } catch (error) {
      log.error({ error: String(error), directory }, 'the spool directory cannot be read')
      this.#names = []
    }
    this.#draining ??= new Set(this.#names.filter((name) => !name.startsWith('.') && isSpoolFile(name)))
    this.#forgetRemoved()
    this.#lookedMs = performance.now() - now
    this.#takeSlice()
  }

  /** Takes files for a few milliseconds, then lets others run; at the end of the list, plans the next look. */
  #takeSlice(): void {
    const began = performance.now()
    const until = began + sliceMs
    while (this.#names.length > 0 && performance.now() < until) this.#take(this.#names.pop() as string)
    this.#lookedMs += performance.now() - began
    if (this.#names.length > 0) {
      this.#slice = setImmediate(() => this.#takeSlice())
      return
    }
    let waiting = 0
    let stuck = this.#draining?.size ?? 0
    for (const known of this.#known.values()) {
      if (known.waits || known.owner === undefined) waiting++
      if (known.done || known.refused) stuck++
    }
    this.#stats.spoolFilesWaiting = waiting
    this.#ledger.holdExpiry(stuck > 0)
    this.#timer = setTimeout(() => this.#look(), Math.max(lookMs, this.#lookedMs * 10))
  }

  #take(name: string): void {
    if (name.startsWith('.')) return this.#removeLeftover(name)
    if (!isSpoolFile(name)) return // The heartbeat, the rejected ones, or nothing of ours.
    const suffix = name.endsWith(journalSuffix) ? journalSuffix : batchSuffix
    const known = this.#known.get(name)
    const now = performance.now()
    if (known !== undefined && (known.waits || now < known.nextMs)) return
    if (known?.done === true) return this.#remove(name)
    const id = name.slice(0, -suffix.length)
    if (!idPattern.test(id)) return this.#reject(name, 'its name is not an id of letters, digits, _ and -')
    try {
      if (suffix === batchSuffix) this.#takeBatch(name, id)
      else this.#takeJournal(name, id, known)
    } catch (error) {
      if (isMissing(error)) return // Replaced or gone while it was looked at: next time.
      if (error instanceof OtlpError) return this.#reject(name, error.message)
      if (codeOf(error) === 'ELOOP') return this.#reject(name, 'it is a symbolic link')
      if (codeOf(error) === 'ENXIO') return this.#reject(name, 'it is not a regular file') // A socket.
      this.#know(name, { nextMs: now + againMs })
      this.#options.log.warn({ file: name, error: String(error) }, 'a spool file cannot be read; it stays')
    }
  }

  #takeBatch(name: string, id: string): void {
    const { file } = this.#read(name)
    const { body } = expectKind(readSpoolFile(file), 'batch')
    const settle = (refusal: Refusal | undefined): void => this.#settled(name, refusal, 'batch')
    this.#know(name, { waits: true })
    this.#receiver.batch({ body, key: batchKey(id, body), digest: undefined, settle })
  }

  #takeJournal(name: string, id: string, known: Known | undefined): void {
    const path = join(this.#options.directory, name)
    const stat = lstatSync(path)
    const changed = known?.owner === undefined || versionOf(stat) !== known.version
    const isOld = known?.ended === true && Date.now() - stat.mtimeMs > endedMs
    if (!changed && !isOld && this.#lifeOf(known.owner as Owner) !== 'dead') {
      this.#know(name, { nextMs: performance.now() + ownerMs })
      return
    }
    let { file, version, mtimeMs } = this.#read(name)
    let { header, body } = expectKind(readSpoolFile(file), 'journal')
    const isDead = this.#lifeOf(header.owner) === 'dead'
    if (isDead) {
      // It may have written once more between that reading and its death: what stands there now is its last.
      ;({ file, version, mtimeMs } = this.#read(name))
      ;({ header, body } = expectKind(readSpoolFile(file), 'journal'))
    }
    // A process that ended its journal may still add to it in exit handlers of its own, for as long as it lives.
    const final = isDead || (header.ended && Date.now() - mtimeMs > endedMs)
    const ended = isDead || header.ended
    this.#know(name, { waits: true, version })
    const { owner, sequence } = header
    const settle = (refusal: Refusal | undefined): void => {
      if (refusal === undefined && !final) {
        this.#know(name, { waits: false, refused: false, owner, ended, nextMs: 0 })
        this.#draining?.delete(name)
      } else this.#settled(name, refusal, 'journal')
    }
    this.#receiver.journal({ writer: id, sequence, ended, final, key: journalKey(id), body, settle })
  }

  /** After the commit that holds it: the file may go. */
  #settled(name: string, refusal: Refusal | undefined, kind: 'journal' | 'batch'): void {
    if (refusal === undefined) {
      this.#stats.spoolFilesTaken[kind]++
      this.#remove(name)
    } else if (refusals[refusal.code].again) {
      // Without its version it counts as changed, so that a process that adds nothing more is not waited for.
      this.#know(name, { waits: false, refused: true, version: '', nextMs: performance.now() + againMs })
    } else this.#reject(name, refusal.message)
  }

  #remove(name: string): void {
    this.#draining?.delete(name)
    try {
      unlinkSync(join(this.#options.directory, name))
      this.#known.delete(name)
    } catch (error) {
      if (isMissing(error)) return void this.#known.delete(name)
      if (this.#known.get(name)?.done !== true) {
        this.#options.log.error(
          { file: name, error: String(error) },
          'a spool file was counted but cannot be removed'
        )
      }
      this.#know(name, { waits: false, done: true, nextMs: performance.now() + againMs })
    }
    if (this.#syncAt === Infinity) this.#syncAt = performance.now() + syncMs
  }

  /** Sets a file aside that no later try can take, with the reason beside it. Nothing else is held up by it. */
  #reject(name: string, reason: string): void {
    const { directory, log } = this.#options
    const rejectedDir = join(directory, 'rejected')
    this.#stats.spoolFilesRejected++
    this.#draining?.delete(name)
    log.warn({ file: name, reason }, 'a spool file was rejected; it is kept in rejected/')
    try {
      mkdirSync(rejectedDir, { recursive: true, mode: 0o700 })
      const stat = lstatSync(rejectedDir) // Anyone may have put it there.
      if (!stat.isDirectory() || stat.uid !== process.geteuid?.())
        throw new Error("rejected/ is not the gateway's")
      renameSync(join(directory, name), join(rejectedDir, name))
      writeFileSync(join(rejectedDir, `${name}.reason`), `${reason}\n`)
      this.#known.delete(name)
    } catch (error) {
      log.error({ file: name, error: String(error) }, 'a rejected spool file cannot be set aside')
      this.#know(name, { waits: false, nextMs: performance.now() + 60_000 })
    }
  }

  #removeLeftover(name: string): void {
    try {
      const path = join(this.#options.directory, name)
      if (Date.now() - statSync(path).mtimeMs > leftoverMs) unlinkSync(path)
    } catch {
      // Somebody's unfinished file that was finished meanwhile, or is not ours to remove.
    }
  }

  /** Never follows a link, never waits for a pipe, never reads more than a spool file may have. */
  #read(name: string): { file: Buffer; version: string; mtimeMs: number } {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const descriptor = openSync(join(this.#options.directory, name), flags)
    try {
      const stat = fstatSync(descriptor)
      const max = this.#options.spoolFileBytesMax
      if (!stat.isFile()) throw new OtlpError('BAD_SPOOL_FILE', 0, 'it is not a regular file')
      if (stat.size > max)
        throw new OtlpError('BAD_SPOOL_FILE', max, `${stat.size} bytes are over the limit of ${max}`)
      return { file: readFileSync(descriptor), version: versionOf(stat), mtimeMs: stat.mtimeMs }
    } finally {
      closeSync(descriptor)
    }
  }

  #know(name: string, change: Partial<Known>): void {
    const known = this.#known.get(name)
    if (known !== undefined) Object.assign(known, change)
    else
      this.#known.set(name, {
        version: '',
        owner: undefined,
        ended: false,
        nextMs: 0,
        waits: false,
        refused: false,
        done: false,
        ...change,
      })
  }

  #forgetRemoved(): void {
    const names = new Set(this.#names)
    for (const [name, known] of this.#known) if (!known.waits && !names.has(name)) this.#known.delete(name)
    for (const name of this.#draining ?? []) if (!names.has(name)) this.#draining?.delete(name)
  }

  #sync(): void {
    this.#syncAt = Infinity
    try {
      const descriptor = openSync(this.#options.directory, constants.O_RDONLY)
      fsyncSync(descriptor)
      closeSync(descriptor)
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'the spool directory could not be synced')
    }
  }
}

/** The key under which a whole journal is remembered, once it is final. */
function journalKey(id: string): BatchKey {
  return { id: digestOf(`journal ${id}`), digest: new Uint8Array(8) }
}

function expectKind(
  read: { header: SpoolHeader; body: Uint8Array },
  kind: SpoolHeader['kind']
): { header: SpoolHeader; body: Uint8Array } {
  if (read.header.kind === kind) return read
  throw new OtlpError('BAD_SPOOL_FILE', 10, `its name says ${kind}, its header ${read.header.kind}`)
}

function versionOf(stat: { ino: number; mtimeMs: number; size: number }): string {
  return `${stat.ino} ${stat.mtimeMs} ${stat.size}`
}

function isSpoolFile(name: string): boolean {
  return name.endsWith(journalSuffix) || name.endsWith(batchSuffix)
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT'
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
