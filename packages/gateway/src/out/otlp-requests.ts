import { resourceAttributesField } from '@swansong/otlp'
import { Writer } from '@swansong/otlp/wire'
import type { Ledger } from '../ledger/ledger.ts'
import { isGaugeType, metricTypes, type MetricType } from '../ledger/metric-types.ts'
import { OtlpPoints } from './otlp-points.ts'

/** Points that are encoded in one turn of the event loop: one or two milliseconds. */
export const pointsPerTurnMax = 1000
/** Series that are put in order in one turn. */
const seriesPerTurnMax = 20_000
/** A request ends with the point that reaches one of these. */
export const requestPointsMax = 10_000
export const requestBytesMax: number = 1024 * 1024

/** Metric.data of each type, and what stands in it beside the points. */
const sumField = 7
const dataFields: Readonly<Record<MetricType, number>> = {
  [metricTypes.counter]: sumField,
  [metricTypes.upDownCounter]: sumField,
  [metricTypes.gauge]: 5,
  [metricTypes.gaugeMin]: 5,
  [metricTypes.gaugeMax]: 5,
  [metricTypes.gaugeSum]: 5,
  [metricTypes.histogram]: 9,
  [metricTypes.exponentialHistogram]: 10,
}
const temporalityField = 2
const cumulative = 2
const isMonotonicField = 3

/** An ExportMetricsServiceRequest in protobuf, and how many points are in it. */
export interface OtlpRequest {
  body: Uint8Array
  points: number
  /** What they are points of. */
  metrics: readonly number[]
}

/**
 * All living series once, as requests, in the order of their metrics. `step` does what one turn of the event loop has room
 * for; between two steps the ledger may go on: what is born meanwhile is told the next time, and each point is of what was
 * durable when it was written (law 3).
 */
export class OtlpRequests {
  readonly #ledger: Ledger
  readonly #now: () => number
  readonly #alone: ReadonlySet<number>
  readonly #writer = new Writer(requestBytesMax + 64 * 1024)
  readonly #points: OtlpPoints
  readonly #idEnd: number
  /** By series: its metric when it was looked at, -1 for none. */
  readonly #metricOf: Int32Array
  /** By metric: where its next series is to stand; in the end where that of the next metric begins. */
  readonly #places: Int32Array
  readonly #order: Int32Array
  #counted = 0
  #placed = 0
  #count = 0
  #at = 0
  /** Of the request that is being written: the messages that are open, outermost first, and what they are of. */
  #open: number[] = []
  #resource = -1
  #scope = -1
  #metric = -1
  #written = 0
  #metrics: number[] = []

  /** `now`: Unix milliseconds, never going back. `alone`: metrics that are told in requests of their own. */
  constructor(ledger: Ledger, now: () => number, alone: ReadonlySet<number> = none) {
    const { series } = ledger
    this.#ledger = ledger
    this.#now = now
    this.#alone = alone
    this.#points = new OtlpPoints(ledger, this.#writer)
    this.#idEnd = series.idEnd
    this.#metricOf = new Int32Array(series.idEnd)
    this.#order = new Int32Array(series.idEnd)
    this.#places = new Int32Array(series.metrics.metrics.length)
  }

