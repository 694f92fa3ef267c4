import { encodeExportRequest, type KeyValue, type Metric } from '@swansong/otlp'
import type { Entry } from './aggregate.ts'

const delta = 1

export interface RequestOptions {
  serviceName: string
  timerBounds: readonly number[]
  histogramBounds: readonly number[]
}

/** Tags as labels: `key:value`, and a tag without a value as `true`. Of a key that stands twice the last counts. */
export function labelsOfTags(tags: string): Map<string, string> {
  const labels = new Map<string, string>()
  if (tags === '') return labels
  for (const tag of tags.split(',')) {
    const colon = tag.indexOf(':')
    if (colon < 0 && tag !== '') labels.set(tag, 'true')
    else if (colon > 0) labels.set(tag.slice(0, colon), tag.slice(colon + 1))
  }
  return labels
}

/** Entries as deltas of one service, a metric a name and type. */
export function requestOf(entries: readonly Entry[], options: RequestOptions, nowUnixMs: number): Uint8Array {
  const metrics = new Map<string, Metric>()
  const points = new Map<string, object[]>()
  for (const entry of entries) {
    const key = `${entry.type === 's' ? 'g' : entry.type}|${entry.name}`
    let dataPoints = points.get(key)
    if (dataPoints === undefined) {
      dataPoints = []
      points.set(key, dataPoints)
      metrics.set(key, metricOf(entry, dataPoints))
    }
    dataPoints.push(pointOf(entry, options, nowUnixMs))
  }
  const attributes = [{ key: 'service.name', value: { stringValue: options.serviceName } }]
  const scopeMetrics = [{ metrics: [...metrics.values()] }]
  return encodeExportRequest({ resourceMetrics: [{ resource: { attributes }, scopeMetrics }] })
}

function metricOf({ type, name }: Entry, dataPoints: readonly object[]): Metric {
  if (type === 'c') return { name, sum: { dataPoints, aggregationTemporality: delta, isMonotonic: true } }
  if (type === 'g' || type === 's') return { name, gauge: { dataPoints } }
  // Timers are told in milliseconds, and shown in seconds, as everything is in Prometheus.
  const unit = type === 'ms' ? { unit: 's' } : {}
  return { name, ...unit, histogram: { dataPoints, aggregationTemporality: delta } }
}

function pointOf(entry: Entry, { timerBounds, histogramBounds }: RequestOptions, nowUnixMs: number): object {
  const { type, tags, value, counts, timeS } = entry
  const attributes: KeyValue[] = []
  for (const [key, text] of labelsOfTags(tags)) attributes.push({ key, value: { stringValue: text } })
  // Of a gauge the latest is shown: one of the future would stand in the way of all that follow.
  const unixMs = timeS > 0 ? Math.min(timeS * 1000, nowUnixMs) : nowUnixMs
  const timeUnixNano = BigInt(Math.floor(unixMs)) * 1_000_000n
  const point = { attributes, timeUnixNano }
  if (type !== 'ms' && type !== 'h') return { ...point, asDouble: value }
  const count = counts.reduce((sum, one) => sum + one, 0)
  const explicitBounds = type === 'ms' ? timerBounds : histogramBounds
  return { ...point, count, sum: value, bucketCounts: counts, explicitBounds }
}
