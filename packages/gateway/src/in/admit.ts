import {
  decodeExportRequest,
  exemplarsFields,
  metricKinds,
  OtlpError,
  type ExponentialHistogramPoint,
  type ExportVisitor,
  type HistogramPoint,
  type MetricFrame,
  type NumberPoint,
  type PointFrame,
} from '@swansong/otlp'
import type { RuleSettings } from '../config/rules.ts'
import { Entries, leadCells, partLead, startLead, timedFlag, timeLead } from '../ledger/entries.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { isLevel, metricTypes, type MetricType } from '../ledger/metric-types.ts'
import type { AttributeFilter, Kind } from '../ledger/series.ts'
import { streamHash } from '../ledger/stream.ts'
import { Refusal, type RejectionReason } from '../refusal.ts'
import { countUp } from '../stats.ts'
import { ExponentialReader } from './exponential-reader.ts'
import { HistogramReader } from './histogram-reader.ts'
import { textForPeople } from './labels.ts'
import { MetricFinder, type DroppedAttributes } from './metric-finder.ts'
import { Rejects } from './rejects.ts'
import type { Rules } from './rules.ts'
import { SenderIdentity } from './sender.ts'
import { UnitsOfWork, type UnitVerdict } from './units-of-work.ts'

const deltaTemporality = 1
const cumulativeTemporality = 2
const noRecordedValueFlag = 1

/** What a body is: a request, or a journal, whose points are all running totals of one writer. */
export type BodyKind = 'batch' | 'journal'

/**
 * Decodes a body and decides which of its points count: they are in `entries`. Adds nothing; series that are new are born
 * (and taken back by the ledger when the body turns out not to be OTLP). One object, used for one body after the other.
 */
export class Admission implements ExportVisitor {
  readonly entries: Entries = new Entries()
  readonly rejects: Rejects
  readonly units: UnitsOfWork
  /** Points of attempts at a unit of work of which another one counted. */
  superseded = 0
  /** True when every resource has a service.instance.id: then the body's digest identifies the batch (CONFORMANCE C3). */
  identified = false
  /** The earliest start of a counted point that is no level, Unix nanoseconds; Infinity where there is none. */
  startTimeUnixNano: number = Infinity
  readonly #ledger: Ledger
  readonly #finder: MetricFinder
  readonly #histograms: HistogramReader
  readonly #exponentials = new ExponentialReader()
  readonly #sender = new SenderIdentity()
  readonly #kind: Kind = { type: metricTypes.counter, bounds: -1 }
  #body: BodyKind = 'batch'
  #resources = 0
  #anonymous = 0
  /** Of a journal's further resources, where they are not the first one again: it tells their streams apart. */
  #salt = 0
  #firstSalt = 0
  #filter: AttributeFilter | undefined
  #isDropped = false
  /** The points of this metric are running totals of a sender that is no journal. */
  #isTimed = false
  #unit: UnitVerdict = 'counts'
  #refused: RejectionReason | undefined
  #frame: MetricFrame | undefined
  /** Points that were left out, by the rule that drops their metric. */
  #dropped: Map<string, number> = new Map()
  /** Where exemplars of points that count stand: of each a series, a range of the body, the number of their field. */
  #exemplars: number[] = []
  /** Series of which a point did not fit: none of the body's exemplars is kept for them. */
  readonly #rejectedLate = new Set<number>()
  #cellCountMax = 0

  constructor(ledger: Ledger, settings: RuleSettings, droppedNames: DroppedAttributes) {
    this.#ledger = ledger
    this.rejects = new Rejects(() => ledger.limits)
    this.units = new UnitsOfWork(ledger.onceKeys)
    this.#finder = new MetricFinder(ledger, settings, droppedNames)
    this.#histograms = new HistogramReader(ledger.series.bounds, ledger.limits)
  }

  /** From now on these rules. */
  useRules(settings: RuleSettings): void {
    this.#finder.useRules(settings)
    this.#ledger.series.forgetRaw()
  }

  /** What the rules say of metrics now. */
  get rules(): Rules {
    return this.#finder.rules
  }

