import type { Entries } from '../entries.ts'
import type { Pages } from '../pages.ts'
import { Buckets, bucketsPerSideMax } from './buckets.ts'
import {
  addExtremes,
  addHistogramSum,
  combineHeads,
  hasSum,
  pointFlagsCell,
  pointSumCell,
  type Outcome,
} from './histogram.ts'

/*
 * An exponential histogram's run of slots: the scale (+ 1000, so that 0 is none yet), then flags, sum, least and greatest
 * as a histogram with bounds has them, the zero bucket's count and threshold, and for each sign where its buckets lie
 * (+ 1; 0: it has none yet), how many there is room for, the index of the first, and how many there are. Buckets have runs
 * of their own, that are left for larger ones as they grow.
 */
export const exponentialSlots = 16
const scaleBias = 1000
const zeroCountSlot = 6
const zeroThresholdSlot = 7
const positiveSlot = 8
const negativeSlot = 12
const capacities = [8, 16, 32, 64, bucketsPerSideMax]

/*
 * A point, as admission leaves it: scale, then flags, sum, least and greatest as of a histogram with bounds, the zero
 * bucket's count and threshold, first index and length of the positive and of the negative buckets, then both.
 * What a writer has told is the same.
 */
const zeroCountCell = 5
const zeroThresholdCell = 6
const positiveCell = 7
const negativeCell = 9
export const exponentialHeadCells = 11

/** How many cells the point that begins at `at` has. */
export function exponentialCells(cells: Float64Array, at: number): number {
  return (
    exponentialHeadCells + (cells[at + positiveCell + 1] as number) + (cells[at + negativeCell + 1] as number)
  )
}

/** An exponential histogram out of its slots, to be calculated with. Reused. */
export class Exponential {
  scale = 0
  zeroCount = 0
  zeroThreshold = 0
  readonly positive: Buckets = new Buckets()
  readonly negative: Buckets = new Buckets()

  get total(): number {
    return this.zeroCount + this.positive.total + this.negative.total
  }

  readCells(cells: Float64Array, at: number): void {
    this.scale = cells[at] as number
    this.zeroCount = cells[at + zeroCountCell] as number
    this.zeroThreshold = cells[at + zeroThresholdCell] as number
    const positiveCount = cells[at + positiveCell + 1] as number
    const from = at + exponentialHeadCells
    this.positive.read(cells[at + positiveCell] as number, positiveCount, cells, from)
    const negativeCount = cells[at + negativeCell + 1] as number
    this.negative.read(cells[at + negativeCell] as number, negativeCount, cells, from + positiveCount)
  }

  /** Into the cells from `at` on, all but flags, sum, least and greatest. */
  writeCells(cells: Float64Array, at: number): void {
    cells[at] = this.scale
    cells[at + zeroCountCell] = this.zeroCount
    cells[at + zeroThresholdCell] = this.zeroThreshold
    cells[at + positiveCell] = this.positive.first
    cells[at + positiveCell + 1] = this.positive.length
    cells[at + negativeCell] = this.negative.first
    cells[at + negativeCell + 1] = this.negative.length
    const from = at + exponentialHeadCells
    cells.set(this.positive.counts.subarray(0, this.positive.length), from)
    cells.set(this.negative.counts.subarray(0, this.negative.length), from + this.positive.length)
  }

  /** False where the series has nothing yet. */
  readSlots(pages: Pages, slot: number): boolean {
    const slots = pages.slotsOf(slot)
    const offset = pages.offsetOf(slot)
    if (slots[offset] === 0) return false
    this.scale = (slots[offset] as number) - scaleBias
    this.zeroCount = slots[offset + zeroCountSlot] as number
    this.zeroThreshold = slots[offset + zeroThresholdSlot] as number
    readSide(pages, slot + positiveSlot, this.positive)
    readSide(pages, slot + negativeSlot, this.negative)
    return true
  }

  writeSlots(pages: Pages, slot: number): void {
    writeSide(pages, slot + positiveSlot, this.positive)
    writeSide(pages, slot + negativeSlot, this.negative)
    const slots = pages.touch(slot)
    const offset = pages.offsetOf(slot)
    slots[offset] = this.scale + scaleBias
    slots[offset + zeroCountSlot] = this.zeroCount
    slots[offset + zeroThresholdSlot] = this.zeroThreshold
  }

  /**
   * Adds another, which is changed: both take the lower scale, or one at which the buckets have room, and the larger zero
   * threshold, widened past a bucket that it splits (CONFORMANCE B13). `sign` -1 takes it away.
   */
  add(other: Exponential, sign = 1): void {
    this.#meetAtZero(other)
    const scale = Math.min(this.scale, other.scale)
    this.downscaleTo(scale)
    other.downscaleTo(scale)
    let by = 0
    while (
      this.positive.spanWith(other.positive, by) > bucketsPerSideMax ||
      this.negative.spanWith(other.negative, by) > bucketsPerSideMax
    )
      by++
    this.downscaleTo(scale - by)
    other.downscaleTo(scale - by)
    this.zeroCount += sign * other.zeroCount
    this.positive.add(other.positive, sign)
    this.negative.add(other.negative, sign)
  }

