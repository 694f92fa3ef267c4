import { Refusal, type RejectionReason } from '../refusal.ts'
import type { Accounts, Telling } from './accounts.ts'
import type { Entries } from './entries.ts'
import type { LedgerLimits } from './ledger-options.ts'
import type { Series } from './series.ts'
import type { StoreIdentity } from './store.ts'
import type { WriterBook } from './writer-book.ts'
import type { Writer } from './writers.ts'

/** What of its ledger is asked. */
interface Told {
  readonly series: Series
  readonly identity: StoreIdentity
  readonly limits: LedgerLimits
  readonly uptimeMs: number
}

type Reject = (reason: RejectionReason, series: number) => void

/**
 * Adds what batches and journals tell, running totals by what their writers told before. All of it is called within `apply`,
 * and what adds when nothing can fail any more; `reject` is told of points that turn out not to fit.
 */
export class Tellers {
  readonly #ledger: Told
  readonly #accounts: Accounts
  readonly #writers: WriterBook

  constructor(ledger: Told, accounts: Accounts, writers: WriterBook) {
    this.#ledger = ledger
    this.#accounts = accounts
    this.#writers = writers
  }

  get(id: string): Writer | undefined {
    return this.#writers.get(id)
  }

  /** The writers that are followed by their journals; or by files of other kinds, whose ids begin so. */
  followedIds(prefix?: string): string[] {
    return prefix === undefined ? this.#writers.journalIds() : this.#writers.idsWith(prefix)
  }

  /** Throws where so many further writers of running totals cannot be followed. Before anything is added. */
  requireRoom(count: number): void {
    const { writerCountMax, writerCellCountMax } = this.#ledger.limits
    if (count === 0) return
    if (this.#writers.size + count <= writerCountMax && this.#writers.cellCount < writerCellCountMax) return
    throw new Refusal(
      'WRITERS_FULL',
      `${this.#writers.size} writers are followed by ${this.#writers.cellCount} numbers, and ${writerCountMax} by ` +
        `${writerCellCountMax} is the limit; others wait`
    )
  }

  /** Adds a batch. Returns how many points counted, and how many were no later than what was told before. */
  addBatch(entries: Entries, reject: Reject): { points: number; old: number } {
    const accounts = this.#accounts
    const { series, identity, uptimeMs } = this.#ledger
    series.lives.touch(entries.series, entries.count)
    accounts.post(entries, reject)
    let { points, old } = accounts
    for (const [at, id] of entries.writers.entries()) {
      const before = this.#writers.get(id)
      const horizonUnixNano =
        before?.horizonUnixNano ?? Math.max(identity.createdUnixNano, this.#writers.horizonUnixNano)
      const records = accounts.tellTimed(entries, at, before, horizonUnixNano, this.#mayGrow(), reject)
      this.#writers.set(id, { sequence: 1, seenUptimeMs: uptimeMs, horizonUnixNano, records })
      points += accounts.points
      old += accounts.old
    }
    return { points, old }
  }

  /** Adds a checkpoint of a journal, by its difference from the one before. Returns how many series had grown. */
  addJournal(
    id: string,
    sequence: number,
    entries: Entries,
    telling: Pick<Telling, 'counts' | 'final'>,
    reject: Reject
  ): number {
    const { series, uptimeMs } = this.#ledger
    series.lives.touch(entries.series, entries.count)
    const before = this.#writers.get(id)
    const horizonUnixNano = before?.horizonUnixNano ?? 0
    const room = { mayGrow: telling.final || this.#mayGrow(), hasForgotten: horizonUnixNano > 0 }
    const records = this.#accounts.tellJournal(entries, before, { ...telling, ...room }, reject)
    this.#writers.set(
      id,
      telling.final ? undefined : { sequence, seenUptimeMs: uptimeMs, horizonUnixNano, records }
    )
    return this.#accounts.points
  }

  /** Notes where a journal begins: what it tells beyond these entries counts. Before `addJournal`. */
  noteJournal(id: string, entries: Entries, reject: Reject): void {
    const records = this.#accounts.noteJournal(entries, reject)
    const { uptimeMs } = this.#ledger
    this.#writers.set(id, { sequence: 0, seenUptimeMs: uptimeMs, horizonUnixNano: 0, records })
  }

  /** Follows a journal no further: what it told stays counted, what it held of levels goes. */
  forget(id: string): void {
    const writer = this.#writers.get(id)
    if (writer === undefined) return
    this.#accounts.takeOut(writer.records, 0)
    this.#writers.set(id, undefined)
  }

  /** Whether writers may tell of series that they had not told of. */
  #mayGrow(): boolean {
    return this.#writers.cellCount < this.#ledger.limits.writerCellCountMax
  }
}
