import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { BatchKey } from '../../ledger/dedup.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { followedPrefix } from '../../ledger/writer-book.ts'
import type { Log } from '../../log.ts'
import { type Refusal, refusals } from '../../refusal.ts'
import { countUp, type Stats } from '../../stats.ts'
import { digestOf } from '../body.ts'
import type { Receiver } from '../receive.ts'
import { codeOf, isMissing } from '../spool-directory.ts'
import { MultiprocessDirectory, type FilePlace, type ReadFile } from './directory.ts'
import { FileFormatError, FileReader, parseFileName } from './file-format.ts'
import { type FollowedFile, newFile } from './followed-file.ts'
import { GaugeStore } from './gauge-store.ts'
import { GaugeTeller } from './gauge-teller.ts'
import type { GaugeFile } from './gauges.ts'
import { LostWriters } from './lost-writers.ts'
import { PointWriter } from './points.ts'
import { isLower, resetBaseline, steadied } from './totals.ts'
import { Upkeep } from './upkeep.ts'
import type { FileWriters, PidNames, ProcessView } from './writers.ts'

export interface FollowerOptions {
  directory: string
  /** The `job` of all that comes from it. */
  job: string
  view: ProcessView
  /** Read each time: a reload may change them. */
  limits: { multiprocessFileBytesMax: number; multiprocessSilenceMs: number; deadGaugeCountMax: number }
  /** Where the gateway keeps what is its own. */
  dataDir: string
  writers: FileWriters
  /** Between two looks, at least; and no more than a tenth of the time is spent looking. */
  lookMs: number
  /** Milliseconds from any fixed point, never backwards. */
  clock: () => number
  log: Log
}

/** Files are read for this long in one turn of the event loop, then others have theirs. */
const sliceMs = 5
/** A file that has not changed for long is read less often: after this share of that time, and this at most. */
const idleShare = 0.1
const idleMsMax = 5000
/** How often it is asked whether the process of a file lives. */
const ownerMs = 1000
/** What could not be done for now is tried again after this. */
const againMs = 1000
/** What is wrong with a file or a directory, and will hardly be right soon, after this. */
const complaintMs = 30_000
/** A file that cannot be read is set aside when it was so for this long: its process may be in the middle of it. */
const wrongMs = 5000
/** A total that is lower than before is so for good when it was so for this long. */
const lowerMs = 2000

const nothing = new Uint8Array(0)

/** Follows the files of one directory: what is new in them is added, those of dead processes go. */
export class Follower {
  readonly #receiver: Receiver
  readonly #ledger: Ledger
  readonly #stats: Stats
  readonly #options: FollowerOptions
  readonly #reader = new FileReader()
  readonly #points = new PointWriter()
  readonly #directory: MultiprocessDirectory
  readonly #upkeep: Upkeep
  readonly #gauges: GaugeTeller
  /** By their name, or the one that they have aside. */
  readonly #files = new Map<string, FollowedFile>()
  readonly #lost: LostWriters
  /** What stands before the ids of this directory's writers. */
  readonly #prefix: string
  readonly #holder: string
  #places: FilePlace[] = []
  /** By a process of this directory that was seen. */
  #names: PidNames | undefined
  #lookedMs = 0
  #timer: NodeJS.Timeout | undefined
  #slice: NodeJS.Immediate | undefined

