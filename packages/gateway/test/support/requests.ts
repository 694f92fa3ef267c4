import {
  encodeExportRequest,
  type AnyValue,
  type ExportRequest,
  type KeyValue,
  type Metric,
} from '@swansong/otlp'

/** One point of a counter, as a test writes it down. Attributes are encoded in the order of their keys here. */
export interface Count {
  name?: string
  unit?: string
  description?: string
  value: number
  attributes?: Record<string, string | number | boolean>
}

export type ResourceAttributes = Record<string, string>

const time = 1_700_000_001_000_000_000n

/** A request of deltas, a metric a count. */
export function deltas(
  counts: readonly Count[],
  resource: ResourceAttributes = { 'service.name': 'jobs' }
): Uint8Array {
  return encodeExportRequest(requestOf(counts, resource, 1, time - 1_000_000_000n))
}

/** The body of a journal: running totals since a start, Unix milliseconds. */
export function totals(
  counts: readonly Count[],
  startMs: number = Date.now(),
  resource: ResourceAttributes = { 'service.name': 'jobs' }
): Uint8Array {
  return encodeExportRequest(requestOf(counts, resource, 2, BigInt(startMs) * 1_000_000n))
}

/** A request with one scope of these metrics. */
export function metricsOf(
  metrics: readonly Metric[],
  resource: ResourceAttributes = { 'service.name': 'jobs' }
): ExportRequest {
  return {
    resourceMetrics: [
      { resource: { attributes: keyValues(resource) }, scopeMetrics: [{ scope: { name: 'test' }, metrics }] },
    ],
  }
}

export function keyValues(attributes: Record<string, string | number | boolean>): KeyValue[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }))
}

function requestOf(
  counts: readonly Count[],
  resource: ResourceAttributes,
  temporality: 1 | 2,
  startTimeUnixNano: bigint
): ExportRequest {
  const metrics = counts.map(({ name = 'work', unit = '', description = '', value, attributes = {} }) => ({
    name,
    unit,
    description,
    sum: {
      aggregationTemporality: temporality,
      isMonotonic: true,
      dataPoints: [
        { attributes: keyValues(attributes), startTimeUnixNano, timeUnixNano: time, asDouble: value },
      ],
    },
  }))
  return metricsOf(metrics, resource)
}

function anyValue(value: string | number | boolean): AnyValue {
  if (typeof value === 'string') return { stringValue: value }
  return typeof value === 'boolean' ? { boolValue: value } : { intValue: value }
}
