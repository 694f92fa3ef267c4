import { Refusal } from '../refusal.ts'
import { Dedup, type BatchKey } from './dedup.ts'
import type { Remembering } from './receipts.ts'
import type { ReceiptsRow } from './store.ts'

/** Whose a unit of work is: nobody's yet, this attempt's, or another's. */
export type OnceHolder = 'nobody' | 'this' | 'other'

const none = { rejected: 0, message: '' }

/**
 * Which attempt at a unit of work (`swansong.once`) counted first: it alone counts. A key is 16 bytes of the digest of the
 * unit and 8 of the attempt's, in the records of batch ids: 32 bytes each, and 8 for finding it.
 */
export class OnceKeys {
  readonly #dedup = new Dedup()
  readonly #ledger: Remembering

  constructor(ledger: Remembering) {
    this.#ledger = ledger
  }

  get count(): number {
    return this.#dedup.count
  }

  get isChanged(): boolean {
    return this.#dedup.inGroup > 0
  }

  holder(key: BatchKey): OnceHolder {
    const found = this.#dedup.find(key)
    if (found === undefined) return 'nobody'
    return found === 'other' ? 'other' : 'this'
  }

  /** Throws where so many more cannot be remembered. Within `apply`, before anything is added. */
  requireRoomFor(added: number): void {
    const { count } = this.#dedup
    if (added === 0 || count + added <= this.#ledger.limits.onceKeyCountMax) return
    throw new Refusal(
      'ONCE_KEYS_FULL',
      `${count} units of work (swansong.once) are remembered, which is the limit; try again later`
    )
  }

  /** From now on the unit is this attempt's. Within `apply`, where `holder` says that it is nobody's. */
  claim(key: BatchKey): void {
    this.#dedup.insert(key, this.#ledger.uptimeMs, none)
  }

  /** What was claimed since the last commit, for the store. */
  row(uptimeMs: number): ReceiptsRow | undefined {
    const { inGroup } = this.#dedup
    return inGroup === 0 ? undefined : { uptimeMs, ...this.#dedup.latest(inGroup) }
  }

  restore(row: ReceiptsRow): void {
    this.#dedup.restore(row.records, row.messages)
  }

  /** The group is durable; what is older than an uptime may go. */
  commit(expireBeforeUptimeMs: number): void {
    this.#dedup.commit()
    if (expireBeforeUptimeMs > 0) this.#dedup.expire(expireBeforeUptimeMs)
  }

  rollBack(): void {
    this.#dedup.undo()
  }
}
