import { numbersPerPointMax, type ExponentialBuckets, type ExponentialHistogramPoint } from '@swansong/otlp'
import { Buckets, bucketsPerSideMax, scaleMax, scaleMin } from '../ledger/values/buckets.ts'
import { Exponential, exponentialHeadCells } from '../ledger/values/exponential.ts'
import {
  hasMax,
  hasMin,
  hasSum,
  pointFlagsCell,
  pointMaxCell,
  pointMinCell,
  pointSumCell,
} from '../ledger/values/histogram.ts'
import type { RejectionReason } from '../refusal.ts'

/* The exponents of two between which doubles lie. */
const exponentMin = -1075
const exponentMax = 1024

/** Checks points of exponential histograms (CONFORMANCE A15, B15) and writes them down as the ledger adds them. */
export class ExponentialReader {
  /** How many cells the point takes that was checked last. */
  cellCount = 0
  readonly #read = new Exponential()

  check(point: ExponentialHistogramPoint): RejectionReason | undefined {
    const { scale, count, zeroCount, zeroThreshold, positive, negative } = point
    if (Math.max(positive.counts.length, negative.counts.length) > numbersPerPointMax) return 'SCALE_TOO_FINE'
    if (scale < scaleMin) return 'BUCKETS_INVALID'
    if (!(zeroThreshold >= 0 && zeroThreshold < Infinity)) return 'BUCKETS_INVALID'
    if (count > 0 && !isFinitePoint(point)) return 'NOT_FINITE'
    const total = zeroCount + totalOf(positive) + totalOf(negative)
    if (total !== count || total > Number.MAX_SAFE_INTEGER) return 'BUCKETS_INVALID'
    const read = this.#read
    read.scale = scale
    read.zeroCount = zeroCount
    read.zeroThreshold = zeroThreshold
    read.positive.read(positive.offset, positive.counts.length, positive.counts.values, 0)
    read.negative.read(negative.offset, negative.counts.length, negative.counts.values, 0)
    if (isBeyondDoubles(scale, read.positive) || isBeyondDoubles(scale, read.negative))
      return 'BUCKETS_INVALID'
    this.#fit()
    this.cellCount = exponentialHeadCells + read.positive.length + read.negative.length
    return undefined
  }

  /** The point that was checked last, from `at` on. */
  write(point: ExponentialHistogramPoint, cells: Float64Array, at: number): void {
    this.#read.writeCells(cells, at)
    cells[at + pointFlagsCell] =
      (point.hasSum ? hasSum : 0) | (point.hasMin ? hasMin : 0) | (point.hasMax ? hasMax : 0)
    cells[at + pointSumCell] = point.sum
    cells[at + pointMinCell] = point.min
    cells[at + pointMaxCell] = point.max
  }

  /** No finer than what is kept, and no more buckets than are kept. */
  #fit(): void {
    const read = this.#read
    if (read.scale > scaleMax) read.downscaleTo(scaleMax)
    let by = 0
    while (
      read.positive.spanWith(none, by) > bucketsPerSideMax ||
      read.negative.spanWith(none, by) > bucketsPerSideMax
    )
      by++
    read.downscaleTo(read.scale - by)
  }
}

const none = new Buckets()

function totalOf({ counts }: ExponentialBuckets): number {
  let total = 0
  for (let at = 0; at < counts.length; at++) total += counts.values[at] as number
  return total
}

/** What is in a bucket that no double falls into was not counted by anybody. */
function isBeyondDoubles(scale: number, { first, length }: Buckets): boolean {
  if (length === 0) return false
  if (first + length > 0x7fff_ffff) return true
  const perPower = 2 ** scale
  return first / perPower < exponentMin || (first + length) / perPower > exponentMax + 1
}

function isFinitePoint({ sum, min, max }: ExponentialHistogramPoint): boolean {
  return Number.isFinite(sum) && Number.isFinite(min) && Number.isFinite(max)
}
