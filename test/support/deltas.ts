import { encodeExportRequest, type ExportRequest, type KeyValue } from '@swansong/otlp'

export const delta = 1
export const cumulative = 2

export interface Point {
  name: string
  value: number
  attributes?: Record<string, string>
  /** Deltas unless given. */
  temporality?: number
}

export interface Sender {
  /** The `service.name`, shown as `job`. */
  job?: string
  /** The `service.instance.id`; none unless given. */
  instance?: string
  /** When it began to count, Unix milliseconds; a second ago unless given. */
  startMs?: number
  /** When it counted last, Unix milliseconds; now unless given. */
  timeMs?: number
  /** The unit of work that it is an attempt at. */
  unit?: { once: string; attempt: string }
}

/** An ExportMetricsServiceRequest of counters, a point each, as objects with the names of OTLP/JSON. */
export function exportRequest(points: readonly Point[], sender: Sender = {}): ExportRequest {
  const nowMs = sender.timeMs ?? Date.now()
  const { unit } = sender
  const times = {
    startTimeUnixNano: BigInt(sender.startMs ?? nowMs - 1000) * 1_000_000n,
    timeUnixNano: BigInt(nowMs) * 1_000_000n,
  }
  const resource = {
    'service.name': sender.job ?? 'test',
    ...(sender.instance === undefined ? {} : { 'service.instance.id': sender.instance }),
    ...(unit === undefined ? {} : { 'swansong.once': unit.once, 'swansong.attempt': unit.attempt }),
  }
  const metrics = points.map(({ name, value, attributes = {}, temporality = delta }) => ({
    name,
    sum: {
      aggregationTemporality: temporality,
      isMonotonic: true,
      dataPoints: [{ attributes: keyValues(attributes), ...times, asDouble: value }],
    },
  }))
  return {
    resourceMetrics: [
      { resource: { attributes: keyValues(resource) }, scopeMetrics: [{ scope: {}, metrics }] },
    ],
  }
}

/** The same as protobuf. */
export function deltas(points: readonly Point[], sender: Sender = {}): Uint8Array {
  return encodeExportRequest(exportRequest(points, sender))
}

/** The line of a counter at /metrics, without its value. */
export function lineOf(name: string, attributes: Record<string, string> = {}, job = 'test'): string {
  const labels = Object.entries({ job, ...attributes }).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `${name}_total{${labels.map(([key, value]) => `${key}="${value}"`).join(',')}}`
}

function keyValues(attributes: Record<string, string>): KeyValue[] {
  return Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }))
}
