import {
  batchSuffix,
  journalSuffix,
  type Owner,
  readSpoolFile,
  silentSuffix,
  type SpoolFile,
  type SpoolHeader,
} from '@swansong/otlp/spool'
import { OtlpError } from '@swansong/otlp'
import { release } from '@swansong/otlp/wire'
import type { BatchKey } from '../ledger/dedup.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import { refusals, type Refusal } from '../refusal.ts'
import type { Stats } from '../stats.ts'
import { batchKey, digestOf } from './body.ts'
import { beat, claimSpool, heartbeatMs } from './heartbeat.ts'
import type { OwnerWatch } from './owner.ts'
import type { Receiver } from './receive.ts'
import { codeOf, isMissing, type ReadFile, SpoolDirectory, versionOf } from './spool-directory.ts'

export interface SpoolOptions {
  directory: string
  /** Read each time: a reload may change them. */
  limits: { spoolFileBytesMax: number; journalSilenceMs: number; journalSilenceUptimeMs: number }
  /** Whether the process of a journal lives. */
  lifeOf: OwnerWatch
  /** Milliseconds from any fixed point, never backwards. */
  clock: () => number
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
/** How often it is looked for writers whose journals are gone. */
const vanishedMs = 60_000
const idPattern = /^[\w-]{1,64}$/

/** What is known of a file in the directory. */
interface Known {
  /** Inode, time and size as it was last read. */
  version: string
  /** When it was first seen to be so, by the clock. */
  changedMs: number
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
  readonly #directory: SpoolDirectory
  readonly #known = new Map<string, Known>()
  /** Writers without a journal, and since when. */
  readonly #vanished = new Map<string, number>()
  #names: string[] = []
  /** Of those that were there at the start: what was not taken yet. */
  #draining: Set<string> | undefined
  /** What this look has cost so far, without the commits and whatever else ran between its slices. */
  #lookedMs = 0
  #timer: NodeJS.Timeout | undefined
  #slice: NodeJS.Immediate | undefined
  #beatAt = -Infinity
  #vanishedAt = -Infinity
  #syncAt = Infinity

  /** Claims the directory and begins to look. Throws a SpoolDirError. */
  constructor(receiver: Receiver, ledger: Ledger, stats: Stats, options: SpoolOptions) {
    this.#receiver = receiver
    this.#ledger = ledger
    this.#stats = stats
    this.#options = options
    this.#directory = new SpoolDirectory(options.directory, options.limits, options.log)
    claimSpool(options.directory, ledger.identity.ledgerId, options.limits.spoolFileBytesMax)
    this.#look()
  }

