import { encodeExportRequest, type KeyValue, type Metric } from '@swansong/otlp'
import type { Family, Label, Sample } from '../../ledger/pushed/family.ts'
import { inconsistent } from './checked.ts'

const delta = 1

/**
 * Families of a process that pushes once, as deltas: counters and histograms add up, of a gauge the last is kept. Of a
 * summary its sum and count add up, as a histogram without bounds: its quantiles cannot (see `quantilesOf`). The job is the
 * service; all other labels of the group become labels of each series. Throws PUSH_INCONSISTENT.
 */
export function deltasOf(
  families: readonly Family[],
  group: readonly Label[],
  nowUnixMs: number
): Uint8Array {
  const timeUnixNano = BigInt(Math.floor(nowUnixMs)) * 1_000_000n
  const job = group.find(({ name }) => name === 'job')?.value ?? ''
  const metrics = families.map((family) => metricOf(family, timeUnixNano))
  const attributes = [{ key: 'service.name', value: { stringValue: job } }]
  return encodeExportRequest({ resourceMetrics: [{ resource: { attributes }, scopeMetrics: [{ metrics }] }] })
}

/**
 * Without the families that only say when a counter, a summary or a histogram beside them began, as Python's client pushes
 * them: what is added up began with its series.
 */
export function withoutCreated(families: readonly Family[]): Family[] {
  const bases = new Set<string>()
  for (const { name, type } of families)
    if (type !== 'gauge' && type !== 'untyped') bases.add(name.replace(/_total$/, ''))
  const suffix = '_created'
  return families.filter(
    ({ name, type }) =>
      type !== 'gauge' || !name.endsWith(suffix) || !bases.has(name.slice(0, -suffix.length))
  )
}

/** How many samples have quantiles, which cannot be added up. */
export function quantilesOf(families: readonly Family[]): number {
  let count = 0
  for (const { type, samples } of families)
    if (type === 'summary') for (const { parts } of samples) count += parts.length > 0 ? 1 : 0
  return count
}

function metricOf({ name, help, type, samples }: Family, timeUnixNano: bigint): Metric {
  const named = { name, description: help }
  if (type === 'counter') {
    const dataPoints = samples.map((sample) => ({
      ...pointOf(sample, timeUnixNano),
      asDouble: sample.value ?? 0,
    }))
    return { ...named, sum: { dataPoints, aggregationTemporality: delta, isMonotonic: true } }
  }
  if (type === 'gauge' || type === 'untyped') {
    const dataPoints = samples.map((sample) => ({
      ...pointOf(sample, timeUnixNano),
      asDouble: sample.value ?? 0,
    }))
    return { ...named, gauge: { dataPoints } }
  }
  const dataPoints = samples.map((sample) => {
    const { bounds, counts } = type === 'summary' ? oneBucket(sample) : bucketsOf(name, sample)
    const count = counts.reduce((sum, one) => sum + one, 0)
    const sum = sample.value === undefined ? {} : { sum: sample.value }
    return { ...pointOf(sample, timeUnixNano), count, ...sum, bucketCounts: counts, explicitBounds: bounds }
  })
  return { ...named, histogram: { dataPoints, aggregationTemporality: delta } }
}

function pointOf({ labels }: Sample, timeUnixNano: bigint): { attributes: KeyValue[]; timeUnixNano: bigint } {
  const attributes: KeyValue[] = []
  for (const { name, value } of labels) {
    if (name === 'job' || value === '') continue // The job is the service; a label without a value is none.
    attributes.push({ key: name, value: { stringValue: value } })
  }
  return { attributes, timeUnixNano }
}

function oneBucket({ count }: Sample): { bounds: number[]; counts: number[] } {
  return { bounds: [], counts: [count] }
}

/** Buckets that count up to their bounds, as buckets that count between them. */
function bucketsOf(name: string, { parts, count }: Sample): { bounds: number[]; counts: number[] } {
  const sorted = parts.toSorted((a, b) => a.at - b.at)
  const bounds: number[] = []
  const counts: number[] = []
  let before = 0
  let total = count
  for (const { at, value } of sorted) {
    if (value < before || !Number.isSafeInteger(value))
      throw inconsistent(`the buckets of ${name} do not count up, in whole numbers, to their bounds`)
    if (at === Infinity) {
      total = value
      continue
    }
    bounds.push(at)
    counts.push(value - before)
    before = value
  }
  if (total < before || !Number.isSafeInteger(total))
    throw inconsistent(`the count of ${name} is less than one of its buckets holds, or no whole number`)
  counts.push(total - before)
  return { bounds, counts }
}
