import type { HrTime, ValueType } from '@opentelemetry/api'
import type {
  AggregationTemporality,
  DataPoint,
  DataPointType,
  ExponentialHistogram,
  Histogram,
  MetricData,
  ScopeMetrics,
} from '@opentelemetry/sdk-metrics'
import {
  type AnyValue,
  encodeExportRequest,
  type Exemplar,
  type ExponentialHistogramDataPoint,
  type HistogramDataPoint,
  type KeyValue,
  type Metric,
  type NumberDataPoint,
  type ResourceMetrics,
  type ScopeMetrics as WireScopeMetrics,
} from '@swansong/otlp'

/*
 * What the stock SDK collects, as an ExportMetricsServiceRequest. Its enumerations are told by number, so that nothing
 * of it need be loaded.
 */

// DataPointType, by @opentelemetry/sdk-metrics.
const histogramType: DataPointType.HISTOGRAM = 0
const exponentialHistogramType: DataPointType.EXPONENTIAL_HISTOGRAM = 1
const gaugeType: DataPointType.GAUGE = 2
const sumType: DataPointType.SUM = 3

/** ValueType.INT, by @opentelemetry/api. */
const intType: ValueType.INT = 0
/** AggregationTemporality counts from 0 in the SDK, from 1 (delta) in opentelemetry/proto/metrics/v1/metrics.proto. */
const temporalityOffset = 1
const cumulativeType: AggregationTemporality.CUMULATIVE = 1
/** DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK. */
const noRecordedValue = 1
/** Lists in lists that are followed, as far as the gateway does; also what ends an attribute that holds itself. */
const depthMax = 16

/** Who counts, and what. */
export interface Collected {
  resource: readonly KeyValue[]
  schemaUrl: string
  scopes: readonly ScopeMetrics[]
}

export interface Encoded {
  body: Uint8Array
  points: number
  /** Points that cannot be encoded, as a metric producer or a callback has put nonsense into them. */
  lost: number
  why: string
}

/**
 * Encodes a collection. With `ended`, sums that are not monotonic and running totals (UpDownCounters) become points
 * without a value, by which the gateway takes this process's part out of the sum. Never throws.
 */
export function encodeCollected(collected: Collected, ended: boolean): Encoded {
  try {
    return encode(collected, ended, false)
  } catch {
    return encode(collected, ended, true)
  }
}

/** Whether this is a running total that goes up and down: the gateway keeps one for each living process. */
export function isUpDown(metric: MetricData): boolean {
  return (
    metric.dataPointType === sumType &&
    !metric.isMonotonic &&
    metric.aggregationTemporality === cumulativeType
  )
}

/** Checked: each metric is tried for itself, so that one of them cannot take the others along. */
function encode(collected: Collected, ended: boolean, checked: boolean): Encoded {
  const scopeMetrics: WireScopeMetrics[] = []
  const result: Encoded = { body: new Uint8Array(0), points: 0, lost: 0, why: '' }
  for (const scope of collected.scopes) {
    const metrics: Metric[] = []
    for (const data of scope.metrics) {
      try {
        const metric = toMetric(data, ended)
        if (checked) encodeExportRequest({ resourceMetrics: [{ scopeMetrics: [{ metrics: [metric] }] }] })
        metrics.push(metric)
        result.points += data.dataPoints.length
      } catch (error) {
        result.lost += data.dataPoints.length
        result.why = `${String(data.descriptor.name)}: ${error instanceof Error ? error.message : String(error)}`
      }
    }
    if (metrics.length > 0) scopeMetrics.push(toScopeMetrics(scope, metrics))
  }
  const resourceMetrics: ResourceMetrics = {
    resource: { attributes: collected.resource },
    scopeMetrics,
    schemaUrl: collected.schemaUrl,
  }
  return { ...result, body: encodeExportRequest({ resourceMetrics: [resourceMetrics] }) }
}

function toScopeMetrics({ scope }: ScopeMetrics, metrics: Metric[]): WireScopeMetrics {
  // The SDK keeps no attributes of a scope, but a metric producer may.
  const { attributes } = scope as { attributes?: unknown }
  return {
    scope: {
      name: textOf(scope.name),
      version: textOf(scope.version),
      attributes: toKeyValues(attributes ?? {}),
    },
    metrics,
    schemaUrl: textOf(scope.schemaUrl),
  }
}

function toMetric(data: MetricData, ended: boolean): Metric {
  const { name, description, unit, valueType } = data.descriptor
  const metric: Metric = { name: textOf(name), description: textOf(description), unit: textOf(unit) }
  const aggregationTemporality = data.aggregationTemporality + temporalityOffset
  const isInt = valueType === intType
  if (data.dataPointType === sumType) {
    const gone = ended && isUpDown(data)
    const dataPoints = data.dataPoints.map((point) => (gone ? toGone(point) : toNumber(point, isInt)))
    return { ...metric, sum: { dataPoints, aggregationTemporality, isMonotonic: data.isMonotonic } }
  }
  if (data.dataPointType === gaugeType) {
    return { ...metric, gauge: { dataPoints: data.dataPoints.map((point) => toNumber(point, isInt)) } }
  }
  if (data.dataPointType === histogramType) {
    return { ...metric, histogram: { dataPoints: data.dataPoints.map(toHistogram), aggregationTemporality } }
  }
  if (data.dataPointType === exponentialHistogramType) {
    const dataPoints = data.dataPoints.map(toExponentialHistogram)
    return { ...metric, exponentialHistogram: { dataPoints, aggregationTemporality } }
  }
  throw new Error(`its kind ${String((data as { dataPointType: unknown }).dataPointType)} is not known`)
}

