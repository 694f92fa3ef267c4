import type { GaugePolicy, RuleSettings } from '../config/rules.ts'
import type { BatchKey, Receipt } from '../ledger/dedup.ts'
import { gaugesToChange } from '../ledger/gauge-policies.ts'
import type { Ledger, Posting } from '../ledger/ledger.ts'
import type { Metric } from '../ledger/metrics.ts'
import type { Refusal, RejectionReason } from '../refusal.ts'
import { countUp, type Stats } from '../stats.ts'
import { Admission } from './admit.ts'
import { DroppedNames } from './dropped-names.ts'
import { scopeNameOf } from './metric-finder.ts'

/** A body of an export request, whole and inflated, in protobuf. */
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

type Reasons = ReturnType<Admission['rejects']['take']>

const emptyReceipt: Receipt = { rejected: 0, message: '' }
const noDigest = new Uint8Array(8)
const noExemplars: readonly number[] = []
const nothingDropped: ReadonlyMap<string, number> = new Map()

/** What postings are decided with. */
interface Desk {
  ledger: Ledger
  stats: Stats
  admission: Admission
}

/** The whole way in, behind every door: what a body says is decided, added, and told when it is durable. */
export class Receiver {
  readonly #desk: Desk
  #gaugesDiffer = false

  constructor(ledger: Ledger, stats: Stats, settings: RuleSettings) {
    const dropped = { resource: new DroppedNames(), point: new DroppedNames() }
    stats.resourceAttributesDropped = () => dropped.resource.counts()
    stats.pointAttributesDropped = () => dropped.point.counts()
    this.#desk = { ledger, stats, admission: new Admission(ledger, settings, dropped) }
    this.#changeGauges() // The rules may be others than when the ledger was open last.
  }

  /**
   * From now on these rules. What was counted stays where it was; what senders of running totals tell more than before is
   * added where the rules now say.
   */
  useRules(settings: RuleSettings): void {
    this.#desk.admission.useRules(settings)
    this.#changeGauges()
  }

  /** What is kept of gauges that there are is to be what the rules say. What could not be stored is tried again. */
  #changeGauges(): void {
    const { ledger, admission } = this.#desk
    const { series } = ledger
    const { rules } = admission
    const policyOf = ({ name, scope }: Metric): GaugePolicy =>
      rules.decide(name, scopeNameOf(series.metrics, scope)).gauge
    this.#gaugesDiffer = false
    if (gaugesToChange(series, policyOf).size === 0) return
    ledger.post({
      apply: () => ledger.changeGauges(policyOf),
      settle: (refusal) => (this.#gaugesDiffer = refusal !== undefined),
    })
  }

  batch(request: BatchRequest): void {
    if (this.#gaugesDiffer) this.#changeGauges()
    this.#desk.ledger.post(new BatchPosting(this.#desk, request))
  }

  journal(request: JournalRequest): void {
    this.#desk.ledger.post(new JournalPosting(this.#desk, request))
  }

  /** A writer whose journal is gone, and will not come again: what it told stays counted. */
  forgetJournal(writer: string): void {
    const { ledger } = this.#desk
    ledger.post({ apply: () => ledger.forgetWriter(writer), settle: () => {} })
  }
}

class BatchPosting implements Posting {
  readonly #desk: Desk
  readonly #request: BatchRequest
  #receipt: Receipt = emptyReceipt
  #points = 0
  #old = 0
  #rejected: Reasons | undefined
  #dropped: ReadonlyMap<string, number> = nothingDropped
  #exemplars: readonly number[] = noExemplars
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
    admission.read(body, 'batch')
    if (key === undefined && digest !== undefined && admission.identified) {
      key = { id: digest, digest: noDigest }
      if (this.#isSeen(key)) return
    }
    if (key !== undefined) ledger.receipts.requireRoom()
    const { entries, rejects } = admission
    ledger.requireRoomForWriters(entries.writers.filter((id) => ledger.writer(id) === undefined).length)
    // Nothing can fail from here on.
    const { points, old } = ledger.addBatch(entries, (reason, series) => admission.rejectLate(reason, series))
    if (rejects.count > 0) {
      this.#receipt = { rejected: rejects.count, message: rejects.message }
      this.#rejected = rejects.take()
    }
    if (key !== undefined) ledger.receipts.remember(key, this.#receipt)
    this.#exemplars = admission.takeExemplars()
    this.#dropped = admission.takeDropped()
    this.#points = points
    this.#old = old
  }

  settle(refusal: Refusal | undefined): void {
    if (refusal === undefined) this.#count()
    this.#request.settle(refusal, this.#receipt)
  }

  #isSeen(key: BatchKey): boolean {
    const receipt = this.#desk.ledger.receipts.seen(key)
    if (receipt === undefined) return false
    this.#receipt = receipt
    this.#duplicate = true
    return true
  }

