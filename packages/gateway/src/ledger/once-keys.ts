import { Refusal } from '../refusal.ts'
import { Dedup, type BatchKey } from './dedup.ts'
import type { Remembering } from './receipts.ts'

/** Whose a unit of work is: nobody's yet, this attempt's, or another's. */
export type OnceHolder = 'nobody' | 'this' | 'other'

const none = { rejected: 0, message: '' }

/**
 * Which attempt at a unit of work (`swansong.once`) counted first: it alone counts. A key is 16 bytes of the digest of the
 * unit and 8 of the attempt's, in the records of batch ids: 32 bytes each, and 8 for finding it.
 */
export class OnceKeys {
  /** What is remembered, for the store and its commits. */
  readonly ids: Dedup = new Dedup()
  readonly #ledger: Remembering

  constructor(ledger: Remembering) {
    this.#ledger = ledger
  }

  get count(): number {
    return this.ids.count
  }

  holder(key: BatchKey): OnceHolder {
    const found = this.ids.find(key)
    if (found === undefined) return 'nobody'
    return found === 'other' ? 'other' : 'this'
  }

  /** Throws where so many more cannot be remembered. Within `apply`, before anything is added. */
  requireRoomFor(added: number): void {
    const { count } = this.ids
    if (added === 0 || count + added <= this.#ledger.limits.onceKeyCountMax) return
    throw new Refusal(
      'ONCE_KEYS_FULL',
      `${count} units of work (swansong.once) are remembered, which is the limit; try again later`
    )
  }

  /** From now on the unit is this attempt's. Within `apply`, where `holder` says that it is nobody's. */
  claim(key: BatchKey): void {
    this.ids.insert(key, this.#ledger.uptimeMs, none)
  }
}
