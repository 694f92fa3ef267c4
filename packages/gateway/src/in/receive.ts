import type { Retries } from '../config/config.ts'
import type { GaugePolicy, RuleSettings } from '../config/rules.ts'
import type { BatchKey, Receipt } from '../ledger/dedup.ts'
import { gaugesToChange } from '../ledger/gauge-policies.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Posting } from '../ledger/posting.ts'
import type { Metric } from '../ledger/metrics.ts'
import type { Refusal, RejectionReason } from '../refusal.ts'
import { countUp, type Stats } from '../stats.ts'
import { Admission } from './admit.ts'
import type { Connection } from './delivery.ts'
import { AnonymousCopies, type Waiter } from './copies.ts'
import { DroppedNames } from './dropped-names.ts'
import { scopeNameOf } from './metric-finder.ts'

/** A body of an export request, whole and inflated, in protobuf. */
export interface BatchRequest {
  body: Uint8Array
  /** From an Idempotency-Key, or the name of a spool file; undefined where there was none. */
  key: BatchKey | undefined
  /** SHA-256 of the body as it was sent (inflated), where there is no key: the batch's id. */
  digest: Uint8Array | undefined
  /**
   * What it came by, which knows of its answers whether they arrived. Undefined for doors that cannot know: the same
   * anonymous body is a retry then, whoever sends it (as under `retries: strict`).
   */
  connection: Connection | undefined
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
  /** The writer that this one goes on for, if any: followed no further once this is taken. */
  replaces?: string
  /** What a writer begins at that is not known yet: what its body says beyond it counts. Empty where that is nothing. */
  baseline: Uint8Array
  settle(refusal: Refusal | undefined): void
}

type Reasons = ReturnType<Admission['rejects']['take']>

const emptyReceipt: Receipt = { rejected: 0, message: '' }
const noExemplars: readonly number[] = []
const nothingDropped: ReadonlyMap<string, number> = new Map()

/** What postings are decided with. */
interface Desk {
  ledger: Ledger
  stats: Stats
  admission: Admission
  options: ReceiverOptions
  copies: AnonymousCopies
}

export interface ReceiverOptions extends RuleSettings {
  retries: Retries
  limits: { deliveryWaitMs: number }
}

/** The whole way in, behind every door: what a body says is decided, added, and told when it is durable. */
export class Receiver {
  readonly #desk: Desk
  #gaugesDiffer = false