  #count(): void {
    this.#desk.stats.points += this.#points
    this.#desk.stats.pointsOld += this.#old
    if (this.#duplicate) this.#desk.stats.duplicates++
    if (this.#rejected !== undefined) countRejected(this.#desk.stats, this.#rejected)
    for (const [rule, count] of this.#dropped) countUp(this.#desk.stats.pointsDropped, rule, count)
    const exemplars = this.#exemplars
    for (let at = 0; at < exemplars.length; at += 4) {
      const [series = 0, start = 0, end = 0, field = 0] = exemplars.slice(at, at + 4)
      this.#desk.ledger.exemplars.read(series, this.#request.body, start, end, field)
    }
  }
}

class JournalPosting implements Posting {
  readonly #desk: Desk
  readonly #request: JournalRequest
  #points = 0
  #rejected: Reasons | undefined
  #dropped: ReadonlyMap<string, number> = nothingDropped
  #wentDown: Reasons | undefined

  constructor(desk: Desk, request: JournalRequest) {
    this.#desk = desk
    this.#request = request
  }

  apply(): void {
    const { ledger, admission } = this.#desk
    const { writer: id, sequence, ended, final, key, body, baseline } = this.#request
    if (ledger.receipts.seen(key) !== undefined) return // Taken whole before; only its file had not gone yet.
    const known = ledger.writer(id)
    if (known !== undefined && sequence <= known.sequence && !final) return // Nothing later than what was taken.
    if (final) ledger.receipts.requireRoom()
    else if (known === undefined) ledger.requireRoomForWriters(1)
    admission.read(body, 'journal')
    const { entries } = admission
    const reject = (reason: RejectionReason, series: number): void => admission.rejectLate(reason, series)
    const carriesOn = known === undefined && baseline.length > 0
    if (carriesOn) {
      // It begins at what another journal has, whether or not that was read here.
      admission.read(baseline, 'journal')
      ledger.noteJournal(id, entries, reject)
      admission.read(body, 'journal')
    }
    // Nothing can fail from here on. What cannot be read is said once, at the end; what went down when it does.
    const toldAtEnd = admission.rejects.take()
    const counts = known !== undefined || carriesOn || ended || !this.#isOlderThanLedger()
    this.#points = ledger.addJournal(id, sequence, entries, { counts, final }, reject)
    this.#rejected = final ? toldAtEnd : undefined
    if (final) this.#dropped = admission.takeDropped()
    this.#wentDown = lateOf(admission.rejects.take(), final)
    if (final) ledger.receipts.remember(key, emptyReceipt)
  }

  settle(refusal: Refusal | undefined): void {
    if (refusal === undefined) {
      this.#desk.stats.points += this.#points
      if (this.#wentDown !== undefined) countRejected(this.#desk.stats, this.#wentDown)
      if (this.#rejected !== undefined) countRejected(this.#desk.stats, this.#rejected)
      for (const [rule, count] of this.#dropped) countUp(this.#desk.stats.pointsDropped, rule, count)
    }
    this.#request.settle(refusal)
  }

  /**
   * A process that is older than this ledger may have been counted by the one before it: what it has so far is where
   * counting begins (CONFORMANCE B9). Too little rather than twice.
   */
  #isOlderThanLedger(): boolean {
    return this.#desk.admission.startTimeUnixNano < this.#desk.ledger.identity.createdUnixNano
  }
}

/** What does not fit is found at each checkpoint, and said at the last; a total that went down when it does. */
function lateOf(reasons: Reasons, final: boolean): Reasons {
  return final ? reasons : new Map([...reasons].filter(([reason]) => reason === 'TOTAL_WENT_DOWN'))
}

function countRejected(stats: Stats, reasons: Reasons): void {
  for (const [reason, { count }] of reasons) countUp(stats.pointsRejected, reason, count)
}
