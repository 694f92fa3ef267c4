import type { Pages } from '../ledger/pages.ts'
import { upperBound } from '../ledger/values/buckets.ts'
import { Exponential } from '../ledger/values/exponential.ts'
import { sumOf } from '../ledger/values/histogram.ts'

/** Buckets of one series, beside those of zero and +Inf. */
const bucketsMax = 40
/** Four buckets to a power of two: finer ones would be too many lines, which every scraper would have to keep. */
const scaleShownMax = 2

/**
 * Exponential histograms where there are none, as buckets with upper bounds (CONFORMANCE D14). Bounds are those of the scale
 * 2, or of a lower one where they would be more than forty; as ranges only grow and scales only fall, bounds are never
 * refined, and one goes only when all go coarser.
 */
export class ExponentialBuckets {
  /** Ascending, without +Inf; of the series that were read last, as what follows is. */
  readonly bounds: number[] = []
  /** How many values are at most that. */
  readonly counts: number[] = []
  /** Of all values. */
  count = 0
  /** undefined where it is not known. */
  sum: number | undefined
  readonly #shown = new Exponential()
  readonly #other = new Exponential()

  /** Reads the series that are one line, by their slots. */
  read(pages: Pages, slots: readonly number[]): void {
    const shown = this.#shown
    shown.scale = scaleShownMax
    shown.zeroCount = shown.zeroThreshold = 0
    shown.positive.clear()
    shown.negative.clear()
    this.sum = 0
    for (const slot of slots) {
      if (this.#other.readSlots(pages, slot)) shown.add(this.#other)
      const part = sumOf(pages, slot)
      this.sum = this.sum === undefined || part === undefined ? undefined : this.sum + part
    }
    while (shown.positive.length + shown.negative.length > bucketsMax) shown.downscaleTo(shown.scale - 1)
    this.bounds.length = this.counts.length = this.count = 0
    const { positive, negative, scale, zeroCount, zeroThreshold } = shown
    for (let bucket = negative.length - 1; bucket >= 0; bucket--)
      this.#add(-upperBound(scale, negative.first + bucket - 1), negative.counts[bucket] as number)
    if (zeroCount > 0 || negative.length > 0) this.#add(zeroThreshold, zeroCount)
    for (let bucket = 0; bucket < positive.length; bucket++)
      this.#add(upperBound(scale, positive.first + bucket), positive.counts[bucket] as number)
  }

  #add(bound: number, count: number): void {
    this.count += count
    if (bound === Infinity) return // The bucket of +Inf has it.
    this.bounds.push(bound)
    this.counts.push(this.count)
  }
}
