import { isGaugeType, isLevel, metricTypes, type MetricType } from '../../ledger/metric-types.ts'
import type { Series } from '../../ledger/series.ts'
import { Exponential } from '../../ledger/values/exponential.ts'
import { changesGauge } from '../../ledger/values/gauge.ts'
import { histogramHeadSlots, sumOf } from '../../ledger/values/histogram.ts'
import { ExponentialBuckets } from '../exponential-buckets.ts'
import { mergedHistogram } from '../merged-histogram.ts'

/**
 * What the series of one line have together: those whose names and labels are equal after translation (CONFORMANCE D8).
 * Of histograms it is left in the fields, until the next one is read.
 */
export class LineValues {
  readonly exponential: Exponential = new Exponential()
  /** Upper bounds, without +Inf. */
  bounds: Float64Array = new Float64Array(64)
  boundCount = 0
  /** Of each bucket and the ones before it; the last is of all. */
  counts: Float64Array = new Float64Array(64)
  /** undefined where a part of it had none. */
  sum: number | undefined
  readonly #series: Series
  readonly #other = new Exponential()
  readonly #buckets = new ExponentialBuckets()

  constructor(series: Series) {
    this.#series = series
  }

  /** undefined where all of them are gauges that their senders have ended (CONFORMANCE B16). */
  number(type: MetricType, first: number, more: readonly number[]): number | undefined {
    const { pages } = this.#series
    const slot = this.#series.slotOf(first)
    const isKept = isGaugeType(type) && !isLevel(type)
    const value = pages.value(slot)
    if (more.length === 0) return isKept && pages.value(slot + 1) < 0 ? undefined : value
    return isKept ? this.#gauge(type, [first, ...more]) : this.#total(value, more)
  }

  #total(first: number, more: readonly number[]): number {
    let total = first
    for (const series of more) total += this.#series.pages.value(this.#series.slotOf(series))
    return total
  }

  #gauge(type: MetricType, members: readonly number[]): number | undefined {
    const { pages } = this.#series
    let kept = -1
    for (const series of members) {
      const slot = this.#series.slotOf(series)
      if (pages.value(slot + 1) < 0) continue
      const [value, time] = [pages.value(slot), pages.value(slot + 1)]
      if (kept < 0 || changesGauge(type, pages.slotsOf(kept), pages.offsetOf(kept), value, time)) kept = slot
    }
    return kept < 0 ? undefined : pages.value(kept)
  }

  /** Explicit bounds: those that all of them have, which is exact. */
  histogram(first: number, more: readonly number[]): void {
    const { pages, bounds } = this.#series
    const slot = this.#series.slotOf(first)
    if (more.length > 0) {
      const merged = mergedHistogram(this.#series, this.#slotsOf(first, more))
      this.#accumulate(merged.bounds, merged.counts, 0)
      this.sum = merged.sum
      return
    }
    const set = bounds.sets[pages.value(slot) - 1] as Float64Array
    this.#accumulate(set, pages.slotsOf(slot), pages.offsetOf(slot) + histogramHeadSlots)
    this.sum = sumOf(pages, slot)
  }

  #accumulate(bounds: Float64Array, counts: Float64Array, from: number): void {
    this.#room(bounds.length)
    this.bounds.set(bounds)
    this.boundCount = bounds.length
    let count = 0
    for (let bucket = 0; bucket <= bounds.length; bucket++) {
      count += counts[from + bucket] as number
      this.counts[bucket] = count
    }
  }

  /** False where there is nothing yet. `scaleMax`: they are at this scale, or a lower one. */
  exponentials(first: number, more: readonly number[], scaleMax: number): boolean {
    const { pages } = this.#series
    const all = this.exponential
    all.scale = scaleMax
    all.zeroCount = all.zeroThreshold = 0
    all.positive.clear()
    all.negative.clear()
    this.sum = 0
    let hasAny = false
    for (const series of [first, ...more]) {
      const slot = this.#series.slotOf(series)
      this.#addSum(slot)
      if (!this.#other.readSlots(pages, slot)) continue
      all.add(this.#other)
      hasAny = true
    }
    return hasAny
  }

  /** The same as buckets with bounds, as /metrics has it (CONFORMANCE D14). */
  exponentialBuckets(first: number, more: readonly number[]): void {
    const buckets = this.#buckets
    buckets.read(this.#series.pages, this.#slotsOf(first, more))
    this.#room(buckets.bounds.length)
    this.bounds.set(buckets.bounds)
    this.boundCount = buckets.bounds.length
    this.counts.set(buckets.counts)
    this.counts[this.boundCount] = buckets.count
    this.sum = buckets.sum
  }

  #slotsOf(first: number, more: readonly number[]): number[] {
    return [first, ...more].map((series) => this.#series.slotOf(series))
  }

  #addSum(slot: number): void {
    const part = sumOf(this.#series.pages, slot)
    this.sum = this.sum === undefined || part === undefined ? undefined : this.sum + part
  }

  #room(boundCount: number): void {
    if (boundCount >= this.bounds.length) this.bounds = new Float64Array(boundCount * 2)
    if (boundCount >= this.counts.length) this.counts = new Float64Array(boundCount * 2)
  }
}

/** Whether a line begins at 0: gauges have no beginning. */
export function countsFromZero(type: MetricType): boolean {
  return type !== metricTypes.upDownCounter && !isGaugeType(type)
}
