import {
  decodeExportRequest,
  exemplarsFields,
  metricKinds,
  OtlpError,
  readAttributes,
  readScope,
  readString,
  resourceAttributesField,
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
import type { Metric } from '../ledger/metrics.ts'
import { gaugeTypes, isLevel, metricTypes, type MetricType } from '../ledger/metric-types.ts'
import type { Kind } from '../ledger/series.ts'
import { Refusal, type RejectionReason } from '../refusal.ts'
import { ExponentialReader } from './exponential-reader.ts'
import { HistogramReader } from './histogram-reader.ts'
import { identifier } from './identity.ts'
import { descriptionOf, labelsRefused, textForPeople } from './labels.ts'
import { Rejects } from './rejects.ts'
import { partOf, SenderIdentity } from './sender.ts'

const deltaTemporality = 1
const cumulativeTemporality = 2
const noRecordedValueFlag = 1

/** What a body is: a request, or a journal, whose points are all running totals of one writer. */
export type BodyKind = 'batch' | 'journal'

export type AdmissionOptions = Pick<RuleSettings, 'resourceAttributes' | 'gaugePolicy'>

/**
 * Decodes a body and decides which of its points count: they are in `entries`. Adds nothing; series that are new are born
 * (and taken back by the ledger when the body turns out not to be OTLP). One object, used for one body after the other.
 */
export class Admission implements ExportVisitor {
  readonly entries: Entries = new Entries()
  readonly rejects: Rejects
  /** True when every resource has a service.instance.id: then the body's digest identifies the batch (CONFORMANCE C3). */
  identified = false
  /** The earliest start of a counted point that is no level, Unix nanoseconds; Infinity where there is none. */
  startTimeUnixNano: number = Infinity
  readonly #ledger: Ledger
  readonly #identify: ReturnType<typeof identifier>
  readonly #gaugeType: MetricType
  readonly #histograms: HistogramReader
  readonly #exponentials = new ExponentialReader()
  readonly #sender = new SenderIdentity()
  readonly #kind: Kind = { type: metricTypes.counter, bounds: -1 }
  #body: BodyKind = 'batch'
  #resources = 0
  #anonymous = 0
  #resource = -1
  #scope = -1
  #metric = -1
  /** The points of this metric are running totals of a sender that is no journal. */
  #isTimed = false
  #refused: RejectionReason | undefined
  #scopeRefused: RejectionReason | undefined
  #frame: MetricFrame | undefined
  /** Where exemplars of points that count stand: of each a series, a range of the body, the number of their field. */
  #exemplars: number[] = []
  #cellCountMax = 0

  constructor(ledger: Ledger, options: AdmissionOptions) {
    this.#ledger = ledger
    this.rejects = new Rejects(() => ledger.limits)
    this.#identify = identifier(options.resourceAttributes.keep)
    this.#gaugeType = gaugeTypes[options.gaugePolicy]
    this.#histograms = new HistogramReader(ledger.series.bounds, ledger.limits)
  }

  /** Throws a Refusal NOT_OTLP for bytes that are no ExportMetricsServiceRequest. */
  read(body: Uint8Array, kind: BodyKind): void {
    this.entries.clear()
    this.rejects.clear()
    this.#sender.clear()
    this.#exemplars = []
    this.startTimeUnixNano = Infinity
    this.#cellCountMax = this.#ledger.limits.bodyCellCountMax
    this.#body = kind
    this.#resources = 0
    this.#anonymous = 0
    try {
      decodeExportRequest(body, this)
    } catch (error) {
      if (error instanceof OtlpError)
        throw new Refusal('NOT_OTLP', `not OTLP metrics: ${error.message}`, { cause: error })
      throw error
    }
    this.identified = this.#resources > 0 && this.#anonymous === 0
  }

  /** A point that turned out not to fit when it was added. */
  rejectLate(reason: RejectionReason, series: number): void {
    const { metrics } = this.#ledger.series.metrics
    this.rejects.add(reason, metrics[this.#ledger.series.metricOf(series)]?.name.slice(0, 100) ?? '')
    const at = this.#exemplars.findIndex((each, index) => index % 4 === 0 && each === series)
    if (at >= 0) this.#exemplars.splice(at, 4)
  }

  /** Where the exemplars stand of what counts, if any: a series, a range of the body, and a field, one after the other. */
  takeExemplars(): readonly number[] {
    return this.#exemplars
  }

  resource(bytes: Uint8Array, start: number, end: number): void {
    const { metrics } = this.#ledger.series
    const identity = this.#identify(bytes, start, end)
    this.#resources++
    if (!identity.hasInstanceId) this.#anonymous++
    this.#sender.resource(bytes, start, end, identity.hasInstanceId)
    this.#scopeRefused = undefined
    this.#resource = metrics.findResource(identity.bytes, 0, identity.length)
    if (this.#resource >= 0) return
    const kept = identity.bytes.slice(0, identity.length)
    const refused = labelsRefused(kept.length, this.#ledger.limits, () =>
      readAttributes(kept, 0, kept.length, resourceAttributesField).map(({ value }) => value)
    )
    if (refused !== undefined) this.#scopeRefused = refused
    else if (!metrics.hasRoomFor(metrics.resources.length, kept.length, this.#ledger.limits))
      this.#scopeRefused = 'METRICS_FULL'
    else this.#resource = metrics.bearResource(kept)
  }

  scope(bytes: Uint8Array, start: number, end: number, schemaUrlStart: number, schemaUrlEnd: number): void {
    if (this.#resource < 0) return
    const { metrics } = this.#ledger.series
    this.#scopeRefused = undefined
    this.#sender.scope(bytes, start, end, schemaUrlStart, schemaUrlEnd)
    const scope = bytes.subarray(start, end)
    const schemaUrl = bytes.subarray(schemaUrlStart, schemaUrlEnd)
    if (scope.length + schemaUrl.length > this.#ledger.limits.attributesBytesMax) {
      this.#scopeRefused = 'ATTRIBUTES_TOO_LARGE' // Before it is looked up, so that no copy of it is made.
      return
    }
    this.#scope = metrics.findScope(this.#resource, scope, schemaUrl)
    if (this.#scope >= 0) return
    const refused = labelsRefused(scope.length + schemaUrl.length, this.#ledger.limits, () => {
      const { name, version, attributes } = readScope(bytes, start, end)
      const url = readString(bytes, schemaUrlStart, schemaUrlEnd)
      return [name, version, url, ...attributes.map(({ value }) => value)]
    })
    if (refused !== undefined) this.#scopeRefused = refused
    else if (!metrics.hasRoomFor(metrics.scopes.length, scope.length + schemaUrl.length, this.#ledger.limits))
      this.#scopeRefused = 'METRICS_FULL'
    else {
      const row = { resource: this.#resource, scope: scope.slice(), schemaUrl: schemaUrl.slice() }
      this.#scope = metrics.bearScope(row)
    }
  }

  metric(frame: MetricFrame): void {
    this.#frame = frame
    this.#refused = this.#scopeRefused ?? this.#kindRefused(frame)
    if (this.#refused !== undefined) return
    const { metrics } = this.#ledger.series
    const { bytes, nameStart, nameEnd, unitStart, unitEnd } = frame
    const { type } = this.#kind
    const { nameBytesMax } = this.#ledger.limits
    const fits =
      nameEnd > nameStart && nameEnd - nameStart <= nameBytesMax && unitEnd - unitStart <= nameBytesMax
    if (!fits) {
      this.#refused = 'NAME_INVALID'
      return
    }
    this.#metric = metrics.findMetric(this.#scope, type, bytes, nameStart, nameEnd, unitStart, unitEnd)
    if (this.#metric < 0) this.#bearMetric(frame)
    else {
      // In UTF-8 it is at least as many bytes as it has characters, so that most are not read.
      const known = metrics.metrics[this.#metric] as Metric
      const { descriptionStart, descriptionEnd } = frame
      if (descriptionEnd - descriptionStart > known.description.length)
        metrics.describe(this.#metric, descriptionOf(frame, this.#ledger.limits), this.#ledger.limits)
    }
  }

  numberPoint(point: NumberPoint): void {
    if (this.#refused !== undefined) return this.#reject(this.#refused)
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
    if (!this.#isTimed) return this.entries.add(type, id, value)
    this.#addTimed(point, type, id, 1)
    this.entries.cells[this.entries.cellCount - 1] = value
  }

  histogramPoint(point: HistogramPoint): void {
    if (this.#refused !== undefined) return this.#reject(this.#refused)
    if ((point.flags & noRecordedValueFlag) !== 0) return
    if (point.timeUnixNano === 0) return this.#reject('TIME_MISSING')
    const histograms = this.#histograms
    const refused = histograms.check(point)
    if (refused !== undefined) return this.#reject(refused)
    this.#kind.bounds = histograms.bounds
    const id = this.#seriesOf(point)
    if (id < 0) return
    if (point.exemplarsEnd > 0) this.#noteExemplars(point, id, exemplarsFields.histogram)
    this.#addDistribution(point, id, histograms.cellCount)
    histograms.write(point, this.entries.cells, this.entries.cellCount - histograms.cellCount)
  }

  exponentialHistogramPoint(point: ExponentialHistogramPoint): void {
    if (this.#refused !== undefined) return this.#reject(this.#refused)
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
    this.#reject(this.#refused ?? 'SUMMARY_NOT_SUPPORTED')
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
    } else if (level) entries.add(type, id, value)
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
    const id = this.#ledger.series.find(this.#metric, attributeBytes, attributesStart, attributesEnd)
    if (id < 0 || this.#ledger.series.overflows.has(id)) return
    const at = this.entries.reserve(2)
    this.entries.cells[at] = 0
    this.entries.cells[at + 1] = -timeUnixNano
    this.entries.add(metricTypes.gauge, id, at)
  }

  #noteExemplars(point: PointFrame, id: number, field: number): void {
    this.#exemplars.push(id, point.exemplarsStart, point.exemplarsEnd, field)
  }

  /** The series of a point, born where it is new; -1 where it cannot have one, and is rejected. */
  #seriesOf(point: PointFrame): number {
    if (this.entries.cellCount + this.entries.count >= this.#cellCountMax) throw this.#tooMany()
    const { attributeBytes, attributesStart, attributesEnd } = point
    const { series } = this.#ledger
    const id = series.find(this.#metric, attributeBytes, attributesStart, attributesEnd)
    if (id >= 0) return id
    const found = series.resolve(this.#metric, attributeBytes, attributesStart, attributesEnd, this.#kind)
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

  /** An entry of a histogram of either kind, whose cells are the last. */
  #addDistribution(point: PointFrame, id: number, cellCount: number): void {
    const { entries } = this
    const { type } = this.#kind
    if (point.startTimeUnixNano < this.startTimeUnixNano) this.startTimeUnixNano = point.startTimeUnixNano
    if (this.#isTimed) this.#addTimed(point, type, id, cellCount)
    else entries.add(type, id, entries.reserve(cellCount))
  }

  /** An entry that is a running total of the scope's sender, with room for its cells. */
  #addTimed(point: PointFrame, type: MetricType, id: number, cellCount: number): void {
    const { entries } = this
    const writer = this.#sender.place(point.startTimeUnixNano, entries.writers)
    const at = entries.reserve(leadCells + cellCount) + leadCells
    const { cells } = entries
    cells[at - leadCells] = writer
    cells[at - startLead] = point.startTimeUnixNano
    cells[at - timeLead] = point.timeUnixNano
    cells[at - partLead] = this.#ledger.series.overflows.has(id) ? partOf(point) : 0
    entries.add(type | timedFlag, id, at)
    entries.linkTo(writer)
  }

  #kindRefused(frame: MetricFrame): RejectionReason | undefined {
    const { kind, temporality } = frame
    const isCumulative = temporality === cumulativeTemporality
    this.#kind.type = this.#typeOf(frame)
    if (kind === metricKinds.summary) return 'SUMMARY_NOT_SUPPORTED'
    if (kind === metricKinds.gauge) {
      this.#isTimed = isLevel(this.#gaugeType) && this.#body === 'batch'
      return undefined
    }
    if (!isCumulative && temporality !== deltaTemporality) return 'TEMPORALITY_MISSING'
    if (!isCumulative && this.#body === 'journal') return 'DELTA_IN_JOURNAL'
    this.#isTimed = isCumulative && this.#body === 'batch'
    return undefined
  }

  #typeOf({ kind, monotonic }: MetricFrame): MetricType {
    if (kind === metricKinds.gauge) return this.#gaugeType
    if (kind === metricKinds.histogram) return metricTypes.histogram
    if (kind === metricKinds.exponentialHistogram) return metricTypes.exponentialHistogram
    return monotonic ? metricTypes.counter : metricTypes.upDownCounter
  }

  #bearMetric(frame: MetricFrame): void {
    const { metrics } = this.#ledger.series
    const { bytes, nameStart, nameEnd, unitStart, unitEnd } = frame
    const description = descriptionOf(frame, this.#ledger.limits)
    const length = nameEnd - nameStart + (unitEnd - unitStart) + description.length
    if (!metrics.hasRoomFor(metrics.metrics.length, length, this.#ledger.limits))
      this.#refused = 'METRICS_FULL'
    else {
      try {
        const { type } = this.#kind
        const name = readString(bytes, nameStart, nameEnd)
        const unit = readString(bytes, unitStart, unitEnd)
        if (metrics.families.conflict(type, name, unit) !== undefined) {
          this.#refused = 'NAME_CONFLICT'
          return
        }
        this.#metric = metrics.bearMetric({
          scope: this.#scope,
          type,
          name,
          unit,
          description,
        })
      } catch (error) {
        if (!(error instanceof OtlpError) || error.code !== 'NOT_UTF8') throw error
        this.#refused = 'NAME_INVALID'
      }
    }
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
