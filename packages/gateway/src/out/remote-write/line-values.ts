import { isGaugeType, isLevel, metricTypes, type MetricType } from '../../ledger/metric-types.ts'
import type { Series } from '../../ledger/series.ts'
import { upperBound } from '../../ledger/values/buckets.ts'
import { Exponential } from '../../ledger/values/exponential.ts'
import { changesGauge } from '../../ledger/values/gauge.ts'
import { histogramHeadSlots, sumOf } from '../../ledger/values/histogram.ts'

/** As /metrics shows exponential histograms: four buckets to a power of two, forty of them at most. */
const scaleShownMax = 2
const bucketsShownMax = 40

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
    const { bounds } = this.#series
    const set = bounds.sets[this.#series.boundsIdOf(first)] as Float64Array
    this.sum = 0
    this.#room(set.length)
    if (more.length === 0) {
      this.bounds.set(set)
      this.boundCount = set.length
      this.#addHistogram(first, set)
    } else {
      const sets = more.map((series) => bounds.sets[this.#series.boundsIdOf(series)] as Float64Array)
      const common = set.filter((bound) => sets.every((other) => other.includes(bound)))
      this.bounds.set(common)
      this.boundCount = common.length
      this.#addHistogram(first, set)
      for (const [at, series] of more.entries()) this.#addHistogram(series, sets[at] as Float64Array)
    }
    for (let bucket = 1; bucket <= this.boundCount; bucket++)
      this.counts[bucket] = (this.counts[bucket] as number) + (this.counts[bucket - 1] as number)
  }

  #addHistogram(series: number, set: Float64Array): void {
    const { pages } = this.#series
    const slot = this.#series.slotOf(series)
    const slots = pages.slotsOf(slot)
    const from = pages.offsetOf(slot) + histogramHeadSlots
    let into = 0
    for (let bucket = 0; bucket <= set.length; bucket++) {
      const upper = set[bucket] ?? Infinity
      while (into < this.boundCount && (this.bounds[into] as number) < upper) into++
      this.counts[into] = (this.counts[into] as number) + (slots[from + bucket] as number)
    }
    this.#addSum(slot)
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
    this.exponentials(first, more, scaleShownMax)
    const { positive, negative } = this.exponential
    while (positive.length + negative.length > bucketsShownMax)
      this.exponential.downscaleTo(this.exponential.scale - 1)
    const { scale, zeroCount, zeroThreshold } = this.exponential
    this.#room(positive.length + negative.length + 1)
    let count = 0
    let at = 0
    const put = (bound: number): void => {
      this.bounds[at] = bound
      this.counts[at++] = count
    }
    for (let bucket = negative.length - 1; bucket >= 0; bucket--) {
      count += negative.counts[bucket] as number
      put(-upperBound(scale, negative.first + bucket - 1))
    }
    if (zeroCount > 0 || negative.length > 0) {
      count += zeroCount
      put(zeroThreshold)
    }
    for (let bucket = 0; bucket < positive.length; bucket++) {
      count += positive.counts[bucket] as number
      const upper = upperBound(scale, positive.first + bucket)
      if (upper < Infinity) put(upper)
    }
    this.boundCount = at
    this.counts[at] = count
  }

  #addSum(slot: number): void {
    const part = sumOf(this.#series.pages, slot)
    this.sum = this.sum === undefined || part === undefined ? undefined : this.sum + part
  }

  #room(boundCount: number): void {
    if (boundCount >= this.bounds.length) this.bounds = new Float64Array(boundCount * 2)
    if (boundCount >= this.counts.length) this.counts = new Float64Array(boundCount * 2)
    this.counts.fill(0, 0, boundCount + 1)
  }
}

/** Whether a line begins at 0: gauges have no beginning. */
export function countsFromZero(type: MetricType): boolean {
  return type !== metricTypes.upDownCounter && !isGaugeType(type)
}
