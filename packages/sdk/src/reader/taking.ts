import type { MetricData, ScopeMetrics } from '@opentelemetry/sdk-metrics'
import type { KeyValue } from '@swansong/otlp'
import { bodyBytesMin } from '../encode/batch.ts'
import { encodeCollected, type Encoded } from './encode-collected.ts'

/** What was taken out of the stock SDK at one time, as far as no batch holds it yet. */
export interface Taking {
  resource: readonly KeyValue[]
  schemaUrl: string
  /** The process ends: see `encodeCollected`. */
  ended: boolean
  /** Each becomes a body, or several where that is too long; the last comes first. */
  pending: (readonly ScopeMetrics[])[]
}

/**
 * The next body of it: no longer than it may be, unless a single point is, as that cannot be divided. `bodyBytesMax` is asked
 * only where one is over what everybody takes.
 */
export function encodeNext(taking: Taking, bodyBytesMax: () => number): Encoded | undefined {
  const { resource, schemaUrl, ended, pending } = taking
  for (;;) {
    const scopes = pending.pop()
    if (scopes === undefined) return undefined
    const encoded = encodeCollected({ resource, schemaUrl, scopes }, ended)
    const { length } = encoded.body
    if (encoded.points < 2 || length <= bodyBytesMin || length <= bodyBytesMax()) return encoded
    const [first, others] = halve(scopes)
    pending.push(others, first)
  }
}

/** By the count of points, as they stand in their metrics and scopes. */
function halve(scopes: readonly ScopeMetrics[]): [ScopeMetrics[], ScopeMetrics[]] {
  let total = 0
  for (const { metrics } of scopes) for (const { dataPoints } of metrics) total += dataPoints.length
  const middle = Math.ceil(total / 2)
  return [between(scopes, 0, middle), between(scopes, middle, total)]
}

/** The points from `start` to `end`, counted through all metrics. */
function between(scopes: readonly ScopeMetrics[], start: number, end: number): ScopeMetrics[] {
  const found: ScopeMetrics[] = []
  let at = 0
  for (const { scope, metrics } of scopes) {
    const within: MetricData[] = []
    for (const metric of metrics) {
      const { length } = metric.dataPoints
      const dataPoints = metric.dataPoints.slice(Math.max(0, start - at), Math.max(0, end - at))
      if (dataPoints.length > 0) within.push({ ...metric, dataPoints } as MetricData)
      at += length
    }
    if (within.length > 0) found.push({ scope, metrics: within })
  }
  return found
}
