import type { HistogramPoint } from '@swansong/otlp'
import type { Bounds } from '../ledger/bounds.ts'
import {
  hasMax,
  hasMin,
  hasSum,
  pointFlagsCell,
  pointHeadCells,
  pointMaxCell,
  pointMinCell,
  pointSumCell,
} from '../ledger/values/histogram.ts'
import type { RejectionReason } from '../refusal.ts'

export interface HistogramLimits {
  bucketCountMax: number
  boundsCountMax: number
}

/** Checks points of histograms (CONFORMANCE A15) and writes them down as the ledger adds them. */
export class HistogramReader {
  /** Of the point that was checked last: the id of its bounds, which are born where they are new. */
  bounds = -1
  /** And how many cells it takes. */
  cellCount = 0
  /** The bounds that it came with. */
  #own = -1
  readonly #bounds: Bounds
  readonly #limits: HistogramLimits

  constructor(bounds: Bounds, limits: HistogramLimits) {
    this.#bounds = bounds
    this.#limits = limits
  }

  /** `wanted`: the bounds that a rule wants it in; undefined: as it comes. */
  check(point: HistogramPoint, wanted?: Float64Array): RejectionReason | undefined {
    const refused = this.#checkOwn(point)
    if (refused !== undefined) return refused
    this.bounds = this.#own
    if (wanted === undefined) return undefined
    let target = this.#bounds.find(wanted, wanted.length)
    if (target < 0) {
      if (this.#bounds.count >= this.#limits.boundsCountMax) return 'BOUNDS_FULL'
      target = this.#bounds.bear(wanted)
    }
    if (this.#bounds.common(this.#own, target) !== target) return 'BOUNDS_NOT_HELD'
    this.#become(target)
    return undefined
  }

  /** The point that was checked last is for a series of these bounds, which an earlier rule may have wanted otherwise. */
  meet(bounds: number): void {
    if (this.#bounds.common(bounds, this.bounds) === undefined)
      this.#become(this.#bounds.met(bounds, this.bounds))
  }

  #become(bounds: number): void {
    this.bounds = bounds
    this.cellCount = pointHeadCells + (this.#bounds.sets[bounds] as Float64Array).length + 1
  }

  #checkOwn(point: HistogramPoint): RejectionReason | undefined {
    const { bucketCounts, explicitBounds, count } = point
    const { length } = explicitBounds
    const hasBuckets = bucketCounts.length > 0 || length > 0
    if (hasBuckets && bucketCounts.length !== length + 1) return 'BOUNDS_INVALID'
    if (length >= this.#limits.bucketCountMax) return 'BUCKETS_TOO_MANY'
    if (count > 0 && !isFinitePoint(point)) return 'NOT_FINITE'
    let total = hasBuckets ? 0 : count
    for (let at = 0; at < bucketCounts.length; at++) total += bucketCounts.values[at] as number
    if (total !== count || total > Number.MAX_SAFE_INTEGER) return 'BUCKETS_INVALID'
    this.cellCount = pointHeadCells + length + 1
    this.#own = this.#bounds.find(explicitBounds.values, length)
    if (this.#own >= 0) return undefined
    for (let at = 0; at < length; at++) {
      const bound = explicitBounds.values[at] as number
      if (!Number.isFinite(bound)) return 'BOUNDS_INVALID'
      if (at > 0 && !(bound > (explicitBounds.values[at - 1] as number))) return 'BOUNDS_INVALID'
    }
    if (this.#bounds.count >= this.#limits.boundsCountMax) return 'BOUNDS_FULL'
    this.#own = this.#bounds.bear(explicitBounds.values.slice(0, length))
    return undefined
  }

  /** The point that was checked last, from `at` on. */
  write(point: HistogramPoint, cells: Float64Array, at: number): void {
    const { bucketCounts } = point
    cells[at] = this.bounds
    cells[at + pointFlagsCell] =
      (point.hasSum ? hasSum : 0) | (point.hasMin ? hasMin : 0) | (point.hasMax ? hasMax : 0)
    cells[at + pointSumCell] = point.sum
    cells[at + pointMinCell] = point.min
    cells[at + pointMaxCell] = point.max
    const from = at + pointHeadCells
    if (this.bounds !== this.#own) {
      cells.fill(0, from, at + this.cellCount)
      return this.#bounds.project(this.#own, bucketCounts.values, 0, this.bounds, cells, from)
    }
    if (bucketCounts.length === 0) cells[from] = point.count
    for (let bucket = 0; bucket < bucketCounts.length; bucket++)
      cells[from + bucket] = bucketCounts.values[bucket] as number
  }
}

function isFinitePoint({ sum, min, max }: HistogramPoint): boolean {
  return Number.isFinite(sum) && Number.isFinite(min) && Number.isFinite(max)
}