  /** A request, when one is whole; `more` where another turn is needed; undefined when all was told. */
  step(): OtlpRequest | 'more' | undefined {
    if (this.#counted < this.#idEnd) return this.#countSome()
    if (this.#placed < this.#idEnd) return this.#placeSome()
    const unixMs = this.#now()
    const end = Math.min(this.#count, this.#at + pointsPerTurnMax)
    while (this.#at < end) {
      if (this.#mustFinishBefore(this.#order[this.#at] as number)) return this.#finish()
      this.#write(this.#order[this.#at++] as number, unixMs)
      if (this.#written >= requestPointsMax || this.#writer.length >= requestBytesMax) return this.#finish()
    }
    if (this.#at < this.#count) return 'more'
    return this.#written > 0 ? this.#finish() : undefined
  }

  #mustFinishBefore(id: number): boolean {
    const metric = this.#metricOf[id] as number
    if (this.#written === 0 || metric === this.#metric || this.#alone.size === 0) return false
    return this.#alone.has(metric) || this.#alone.has(this.#metric)
  }

  #countSome(): 'more' {
    const places = this.#places
    const end = Math.min(this.#idEnd, this.#counted + seriesPerTurnMax)
    for (let id = this.#counted; id < end; id++) {
      const metric = this.#metricNow(id)
      const isKnown = metric >= 0 && metric < places.length
      this.#metricOf[id] = isKnown ? metric : -1
      if (isKnown) places[metric] = (places[metric] as number) + 1
    }
    this.#counted = end
    if (end < this.#idEnd) return 'more'
    for (let metric = 0; metric < places.length; metric++) {
      const count = places[metric] as number
      places[metric] = this.#count
      this.#count += count
    }
    return 'more'
  }

  #placeSome(): 'more' {
    const end = Math.min(this.#idEnd, this.#placed + seriesPerTurnMax)
    for (let id = this.#placed; id < end; id++) {
      const metric = this.#metricOf[id] as number
      if (metric < 0) continue
      const place = this.#places[metric] as number
      this.#places[metric] = place + 1
      this.#order[place] = id
    }
    this.#placed = end
    return 'more'
  }

  /** -1 for a series that has ended: its id may be another's by now. */
  #metricNow(id: number): number {
    const { series } = this.#ledger
    return id < series.idEnd && series.isLive(id) ? series.metricOf(id) : -1
  }

  #write(id: number, unixMs: number): void {
    const metric = this.#metricOf[id] as number
    if (this.#metricNow(id) !== metric) return
    if (metric !== this.#metric) this.#openMetric(metric)
    const { type } = this.#metricRow(metric)
    if (this.#points.write(id, type, unixMs)) this.#written++
  }

  #openMetric(id: number): void {
    const writer = this.#writer
    const { scopes } = this.#ledger.series.metrics
    const { scope, type, name, unit, description } = this.#metricRow(id)
    const row = scopes[scope]
    if (row === undefined) throw new Error(`BUG: metric ${id} has no scope`)
    if (row.resource !== this.#resource) this.#openResource(row.resource)
    if (scope !== this.#scope) {
      this.#closeTo(1)
      this.#scope = scope
      this.#open.push(writer.open(2))
      writer.bytes(1, row.scope)
      if (row.schemaUrl.length > 0) writer.bytes(3, row.schemaUrl)
    }
    this.#closeTo(2)
    this.#metric = id
    this.#metrics.push(id)
    this.#open.push(writer.open(2))
    writer.string(1, name)
    if (description !== '') writer.string(2, description)
    if (unit !== '') writer.string(3, unit)
    this.#open.push(writer.open(dataFields[type]))
    if (isGaugeType(type)) return
    writer.uint(temporalityField, cumulative)
    if (type === metricTypes.counter) writer.bool(isMonotonicField, true)
  }

  #openResource(id: number): void {
    const writer = this.#writer
    this.#closeTo(0)
    this.#resource = id
    this.#scope = -1
    this.#open.push(writer.open(1))
    const attributes = this.#ledger.series.metrics.resources[id] as Uint8Array
    const resource = writer.open(1)
    writer.raw(attributes)
    this.#writeInstance()
    writer.close(resource)
  }

  /**
   * The gateway is the one writer of what it tells: another node's series are others (CONFORMANCE, trap 10). That of the
   * workers is never kept.
   */
  #writeInstance(): void {
    const writer = this.#writer
    const keyValue = writer.open(resourceAttributesField)
    writer.string(1, 'service.instance.id')
    const value = writer.open(2)
    writer.string(1, this.#ledger.identity.ledgerId)
    writer.close(value)
    writer.close(keyValue)
  }

  #metricRow(id: number): {
    scope: number
    type: MetricType
    name: string
    unit: string
    description: string
  } {
    const metric = this.#ledger.series.metrics.metrics[id]
    if (metric === undefined) throw new Error(`BUG: there is no metric ${id}`)
    return metric
  }

  /** Closes messages until so many are open: a resource, a scope, a metric, its data. */
  #closeTo(depth: number): void {
    while (this.#open.length > depth) this.#writer.close(this.#open.pop() as number)
    if (depth < 3) this.#metric = -1
  }

  #finish(): OtlpRequest {
    this.#closeTo(0)
    const request = { body: this.#writer.finish(), points: this.#written, metrics: this.#metrics }
    this.#metrics = []
    this.#writer.length = 0
    this.#resource = this.#scope = -1
    this.#written = 0
    return request
  }
}

const none: ReadonlySet<number> = new Set()
