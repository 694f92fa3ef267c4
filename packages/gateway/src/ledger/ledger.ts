import assert from 'node:assert/strict'
import { Refusal, type RejectionReason } from '../refusal.ts'
import type { Stats } from '../stats.ts'
import { Accounts, type Telling } from './accounts.ts'
import { ageWriters, type AgingLimits } from './aging.ts'
import type { Entries } from './entries.ts'
import { Exemplars } from './exemplars.ts'
import { OnceKeys } from './once-keys.ts'
import { countOverflow } from './overflow.ts'
import { Receipts } from './receipts.ts'
import { changeGauges, gaugesToChange, type PolicyOf } from './gauge-policies.ts'
import { Series, type SeriesLimits, type SeriesMark } from './series.ts'
import { StoreError, type Group, type Store, type StoreIdentity } from './store.ts'
import { showUse } from './usage.ts'
import { WriterBook } from './writer-book.ts'
import type { Writer } from './writers.ts'

export interface LedgerLimits extends SeriesLimits, AgingLimits {
  batchIdCountMax: number
  onceKeyCountMax: number
  onceWindowMs: number
  exemplarCountMax: number
  retryWindowMs: number
  boundsCountMax: number
  bucketCountMax: number
  metricCountMax: number
  metricBytesTotalMax: number
  descriptionBytesMax: number
  bodyCellCountMax: number
  nameBytesMax: number
}

export interface LedgerOptions {
  limits: LedgerLimits
  stats: Stats
  /** Milliseconds from any fixed point, never backwards: only differences count. */
  clock: () => number
  /** The disk failed: what it holds is not known. The ledger takes nothing more; the process should end with 3. */
  onFailed: (error: StoreError) => void
}

/** Something to be decided, added and made durable in the next turn. */
export interface Posting {
  /**
   * Decides what of it counts and adds that. Runs within the turn, and nothing else beside it. Throws a Refusal where
   * nothing of it may count: nothing must have been added before. `later`: it cannot be decided yet, and posts itself again.
   */
  apply(): 'later' | undefined
  /** Told once, after the commit: undefined when it is durable, else why nothing of it was applied. */
  settle(refusal: Refusal | undefined): void
}

/** How often silent writers are looked for. */
const agingMs = 2000
/** Ids age even when nothing comes; their uptime is saved this often. */
const uptimeSaveMs = 10_000

/**
 * The sums, and what is remembered so that nothing is added twice. What is posted between two turns of the event loop is
 * one group: decided, added, committed and answered in one turn, so that memory is never ahead of the disk when anything
 * else runs (law 3), and a failure takes back the whole group.
 */
export class Ledger {
  readonly series: Series
  readonly identity: StoreIdentity
  /** The ids of batches, and what was answered to each. */
  readonly receipts: Receipts = new Receipts(this)
  /** Which attempt at a unit of work counts. */
  readonly onceKeys: OnceKeys = new OnceKeys(this)
  readonly exemplars: Exemplars
  readonly #options: LedgerOptions
  readonly #store: Store
  readonly #accounts: Accounts
  #writers = new WriterBook(0)
  #waiting: Posting[] = []
  #turn: NodeJS.Immediate | undefined
  #holdsExpiry = true
  #startedAt: number
  #savedUptimeMs: number
  #expiredUptimeMs = 0
  #agedUptimeMs = 0
  #failure: StoreError | undefined
  #afterCommit: (() => void)[] = []