  constructor(ledger: Ledger, stats: Stats, options: ReceiverOptions) {
    const dropped = { resource: new DroppedNames(), point: new DroppedNames() }
    stats.resourceAttributesDropped = () => dropped.resource.counts()
    stats.pointAttributesDropped = () => dropped.point.counts()
    const admission = new Admission(ledger, options, dropped)
    this.#desk = { ledger, stats, admission, options, copies: new AnonymousCopies() }
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
    const apply = (): undefined => {
      ledger.changeGauges(policyOf)
    }
    ledger.post({ apply, settle: (refusal) => (this.#gaugesDiffer = refusal !== undefined) })
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
    const apply = (): undefined => {
      ledger.tellers.forget(writer)
    }
    ledger.post({ apply, settle: () => {} })
  }
}

class BatchPosting implements Posting, Waiter {
  waitUntilMs = 0
  readonly #desk: Desk
  readonly #request: BatchRequest
  #receipt: Receipt = emptyReceipt
  #points = 0
  #old = 0
  #rejected: Reasons | undefined
  #dropped: ReadonlyMap<string, number> = nothingDropped
  #superseded = 0
  #exemplars: readonly number[] = noExemplars
  #duplicate = false
  /** It is anonymous, and whether its answer arrives is watched. */
  #isWatched = false

  constructor(desk: Desk, request: BatchRequest) {
    this.#desk = desk
    this.#request = request
  }

  apply(): 'later' | undefined {
    const { ledger, admission } = this.#desk
    const { body, key, digest } = this.#request
    const seen = key === undefined ? digest && this.#seenBody(digest) : ledger.receipts.seen(key)
    if (seen === 'later') return 'later'
    if (seen !== undefined) {
      this.#receipt = seen
      this.#duplicate = true
      return undefined
    }
    admission.read(body, 'batch')
    if (key !== undefined || digest !== undefined) ledger.receipts.requireRoom()
    const { entries, rejects } = admission
    ledger.tellers.requireRoom(entries.writers.filter((id) => ledger.tellers.get(id) === undefined).length)
    const { claims } = admission.units
    ledger.onceKeys.requireRoomFor(claims.length)
    // Nothing can fail from here on.
    for (const claim of claims) ledger.onceKeys.claim(claim)
    const { points, old } = ledger.tellers.addBatch(entries, (reason, series) =>
      admission.rejectLate(reason, series)
    )
    if (rejects.count > 0) {
      this.#receipt = { rejected: rejects.count, message: rejects.message }
      this.#rejected = rejects.take()
    }
    if (key !== undefined) ledger.receipts.remember(key, this.#receipt)
    else if (digest !== undefined) this.#rememberBody(digest)
    this.#superseded = admission.superseded
    this.#exemplars = admission.takeExemplars()
    this.#dropped = admission.takeDropped()
    this.#points = points
    this.#old = old
    return undefined
  }

  settle(refusal: Refusal | undefined): void {
    if (refusal === undefined) this.#count()
    if (this.#isWatched) this.#watch(refusal === undefined)
    else if (this.waitUntilMs > 0) this.#desk.copies.passed(this.#request.digest as Uint8Array)
    this.#request.settle(refusal, this.#receipt)
  }

  /** Posts it again, where it came 'later'. */
  again(): void {
    this.#desk.ledger.post(this)
  }

  /**
   * What the same body was answered, where this is its retry (CONFORMANCE C5): always if it says whose it is, or this door
   * knows nothing of its answers. Otherwise where the earlier answer may have been lost; that may turn out later.
   */
  #seenBody(digest: Uint8Array): Receipt | 'later' | undefined {
    const { ledger, copies, options } = this.#desk
    const seen = ledger.receipts.seenBody(digest)
    if (seen === undefined) return undefined
    const connection = this.#watched
    if (!seen.isAnonymous || connection === undefined) return seen.receipt
    if (seen.isDelivered || copies.isOnlyBy(digest, connection)) return undefined
    if (copies.wait(digest, this, options.limits.deliveryWaitMs)) return 'later'
    this.#beginWatch(digest, connection) // Once it has its answer, who sends the same again is somebody else.
    return seen.receipt
  }

  #rememberBody(digest: Uint8Array): void {
    const { ledger, admission } = this.#desk
    if (admission.isEmpty) return // Adds nothing, however often it comes.
    ledger.receipts.rememberBody(digest, !admission.identified, this.#receipt)
    const connection = this.#watched
    if (!admission.identified && connection !== undefined) this.#beginWatch(digest, connection)
  }

  /** What tells whether answers arrive, where that matters. */
  get #watched(): Connection | undefined {
    return this.#desk.options.retries === 'auto' ? this.#request.connection : undefined
  }

  #beginWatch(digest: Uint8Array, connection: Connection): void {
    this.#desk.copies.sent(digest, connection)
    this.#isWatched = true
  }

  /** Its answer goes out now, if there is one; those who sent the same are decided when it is known what became of it. */
  #watch(isAnswered: boolean): void {
    const { ledger, copies } = this.#desk
    const connection = this.#request.connection as Connection
    const digest = this.#request.digest as Uint8Array
    if (!isAnswered) return copies.landed(digest, connection)
    return connection.watch((isCertain) => {
      if (isCertain) ledger.receipts.deliver(digest)
      copies.landed(digest, connection)
    })
  }

  #count(): void {
    this.#desk.stats.points += this.#points
    this.#desk.stats.pointsSuperseded += this.#superseded
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
  #superseded = 0
  #wentDown: Reasons | undefined

  constructor(desk: Desk, request: JournalRequest) {
    this.#desk = desk
    this.#request = request
  }

  apply(): undefined {
    const { ledger, admission } = this.#desk
    const { writer: id, sequence, ended, final, key, body, replaces = '', baseline } = this.#request
    if (ledger.receipts.seen(key) !== undefined) return // Taken whole before; only its file had not gone yet.
    const known = ledger.tellers.get(id)
    if (known !== undefined && sequence <= known.sequence && !final) return // Nothing later than what was taken.
    if (final) ledger.receipts.requireRoom()
    else if (known === undefined && ledger.tellers.get(replaces) === undefined) ledger.tellers.requireRoom(1)
    admission.read(body, 'journal')
    const { entries } = admission
    ledger.onceKeys.requireRoomFor(admission.units.claims.length)
    const reject = (reason: RejectionReason, series: number): void => admission.rejectLate(reason, series)
    const carriesOn = known === undefined && baseline.length > 0
    if (carriesOn) {
      // It begins at what another journal has, whether or not that was read here.
      admission.read(baseline, 'journal')
      ledger.tellers.noteJournal(id, entries, reject)
      admission.read(body, 'journal')
    }
    const { claims } = admission.units
    // Nothing can fail from here on. What cannot be read is said once, at the end; what went down when it does.
    const toldAtEnd = admission.rejects.take()
    const counts = known !== undefined || carriesOn || ended || !this.#isOlderThanLedger()
    for (const claim of claims) ledger.onceKeys.claim(claim)
    if (final) this.#superseded = admission.superseded
    ledger.tellers.forget(replaces)
    this.#points = ledger.tellers.addJournal(id, sequence, entries, { counts, final }, reject)
    this.#rejected = final ? toldAtEnd : undefined
    if (final) this.#dropped = admission.takeDropped()
    this.#wentDown = lateOf(admission.rejects.take(), final)
    if (final) ledger.receipts.remember(key, emptyReceipt)
  }

  settle(refusal: Refusal | undefined): void {
    if (refusal === undefined) {
      this.#desk.stats.points += this.#points
      this.#desk.stats.pointsSuperseded += this.#superseded
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
  for (const [reason, { count, metric }] of reasons) {
    countUp(stats.pointsRejected, reason, count)
    stats.onRejected(reason, count, metric)
  }
}