  /** Begins to look. Throws a SpoolDirError where another gateway has the directory. */
  constructor(receiver: Receiver, ledger: Ledger, stats: Stats, options: FollowerOptions) {
    this.#receiver = receiver
    this.#ledger = ledger
    this.#stats = stats
    this.#options = options
    const id = createHash('sha256').update(options.directory).digest('hex').slice(0, 12)
    this.#prefix = `${followedPrefix}${id}:`
    this.#holder = this.#prefix
    this.#directory = new MultiprocessDirectory(options.directory, options.limits, this.#reader)
    const store = new GaugeStore(join(options.dataDir, 'multiprocess', `${id}.json`))
    this.#gauges = new GaugeTeller(receiver, this.#points, { store, ...options })
    this.#upkeep = new Upkeep(this.#directory, ledger.identity.ledgerId, {
      log: options.log,
      onUnusable: () => countUp(stats.multiprocess.rejected, 'directory_unusable'),
      onGone: (aside) => this.#gauges.forget(aside),
    })
    this.#lost = new LostWriters(ledger.tellers.followedIds(this.#prefix), options.clock())
    ledger.holdExpiry(true, this.#holder)
    this.#look()
  }

  /** Looks no more. What was posted is committed when the ledger closes. */
  close(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#slice)
    this.#upkeep.close()
  }

  #look(): void {
    const { clock } = this.#options
    const now = clock()
    const places = this.#upkeep.look(now)
    this.#places = places ?? []
    if (places !== undefined) this.#forgetGone()
    this.#lookedMs = clock() - now
    this.#takeSlice()
  }

  /** Takes files for a few milliseconds, then lets others run; at the end of the list, plans the next look. */
  #takeSlice(): void {
    const { clock } = this.#options
    const began = clock()
    while (this.#places.length > 0 && clock() - began < sliceMs) this.#take(this.#places.pop() as FilePlace)
    this.#lookedMs += clock() - began
    if (this.#places.length > 0) {
      this.#slice = setImmediate(() => this.#takeSlice())
      return
    }
    const living: GaugeFile[] = []
    for (const { name, content, isBuried } of this.#files.values())
      if (name.type === 'gauge' && content !== undefined && !isBuried) living.push({ name, content })
    if (this.#gauges.tell(living)) this.#removeBuried()
    this.#report()
    this.#timer = setTimeout(() => this.#look(), Math.max(this.#options.lookMs, this.#lookedMs * 10))
  }

  #report(): void {
    let isStuck = false
    for (const file of this.#files.values()) isStuck ||= file.isDone || file.isRefused
    this.#ledger.holdExpiry(isStuck, this.#holder)
    this.#stats.multiprocess.followed.set(this.#options.directory, this.#files.size)
  }

  #take(place: FilePlace): void {
    const id = place.aside ?? place.name
    const file = this.#files.get(id) ?? this.#found(id, place)
    const now = this.#options.clock()
    if (file === undefined || file.waits || (file.isBuried && !file.isDone) || now < file.nextMs) return
    try {
      if (file.isDone) this.#remove(file)
      else if (place.aside !== undefined && this.#isTaken(place.aside)) this.#finish(file)
      else this.#follow(file, this.#directory.read(place))
    } catch (error) {
      this.#failed(file, error)
    }
  }

  /** Notes a file that is new; undefined for what is none of prometheus_client's. */
  #found(id: string, place: FilePlace): FollowedFile | undefined {
    const name = parseFileName(place.name)
    if (name === undefined) return undefined
    const file = newFile(place, name, this.#options.clock())
    this.#files.set(id, file)
    return file
  }

  /** Its content is in the ledger for good, or kept: the gateway died before it was removed. */
  #isTaken(aside: string): boolean {
    return this.#gauges.isBuried(aside) || this.#ledger.receipts.seen(finalKey(aside)) !== undefined
  }

  /** Looks at a file as it is now: what is new in it, and whether its process lives. */
  #follow(file: FollowedFile, read: ReadFile): void {
    const { clock } = this.#options
    const now = clock()
    if (file.identity !== read.identity) this.#begin(file, read)
    const isNews = file.read === undefined || read.before !== undefined || !read.used.equals(file.read)
    if (isNews) {
      file.changedMs = now
      file.nextMs = 0
    } else file.nextMs = now + Math.min(idleMsMax, (now - file.changedMs) * idleShare)
    const isOver = now >= file.askedMs && this.#isOver(file, now)
    if (file.name.type === 'gauge') this.#followGauge(file, read, isNews, isOver)
    else if ((isNews && read.used.length > 8) || isOver)
      this.#postTotals(file, isOver ? this.#directory.read(file.place) : read, isOver)
  }

  /** Another file than before stands under this name, or it was never read. */
  #begin(file: FollowedFile, read: ReadFile): void {
    this.#lost.add(file.writer, this.#options.clock())
    const base = `${this.#prefix}${file.place.name}:${read.identity}`
    Object.assign(file, newFile(file.place, file.name, this.#options.clock()), {
      identity: read.identity,
      open: { inode: read.inode, uid: read.uid, process: file.name.process },
      writer: this.#lost.take(base) ?? `${base}/0`,
    })
  }

  /** Whether no process can write it any more. One that stands where processes look for it is put aside first. */
  #isOver(file: FollowedFile, now: number): boolean {
    const { writers, view, limits } = this.#options
    const { open } = file
    if (open === undefined) return false
    const life = writers.lifeOf(open, file.askedSinceMs, view, this.#names)
    if (life === 'alive') this.#names ??= writers.namesBy(open)
    file.askedMs = now + ownerMs
    const isSilent = life === 'unknown' && now - file.changedMs > limits.multiprocessSilenceMs
    if (life === 'alive') file.askedSinceMs = now
    if (life !== 'dead' && !isSilent) return false
    if (file.place.aside !== undefined) return true
    this.#setAside(file)
    return false
  }

  /** A process that has its pid may have found it before that: so it is asked once more. */
  #setAside(file: FollowedFile): void {
    const { name } = file.place
    const aside = this.#directory.setAside(name)
    const now = this.#options.clock()
    this.#files.delete(name)
    Object.assign(file, { place: { name, aside }, askedMs: 0, askedSinceMs: now, nextMs: 0 })
    this.#files.set(aside, file)
  }

  #followGauge(file: FollowedFile, read: ReadFile, isNews: boolean, isOver: boolean): void {
    const last = isOver ? this.#directory.read(file.place) : read
    if (isNews || isOver) {
      file.content = this.#reader.read(last.used)
      file.read = last.used
      file.wrongSinceMs = undefined
      this.#gauges.changed()
    }
    if (!isOver) return
    file.isBuried = true
    this.#gauges.bury(file.place.aside as string, {
      name: file.name,
      content: file.content as GaugeFile['content'],
    })
  }

  #postTotals(file: FollowedFile, read: ReadFile, final: boolean): void {
    const { clock, job } = this.#options
    let content = this.#reader.read(read.used)
    file.wrongSinceMs = undefined
    if (read.before !== undefined) content = steadied(content, this.#reader.read(read.before))
    let baseline: Uint8Array = nothing
    let { writer } = file
    if (file.content !== undefined && isLower(file.name.type, file.content, content)) {
      file.lowerSinceMs ??= clock()
      if (!final && clock() - file.lowerSinceMs < lowerMs) return
      // Reset by its process: what it has now is beside what it had.
      const from = resetBaseline(file.name.type, file.content, content)
      if (from !== undefined) baseline = this.#points.totals(file.name.type, from, job, Date.now())
      writer = nextWriter(file.writer)
    }
    file.lowerSinceMs = undefined
    const { writer: before, place } = file
    const settle = (refusal: Refusal | undefined): void => {
      file.waits = false
      if (refusal !== undefined) return this.#refused(file, refusal)
      file.isRefused = false
      file.writer = writer
      file.content = content
      file.read = read.used
      if (final) this.#finish(file)
    }
    file.waits = true
    const body = this.#points.totals(file.name.type, content, job, Date.now())
    const sequence = (this.#ledger.tellers.get(writer)?.sequence ?? 0) + 1
    const key = finalKey(final ? (place.aside as string) : writer)
    const replaces = writer === before ? {} : { replaces: before }
    this.#receiver.journal({ writer, sequence, ended: true, final, key, body, baseline, ...replaces, settle })
  }

  #refused(file: FollowedFile, refusal: Refusal): void {
    file.read = undefined
    if (!refusals[refusal.code].again) return this.#reject(file, 'refused', refusal.message)
    file.isRefused = true
    file.nextMs = this.#options.clock() + againMs
  }

  /** After the commit that holds it: the file may go. */
  #finish(file: FollowedFile): void {
    this.#stats.multiprocess.taken++
    file.isDone = true
    try {
      this.#remove(file)
    } catch (error) {
      this.#failed(file, error)
    }
  }

  #removeBuried(): void {
    for (const file of this.#files.values()) if (file.isBuried && !file.isDone) this.#finish(file)
  }

  #remove(file: FollowedFile): void {
    const aside = file.place.aside as string
    try {
      this.#directory.remove(aside)
    } catch (error) {
      if (!isMissing(error)) throw error
    }
    this.#forget(aside, file)
    this.#upkeep.removed(aside, this.#options.clock())
  }

  #forget(id: string, file: FollowedFile): void {
    this.#files.delete(id)
    if (file.open !== undefined) this.#options.writers.forget(file.open.inode)
  }

  /** Files that somebody else removed: what they told stays counted, and is remembered, as they may come again. */
  #forgetGone(): void {
    const now = this.#options.clock()
    const ids = new Set(this.#places.map(({ name, aside }) => aside ?? name))
    for (const [id, file] of this.#files) if (!file.waits && !ids.has(id)) this.#lose(id, file)
    for (const writer of this.#lost.since(now - this.#options.limits.multiprocessSilenceMs))
      this.#receiver.forgetJournal(writer)
  }

  #lose(id: string, file: FollowedFile): void {
    this.#forget(id, file)
    if (file.name.type === 'gauge') this.#gauges.changed()
    else this.#lost.add(file.writer, this.#options.clock())
  }

  #failed(file: FollowedFile, error: unknown): void {
    if (isMissing(error)) return // Gone while it was looked at.
    const now = this.#options.clock()
    if (error instanceof FileFormatError) {
      file.wrongSinceMs ??= now
      if (now - file.wrongSinceMs < wrongMs) return
      return this.#reject(file, 'not_readable', error.message)
    }
    if (codeOf(error) === 'ELOOP') return this.#reject(file, 'not_readable', 'it is a symbolic link')
    file.nextMs = now + complaintMs
    file.askedMs = now + complaintMs
    const code = codeOf(error)
    countUp(this.#stats.multiprocess.rejected, typeof code === 'string' ? code : 'error')
    const hint = 'let the user that the gateway runs as read it, and write into its directory'
    this.#options.log.warn(
      { file: file.place.name, error: String(error) },
      `a multiprocess file stays: ${hint}`
    )
  }

  /** Nothing else is held up by a file that no later try can take. What it told before stays counted. */
  #reject(file: FollowedFile, reason: string, message: string): void {
    const { log, clock, directory } = this.#options
    countUp(this.#stats.multiprocess.rejected, reason)
    const where = join(directory, '.swansong/rejected')
    log.warn(
      { file: file.place.name, reason: message },
      `a multiprocess file was rejected; it is kept in ${where}`
    )
    try {
      this.#directory.reject(file.place, message)
      this.#lose(file.place.aside ?? file.place.name, file)
    } catch (error) {
      log.error(
        { file: file.place.name, error: String(error) },
        'a rejected multiprocess file cannot be set aside'
      )
      file.nextMs = clock() + complaintMs
    }
  }
}

/** Under which a file is remembered when it was taken for good, by its name aside: no other ever has that. */
function finalKey(name: string): BatchKey {
  return { id: digestOf(`multiprocess ${name}`), digest: new Uint8Array(8) }
}

/** What stands behind the slash counts how often the file began anew. */
function nextWriter(writer: string): string {
  const slash = writer.lastIndexOf('/')
  return `${writer.slice(0, slash)}/${Number(writer.slice(slash + 1)) + 1}`
}
