import type { BatchKey, Receipt } from '../ledger/dedup.ts'
import type { Ledger, Posting } from '../ledger/ledger.ts'
import { progressOf, type Progress, type Writer } from '../ledger/writers.ts'
import type { Refusal } from '../refusal.ts'
import { countUp, type Stats } from '../stats.ts'
import { Admission } from './admit.ts'

/** A body of deltas, whole and inflated, in protobuf. */
export interface BatchRequest {
  body: Uint8Array
  /** From an Idempotency-Key, or the name of a spool file; undefined where there was none. */
  key: BatchKey | undefined
  /**
   * SHA-256 of the body as it was sent (inflated), where there is no key: the batch's id if every resource has a
   * service.instance.id.
   */
  digest: Uint8Array | undefined
  /** Told once: the receipt when the batch is durable, or why nothing of it was applied. */
  settle(refusal: Refusal | undefined, receipt: Receipt): void
}

/** A checkpoint of a writer of running totals. */
export interface JournalRequest {
  writer: string
  sequence: number
  /** It ended, or its process is dead: it counts whole, also when it is older than this ledger. */
  ended: boolean
  /** No later checkpoint can come: it is remembered by its id alone, and its file goes. */
  final: boolean
  /** The id under which the whole journal is remembered when it is final. */
  key: BatchKey
  body: Uint8Array
  /** What a writer begins at that is not known yet: what its body says beyond it counts. Empty where that is nothing. */
  baseline: Uint8Array
  settle(refusal: Refusal | undefined): void
}

const emptyReceipt: Receipt = { rejected: 0, message: '' }
const noDigest = new Uint8Array(8)

/** What postings are decided with. */
interface Desk {
  ledger: Ledger
  stats: Stats
  admission: Admission
}

/** The whole way in, behind every door: what a body says is decided, added, and told when it is durable. */
export class Receiver {
  readonly #desk: Desk

  constructor(ledger: Ledger, stats: Stats, keptKeys: readonly string[]) {
    this.#desk = { ledger, stats, admission: new Admission(ledger, keptKeys) }
  }

  batch(request: BatchRequest): void {
    this.#desk.ledger.post(new BatchPosting(this.#desk, request))
  }

  journal(request: JournalRequest): void {
    this.#desk.ledger.post(new JournalPosting(this.#desk, request))
  }

  /** A writer whose journal is gone, and will not come again: what it told stays counted. */
  forgetJournal(writer: string): void {
    const { ledger } = this.#desk
    ledger.post({ apply: () => ledger.setWriter(writer, undefined), settle: () => {} })
  }
}

class BatchPosting implements Posting {
  readonly #desk: Desk
  readonly #request: BatchRequest
  #receipt: Receipt = emptyReceipt
  #points = 0
  #rejected: Admission['reasons'] | undefined
  #duplicate = false

  constructor(desk: Desk, request: BatchRequest) {
    this.#desk = desk
    this.#request = request
  }

  apply(): void {
    const { ledger, admission } = this.#desk
    const { body, digest } = this.#request
    let { key } = this.#request
    if (key !== undefined && this.#isSeen(key)) return
    admission.read(body, 'delta')
    if (key === undefined && digest !== undefined && admission.identified) {
      key = { id: digest, digest: noDigest }
      if (this.#isSeen(key)) return
    }
    if (key !== undefined) ledger.requireRoomForId()
    if (admission.rejected > 0) {
      this.#receipt = { rejected: admission.rejected, message: admission.message }
      this.#rejected = new Map(admission.reasons)
    }
    // Nothing can fail from here on.
    if (key !== undefined) ledger.remember(key, this.#receipt)
    const { count, series, values } = admission
    for (let at = 0; at < count; at++) ledger.add(series[at] as number, values[at] as number)
    this.#points = count
  }

  settle(refusal: Refusal | undefined): void {
    if (refusal === undefined) this.#count()
    this.#request.settle(refusal, this.#receipt)
  }

  #isSeen(key: BatchKey): boolean {
    const receipt = this.#desk.ledger.seen(key)
    if (receipt === undefined) return false
    this.#receipt = receipt
    this.#duplicate = true
    return true
  }

  #count(): void {
    this.#desk.stats.points += this.#points
    if (this.#duplicate) this.#desk.stats.duplicates++
    if (this.#rejected !== undefined) countRejected(this.#desk.stats, this.#rejected)
  }
}

class JournalPosting implements Posting {
  readonly #desk: Desk
  readonly #request: JournalRequest
  #points = 0
  #wentDown = 0
  #rejected: Admission['reasons'] | undefined

  constructor(desk: Desk, request: JournalRequest) {
    this.#desk = desk
    this.#request = request
  }

  apply(): void {
    const { ledger, admission } = this.#desk
    const { writer: id, sequence, ended, final, key, body } = this.#request
    if (ledger.seen(key) !== undefined) return // Taken whole before; only its file had not gone yet.
    const known = ledger.writer(id)
    if (known !== undefined && sequence <= known.sequence && !final) return // Nothing later than what was taken.
    if (final) ledger.requireRoomForId()
    else if (known === undefined) ledger.requireRoomForWriter()
    const before = known ?? this.#baseline()
    admission.read(body, 'cumulative')
    const progress = progressOf(before, admission.series, admission.values, admission.count)
    const isBaseline = before === undefined && !ended && this.#isOlderThanLedger()
    if (!isBaseline) this.#addDifferences(progress)
    if (admission.rejected > 0 && final) this.#rejected = new Map(admission.reasons)
    if (final) ledger.remember(key, emptyReceipt)
    const { series, totals } = progress
    ledger.setWriter(id, final ? undefined : { sequence, series, totals })
  }

  settle(refusal: Refusal | undefined): void {
    if (refusal === undefined) {
      this.#desk.stats.points += this.#points
      if (this.#wentDown > 0) countUp(this.#desk.stats.pointsRejected, 'TOTAL_WENT_DOWN', this.#wentDown)
      if (this.#rejected !== undefined) countRejected(this.#desk.stats, this.#rejected)
    }
    this.#request.settle(refusal)
  }

  /** Where a writer begins that carries on from another journal, whether or not that was read here. */
  #baseline(): Writer | undefined {
    const { admission } = this.#desk
    const { baseline } = this.#request
    if (baseline.length === 0) return undefined
    admission.read(baseline, 'cumulative')
    const { series, totals } = progressOf(undefined, admission.series, admission.values, admission.count)
    return { sequence: 0, series, totals }
  }

  /**
   * A process that is older than this ledger may have been counted by the one before it: what it has so far is where
   * counting begins (CONFORMANCE B9). Too little rather than twice.
   */
  #isOlderThanLedger(): boolean {
    return this.#desk.admission.startTimeUnixNano < this.#desk.ledger.identity.createdUnixNano
  }

  #addDifferences({ series, before, totals }: Progress): void {
    for (let at = 0; at < series.length; at++) {
      const last = before[at] as number
      const difference = (totals[at] as number) - last
      if (difference > 0) {
        this.#desk.ledger.add(series[at] as number, difference)
        this.#points++
      } else if (difference < 0) {
        totals[at] = last // Refused: what was counted stays what the next total is compared with.
        this.#wentDown++
      }
    }
  }
}

function countRejected(stats: Stats, reasons: Admission['reasons']): void {
  for (const [reason, { count }] of reasons) countUp(stats.pointsRejected, reason, count)
}