  /** Looks no more. What was posted is committed when the ledger closes. */
  close(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#slice)
    this.#sync()
    const { directory, limits } = this.#options
    beat(directory, this.#ledger.identity.ledgerId, limits.spoolFileBytesMax, true)
  }

  #look(): void {
    const { directory, limits, clock } = this.#options
    const now = clock()
    if (now - this.#beatAt >= heartbeatMs) {
      beat(directory, this.#ledger.identity.ledgerId, limits.spoolFileBytesMax, false)
      this.#beatAt = now
    }
    if (now >= this.#syncAt) this.#sync()
    const names = this.#directory.names()
    if (names === undefined) this.#beatAt = -Infinity // It may have been made again, without a heartbeat.
    this.#names = names ?? []
    this.#draining ??= new Set(this.#names.filter(isSpoolFile))
    this.#forgetRemoved()
    if (names !== undefined && now - this.#vanishedAt >= vanishedMs) this.#forgetVanished(now)
    this.#lookedMs = clock() - now
    this.#takeSlice()
  }

  /** Takes files for a few milliseconds, then lets others run; at the end of the list, plans the next look. */
  #takeSlice(): void {
    const { clock } = this.#options
    const began = clock()
    while (this.#names.length > 0 && clock() - began < sliceMs) this.#take(this.#names.pop() as string)
    this.#lookedMs += clock() - began
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
    if (name.startsWith('.')) return this.#directory.removeLeftover(name)
    const suffix = suffixOf(name)
    if (suffix === undefined) return // The heartbeat, the rejected ones, or nothing of ours.
    const known = this.#known.get(name)
    const now = this.#options.clock()
    if (known !== undefined && (known.waits || now < known.nextMs)) return
    if (known?.done === true) return this.#remove(name)
    const id = name.slice(0, -suffix.length)
    if (!idPattern.test(id)) return this.#reject(name, 'its name is not an id of letters, digits, _ and -')
    try {
      if (suffix === batchSuffix) this.#takeBatch(name, id)
      else if (suffix === silentSuffix) this.#takeSilent(name, id)
      else if (known === undefined || !this.#isFollowed(name, id, known)) this.#takeJournal(name, id)
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
    const { body, free } = this.#read(name, 'batch')
    const settle = (refusal: Refusal | undefined): void => {
      free()
      this.#settled(name, refusal, 'batch')
    }
    this.#know(name, { waits: true })
    this.#receiver.batch({ body, key: batchKey(id, body), digest: undefined, connection: undefined, settle })
  }

  /** Whether there is nothing to read: it is as it was, and its process may write it again. */
  #isFollowed(name: string, id: string, known: Known): boolean {
    if (known.owner === undefined) return false
    const { lifeOf, clock, limits } = this.#options
    const { journalSilenceMs, journalSilenceUptimeMs } = limits
    const stat = this.#directory.stat(name)
    if (versionOf(stat) !== known.version) return false
    const life = lifeOf(known.owner, stat.mtimeMs)
    const untouchedMs = Date.now() - stat.mtimeMs
    if (life === 'dead' || (known.ended && untouchedMs > endedMs)) return false
    const isSilent = untouchedMs > journalSilenceMs && clock() - known.changedMs > journalSilenceUptimeMs
    if (life === 'unknown' && isSilent) this.#silence(name, id)
    else this.#know(name, { nextMs: clock() + ownerMs })
    return true
  }

  #takeJournal(name: string, id: string): void {
    const { lifeOf, clock } = this.#options
    let read = this.#read(name, 'journal')
    const isDead = lifeOf(read.header.owner, read.mtimeMs) === 'dead'
    if (isDead) {
      read.free()
      // It may have written once more between that reading and its death: what stands there now is its last.
      read = this.#read(name, 'journal')
    }
    const { header, body, baseline, free } = read
    const key = journalKey(id)
    if (this.#ledger.receipts.seen(key) !== undefined) {
      free()
      return this.#remove(name) // Taken for good before; it only stood there.
    }
    // A process that ended its journal may still add to it in exit handlers of its own, for as long as it lives.
    const final = isDead || (header.ended && Date.now() - read.mtimeMs > endedMs)
    const ended = isDead || header.ended
    this.#know(name, { waits: true, version: read.version, changedMs: clock() })
    const { owner, sequence } = header
    const settle = (refusal: Refusal | undefined): void => {
      free()
      if (refusal === undefined && !final) {
        this.#know(name, { waits: false, refused: false, owner, ended, nextMs: 0 })
        this.#draining?.delete(name)
      } else this.#settled(name, refusal, 'journal')
    }
    this.#receiver.journal({ writer: id, sequence, ended, final, key, body, baseline, settle })
  }

  /**
   * Nobody touched it for very long, and whether its process lives cannot be seen. It is moved aside first, so that what
   * is read is what is removed, whoever writes it meanwhile.
   */
  #silence(name: string, id: string): void {
    const to = `${id}${silentSuffix}`
    if (this.#known.has(to)) return // One of the same process is still to be taken.
    this.#directory.rename(name, to)
    this.#known.delete(name)
    const ms = this.#options.limits.journalSilenceMs
    this.#options.log.info({ file: name }, `a journal was not touched for ${ms} ms: its file goes`)
  }

  /**
   * Its file goes, its writer stays: a process that comes back and puts the whole of it there again adds the difference.
   * The worker does so if it wrote within the hour; otherwise it begins a journal of another name at this one's end.
   */
  #takeSilent(name: string, id: string): void {
    const { header, body, baseline, free } = this.#read(name, 'journal')
    const key = journalKey(id)
    const settle = (refusal: Refusal | undefined): void => {
      free()
      this.#settled(name, refusal, 'journal')
    }
    if (this.#ledger.receipts.seen(key) !== undefined) {
      free()
      return this.#remove(name)
    }
    this.#know(name, { waits: true })
    const { sequence, ended } = header
    this.#receiver.journal({ writer: id, sequence, ended, final: false, key, body, baseline, settle })
  }

  /** Throws what the file system says, and BAD_SPOOL_FILE. Who takes it calls `free` when it is done with. */
  #read(name: string, kind: SpoolHeader['kind']): ReadFile & SpoolFile & { free: () => void } {
    const read = this.#directory.read(name)
    try {
      const content = expectKind(readSpoolFile(read.file), kind)
      const free = (): void => {
        release(content.body)
        release(read.file)
      }
      return { ...read, ...content, free }
    } catch (error) {
      release(read.file)
      throw error
    }
  }

  /** After the commit that holds it: the file may go. */
  #settled(name: string, refusal: Refusal | undefined, kind: 'journal' | 'batch'): void {
    if (refusal === undefined) {
      this.#stats.spoolFilesTaken[kind]++
      this.#remove(name)
    } else if (refusals[refusal.code].again) {
      // Without its version it counts as changed, so that a process that adds nothing more is not waited for.
      this.#know(name, { waits: false, refused: true, version: '', nextMs: this.#options.clock() + againMs })
    } else this.#reject(name, refusal.message)
  }