  /** Throws a Refusal NOT_OTLP for bytes that are no ExportMetricsServiceRequest. */
  read(body: Uint8Array, kind: BodyKind): void {
    this.entries.clear()
    this.rejects.clear()
    if (this.#dropped.size > 0) this.#dropped = new Map()
    this.#sender.clear()
    this.units.clear()
    this.superseded = 0
    this.#exemplars = []
    this.#rejectedLate.clear()
    this.startTimeUnixNano = Infinity
    this.#cellCountMax = this.#ledger.limits.bodyCellCountMax
    this.#body = kind
    this.#resources = 0
    this.#anonymous = 0
    this.#salt = 0
    try {
      // No Buffer: what is sliced from one is no copy, and would keep the whole body for as long as the ledger has it.
      decodeExportRequest(new Uint8Array(body.buffer, body.byteOffset, body.length), this)
    } catch (error) {
      if (error instanceof OtlpError)
        throw new Refusal('NOT_OTLP', `not OTLP metrics: ${error.message}`, { cause: error })
      throw error
    }
    this.units.end(this.entries.count, this.rejects.count)
    this.identified = this.#resources > 0 && this.#anonymous === 0
  }

  /** Nothing of it was counted or rejected. */
  get isEmpty(): boolean {
    return this.entries.count === 0 && this.rejects.count === 0
  }

  /** A point that turned out not to fit when it was added. */
  rejectLate(reason: RejectionReason, series: number): void {
    const { metrics } = this.#ledger.series.metrics
    this.rejects.add(reason, metrics[this.#ledger.series.metricOf(series)]?.name.slice(0, 100) ?? '')
    if (this.#exemplars.length > 0) this.#rejectedLate.add(series)
  }

  /** How many points of metrics were left out that rules drop, by rule. */
  takeDropped(): ReadonlyMap<string, number> {
    return this.#dropped
  }

  /** Where the exemplars stand of what counts, if any: a series, a range of the body, and a field, one after the other. */
  takeExemplars(): readonly number[] {
    const rejected = this.#rejectedLate
    if (rejected.size === 0) return this.#exemplars
    return this.#exemplars.filter((_, at) => !rejected.has(this.#exemplars[at - (at % 4)] as number))
  }

  resource(bytes: Uint8Array, start: number, end: number): void {
    this.units.end(this.entries.count, this.rejects.count)
    const identity = this.#finder.useResource(bytes, start, end)
    const { hasInstanceId } = identity
    this.#unit = this.units.begin(identity, this.entries.count, this.rejects.count)
    this.#resources++
    if (!hasInstanceId) this.#anonymous++
    this.#sender.resource(bytes, start, end, hasInstanceId)
    if (this.#body === 'journal') this.#saltOf(bytes, start, end)
  }

  /** Series that are appended to a journal come in requests of their own, under the resource that it begins with. */
  #saltOf(bytes: Uint8Array, start: number, end: number): void {
    const salt = streamHash(0, bytes, start, end)
    if (this.#resources === 1) this.#firstSalt = salt
    this.#salt = salt === this.#firstSalt ? 0 : salt
  }

  scope(bytes: Uint8Array, start: number, end: number, schemaUrlStart: number, schemaUrlEnd: number): void {
    this.#finder.useScope(bytes, start, end, schemaUrlStart, schemaUrlEnd)
    this.#sender.scope(bytes, start, end, schemaUrlStart, schemaUrlEnd)
  }

  metric(frame: MetricFrame): void {
    const finder = this.#finder
    this.#frame = frame
    this.#isDropped = this.#unit === 'superseded'
    this.#refused = this.#unit === 'no attempt' ? 'ATTEMPT_MISSING' : finder.decide(frame)
    if (this.#isDropped || this.#refused !== undefined) return
    this.#isDropped = finder.decision.droppedBy !== undefined
    if (this.#isDropped) return
    this.#refused = this.#kindRefused(frame) ?? finder.find(typeOf(frame), frame)
    this.#filter = finder.decision.filter
    this.#kind.type = finder.type
    const isTotal = frame.kind === metricKinds.gauge ? isLevel(finder.type) : isCumulative(frame)
    this.#isTimed = isTotal && this.#body === 'batch'
  }

  numberPoint(point: NumberPoint): void {
    if (this.#isDropped || this.#refused !== undefined) return this.#leaveOut()
    const { type } = this.#kind
    if (type !== metricTypes.counter) return this.#otherNumber(point)
    if ((point.flags & noRecordedValueFlag) !== 0) return // Whatever value it carries is none (CONFORMANCE B16).
    const value = point.value
    if (point.valueKind === 'none') return this.#reject('VALUE_MISSING')
    if (value < 0) return this.#reject('NEGATIVE_DELTA')
    if (!(value <= Number.MAX_VALUE)) return this.#reject('NOT_FINITE')
    if (point.timeUnixNano === 0) return this.#reject('TIME_MISSING')
    const id = this.#seriesOf(point)
    if (id < 0) return
    if (point.startTimeUnixNano < this.startTimeUnixNano) this.startTimeUnixNano = point.startTimeUnixNano
    if (point.exemplarsEnd > 0) this.#noteExemplars(point, id, exemplarsFields.number)
    if (!this.#isTimed) return this.#add(type, id, value)
    this.#addTimed(point, type, id, 1)
    this.entries.cells[this.entries.cellCount - 1] = value
  }

  histogramPoint(point: HistogramPoint): void {
    if (this.#isDropped || this.#refused !== undefined) return this.#leaveOut()
    if ((point.flags & noRecordedValueFlag) !== 0) return
    if (point.timeUnixNano === 0) return this.#reject('TIME_MISSING')
    const histograms = this.#histograms
    const wanted = this.#finder.decision.histogramBounds
    const refused = histograms.check(point, wanted)
    if (refused !== undefined) return this.#reject(refused)
    this.#kind.bounds = histograms.bounds
    const id = this.#seriesOf(point)
    if (id < 0) return
    if (wanted !== undefined) histograms.meet(this.#ledger.series.boundsIdOf(id))
    if (point.exemplarsEnd > 0) this.#noteExemplars(point, id, exemplarsFields.histogram)
    this.#addDistribution(point, id, histograms.cellCount)
    histograms.write(point, this.entries.cells, this.entries.cellCount - histograms.cellCount)
  }

  exponentialHistogramPoint(point: ExponentialHistogramPoint): void {
    if (this.#isDropped || this.#refused !== undefined) return this.#leaveOut()
    if ((point.flags & noRecordedValueFlag) !== 0) return
    if (point.timeUnixNano === 0) return this.#reject('TIME_MISSING')
    const exponentials = this.#exponentials
    const refused = exponentials.check(point)
    if (refused !== undefined) return this.#reject(refused)
    const id = this.#seriesOf(point)
    if (id < 0) return
    if (point.exemplarsEnd > 0) this.#noteExemplars(point, id, exemplarsFields.exponentialHistogram)
    this.#addDistribution(point, id, exponentials.cellCount)
    exponentials.write(point, this.entries.cells, this.entries.cellCount - exponentials.cellCount)
  }

  summaryPoint(): void {
    this.#leaveOut()
  }

  /** Of a gauge, or of a sum that may go down. */
  #otherNumber(point: NumberPoint): void {
    const { type } = this.#kind
    const level = isLevel(type)
    const isGone = (point.flags & noRecordedValueFlag) !== 0
    // Its sender says that it holds nothing any more; of any other point it says that there is no news.
    if (isGone && type === metricTypes.gauge) return this.#endGauge(point)
    if (isGone && !(level && this.#isTimed)) return
    const value = isGone ? 0 : point.value
    if (!isGone && point.valueKind === 'none') return this.#reject('VALUE_MISSING')
    if (Number.isNaN(value) ? type !== metricTypes.gauge : level && !Number.isFinite(value))
      return this.#reject('NOT_FINITE')
    if (point.timeUnixNano === 0) return this.#reject('TIME_MISSING')
    const id = this.#seriesOf(point)
    if (id < 0) return
    const { entries } = this
    if (this.#isTimed) {
      this.#addTimed(point, type, id, 1)
      entries.cells[entries.cellCount - 1] = value
    } else if (level) this.#add(type, id, value)
    else {
      const at = entries.reserve(2)
      entries.cells[at] = value
      entries.cells[at + 1] = point.timeUnixNano
      entries.add(type, id, at)
    }
  }

  /** Its sender says that it has no value any more (CONFORMANCE B16). One that was never seen is not born for that. */
  #endGauge({ attributeBytes, attributesStart, attributesEnd, timeUnixNano }: NumberPoint): void {
    if (timeUnixNano === 0) return this.#reject('TIME_MISSING')
    const { series } = this.#ledger
    const id = series.find(this.#finder.metric, attributeBytes, attributesStart, attributesEnd, this.#filter)
    if (id < 0 || series.part !== 0) return // Others may have one in the same series.
    const at = this.entries.reserve(2)
    this.entries.cells[at] = 0
    this.entries.cells[at + 1] = -timeUnixNano
    this.entries.add(metricTypes.gauge, id, at)
  }

  #noteExemplars(point: PointFrame, id: number, field: number): void {
    this.#exemplars.push(id, point.exemplarsStart, point.exemplarsEnd, field)
  }

  /** The series of a point, born where it is new; -1 where it cannot have one, and is rejected. */
  #seriesOf({ attributeBytes, attributesStart, attributesEnd }: PointFrame): number {
    if (this.entries.cellCount + this.entries.count >= this.#cellCountMax) throw this.#tooMany()
    const { series } = this.#ledger
    const { metric } = this.#finder
    const filter = this.#filter
    const id = series.find(metric, attributeBytes, attributesStart, attributesEnd, filter)
    if (id >= 0) return id
    const found = series.resolve(metric, attributeBytes, attributesStart, attributesEnd, this.#kind, filter)
    if (typeof found !== 'string') return found
    this.#reject(found)
    return -1
  }

  #tooMany(): Refusal {
    const max = this.#cellCountMax.toLocaleString('en')
    return new Refusal(
      'TOO_MANY_POINTS',
      `the points of this body are more than the limit of ${max} numbers; send smaller batches`
    )
  }

  /** As soon as there are more than can ever be followed: what is noted of each takes memory. */
  #tooManySenders(): Refusal {
    const max = this.#ledger.limits.writerCountMax.toLocaleString('en')
    return new Refusal(
      'WRITERS_FULL',
      `the running totals of this body are of more senders than the limit of ${max}; send deltas, or smaller batches`
    )
  }

  /** Tells the stream of the point whose series was found last from others of that series and sender: see Records. */
  #partOf(id: number): number {
    const { series } = this.#ledger
    if (this.#salt === 0) return series.part
    const stream = series.part === 0 ? series.streamOf(id) : series.part
    streamCell[0] = stream
    return streamHash(this.#salt, streamBytes, 0, 8)
  }

  /** An entry of a journal, or a delta; a journal's has a part. */
  #add(type: MetricType, id: number, value: number): void {
    this.entries.add(type, id, value)
    if (this.#body === 'journal') this.entries.notePart(this.#partOf(id))
  }

  /** An entry of a histogram of either kind, whose cells are the last. */
  #addDistribution(point: PointFrame, id: number, cellCount: number): void {
    const { entries } = this
    const { type } = this.#kind
    if (point.startTimeUnixNano < this.startTimeUnixNano) this.startTimeUnixNano = point.startTimeUnixNano
    if (this.#isTimed) this.#addTimed(point, type, id, cellCount)
    else this.#add(type, id, entries.reserve(cellCount))
  }

  /** An entry that is a running total of the scope's sender, with room for its cells. */
  #addTimed(point: PointFrame, type: MetricType, id: number, cellCount: number): void {
    const { entries } = this
    const writer = this.#sender.place(point.startTimeUnixNano, entries.writers)
    if (writer >= this.#ledger.limits.writerCountMax) throw this.#tooManySenders()
    const at = entries.reserve(leadCells + cellCount) + leadCells
    const { cells } = entries
    cells[at - leadCells] = writer
    cells[at - startLead] = point.startTimeUnixNano
    cells[at - timeLead] = point.timeUnixNano
    cells[at - partLead] = this.#partOf(id)
    entries.add(type | timedFlag, id, at)
    entries.linkTo(writer)
  }

  #kindRefused(frame: MetricFrame): RejectionReason | undefined {
    const { kind, temporality } = frame
    if (kind === metricKinds.summary) return 'SUMMARY_NOT_SUPPORTED'
    if (kind === metricKinds.gauge || isCumulative(frame)) return undefined
    if (temporality !== deltaTemporality) return 'TEMPORALITY_MISSING'
    return this.#body === 'journal' ? 'DELTA_IN_JOURNAL' : undefined
  }

  /** A point of a metric that a rule drops, or that is refused. */
  #leaveOut(): void {
    const { droppedBy } = this.#finder.decision
    if (this.#unit === 'superseded') this.superseded++
    else if (this.#isDropped && droppedBy !== undefined) countUp(this.#dropped, droppedBy)
    else if (this.#refused !== undefined) this.#reject(this.#refused)
  }

  #reject(reason: RejectionReason): void {
    if (this.rejects.has(reason)) this.rejects.add(reason, '')
    else this.rejects.add(reason, this.#nameForMessage())
  }

  #nameForMessage(): string {
    const frame = this.#frame
    if (frame === undefined) return ''
    return textForPeople(frame.bytes, frame.nameStart, frame.nameEnd, 100)
  }
}

function isCumulative({ temporality }: MetricFrame): boolean {
  return temporality === cumulativeTemporality
}

/** The type of a metric; of all gauges that of the latest value. */
function typeOf({ kind, monotonic }: MetricFrame): MetricType {
  if (kind === metricKinds.gauge) return metricTypes.gauge
  if (kind === metricKinds.histogram) return metricTypes.histogram
  if (kind === metricKinds.exponentialHistogram) return metricTypes.exponentialHistogram
  return monotonic ? metricTypes.counter : metricTypes.upDownCounter
}

const streamCell = new Float64Array(1)
const streamBytes = new Uint8Array(streamCell.buffer)
