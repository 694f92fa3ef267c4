import { Refusal } from '../refusal.ts'
import { Dedup, type BatchKey, type Receipt, type SeenBody } from './dedup.ts'
import type { ReceiptsRow } from './store.ts'

/** What the ledger tells of itself to those who remember ids for it. */
export interface Remembering {
  readonly limits: { batchIdCountMax: number; onceKeyCountMax: number }
  /** How long gateways have served this ledger. */
  readonly uptimeMs: number
}

/** The digest of an id that is the body's own: nothing else needs to be told apart. */
const noDigest = new Uint8Array(8)

/** The ids of batches and what was answered to each, this group's included (CONFORMANCE C3, C6, C7). */
export class Receipts {
  readonly #dedup = new Dedup()
  readonly #ledger: Remembering

  constructor(ledger: Remembering) {
    this.#ledger = ledger
  }

  get count(): number {
    return this.#dedup.count
  }

  /** Ids came since the last commit. */
  get isChanged(): boolean {
    return this.#dedup.inGroup > 0
  }

  /** What was answered to a batch that came under this key. Throws BATCH_ID_REUSED where it came with another body. */
  seen(key: BatchKey): Receipt | undefined {
    const receipt = this.#dedup.find(key)
    if (receipt === 'other') {
      throw new Refusal(
        'BATCH_ID_REUSED',
        'this Idempotency-Key came with another body before; draw a new one'
      )
    }
    return receipt
  }

  /** What is known of a body without a key, by its SHA-256. */
  seenBody(digest: Uint8Array): SeenBody | undefined {
    return this.#dedup.findBody({ id: digest, digest: noDigest })
  }

  /** Throws where there is no room for one more id. Within `apply`, before anything is added. */
  requireRoom(): void {
    const { count } = this.#dedup
    if (count < this.#ledger.limits.batchIdCountMax) return
    throw new Refusal(
      'BATCH_IDS_FULL',
      `${count} batch ids are remembered, which is the limit; try again later`
    )
  }

  /** Remembers a batch. Within `apply`, after `seen`. */
  remember(key: BatchKey, receipt: Receipt): void {
    this.#dedup.insert(key, this.#ledger.uptimeMs, receipt)
  }

  /** Remembers a batch that is known by its body. Within `apply`, after `seenBody`. */
  rememberBody(digest: Uint8Array, isAnonymous: boolean, receipt: Receipt): void {
    const key = { id: digest, digest: noDigest }
    if (isAnonymous) this.#dedup.insertAnonymous(key, this.#ledger.uptimeMs, receipt)
    else this.#dedup.insert(key, this.#ledger.uptimeMs, receipt)
  }

  /** An answer to an anonymous batch certainly arrived: the same body is not its retry any more. */
  deliver(digest: Uint8Array): void {
    this.#dedup.deliver({ id: digest, digest: noDigest })
  }

  /** What came since the last commit, for the store. */
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
