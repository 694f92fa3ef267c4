import type { ByteIndex } from '../ledger/byte-index.ts'
import { isLegacyName } from '../ledger/family-names.ts'
import type { Series } from '../ledger/series.ts'
import { histogramHeadSlots, sumOf } from '../ledger/values/histogram.ts'
import { mergedHistogram } from './merged-histogram.ts'
import type { Dialect, Extras } from './line-renderer.ts'
import { sampleName } from './lines.ts'
import { escapedValue } from './names.ts'
import type { TextWriter } from './text-writer.ts'

/** What the lines of one histogram's family begin with, rendered. */
export interface HistogramHeads {
  bucket: Uint8Array
  sum: Uint8Array
  count: Uint8Array
  /** Where there are no labels. */
  plainSum: Uint8Array
  plainCount: Uint8Array
}

export function histogramHeads(name: string): HistogramHeads {
  const isLegacy = isLegacyName(name)
  const opened = (suffix: string): Uint8Array =>
    encoder.encode(isLegacy ? `${name}${suffix}{` : `{"${escapedValue(name)}${suffix}",`)
  const plain = (suffix: string): Uint8Array => encoder.encode(sampleName(name + suffix, ''))
  return {
    bucket: opened('_bucket'),
    sum: opened('_sum'),
    count: opened('_count'),
    plainSum: plain('_sum'),
    plainCount: plain('_count'),
  }
}

/** Texts of bounds that are kept, of a hundred bytes each; those of further bounds are made again for each scrape. */
const closingCountMax = 200_000

/**
 * Histograms as text: `_bucket` with ascending `le`, `_sum` where it is known, `_count`. Labels lie rendered in the
 * index, the text of a bound is rendered once for all series that have it.
 */
export class HistogramText {
  readonly #series: Series
  /** By the id of the bounds: what stands behind the labels in each `_bucket` line. */
  readonly #closings: Uint8Array[][] = []
  #closingCount = 0
  readonly #dialect: Dialect
  readonly #extras: Extras | undefined

  constructor(series: Series, dialect: Dialect, extras: Extras | undefined) {
    this.#series = series
    this.#dialect = dialect
    this.#extras = extras
  }

  /** The lines of one series, whose labels are an entry of `index`; `by`: 0 where it is held. */
  write(
    writer: TextWriter,
    heads: HistogramHeads,
    index: ByteIndex,
    entry: number,
    slot: number,
    by: 0 | 1
  ): void {
    const { pages, bounds } = this.#series
    const set = pages.value(slot) - 1
    const closings = this.#closingsOf(set)
    const slots = pages.slotsOf(slot)
    const first = pages.offsetOf(slot) + histogramHeadSlots
    const uppers = bounds.sets[set] as Float64Array
    const bucketCount = uppers.length + 1
    const extras = this.#extras
    const from = index.lengthOf(entry) === 0 ? 1 : 0
    let count = 0
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      count += by * (slots[first + bucket] as number)
      const closing = closings[bucket] as Uint8Array
      writer.lineAround(heads.bucket, index, entry, from === 0 ? closing : closing.subarray(1), count)
      if (extras !== undefined) extras.bucket(writer, uppers[bucket] ?? Infinity)
    }
    const sum = extras?.hidesSum(uppers[0] ?? 0) === true ? undefined : sumOf(pages, slot)
    if (sum === undefined && extras !== undefined) return // There it has no count either (CONFORMANCE E10).
    writeRest(writer, heads, index, entry, sum, count, by)
  }

  /**
   * The lines of several series that are one after translation: in the bounds that all of them have, which is exact.
   */
  writeMerged(
    writer: TextWriter,
    heads: HistogramHeads,
    index: ByteIndex,
    entry: number,
    slots: readonly number[],
    by: 0 | 1
  ): void {
    const { bounds, counts, sum } = mergedHistogram(this.#series, slots)
    const from = index.lengthOf(entry) === 0 ? 1 : 0
    let count = 0
    for (let bucket = 0; bucket <= bounds.length; bucket++) {
      count += by * (counts[bucket] as number)
      const upper = bounds[bucket] ?? Infinity
      const closing = closingOf(this.#dialect.boundText(upper)).subarray(from)
      writer.lineAround(heads.bucket, index, entry, closing, count)
      this.#extras?.bucket(writer, upper)
    }
    const shown = this.#extras?.hidesSum(bounds[0] ?? 0) === true ? undefined : sum
    if (shown === undefined && this.#extras !== undefined) return
    writeRest(writer, heads, index, entry, shown, count, by)
  }

  #closingsOf(set: number): readonly Uint8Array[] {
    let closings = this.#closings[set]
    if (closings === undefined) {
      const uppers = [...(this.#series.bounds.sets[set] as Float64Array), Infinity]
      closings = uppers.map((upper) => closingOf(this.#dialect.boundText(upper)))
      this.#closingCount += closings.length
      if (this.#closingCount <= closingCountMax) this.#closings[set] = closings
    }
    return closings
  }
}

/** `_sum`, where it is known, and `_count`. */
export function writeRest(
  writer: TextWriter,
  heads: HistogramHeads,
  index: ByteIndex,
  entry: number,
  sum: number | undefined,
  count: number,
  by: 0 | 1
): void {
  const isPlain = index.lengthOf(entry) === 0
  const behind = isPlain ? nothing : closing
  if (sum !== undefined) {
    const shown = by === 0 ? 0 : sum
    writer.lineAround(isPlain ? heads.plainSum : heads.sum, index, entry, behind, shown)
  }
  writer.lineAround(isPlain ? heads.plainCount : heads.count, index, entry, behind, count)
}

/** What stands behind the labels of a bucket: without labels its comma is left out. */
export function closingOf(bound: string): Uint8Array {
  return encoder.encode(`,le="${bound}"} `)
}

const encoder = new TextEncoder()
const closing: Uint8Array = encoder.encode('} ')
const nothing = new Uint8Array(0)
