import { Refusal } from '../refusal.ts'
import { Dedup, type BatchKey, type Receipt, type SeenBody } from './dedup.ts'

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
  /** What is remembered, for the store and its commits. */
  readonly ids: Dedup = new Dedup()
  readonly #ledger: Remembering

  constructor(ledger: Remembering) {
    this.#ledger = ledger
  }

  get count(): number {
    return this.ids.count
  }

  /** What was answered to a batch that came under this key. Throws BATCH_ID_REUSED where it came with another body. */
  seen(key: BatchKey): Receipt | undefined {
    const receipt = this.ids.find(key)
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
    return this.ids.findBody({ id: digest, digest: noDigest })
  }

  /** Throws where there is no room for one more id. Within `apply`, before anything is added. */
  requireRoom(): void {
    const { count } = this.ids
    if (count < this.#ledger.limits.batchIdCountMax) return
    throw new Refusal(
      'BATCH_IDS_FULL',
      `${count} batch ids are remembered, which is the limit; try again later`
    )
  }

  /** Remembers a batch. Within `apply`, after `seen`. */
  remember(key: BatchKey, receipt: Receipt): void {
    this.ids.insert(key, this.#ledger.uptimeMs, receipt)
  }

  /** Remembers a batch that is known by its body. Within `apply`, after `seenBody`. */
  rememberBody(digest: Uint8Array, isAnonymous: boolean, receipt: Receipt): void {
    const key = { id: digest, digest: noDigest }
    if (isAnonymous) this.ids.insertAnonymous(key, this.#ledger.uptimeMs, receipt)
    else this.ids.insert(key, this.#ledger.uptimeMs, receipt)
  }

  /** An answer to an anonymous batch certainly arrived: the same body is not its retry any more. */
  deliver(digest: Uint8Array): void {
    this.ids.deliver({ id: digest, digest: noDigest })
  }
}
