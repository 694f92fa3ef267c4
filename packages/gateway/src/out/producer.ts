import type {
  CollectionResult,
  DataPoint,
  ExponentialHistogramMetricData,
  HistogramMetricData,
  MetricData,
  MetricProducer,
  ResourceMetrics,
  SumMetricData,
} from '@opentelemetry/sdk-metrics'
import {
  attributeText,
  readAttributes,
  readScope,
  readString,
  resourceAttributesField,
  type Attribute,
} from '@swansong/otlp'
import type { Ledger } from '../ledger/ledger.ts'
import { isGaugeType, metricTypes, type MetricType } from '../ledger/metric-types.ts'
import { isKeptGauge, Lines, type Family } from './lines.ts'
import { labelsOf, metricLabels } from './names.ts'
import { namingOf, type Naming } from './naming.ts'
import { bucketsOf, exponentialOf, heldHistogram, histogramOf } from './producer-values.ts'

/**
 * Who reads what a producer gives. `prometheus`: an exporter of `@opentelemetry/exporter-prometheus`, for which points have
 * the labels of `/metrics`, exponential histograms, which it does not know, the buckets that they have there, and what is
 * newborn is held at 0, as for any scraper. `otlp`: any other reader; attributes are as they were sent, and what is kept of the resource beside them.
 */
export type ReadBy = 'prometheus' | 'otlp'

type Attributes = DataPoint<number>['attributes']

/** By the numbers of `AggregationTemporality`, `DataPointType` and `ValueType`: only the types of that package are needed. */
const cumulative = 1
const doubleValues = 1
const pointTypes = { histogram: 0, exponentialHistogram: 1, gauge: 2, sum: 3 } as const

/** A scope as the SDK knows it: what it does not, its attributes, stands at each point. */
interface ScopeShown {
  key: string
  scope: { name: string; version?: string; schemaUrl?: string }
}

export interface ProducerOptions {
  readBy: ReadBy
  /** Unix milliseconds. */
  now: () => number
  /** Shows from now on what was held at 0 for long enough. */
  reveal: () => void
}

/** What the series of a metric share. */
interface MetricShared {
  /** Equal for metrics that are one to a reader: their resources stand at each point. */
  key: string
  shown: ScopeShown
  labels: ReadonlyMap<string, string>
  resource: readonly Attribute[]
  scopeAttributes: readonly Attribute[]
}

/**
 * The ledger as a MetricProducer of `@opentelemetry/sdk-metrics`: an application that embeds the gateway hands it to any
 * MetricReader of its own. A collection is of one turn, so that all of it is durable (law 3).
 */
export class LedgerProducer implements MetricProducer {
  readonly #ledger: Ledger
  readonly #readBy: ReadBy
  readonly #now: () => number
  readonly #reveal: () => void
  readonly #lines: Lines
  readonly #naming: Naming
  readonly #shared: (MetricShared | undefined)[] = [] // By the metric's id.
  /** By the id of a line's first series, since it was collected first: they cost more than all the rest. */
  readonly #attributes: (Attributes | undefined)[] = []

