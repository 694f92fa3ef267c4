import type { ExponentialHistogram, Histogram } from '@opentelemetry/sdk-metrics'
import type { Series } from '../ledger/series.ts'
import type { Buckets } from '../ledger/values/buckets.ts'
import { Exponential } from '../ledger/values/exponential.ts'
import { extremesOf, sumOf } from '../ledger/values/histogram.ts'
import { ExponentialBuckets } from './exponential-buckets.ts'
import { mergedHistogram } from './merged-histogram.ts'

/** What a distribution has beside its buckets. */
interface Head {
  sum?: number
  min?: number
  max?: number
}

/** The histogram that series are together, by their slots. */
export function histogramOf(series: Series, slots: readonly number[]): Histogram {
  const { bounds, counts } = mergedHistogram(series, slots)
  const buckets = { boundaries: [...bounds], counts: [...counts] }
  return { buckets, count: totalOf(counts), ...headOf(series, slots) }
}

/** The exponential histogram that series are together; undefined where none of them has anything yet. */
export function exponentialOf(series: Series, slots: readonly number[]): ExponentialHistogram | undefined {
  let all: Exponential | undefined
  for (const slot of slots) {
    const one = new Exponential()
    if (!one.readSlots(series.pages, slot)) continue
    if (all === undefined) all = one
    else all.add(one)
  }
  if (all === undefined) return undefined
  const { scale, zeroCount, positive, negative, total: count } = all
  const side = ({ first, length, counts }: Buckets): { offset: number; bucketCounts: number[] } => {
    return { offset: first, bucketCounts: [...counts.subarray(0, length)] }
  }
  const sides = { positive: side(positive), negative: side(negative) }
  return { count, scale, zeroCount, ...sides, ...headOf(series, slots) }
}

/** A histogram that scrapers are shown at 0, as they are: whole. */
export function heldHistogram({ buckets: { boundaries, counts }, sum }: Histogram): Histogram {
  const nothing = { buckets: { boundaries, counts: counts.map(() => 0) }, count: 0 }
  return sum === undefined ? nothing : { ...nothing, sum: 0 }
}

/** The same in the buckets that it has as text. */
export function bucketsOf({ pages }: Series, slots: readonly number[]): Histogram {
  shown.read(pages, slots)
  const boundaries = [...shown.bounds]
  const counts = [...shown.counts, shown.count].map((count, at) => count - (shown.counts[at - 1] ?? 0))
  const { sum, count } = shown
  return { buckets: { boundaries, counts }, count, ...(sum === undefined ? {} : { sum }) }
}

/** The sum, the least and the greatest of all, each where it is known of all. */
function headOf({ pages }: Series, slots: readonly number[]): Head {
  const sums = slots.map((slot) => sumOf(pages, slot))
  const extremes = slots.map((slot) => extremesOf(pages, slot))
  const sum = foldedOf(sums, (one, other) => one + other)
  const min = foldedOf(
    extremes.map((each) => each.min),
    Math.min
  )
  const max = foldedOf(
    extremes.map((each) => each.max),
    Math.max
  )
  return {
    ...(sum === undefined ? {} : { sum }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
  }
}

function foldedOf(
  values: readonly (number | undefined)[],
  fold: (one: number, other: number) => number
): number | undefined {
  let folded = values[0]
  for (const value of values.slice(1))
    folded = folded === undefined || value === undefined ? undefined : fold(folded, value)
  return folded
}

function totalOf(counts: Float64Array): number {
  return counts.reduce((total, count) => total + count, 0)
}

const shown = new ExponentialBuckets()
