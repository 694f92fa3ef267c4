import assert from 'node:assert/strict'
import {
  encodeExportRequest,
  type ExponentialHistogramDataPoint,
  type HistogramDataPoint,
  type Metric,
  type NumberDataPoint,
} from '@swansong/otlp'
import { upperBound } from '../../src/ledger/values/buckets.ts'
import { committed, open, postBatch, postJournal, shown, type Opened } from './ledgers.ts'
import { metricsOf, type ResourceAttributes } from './requests.ts'
import type { SimStore } from './sim-store.ts'

/** The labels of every series that these helpers make. */
export const labels: string = 'job="jobs",otel_scope_name="test"'
export const second: bigint = 1_000_000_000n
export const time: bigint = 1_700_000_000n * second

export const worker: (name: string) => ResourceAttributes = (name) => ({
  'service.name': 'jobs',
  'service.instance.id': name,
})

export async function post(
  opened: Opened,
  metrics: readonly Metric[],
  resource: ResourceAttributes = { 'service.name': 'jobs' }
): Promise<string> {
  const answer = postBatch(opened, encodeExportRequest(metricsOf(metrics, resource)))
  await committed()
  const { refused, receipt } = await answer
  assert.equal(refused, undefined)
  return receipt.message
}

export async function tell(
  opened: Opened,
  writer: string,
  sequence: number,
  metrics: readonly Metric[],
  final = false
): Promise<void> {
  const body = encodeExportRequest(metricsOf(metrics))
  const told = postJournal(opened, { writer, sequence, final, body })
  await committed()
  assert.equal(await told, undefined)
}

/** What stands in the ledger, and would after a restart. */
export function kept(
  opened: Opened,
  store: SimStore,
  name: string,
  own: string = labels
): number | undefined {
  const values = shown(opened)
  assert.deepEqual(values, shown(open(store.restarted())))
  return values.get(`${name}{${own}}`)
}

export function histogram(point: HistogramDataPoint, aggregationTemporality = 1, name = 'size'): Metric {
  const dataPoints = [{ timeUnixNano: time, startTimeUnixNano: time - second, ...point }]
  return { name, histogram: { aggregationTemporality, dataPoints } }
}

export function gauge(asDouble: number, at: bigint, name = 'depth'): Metric {
  return { name, gauge: { dataPoints: [{ asDouble, timeUnixNano: at }] } }
}

export function sum(point: NumberDataPoint, temporality = 2, isMonotonic = false, name = 'active'): Metric {
  const dataPoints = [{ timeUnixNano: time, startTimeUnixNano: time - second, ...point }]
  return { name, sum: { aggregationTemporality: temporality, isMonotonic, dataPoints } }
}

/** A point of these values as an SDK would send it: bucket i holds what is above base^i and at most base^(i + 1). */
export function exponentialPoint(
  values: readonly number[],
  scale: number,
  zeroThreshold = 0
): ExponentialHistogramDataPoint {
  const side = (sign: number): { offset: number; bucketCounts: number[] } => {
    const indexes = values
      .map((value) => value * sign)
      .filter((value) => value > zeroThreshold)
      .map((value) => indexOf(value, scale))
    if (indexes.length === 0) return { offset: 0, bucketCounts: [] }
    const offset = Math.min(...indexes)
    const bucketCounts = Array<number>(Math.max(...indexes) - offset + 1).fill(0)
    for (const index of indexes) bucketCounts[index - offset] = (bucketCounts[index - offset] ?? 0) + 1
    return { offset, bucketCounts }
  }
  return {
    count: values.length,
    sum: values.reduce((before, each) => before + each, 0),
    min: Math.min(...values),
    max: Math.max(...values),
    scale,
    zeroCount: values.filter((value) => Math.abs(value) <= zeroThreshold).length,
    zeroThreshold,
    positive: side(1),
    negative: side(-1),
  }
}

function indexOf(value: number, scale: number): number {
  let index = Math.ceil(Math.log2(value) * 2 ** scale) - 1
  while (upperBound(scale, index) < value) index++
  while (upperBound(scale, index - 1) >= value) index--
  return index
}