  #remove(name: string): void {
    this.#draining?.delete(name)
    try {
      this.#directory.remove(name)
      this.#known.delete(name)
    } catch (error) {
      if (isMissing(error)) return void this.#known.delete(name)
      if (this.#known.get(name)?.done !== true) {
        this.#options.log.error(
          { file: name, error: String(error) },
          'a spool file was counted but cannot be removed'
        )
      }
      this.#know(name, { waits: false, done: true, nextMs: this.#options.clock() + againMs })
    }
    if (this.#syncAt === Infinity) this.#syncAt = this.#options.clock() + syncMs
  }

  /** Nothing else is held up by a file that no later try can take. */
  #reject(name: string, reason: string): void {
    const { log, clock } = this.#options
    this.#stats.spoolFilesRejected++
    this.#draining?.delete(name)
    log.warn({ file: name, reason }, 'a spool file was rejected; it is kept in rejected/')
    try {
      this.#directory.reject(name, reason)
      this.#known.delete(name)
    } catch (error) {
      log.error({ file: name, error: String(error) }, 'a rejected spool file cannot be set aside')
      this.#know(name, { waits: false, nextMs: clock() + 60_000 })
    }
  }

  #know(name: string, change: Partial<Known>): void {
    const known = this.#known.get(name)
    if (known !== undefined) Object.assign(known, change)
    else
      this.#known.set(name, {
        version: '',
        changedMs: 0,
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

  /**
   * Writers whose journals somebody removed, or that were silent. A process that lives puts its journal there again
   * within minutes, and goes on under another name if it did not for an hour: so it is never asked for after that.
   */
  #forgetVanished(now: number): void {
    this.#vanishedAt = now
    const names = new Set(this.#names)
    const gone = this.#ledger.tellers.followedIds().filter((id) => {
      return !names.has(`${id}${journalSuffix}`) && !names.has(`${id}${silentSuffix}`)
    })
    const ids = new Set(gone)
    for (const id of this.#vanished.keys()) if (!ids.has(id)) this.#vanished.delete(id)
    for (const id of gone) {
      const since = this.#vanished.get(id) ?? now
      this.#vanished.set(id, since)
      if (now - since > this.#options.limits.journalSilenceUptimeMs) this.#receiver.forgetJournal(id)
    }
  }

  #sync(): void {
    this.#syncAt = Infinity
    this.#directory.sync()
  }
}

/** The key under which a whole journal is remembered, once it is final. */
function journalKey(id: string): BatchKey {
  return { id: digestOf(`journal ${id}`), digest: new Uint8Array(8) }
}

function expectKind(read: SpoolFile, kind: SpoolHeader['kind']): SpoolFile {
  if (read.header.kind === kind) return read
  throw new OtlpError('BAD_SPOOL_FILE', 10, `its name says ${kind}, its header ${read.header.kind}`)
}

function suffixOf(name: string): string | undefined {
  return [journalSuffix, batchSuffix, silentSuffix].find((suffix) => name.endsWith(suffix))
}

function isSpoolFile(name: string): boolean {
  return !name.startsWith('.') && suffixOf(name) !== undefined
}