  constructor(store: Store, options: LedgerOptions) {
    this.#store = store
    this.#options = options
    this.series = new Series(options.limits)
    this.#accounts = new Accounts(this.series)
    this.exemplars = new Exemplars(this.series, () => this.limits.exemplarCountMax)
    this.#startedAt = options.clock()
    this.identity = this.#load()
    this.#savedUptimeMs = this.identity.uptimeMs
    this.#report()
    showUse(options.stats.used, this, this.#writers)
  }

  get limits(): LedgerLimits {
    return this.#options.limits
  }

  /** How long gateways have served this ledger, all starts together. */
  get uptimeMs(): number {
    return this.identity.uptimeMs + (this.#options.clock() - this.#startedAt)
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  post(posting: Posting): void {
    this.#waiting.push(posting)
    this.#turn ??= setImmediate(() => this.#run())
  }

  /** Called after each commit, in its turn. */
  onCommit(listener: () => void): void {
    this.#afterCommit.push(listener)
  }

  /** Throws where so many further writers of running totals cannot be followed. Within `apply`, before anything is added. */
  requireRoomForWriters(count: number): void {
    const { writerCountMax, writerCellCountMax } = this.limits
    if (count === 0) return
    if (this.#writers.size + count <= writerCountMax && this.#writers.cellCount < writerCellCountMax) return
    throw new Refusal(
      'WRITERS_FULL',
      `${this.#writers.size} writers are followed by ${this.#writers.cellCount} numbers, and ${writerCountMax} by ` +
        `${writerCellCountMax} is the limit; others wait`
    )
  }

  /** Adds to a series. Within `apply`, when nothing can fail any more. */
  add(series: number, amount: number): void {
    this.series.pages.add(this.series.slotOf(series), amount)
  }

  /**
   * Adds what a batch's entries say, running totals by what their writers told before. Within `apply`, when nothing can
   * fail any more; `reject` is told of points that turn out not to fit. Returns how many counted, and how many were no
   * later than what was told before.
   */
  addBatch(
    entries: Entries,
    reject: (reason: RejectionReason, series: number) => void
  ): { points: number; old: number } {
    const accounts = this.#accounts
    accounts.post(entries, reject)
    let { points, old } = accounts
    for (const [at, id] of entries.writers.entries()) {
      const before = this.#writers.get(id)
      const horizonUnixNano =
        before?.horizonUnixNano ?? Math.max(this.identity.createdUnixNano, this.#writers.horizonUnixNano)
      const records = accounts.tellTimed(entries, at, before, horizonUnixNano, this.#mayGrow(), reject)
      this.#writers.set(id, { sequence: 1, seenUptimeMs: this.uptimeMs, horizonUnixNano, records })
      points += accounts.points
      old += accounts.old
    }
    return { points, old }
  }

  /** Whether writers may tell of series that they had not told of. */
  #mayGrow(): boolean {
    return this.#writers.cellCount < this.limits.writerCellCountMax
  }

  /** The same for a checkpoint of a journal, by its difference from the one before. */
  addJournal(
    id: string,
    sequence: number,
    entries: Entries,
    telling: Omit<Telling, 'mayGrow'>,
    reject: (reason: RejectionReason, series: number) => void
  ): number {
    const before = this.#writers.get(id)
    const mayGrow = telling.final || this.#mayGrow()
    const records = this.#accounts.tellJournal(entries, before, { ...telling, mayGrow }, reject)
    const writer = { sequence, seenUptimeMs: this.uptimeMs, horizonUnixNano: 0, records }
    this.#writers.set(id, telling.final ? undefined : writer)
    return this.#accounts.points
  }

  /** Notes where a journal begins: what it tells beyond these entries counts. Within `apply`, before `addJournal`. */
  noteJournal(id: string, entries: Entries, reject: (reason: RejectionReason, series: number) => void): void {
    const records = this.#accounts.noteJournal(entries, reject)
    this.#writers.set(id, { sequence: 0, seenUptimeMs: this.uptimeMs, horizonUnixNano: 0, records })
  }

  /** Follows a journal no further: what it told stays counted, what it held of levels goes. Within `apply`. */
  forgetWriter(id: string): void {
    const writer = this.#writers.get(id)
    if (writer === undefined) return
    this.#accounts.takeOut(writer.records, 0)
    this.#writers.set(id, undefined)
  }

  /** Keeps of gauges what the rules say now. Within `apply`. */
  changeGauges(policyOf: PolicyOf): void {
    changeGauges(this.series, this.#writers, gaugesToChange(this.series, policyOf))
  }

  writer(id: string): Writer | undefined {
    return this.#writers.get(id)
  }

  /** The writers that are followed by their journals. */
  journalIds(): string[] {
    return this.#writers.journalIds()
  }

  /**
   * While held, no id expires: as long as something in the spool may still come again (at the start before the spool was
   * drained; when a file that was taken cannot be removed).
   */
  holdExpiry(held: boolean): void {
    this.#holdsExpiry = held
  }

  /** Saves the uptime and forgets old ids. To be called every few seconds; does nothing when there is nothing to do. */
  tick(): void {
    if (this.#failure !== undefined) return
    if (this.uptimeMs - this.#agedUptimeMs >= agingMs) {
      this.#agedUptimeMs = this.uptimeMs
      const apply = (): undefined => {
        ageWriters(this.#writers, this.#accounts, this.limits, this.uptimeMs)
      }
      this.post({ apply, settle: () => undefined })
    }
    if (this.uptimeMs - this.#savedUptimeMs >= uptimeSaveMs) this.#run(true)
  }

  /** Commits what waits, and closes the store. */
  close(): void {
    if (this.#failure === undefined) this.#run(true)
    this.#store.close()
  }

  #run(always = false): void {
    if (this.#turn !== undefined) clearImmediate(this.#turn)
    this.#turn = undefined
    const postings = this.#waiting
    if (postings.length === 0 && !always) return
    this.#waiting = []
    const start = this.series.mark()
    const counted: Posting[] = []
    const refused: [Posting, Refusal][] = []
    for (const posting of postings) {
      const outcome = this.#apply(posting)
      if (outcome === undefined) counted.push(posting)
      else if (outcome !== 'later') refused.push([posting, outcome])
    }
    const failure = this.#commit(start, always)
    for (const posting of counted) posting.settle(failure)
    for (const [posting, refusal] of refused) posting.settle(refusal)
    if (failure === undefined) for (const listener of this.#afterCommit) listener()
  }

  #apply(posting: Posting): Refusal | 'later' | undefined {
    if (this.#failure !== undefined) return refusalOf(this.#failure)
    const before = this.series.mark()
    try {
      return posting.apply()
    } catch (error) {
      this.series.undo(before)
      if (error instanceof Refusal) return error
      this.#options.stats.bugs++
      return new Refusal('INTERNAL', `a bug in the gateway: ${String(error)}; nothing of this was counted`, {
        cause: error,
      })
    }
  }

  #commit(start: SeriesMark, always: boolean): Refusal | undefined {
    const { pages, metrics } = this.series
    const ids = this.receipts.isChanged || this.onceKeys.isChanged
    const nothing = pages.dirty.length === 0 && !ids && !this.#writers.isChanged && !metrics.isTypeChanged
    if (nothing && !always) {
      this.series.undo(start) // Metrics of points that were rejected: what is not stored must not be numbered.
      return undefined
    }
    const group = this.#group(start)
    const { stats, clock } = this.#options
    const begun = clock()
    try {
      this.#store.commit(group)
    } catch (error) {
      return this.#rollBack(start, error)
    }
    stats.commits++
    stats.commitSeconds += (clock() - begun) / 1000
    pages.clean()
    this.#writers.commit()
    countOverflow(stats, this.series, this.#accounts.overflowed)
    this.#accounts.overflowed.clear()
    this.series.metrics.commit()
    this.receipts.commit(group.expireBeforeUptimeMs)
    this.onceKeys.commit(group.expireOnceBeforeUptimeMs)
    this.#savedUptimeMs = group.uptimeMs
    this.#report()
    return undefined
  }

  #group(start: SeriesMark): Group {
    const { series } = this
    const { metrics, pages } = series
    const uptimeMs = this.uptimeMs
    const rows: Group['series']['rows'][number][] = []
    for (let id = start.series; id < series.count; id++) {
      rows.push({ metric: series.metricOf(id), slot: series.slotOf(id), attributes: series.attributesOf(id) })
    }
    const expires = !this.#holdsExpiry && uptimeMs - this.#expiredUptimeMs >= uptimeSaveMs
    if (expires) this.#expiredUptimeMs = uptimeMs
    return {
      uptimeMs,
      resources: { first: start.metrics.resources, rows: metrics.resources.slice(start.metrics.resources) },
      scopes: { first: start.metrics.scopes, rows: metrics.scopes.slice(start.metrics.scopes) },
      metrics: { first: start.metrics.metrics, rows: metrics.metrics.slice(start.metrics.metrics) },
      changedMetrics: metrics.changed(),
      series: { first: start.series, rows },
      bounds: { first: start.bounds, rows: series.bounds.sets.slice(start.bounds) },
      pages: pages.dirty.map((page) => ({ page, bytes: pages.seal(page) })),
      receipts: this.receipts.row(uptimeMs),
      onceKeys: this.onceKeys.row(uptimeMs),
      writers: this.#writers.rows(),
      horizonUnixNano: this.#writers.movedHorizonUnixNano,
      expireBeforeUptimeMs: expires ? Math.max(0, uptimeMs - this.limits.retryWindowMs) : 0,
      expireOnceBeforeUptimeMs: expires ? Math.max(0, uptimeMs - this.limits.onceWindowMs) : 0,
    }
  }

  /** Memory as it was before the group: the pages read again, what was born, remembered and told taken back. */
  #rollBack(start: SeriesMark, error: unknown): Refusal {
    const failure =
      error instanceof StoreError ? error : new StoreError('failed', String(error), { cause: error })
    const { pages } = this.series
    this.#options.stats.commitsFailed++
    try {
      for (const page of pages.dirty) pages.restore(page, this.#store.page(page))
      pages.clean()
    } catch (cause) {
      return this.#fail(new StoreError('failed', 'the pages could not be read again', { cause }))
    }
    this.series.undo(start)
    this.series.metrics.rollBack()
    this.receipts.rollBack()
    this.onceKeys.rollBack()
    this.#writers.rollBack()
    this.#accounts.overflowed.clear()
    return failure.code === 'full' ? refusalOf(failure) : this.#fail(failure)
  }

  #fail(failure: StoreError): Refusal {
    this.#failure = failure
    setImmediate(() => this.#options.onFailed(failure)) // After all who wait were told.
    return refusalOf(failure)
  }

  #load(): StoreIdentity {
    const { series } = this
    const told: [string, number, Uint8Array][] = []
    const identity = this.#store.load({
      resource: (attributes) => series.metrics.bearResource(attributes),
      scope: (row) => series.metrics.bearScope(row),
      metric: (metric) => series.metrics.bearMetric(metric),
      series: (row) => series.bear(row.metric, row.attributes, row.slot),
      bounds: (values) => series.bounds.bear(values),
      page: (page, bytes) => series.pages.restore(page, bytes),
      receipts: (row) => this.receipts.restore(row),
      onceKeys: (row) => this.onceKeys.restore(row),
      writer: (id, sequence, totals) => told.push([id, sequence, totals]),
    })
    series.claim()
    this.#writers = new WriterBook(identity.horizonUnixNano)
    for (const writer of told) this.#writers.restore(...writer)
    assert(identity.ledgerId !== '', 'BUG: a ledger without an id')
    return identity
  }

  #report(): void {
    const { stats } = this.#options
    stats.series = this.series.count
    stats.batchIds = this.receipts.count
    stats.onceKeys = this.onceKeys.count
    stats.writers = this.#writers.journalCount
    stats.senders = this.#writers.size - this.#writers.journalCount
  }
}

function refusalOf(failure: StoreError): Refusal {
  return failure.code === 'full'
    ? new Refusal(
        'STORE_FULL',
        `the disk of the gateway is full: ${failure.message}; nothing was applied, try again`
      )
    : new Refusal('STORE_FAILED', `the store failed: ${failure.message}; nothing was applied, try again`)
}
