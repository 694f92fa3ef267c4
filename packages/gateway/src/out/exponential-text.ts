import type { ByteIndex } from '../ledger/byte-index.ts'
import type { Series } from '../ledger/series.ts'
import { ExponentialBuckets } from './exponential-buckets.ts'
import { closingOf, writeRest, type HistogramHeads } from './histogram-text.ts'
import type { Dialect, Extras } from './line-renderer.ts'
import type { TextWriter } from './text-writer.ts'

/** Exponential histograms as text, which has none: as buckets with `le`. */
export class ExponentialText {
  readonly #series: Series
  readonly #buckets = new ExponentialBuckets()
  /** What stands behind the labels, by the bucket's upper bound. */
  readonly #closings = new Map<number, Uint8Array>()

  readonly #dialect: Dialect
  readonly #extras: Extras | undefined

  constructor(series: Series, dialect: Dialect, extras: Extras | undefined) {
    this.#series = series
    this.#dialect = dialect
    this.#extras = extras
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
    const buckets = this.#buckets
    buckets.read(this.#series.pages, slots)
    const from = index.lengthOf(entry) === 0 ? 1 : 0
    for (const [at, bound] of buckets.bounds.entries()) {
      const closing = this.#closing(bound).subarray(from)
      writer.lineAround(heads.bucket, index, entry, closing, by * (buckets.counts[at] as number))
      this.#extras?.bucket(writer, bound)
    }
    const count = by * buckets.count
    writer.lineAround(heads.bucket, index, entry, this.#closing(Infinity).subarray(from), count)
    this.#extras?.bucket(writer, Infinity)
    const sum = this.#extras?.hidesSum(buckets.bounds[0] ?? 0) === true ? undefined : buckets.sum
    if (sum === undefined && this.#extras !== undefined) return
    writeRest(writer, heads, index, entry, sum, count, by)
  }

  #closing(bound: number): Uint8Array {
    let closing = this.#closings.get(bound)
    if (closing === undefined) {
      if (this.#closings.size > closingsMax) this.#closings.clear()
      closing = closingOf(this.#dialect.boundText(bound))
      this.#closings.set(bound, closing)
    }
    return closing
  }
}

/** Some more than all powers of two with four buckets each. */
const closingsMax = 20_000
