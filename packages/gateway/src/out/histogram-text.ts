import type { ByteIndex } from '../ledger/byte-index.ts'
import type { Series } from '../ledger/series.ts'
import { histogramHeadSlots, sumOf } from '../ledger/values/histogram.ts'
import { mergedHistogram } from './merged-histogram.ts'
import { boundText } from './names.ts'
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
  return {
    bucket: encoder.encode(`${name}_bucket{`),
    sum: encoder.encode(`${name}_sum{`),
    count: encoder.encode(`${name}_count{`),
    plainSum: encoder.encode(`${name}_sum `),
    plainCount: encoder.encode(`${name}_count `),
  }
}

/** Texts of bounds that are kept, of a hundred bytes each; those of further bounds are made again for each scrape. */
const closingCountMax = 200_000

/**
 * Histograms as text 0.0.4: `_bucket` with ascending `le`, `_sum` where it is known, `_count`. Labels lie rendered in the
 * index, the text of a bound is rendered once for all series that have it.
 */
export class HistogramText {
  readonly #series: Series
  /** By the id of the bounds: what stands behind the labels in each `_bucket` line. */
  readonly #closings: Uint8Array[][] = []
  #closingCount = 0

  constructor(series: Series) {
    this.#series = series
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
    const bucketCount = (bounds.sets[set] as Float64Array).length + 1
    const from = index.lengthOf(entry) === 0 ? 1 : 0
    let count = 0
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      count += by * (slots[first + bucket] as number)
      const closing = closings[bucket] as Uint8Array
      writer.lineAround(heads.bucket, index, entry, from === 0 ? closing : closing.subarray(1), count)
    }
    writeRest(writer, heads, index, entry, sumOf(pages, slot), count, by)
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
      writer.lineAround(
        heads.bucket,
        index,
        entry,
        closingOf(bounds[bucket] ?? Infinity).subarray(from),
        count
      )
    }
    writeRest(writer, heads, index, entry, sum, count, by)
  }

  #closingsOf(set: number): readonly Uint8Array[] {
    let closings = this.#closings[set]
    if (closings === undefined) {
      closings = [...(this.#series.bounds.sets[set] as Float64Array), Infinity].map(closingOf)
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
export function closingOf(bound: number): Uint8Array {
  return encoder.encode(`,le="${boundText(bound)}"} `)
}

const encoder = new TextEncoder()
const closing: Uint8Array = encoder.encode('} ')
const nothing = new Uint8Array(0)
