import type { ByteIndex } from '../ledger/byte-index.ts'
import type { Series } from '../ledger/series.ts'
import { upperBound, type Buckets } from '../ledger/values/buckets.ts'
import { Exponential } from '../ledger/values/exponential.ts'
import { sumOf } from '../ledger/values/histogram.ts'
import { closingOf, writeRest, type HistogramHeads } from './histogram-text.ts'
import type { TextWriter } from './text-writer.ts'

/** `_bucket` lines of one series, beside those of zero and +Inf. */
const linesMax = 40
/** Four buckets to a power of two: finer ones would be too many lines, which every scraper would have to keep. */
const scaleShownMax = 2

/**
 * Exponential histograms as text 0.0.4, which has none: as buckets with `le` (CONFORMANCE D14). Bounds are those of the
 * scale 2, or of a lower one where they would be more than forty; as ranges only grow and scales only fall, bounds are
 * never refined, and a line goes only when all go coarser.
 */
export class ExponentialText {
  readonly #series: Series
  readonly #shown = new Exponential()
  readonly #other = new Exponential()
  /** What stands behind the labels, by the bucket's upper bound. */
  readonly #closings = new Map<number, Uint8Array>()

  constructor(series: Series) {
    this.#series = series
  }

  /** The lines of the series that are one after translation, whose labels are an entry of `index`; `by`: 0 where they are held. */
  write(
    writer: TextWriter,
    heads: HistogramHeads,
    index: ByteIndex,
    entry: number,
    slots: readonly number[],
    by: 0 | 1
  ): void {
    const { pages } = this.#series
    const shown = this.#shown
    shown.scale = scaleShownMax
    shown.zeroCount = shown.zeroThreshold = 0
    shown.positive.clear()
    shown.negative.clear()
    let sum: number | undefined = 0
    for (const slot of slots) {
      if (this.#other.readSlots(pages, slot)) shown.add(this.#other)
      const part = sumOf(pages, slot)
      sum = sum === undefined || part === undefined ? undefined : sum + part
    }
    while (shown.positive.length + shown.negative.length > linesMax) shown.downscaleTo(shown.scale - 1)
    const from = index.lengthOf(entry) === 0 ? 1 : 0
    const { positive, negative, scale, zeroCount, zeroThreshold } = shown
    let count = 0
    for (let bucket = negative.length - 1; bucket >= 0; bucket--) {
      count += by * (negative.counts[bucket] as number)
      const closing = this.#closing(-upperBound(scale, negative.first + bucket - 1))
      writer.lineAround(heads.bucket, index, entry, closing.subarray(from), count)
    }
    if (zeroCount > 0 || negative.length > 0) {
      count += by * zeroCount
      writer.lineAround(heads.bucket, index, entry, this.#closing(zeroThreshold).subarray(from), count)
    }
    count = this.#writePositive(writer, heads, index, entry, positive, count, by)
    writer.lineAround(heads.bucket, index, entry, this.#closing(Infinity).subarray(from), count)
    writeRest(writer, heads, index, entry, sum, count, by)
  }

  #writePositive(
    writer: TextWriter,
    heads: HistogramHeads,
    index: ByteIndex,
    entry: number,
    positive: Buckets,
    below: number,
    by: 0 | 1
  ): number {
    const from = index.lengthOf(entry) === 0 ? 1 : 0
    let count = below
    for (let bucket = 0; bucket < positive.length; bucket++) {
      count += by * (positive.counts[bucket] as number)
      const upper = upperBound(this.#shown.scale, positive.first + bucket)
      if (upper === Infinity) continue // The line of +Inf has it.
      writer.lineAround(heads.bucket, index, entry, this.#closing(upper).subarray(from), count)
    }
    return count
  }

  #closing(bound: number): Uint8Array {
    let closing = this.#closings.get(bound)
    if (closing === undefined) {
      if (this.#closings.size > closingsMax) this.#closings.clear()
      closing = closingOf(bound)
      this.#closings.set(bound, closing)
    }
    return closing
  }
}

/** Some more than all powers of two with four buckets each. */
const closingsMax = 20_000
