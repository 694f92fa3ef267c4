import type { Series } from '../ledger/series.ts'
import type { Buckets } from '../ledger/values/buckets.ts'
import { Exponential } from '../ledger/values/exponential.ts'
import { histogramHeadSlots, sumOf } from '../ledger/values/histogram.ts'
import { ExponentialBuckets } from './exponential-buckets.ts'
import { mergedHistogram } from './merged-histogram.ts'
import type { MessageBuffer } from './message-buffer.ts'
import type { LineExemplars } from './protobuf-exemplars.ts'

// By io/prometheus/client/metrics.proto: numbers of fields of Histogram, Bucket and BucketSpan.
const sampleCountField = 1
const sampleSumField = 2
const bucketField = 3
const schemaField = 5
const zeroThresholdField = 6
const zeroCountField = 7
const negativeSpanField = 9
const negativeDeltaField = 10
const positiveSpanField = 12
const positiveDeltaField = 13
const exemplarsField = 16
const cumulativeCountField = 1
const upperBoundField = 2
const bucketExemplarField = 3
const offsetField = 1
const lengthField = 2

/* Schemas that Prometheus' native histograms have (CONFORMANCE D14). */
const schemaMin = -4
const schemaMax = 8
/** What is taken for zero unless a sender says more. */
const zeroThresholdMin = 1e-128
/** As many empty buckets cost less than another span. */
const gapMax = 2

/**
 * What stands in a Histogram message: of explicit bounds classic buckets; of an exponential one a native histogram, and the
 * buckets that text has besides, for who does not take native ones.
 */
export class ProtobufHistogram {
  readonly #series: Series
  readonly #buffer: MessageBuffer
  readonly #exemplars: LineExemplars
  readonly #buckets = new ExponentialBuckets()
  readonly #shown = new Exponential()
  readonly #other = new Exponential()

  constructor(series: Series, buffer: MessageBuffer, exemplars: LineExemplars) {
    this.#series = series
    this.#buffer = buffer
    this.#exemplars = exemplars
  }

  /** Of one series; `by`: 0 where it is held, then all of it is. */
  explicit(slot: number, by: 0 | 1): void {
    const { pages, bounds } = this.#series
    const set = bounds.sets[pages.value(slot) - 1] as Float64Array
    this.#classic(set, pages.slotsOf(slot), pages.offsetOf(slot) + histogramHeadSlots, sumOf(pages, slot), by)
  }

  /** Of several series that are one line. */
  merged(slots: readonly number[], by: 0 | 1): void {
    const { bounds, counts, sum } = mergedHistogram(this.#series, slots)
    this.#classic(bounds, counts, 0, sum, by)
  }

  /** Of all series of a line. */
  exponential(slots: readonly number[], by: 0 | 1): void {
    const buffer = this.#buffer
    const buckets = this.#buckets
    buckets.read(this.#series.pages, slots)
    const { bounds, counts, count, sum } = buckets
    this.#countAndSum(by * count, sum, by)
    for (let at = 0; at < bounds.length; at++)
      this.#bucket(by * (counts[at] as number), bounds[at] as number, false)
    this.#bucket(by * count, Infinity, false)
    if (sum === undefined) return // No native histogram is without one.
    const shown = this.#read(slots)
    if (shown.scale < schemaMin) return
    buffer.sint(schemaField, shown.scale)
    buffer.double(zeroThresholdField, shown.zeroThreshold)
    buffer.uint(zeroCountField, by * shown.zeroCount)
    const isEmpty = by === 0 || shown.positive.length + shown.negative.length === 0
    if (isEmpty) this.#span(positiveSpanField, 0, 0) // It says that this is a native histogram (E15).
    else {
      this.#side(negativeSpanField, negativeDeltaField, shown.negative)
      this.#side(positiveSpanField, positiveDeltaField, shown.positive)
    }
    this.#exemplars.all(exemplarsField)
  }

  #classic(
    bounds: Float64Array,
    counts: Float64Array,
    first: number,
    sum: number | undefined,
    by: 0 | 1
  ): void {
    let total = 0
    for (let bucket = 0; bucket <= bounds.length; bucket++) total += counts[first + bucket] as number
    this.#countAndSum(by * total, sum, by)
    let count = 0
    for (let bucket = 0; bucket < bounds.length; bucket++) {
      count += counts[first + bucket] as number
      this.#bucket(by * count, bounds[bucket] as number, true)
    }
    this.#bucket(by * total, Infinity, true)
  }

  #countAndSum(count: number, sum: number | undefined, by: 0 | 1): void {
    this.#buffer.uint(sampleCountField, count)
    // Prometheus takes what is not told for 0, which it is not.
    this.#buffer.double(sampleSumField, by === 0 ? 0 : (sum ?? Number.NaN))
  }

  #bucket(count: number, upper: number, hasExemplar: boolean): void {
    const buffer = this.#buffer
    const bucket = buffer.open(bucketField)
    buffer.uint(cumulativeCountField, count)
    buffer.double(upperBoundField, upper)
    if (hasExemplar) this.#exemplars.upTo(upper, bucketExemplarField)
    buffer.close(bucket)
  }

  /** At a scale that there is a schema for, with what is next to nothing in the bucket of zero. */
  #read(slots: readonly number[]): Exponential {
    const shown = this.#shown
    shown.scale = schemaMax
    shown.zeroCount = 0
    shown.zeroThreshold = zeroThresholdMin
    shown.positive.clear()
    shown.negative.clear()
    for (const slot of slots) if (this.#other.readSlots(this.#series.pages, slot)) shown.add(this.#other)
    return shown
  }

  /** Spans of buckets, and their counts as differences. Prometheus numbers a bucket one higher than OTLP does. */
  #side(spanField: number, deltaField: number, { first, length, counts }: Buckets): void {
    const buffer = this.#buffer
    let end = 0 // Of the span before, as a number of Prometheus'.
    for (let at = 0; at < length;) {
      const stop = spanEnd(counts, at, length)
      this.#span(spanField, first + 1 + at - end, stop - at)
      end = first + 1 + stop
      at = nextFilled(counts, stop, length)
    }
    const deltas = buffer.open(deltaField)
    let before = 0
    for (let at = 0; at < length; at = nextFilled(counts, at, length)) {
      for (const stop = spanEnd(counts, at, length); at < stop; at++) {
        buffer.packedSint((counts[at] as number) - before)
        before = counts[at] as number
      }
    }
    buffer.close(deltas)
  }

  #span(field: number, offset: number, length: number): void {
    const buffer = this.#buffer
    const span = buffer.open(field)
    buffer.sint(offsetField, offset)
    buffer.uint(lengthField, length)
    buffer.close(span)
  }
}

/** Where a span that begins at `at` ends: before more empty buckets than a span may have. */
function spanEnd(counts: Float64Array, at: number, length: number): number {
  let end = at + 1
  for (let bucket = end; bucket < length && bucket - end <= gapMax; bucket++)
    if (counts[bucket] !== 0) end = bucket + 1
  return end
}

function nextFilled(counts: Float64Array, from: number, length: number): number {
  let at = from
  while (at < length && counts[at] === 0) at++
  return at
}
