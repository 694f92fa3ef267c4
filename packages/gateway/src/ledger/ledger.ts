import { Refusal } from '../refusal.ts'
import { Accounts } from './accounts.ts'
import { ageWriters } from './aging.ts'
import type { Damage } from './damage.ts'
import { Exemplars } from './exemplars.ts'
import { ExpiryHold } from './expiry-hold.ts'
import { Expiry, type Lines } from './expiry.ts'
import type { LedgerLimits, LedgerOptions } from './ledger-options.ts'
import { groupSince } from './group.ts'
import { loadLedger } from './loading.ts'
import { OnceKeys } from './once-keys.ts'
import { countOverflow } from './overflow.ts'
import type { Posting } from './posting.ts'
import type { Label } from './pushed/family.ts'
import { PushedGroups } from './pushed/groups.ts'
import { Receipts } from './receipts.ts'
import { changeGauges, gaugesToChange, type PolicyOf } from './gauge-policies.ts'
import { Series, type SeriesMark } from './series.ts'
import { refusalOf, StoreError, type Group, type Store, type StoreIdentity } from './store.ts'
import { Tellers } from './tellers.ts'
import { report, showUse } from './usage.ts'
import type { WriterBook } from './writer-book.ts'

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
  /** What was found damaged when it was loaded. */
  readonly damage: Damage | undefined
  /** The ids of batches, and what was answered to each. */
  readonly receipts: Receipts = new Receipts(this)
  /** Which attempt at a unit of work counts. */
  readonly onceKeys: OnceKeys = new OnceKeys(this)
  /** What came by Pushgateway's API, and is no sum. */
  readonly pushed: PushedGroups = new PushedGroups()
  readonly exemplars: Exemplars
  /** What batches and journals tell, and of whom it is remembered what they told. */
  readonly tellers: Tellers
  readonly #options: LedgerOptions
  readonly #store: Store
  readonly #accounts: Accounts
  readonly #writers: WriterBook
  readonly #expiry = new Expiry()
  #lines: Lines | undefined
  #waiting: Posting[] = []
  #turn: NodeJS.Immediate | undefined
  readonly #expiryHold = new ExpiryHold('spool')
  #startedAt: number
  #savedUptimeMs: number
  #expiredUptimeMs = 0
  #agedUptimeMs = 0
  #failure: StoreError | undefined
  #isClosed = false
  readonly #afterCommit: ((born: readonly number[]) => void)[] = []
  readonly #afterEnd: ((ended: readonly number[]) => void)[] = []

  constructor(store: Store, options: LedgerOptions) {
    this.#store = store
    this.#options = options
    this.series = new Series(options.limits, options.translationStrategy)
    this.#accounts = new Accounts(this.series)
    this.series.metrics.families.besides = (name) => this.pushed.typeOf(name)
    this.exemplars = new Exemplars(this.series, () => this.limits.exemplarCountMax)
    this.#startedAt = options.clock()
    const { identity, writers, damage } = loadLedger(store, this, options.now())
    this.identity = identity
    this.#writers = writers
    this.tellers = new Tellers(this, this.#accounts, writers)
    this.#savedUptimeMs = this.identity.uptimeMs
    this.damage = damage
    if (damage !== undefined) this.#beginAnew(damage)
    this.#report()
    showUse(options.stats, this, this.#writers)
    options.stats.holdMs = () => options.hold().ms
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
    if (this.#isClosed) return // Doors shut before: its sender is gone.
    this.#waiting.push(posting)
    this.#turn ??= setImmediate(() => this.#run())
  }

  /** What shows the series: it says which of them may end, as it knows which are one line. */
  shownBy(lines: Lines): void {
    this.#lines = lines
    this.onCommit((born) => lines.keepUp(born))
    this.onEnd((ended) => lines.end(ended))
  }

  /** Whether a series is shown under this name with these labels. */
  shows(name: string, labels: readonly Label[]): boolean {
    return this.#lines?.has(name, labels) ?? false
  }

  /** Called after each commit, in its turn, with the series that it has born. */
  onCommit(listener: (born: readonly number[]) => void): void {
    this.#afterCommit.push(listener)
  }

  /** Called when series have ended, in the turn of that commit; their names can still be asked for. */
  onEnd(listener: (ended: readonly number[]) => void): void {
    this.#afterEnd.push(listener)
  }

  /** Keeps of gauges what the rules say now. Within `apply`. */
  changeGauges(policyOf: PolicyOf): void {
    changeGauges(this.series, this.#writers, gaugesToChange(this.series, policyOf))
  }

  /**
   * While anybody holds it, no id expires: as long as something in the spool may still come again (at the start before the
   * spool was drained; when a file that was taken cannot be removed).
   */
  holdExpiry(held: boolean, holder = 'spool'): void {
    this.#expiryHold.set(held, holder)
  }

  /** Shows scrapers from now on what was held for long enough. To be called before they are shown anything. */
  reveal(): void {
    if (this.#failure !== undefined || this.series.held.count === 0) return
    this.#now()
    if (this.series.held.due() !== undefined) this.#run(true)
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
    this.reveal()
    if (!this.#expiryHold.isHeld && this.#lines !== undefined) this.#expire(this.#lines)
  }

  /** Commits what waits, and closes the store. */
  close(): void {
    if (this.#failure === undefined) this.#run(true, true)
    this.#isClosed = true
    this.#store.close()
  }

  #now(): void {
    this.series.lives.now(this.uptimeMs, this.#options.now())
    this.series.held.now(this.uptimeMs, this.#options.hold())
  }

  #run(always = false, last = false): void {
    if (this.#isClosed) return // What was posted by who was told as one of the last.
    if (this.#turn !== undefined) clearImmediate(this.#turn)
    this.#turn = undefined
    const postings = this.#waiting
    if (postings.length === 0 && !always) return
    this.#waiting = []
    this.#now()
    const start = this.series.mark()
    const counted: Posting[] = []
    const refused: [Posting, Refusal][] = []
    for (const posting of postings) {
      const outcome = this.#apply(posting)
      if (outcome === undefined) counted.push(posting)
      else if (outcome !== 'later') refused.push([posting, outcome])
    }
    const failure = this.#commit(start, always, last)
    for (const posting of counted) posting.settle(failure)
    for (const [posting, refusal] of refused) posting.settle(refusal)
    if (failure === undefined) for (const listener of this.#afterCommit) listener(this.series.born)
    this.series.keep()
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

  #commit(start: SeriesMark, always: boolean, last: boolean): Refusal | undefined {
    const { pages, metrics, lives } = this.series
    const ids = this.receipts.ids.isChanged || this.onceKeys.ids.isChanged || this.pushed.isChanged
    const series = pages.dirty.length > 0 || metrics.isTypeChanged || lives.isBehind
    const nothing = !series && !ids && !this.#writers.isChanged
    if (nothing && !always) {
      this.series.undo(start) // Metrics of points that were rejected: what is not stored must not be numbered.
      return undefined
    }
    return this.#write(start, this.#group(start, last))
  }

  #write(start: SeriesMark, group: Group): Refusal | undefined {
    const { stats, clock } = this.#options
    const begun = clock()
    try {
      this.#store.commit(group)
    } catch (error) {
      return this.#rollBack(start, error)
    }
    stats.commits++
    stats.commitSeconds += (clock() - begun) / 1000
    this.series.pages.clean()
    this.#writers.commit()
    countOverflow(stats, this.series, this.#accounts.overflowed)
    this.#accounts.overflowed.clear()
    this.series.metrics.commit()
    this.series.lives.saved()
    if (group.revealed !== undefined) this.series.reveal(group.revealed)
    this.receipts.ids.commit(group.expireBeforeUptimeMs)
    this.onceKeys.ids.commit(group.expireOnceBeforeUptimeMs)
    this.pushed.commit()
    this.#savedUptimeMs = group.uptimeMs
    this.#report()
    return undefined
  }

  #group(start: SeriesMark, last = false): Group {
    const { uptimeMs } = this
    const expires = !this.#expiryHold.isHeld && uptimeMs - this.#expiredUptimeMs >= uptimeSaveMs
    if (expires) this.#expiredUptimeMs = uptimeMs
    return groupSince(start, this, this.#writers, { uptimeMs, expires, last })
  }

  /** Ends lines that are idle for too long, in a commit of their own: nothing is dirty then, and nothing was born. */
  #expire(lines: Lines): void {
    this.#run()
    if (this.#failure !== undefined) return
    const { series } = this
    const ended = this.#expiry.due(series, this.#writers, lines, this.#options.ttl, this.uptimeMs)
    if (ended.length === 0) return
    series.lives.end(this.#options.now())
    const { lastEndUnixMs } = series.lives
    const start = series.mark()
    if (this.#write(start, { ...this.#group(start), ended, lastEndUnixMs }) !== undefined) return
    for (const listener of this.#afterEnd) listener(ended)
    for (const id of ended) this.exemplars.forget(id)
    series.end(ended)
    this.#options.stats.seriesEnded += ended.length
    this.#report()
  }

  /** Stores what became of damaged pages, before anything is shown of them. */
  #beginAnew({ ended, restarted, pages }: Damage): void {
    const { series } = this
    series.lives.end(this.#options.now())
    this.#store.commit({
      ...this.#group(series.mark()),
      ended: [...ended, ...restarted],
      series: restarted.map((id) => series.rowOf(id)),
      setAside: pages,
      lastEndUnixMs: series.lives.lastEndUnixMs,
    })
    series.pages.clean()
    series.end(ended)
    this.#options.stats.pagesDamaged += pages.length
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
    this.receipts.ids.undo()
    this.onceKeys.ids.undo()
    this.pushed.rollBack()
    this.#writers.rollBack()
    this.#accounts.overflowed.clear()
    return failure.code === 'full' ? refusalOf(failure) : this.#fail(failure)
  }

  #fail(failure: StoreError): Refusal {
    this.#failure = failure
    setImmediate(() => this.#options.onFailed(failure)) // After all who wait were told.
    return refusalOf(failure)
  }

  #report(): void {
    report(this.#options.stats, this, this.#writers)
  }
}