  constructor(ledger: Ledger, { readBy, now, reveal }: ProducerOptions) {
    this.#ledger = ledger
    this.#readBy = readBy
    this.#now = now
    this.#reveal = reveal
    this.#lines = new Lines(ledger.series, 'underscores', () => {})
    this.#lines.build(Infinity)
    this.#naming = namingOf(ledger.series.metrics.strategy, 'underscores')
    ledger.onCommit((born) => this.#lines.keepUp(born))
    ledger.onEnd((ended) => {
      this.#lines.end(ended)
      for (const series of ended) this.#attributes[series] = undefined
    })
  }

  collect(): Promise<CollectionResult> {
    this.#reveal()
    if (!this.#ledger.failed) return Promise.resolve({ resourceMetrics: this.#collect(), errors: [] })
    const errors = [
      new Error('the store of the gateway failed: what the disk holds is read at the next start'),
    ]
    return Promise.resolve({ resourceMetrics: { resource: noResource, scopeMetrics: [] }, errors })
  }

  #collect(): ResourceMetrics {
    const byScope = new Map<string, ResourceMetrics['scopeMetrics'][number]>()
    const nowUnixMs = this.#now()
    for (const family of this.#lines.families()) {
      const byMetric = new Map<string, MetricData>()
      for (let at = 0; at < family.count; at++) {
        const line = family.lines[at] as number
        if (isKeptGauge(family.type) && this.#lines.isGone(line)) continue
        const id = this.#lines.series.metricOf(this.#lines.firstOf(line))
        const { key, shown } = this.#sharedOf(id)
        let data = byMetric.get(key)
        if (data === undefined) {
          data = this.#newData(id, family)
          byMetric.set(key, data)
          const scope = byScope.get(shown.key)
          if (scope === undefined) byScope.set(shown.key, { scope: shown.scope, metrics: [data] })
          else scope.metrics.push(data)
        }
        this.#addPoint(data, family.type, line, nowUnixMs)
      }
    }
    return { resource: noResource, scopeMetrics: [...byScope.values()] }
  }

  #newData(id: number, { type, description }: Family): MetricData {
    const { name, unit } = this.#rowOf(id)
    const descriptor = { name, unit, description, valueType: doubleValues }
    const shared = { descriptor, aggregationTemporality: cumulative, dataPoints: [] }
    if (isGaugeType(type)) return { ...shared, dataPointType: pointTypes.gauge }
    if (type === metricTypes.histogram) return { ...shared, dataPointType: pointTypes.histogram }
    if (type !== metricTypes.exponentialHistogram)
      return { ...shared, dataPointType: pointTypes.sum, isMonotonic: type === metricTypes.counter }
    if (this.#readBy === 'prometheus') return { ...shared, dataPointType: pointTypes.histogram }
    return { ...shared, dataPointType: pointTypes.exponentialHistogram }
  }

  #addPoint(data: MetricData, type: MetricType, line: number, nowUnixMs: number): void {
    const lines = this.#lines
    const { series } = lines
    const first = lines.firstOf(line)
    const more = lines.moreOf(line)
    const ids = more === undefined ? [first] : [first, ...more]
    const slots = ids.map((id) => series.slotOf(id))
    const startUnixMs = Math.min(...ids.map((id) => series.startOf(id)))
    const about = {
      startTime: timeOf(startUnixMs),
      endTime: timeOf(Math.max(nowUnixMs, startUnixMs + 1)), // Also where the clock was set back.
      attributes: (this.#attributes[first] ??= this.#attributesOf(first)),
    }
    const isHeld = this.#readBy === 'prometheus' && lines.isHeld(line)
    if (type === metricTypes.exponentialHistogram && this.#readBy === 'otlp') {
      const value = exponentialOf(series, slots)
      if (value !== undefined) (data as ExponentialHistogramMetricData).dataPoints.push({ ...about, value })
    } else if (type === metricTypes.histogram || type === metricTypes.exponentialHistogram) {
      const value = (type === metricTypes.histogram ? histogramOf : bucketsOf)(series, slots)
      ;(data as HistogramMetricData).dataPoints.push({
        ...about,
        value: isHeld ? heldHistogram(value) : value,
      })
    } else {
      const value = more === undefined ? series.pages.value(slots[0] as number) : lines.merged(type, line)
      ;(data as SumMetricData).dataPoints.push({ ...about, value: isHeld ? 0 : value }) // Gauges have the same.
    }
  }

  #attributesOf(series: number): Attributes {
    const bytes = this.#lines.series.attributesOf(series)
    const own = readAttributes(bytes, 0, bytes.length)
    const shared = this.#sharedOf(this.#lines.series.metricOf(series))
    if (this.#readBy === 'prometheus') {
      const labels = Object.fromEntries(
        labelsOf(this.#naming, this.#lines.series.typeOf(series), shared.labels, own)
      )
      for (const label of scopeLabels) delete labels[label] // The exporter writes those.
      return labels
    }
    const attributes: Attributes = {}
    const job = shared.labels.get('job')
    if (job !== undefined) attributes['job'] = job
    for (const { key, value } of shared.scopeAttributes) attributes[`otel.scope.${key}`] = valueOf(value)
    for (const { key, value } of shared.resource) attributes[key] = valueOf(value)
    for (const { key, value } of own) attributes[key in attributes ? `exported.${key}` : key] = valueOf(value)
    return attributes
  }

  #sharedOf(id: number): MetricShared {
    const known = this.#shared[id]
    if (known !== undefined) return known
    const { scopes, resources } = this.#lines.series.metrics
    const { name, unit, type, scope: scopeId } = this.#rowOf(id)
    const row = scopes[scopeId]
    const bytes = resources[row?.resource ?? -1]
    if (row === undefined || bytes === undefined)
      throw new Error(`BUG: metric ${id} has no scope or resource`)
    const resource = readAttributes(bytes, 0, bytes.length, resourceAttributesField)
    const scope = { ...readScope(row.scope, 0, row.scope.length), schemaUrl: readString(row.schemaUrl) }
    const shown = scopeShown(scope.name, scope.version, scope.schemaUrl)
    const shared = {
      key: JSON.stringify([shown.key, name, unit, type]),
      shown,
      labels: metricLabels(this.#naming, resource, scope),
      resource,
      scopeAttributes: scope.attributes,
    }
    this.#shared[id] = shared
    return shared
  }

  #rowOf(id: number): { name: string; unit: string; type: MetricType; scope: number } {
    const metric = this.#lines.series.metrics.metrics[id]
    if (metric === undefined) throw new Error(`BUG: there is no metric ${id}`)
    return metric
  }
}

const scopeLabels = ['otel_scope_name', 'otel_scope_version', 'otel_scope_schema_url'] as const

function scopeShown(name: string, version: string, schemaUrl: string): ScopeShown {
  const scope = {
    name,
    ...(version === '' ? {} : { version }),
    ...(schemaUrl === '' ? {} : { schemaUrl }),
  }
  return { key: JSON.stringify(scope), scope }
}

/** As an attribute of JavaScript, where it is one: what is more (bytes, maps, integers past 2^53) is a text. */
function valueOf(value: Attribute['value']): string | number | boolean {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  return typeof value === 'number' || typeof value === 'boolean' ? value : attributeText(value)
}

function timeOf(unixMs: number): [number, number] {
  const seconds = Math.floor(unixMs / 1000)
  return [seconds, Math.round((unixMs - seconds * 1000) * 1e6)]
}

/** A reader takes the resource of its MeterProvider; whose series they are is said at each point. */
const noResource: ResourceMetrics['resource'] = {
  attributes: {},
  merge: (other) => other ?? noResource,
  getRawAttributes: () => [],
}