function toNumber(point: DataPoint<number>, isInt: boolean): NumberDataPoint {
  const { value } = point
  const number = isInt && Number.isSafeInteger(value) ? { asInt: value } : { asDouble: value }
  return { ...toPoint(point), ...number, exemplars: toExemplars(point) }
}

function toGone(point: DataPoint<number>): NumberDataPoint {
  return { ...toPoint(point), flags: noRecordedValue }
}

function toHistogram(point: DataPoint<Histogram>): HistogramDataPoint {
  const { count, buckets } = point.value
  return {
    ...toPoint(point),
    count,
    bucketCounts: buckets.counts,
    explicitBounds: buckets.boundaries,
    ...toExtent(point.value),
    exemplars: toExemplars(point),
  }
}

function toExponentialHistogram(point: DataPoint<ExponentialHistogram>): ExponentialHistogramDataPoint {
  const { count, scale, zeroCount, positive, negative } = point.value
  return {
    ...toPoint(point),
    count,
    scale,
    zeroCount,
    ...(positive.bucketCounts.length > 0 ? { positive } : {}),
    ...(negative.bucketCounts.length > 0 ? { negative } : {}),
    ...toExtent(point.value),
    exemplars: toExemplars(point),
  }
}

/** Each is there or not; of nothing there is neither minimum nor maximum. */
function toExtent({ count, sum, min, max }: Histogram | ExponentialHistogram): {
  sum?: number
  min?: number
  max?: number
} {
  return {
    ...(sum === undefined ? {} : { sum }),
    ...(min === undefined || count === 0 ? {} : { min }),
    ...(max === undefined || count === 0 ? {} : { max }),
  }
}

function toPoint(point: DataPoint<unknown>): Pick<NumberDataPoint, 'attributes'> & {
  startTimeUnixNano: bigint
  timeUnixNano: bigint
} {
  return {
    attributes: toKeyValues(point.attributes),
    startTimeUnixNano: toNanos(point.startTime),
    timeUnixNano: toNanos(point.endTime),
  }
}

/** The shape of an exemplar that the SDK declares. Up to 3.1 it records none; what a metric producer brings is kept. */
interface StockExemplar {
  filteredAttributes?: unknown
  value: number
  timestamp: HrTime
  spanId?: unknown
  traceId?: unknown
}

function toExemplars(point: DataPoint<unknown>): Exemplar[] {
  const { exemplars } = point as { exemplars?: unknown }
  if (!Array.isArray(exemplars)) return []
  return (exemplars as StockExemplar[]).map(toExemplar)
}

function toExemplar({ filteredAttributes, value, timestamp, spanId, traceId }: StockExemplar): Exemplar {
  return {
    filteredAttributes: toKeyValues(filteredAttributes ?? {}),
    timeUnixNano: toNanos(timestamp),
    asDouble: value,
    spanId: isHex(spanId, 16) ? spanId : '',
    traceId: isHex(traceId, 32) ? traceId : '',
  }
}

function isHex(value: unknown, length: number): value is string {
  return typeof value === 'string' && value.length === length && /^[0-9a-f]+$/i.test(value)
}

function toNanos([seconds, nanos]: HrTime): bigint {
  return BigInt(Math.trunc(seconds)) * 1_000_000_000n + BigInt(Math.trunc(nanos))
}

/** Without those that have no value: what is `undefined` or `null` is not there. */
export function toKeyValues(attributes: object): KeyValue[] {
  const pairs: KeyValue[] = []
  for (const [key, value] of Object.entries(attributes)) {
    const any = value === undefined || value === null ? undefined : toAnyValue(value, 0)
    if (any !== undefined) pairs.push({ key, value: any })
  }
  return pairs
}

/** `undefined` for what is no value: a function, a symbol, a list too deep. */
function toAnyValue(value: unknown, depth: number): AnyValue | undefined {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? { intValue: value } : { doubleValue: value }
  if (typeof value === 'bigint') {
    return BigInt.asIntN(64, value) === value ? { intValue: value } : { stringValue: String(value) }
  }
  if (typeof value !== 'object' || value === null || depth === depthMax) return undefined
  if (value instanceof Uint8Array) return { bytesValue: value }
  if (Array.isArray(value)) {
    // What is no value keeps its place, as an empty one.
    return { arrayValue: { values: value.map((item) => toAnyValue(item, depth + 1) ?? {}) } }
  }
  const values = Object.entries(value).map(([key, item]) => ({
    key,
    value: toAnyValue(item, depth + 1) ?? {},
  }))
  return { kvlistValue: { values } }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