  downscaleTo(scale: number): void {
    this.positive.downscale(this.scale - scale)
    this.negative.downscale(this.scale - scale)
    this.scale = scale
  }

  #meetAtZero(other: Exponential): void {
    let threshold = Math.max(this.zeroThreshold, other.zeroThreshold)
    if (threshold > 0) {
      for (let before = -1; before !== threshold;) {
        before = threshold
        threshold = Math.max(this.#widened(threshold), other.#widened(threshold))
      }
    }
    this.#foldZero(threshold)
    other.#foldZero(threshold)
  }

  #widened(threshold: number): number {
    const widened = this.positive.widened(this.scale, threshold)
    return Math.max(widened, this.negative.widened(this.scale, threshold))
  }

  #foldZero(threshold: number): void {
    if (threshold === this.zeroThreshold) return
    this.zeroThreshold = threshold
    this.zeroCount += this.positive.fold(this.scale, threshold) + this.negative.fold(this.scale, threshold)
  }
}

const own = new Exponential()
const coming = new Exponential()
const before = new Exponential()

/** Adds a point of deltas. */
export function addExponential(pages: Pages, slot: number, cells: Float64Array, at: number): Outcome {
  coming.readCells(cells, at)
  const has = cells[at + pointFlagsCell] as number
  const sum = (has & hasSum) === 0 ? undefined : cells[at + pointSumCell]
  addComing(pages, slot, cells, at, sum)
  return 'added'
}

/**
 * Adds what a point of running totals has more than what its writer told at `to` in `told`. `fresh`: nothing was told.
 * `counts` false: nothing is added. What is told is to be noted by the caller, unless it is refused.
 */
export function tellExponential(
  pages: Pages,
  slot: number,
  cells: Float64Array,
  at: number,
  told: Float64Array,
  to: number,
  fresh: boolean,
  counts: boolean
): Outcome {
  coming.readCells(cells, at)
  let sum = ((cells[at + pointFlagsCell] as number) & hasSum) === 0 ? undefined : cells[at + pointSumCell]
  if (!fresh) {
    before.readCells(told, to)
    coming.add(before, -1)
    const { zeroCount, positive, negative } = coming
    if (zeroCount < 0 || positive.hasNegative || negative.hasNegative) return 'TOTAL_WENT_DOWN'
    const hadSum = ((told[to + pointFlagsCell] as number) & hasSum) !== 0
    sum = sum === undefined || !hadSum ? undefined : sum - (told[to + pointSumCell] as number)
  }
  if (!counts || coming.total === 0) return 'same'
  addComing(pages, slot, cells, at, sum)
  return 'added'
}

function addComing(
  pages: Pages,
  slot: number,
  cells: Float64Array,
  at: number,
  sum: number | undefined
): void {
  const isEmpty = coming.total === 0
  let result = coming
  if (own.readSlots(pages, slot)) {
    own.add(coming)
    result = own
  }
  result.writeSlots(pages, slot)
  if (isEmpty) return
  const slots = pages.touch(slot)
  const offset = pages.offsetOf(slot)
  addExtremes(slots, offset, cells, at)
  addHistogramSum(slots, offset, sum)
}

/** Adds two points up, in cells of their own; returns where those begin. */
export function combineExponentials(entries: Entries, first: number, second: number): number {
  own.readCells(entries.cells, first)
  coming.readCells(entries.cells, second)
  own.add(coming)
  const at = entries.reserve(exponentialHeadCells + own.positive.length + own.negative.length)
  const { cells } = entries
  cells.copyWithin(at, first, first + exponentialHeadCells)
  combineHeads(cells, at, second)
  own.writeCells(cells, at)
  return at
}

/** Calls with each run that a series has besides its own: its first slot, and how many there are. */
export function eachRun(pages: Pages, slot: number, call: (run: number, length: number) => void): void {
  for (const side of [slot + positiveSlot, slot + negativeSlot]) {
    const run = pages.value(side)
    if (run > 0) call(run - 1, pages.value(side + 1))
  }
}

function readSide(pages: Pages, slot: number, into: Buckets): void {
  const slots = pages.slotsOf(slot)
  const offset = pages.offsetOf(slot)
  const run = (slots[offset] as number) - 1
  if (run < 0) return into.clear()
  into.read(slots[offset + 2] as number, slots[offset + 3] as number, pages.slotsOf(run), pages.offsetOf(run))
}

function writeSide(pages: Pages, slot: number, from: Buckets): void {
  let run = pages.value(slot) - 1
  let capacity = pages.value(slot + 1)
  if (run < 0 && from.length === 0) return
  if (from.length > capacity) {
    capacity = capacities.find((each) => each >= from.length) ?? bucketsPerSideMax
    run = pages.allocate(capacity)
  }
  const counts = pages.touch(run)
  counts.set(from.counts.subarray(0, from.length), pages.offsetOf(run))
  const slots = pages.touch(slot)
  const offset = pages.offsetOf(slot)
  slots[offset] = run + 1
  slots[offset + 1] = capacity
  slots[offset + 2] = from.first
  slots[offset + 3] = from.length
}
