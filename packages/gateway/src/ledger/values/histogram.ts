import type { RejectionReason } from '../../refusal.ts'
import type { Bounds } from '../bounds.ts'
import type { Pages } from '../pages.ts'
import { addToSum } from './sum.ts'

/*
 * A histogram's run of slots: the id of its bounds + 1 (0: it has none yet), flags, the sum and what its rounding has
 * left out, the least and the greatest value, then a slot a bucket. The count is the sum of the buckets. Bounds only
 * become fewer: what was projected is never refined again (CONFORMANCE B12), so the slots behind the last bucket are 0.
 */
const flagsSlot = 1
const sumSlot = 2
const minSlot = 4
const maxSlot = 5
export const histogramHeadSlots = 6

const sumLostFlag = 1
const minFlag = 2
const minLostFlag = 4
const maxFlag = 8
const maxLostFlag = 16

/*
 * A point of a histogram, as admission leaves it and from `at` on: the id of its bounds, which of sum, least and greatest
 * it has, these three, then its buckets.
 */
export const pointFlagsCell = 1
export const pointSumCell = 2
export const pointMinCell = 3
export const pointMaxCell = 4
export const pointHeadCells = 5
export const hasSum = 1
export const hasMin = 2
export const hasMax = 4

/* What a writer has told of a histogram: the id of the bounds, whether there was a sum, the sum, then the buckets. */
const toldHeadCells = 3

/** How many cells what is told of a histogram with so many buckets takes. */
export function histogramToldCells(bucketCount: number): number {
  return toldHeadCells + bucketCount
}

/** What came of a point: counted; nothing new in it; or why it cannot count. */
export type Outcome = 'added' | 'same' | RejectionReason

let difference = new Float64Array(64)
let projected = new Float64Array(64)

/** Adds a point of deltas, or refuses it for its bounds. */
export function addHistogram(
  pages: Pages,
  bounds: Bounds,
  slot: number,
  cells: Float64Array,
  at: number
): Outcome {
  const own = pages.value(slot) - 1
  const of = cells[at] as number
  const common = bounds.common(own, of)
  if (common === undefined) return 'BOUNDS_DIFFER'
  const count = (bounds.sets[of] as Float64Array).length + 1
  let total = 0
  for (let bucket = 0; bucket < count; bucket++) total += cells[at + pointHeadCells + bucket] as number
  if (own !== common) coarsen(pages, bounds, slot, common)
  if (total === 0) return 'added' // It counts as nothing: whether it has a sum says nothing of the others.
  const slots = pages.touch(slot)
  const offset = pages.offsetOf(slot)
  const into = offset + histogramHeadSlots
  if (of === common) {
    const from = at + pointHeadCells
    for (let bucket = 0; bucket < count; bucket++)
      slots[into + bucket] = (slots[into + bucket] as number) + (cells[from + bucket] as number)
  } else bounds.project(of, cells, at + pointHeadCells, common, slots, into)
  const has = cells[at + pointFlagsCell] as number
  addExtremes(slots, offset, cells, at)
  addHistogramSum(slots, offset, (has & hasSum) === 0 ? undefined : cells[at + pointSumCell])
  return 'added'
}

/**
 * Adds what a point of running totals has more than what its writer told at `to` in `told`, and notes there what it tells.
 * `fresh`: nothing was told yet. `counts` false: it is only noted, as where counting begins.
 */
export function tellHistogram(
  pages: Pages,
  bounds: Bounds,
  slot: number,
  cells: Float64Array,
  at: number,
  told: Float64Array,
  to: number,
  fresh: boolean,
  counts: boolean
): Outcome {
  const own = pages.value(slot) - 1
  const of = cells[at] as number
  let common = bounds.common(own, of)
  if (common === undefined) return 'BOUNDS_DIFFER'
  // What was told was told in bounds that contain the series' own, unless rules have moved it from another series.
  if (!fresh) common = bounds.met(common, told[to] as number)
  const length = (bounds.sets[common] as Float64Array).length + 1
  if (length > difference.length) difference = new Float64Array(length)
  difference.fill(0, 0, length)
  bounds.project(of, cells, at + pointHeadCells, common, difference, 0)
  if (!fresh) bounds.project(told[to] as number, told, to + toldHeadCells, common, difference, 0, -1)
  let total = 0
  for (let bucket = 0; bucket < length; bucket++) {
    if ((difference[bucket] as number) < 0) return 'TOTAL_WENT_DOWN'
    total += difference[bucket] as number
  }
  if (own !== common) coarsen(pages, bounds, slot, common)
  const has = cells[at + pointFlagsCell] as number
  const sum = cells[at + pointSumCell] as number
  const knowsSum = (has & hasSum) !== 0 && (fresh || told[to + 1] === 1)
  const sumDifference = knowsSum ? sum - (fresh ? 0 : (told[to + 2] as number)) : undefined
  told[to] = common
  told[to + 1] = has & hasSum
  told[to + 2] = sum
  told.fill(0, to + toldHeadCells, to + toldHeadCells + length)
  bounds.project(of, cells, at + pointHeadCells, common, told, to + toldHeadCells)
  if (!counts || total === 0) return 'same'
  const slots = pages.touch(slot)
  const offset = pages.offsetOf(slot)
  for (let bucket = 0; bucket < length; bucket++) {
    const place = offset + histogramHeadSlots + bucket
    slots[place] = (slots[place] as number) + (difference[bucket] as number)
  }
  addExtremes(slots, offset, cells, at)
  addHistogramSum(slots, offset, sumDifference)
  return 'added'
}

/** Adds the second point to the first; false where they have other bounds. */
export function combineHistograms(
  cells: Float64Array,
  first: number,
  second: number,
  bounds: Bounds
): boolean {
  if (cells[first] !== cells[second]) return false
  combineHeads(cells, first, second)
  const end = pointHeadCells + (bounds.sets[cells[first] as number] as Float64Array).length + 1
  for (let cell = pointHeadCells; cell < end; cell++)
    cells[first + cell] = (cells[first + cell] as number) + (cells[second + cell] as number)
  return true
}

/** The same for what points of both kinds have: which of sum, least and greatest are known, and these. */
export function combineHeads(cells: Float64Array, first: number, second: number): void {
  const [flags, sum, min, max] = [pointFlagsCell, pointSumCell, pointMinCell, pointMaxCell]
  cells[first + flags] = (cells[first + flags] as number) & (cells[second + flags] as number)
  cells[first + sum] = (cells[first + sum] as number) + (cells[second + sum] as number)
  cells[first + min] = Math.min(cells[first + min] as number, cells[second + min] as number)
  cells[first + max] = Math.max(cells[first + max] as number, cells[second + max] as number)
}

/** Adds to a sum that is known as long as every part had one. One that would go down is given up: it is no counter. */
export function addHistogramSum(slots: Float64Array, offset: number, amount: number | undefined): void {
  if (amount === undefined || amount < 0) {
    slots[offset + flagsSlot] = (slots[offset + flagsSlot] as number) | sumLostFlag
    slots[offset + sumSlot] = 0
    slots[offset + sumSlot + 1] = 0
  } else if (((slots[offset + flagsSlot] as number) & sumLostFlag) === 0) {
    addToSum(slots, offset + sumSlot, amount)
  }
}

/** The least and the greatest value: known as long as every part had one. */
export function addExtremes(slots: Float64Array, offset: number, cells: Float64Array, at: number): void {
  const has = cells[at + pointFlagsCell] as number
  let flags = slots[offset + flagsSlot] as number
  if ((has & hasMin) === 0) flags |= minLostFlag
  else {
    const min = cells[at + pointMinCell] as number
    const before = slots[offset + minSlot] as number
    if ((flags & minFlag) === 0 || min < before) slots[offset + minSlot] = min
    flags |= minFlag
  }
  if ((has & hasMax) === 0) flags |= maxLostFlag
  else {
    const max = cells[at + pointMaxCell] as number
    const before = slots[offset + maxSlot] as number
    if ((flags & maxFlag) === 0 || max > before) slots[offset + maxSlot] = max
    flags |= maxFlag
  }
  slots[offset + flagsSlot] = flags
}

/** The sum of a histogram of either kind, or undefined where a part of it had none. */
export function sumOf(pages: Pages, slot: number): number | undefined {
  return (pages.value(slot + flagsSlot) & sumLostFlag) === 0 ? pages.value(slot + sumSlot) : undefined
}

/** The least and the greatest value of a histogram of either kind; undefined where they are not known. */
export function extremesOf(pages: Pages, slot: number): { min: number | undefined; max: number | undefined } {
  const flags = pages.value(slot + flagsSlot)
  const min = (flags & (minFlag | minLostFlag)) === minFlag ? pages.value(slot + minSlot) : undefined
  const max = (flags & (maxFlag | maxLostFlag)) === maxFlag ? pages.value(slot + maxSlot) : undefined
  return { min, max }
}

function coarsen(pages: Pages, bounds: Bounds, slot: number, to: number): void {
  const slots = pages.touch(slot)
  const offset = pages.offsetOf(slot)
  const own = (slots[offset] as number) - 1
  const length = (bounds.sets[own] as Float64Array).length + 1
  if (length > projected.length) projected = new Float64Array(length)
  projected.fill(0, 0, length)
  bounds.project(own, slots, offset + histogramHeadSlots, to, projected, 0)
  slots.set(projected.subarray(0, length), offset + histogramHeadSlots)
  slots[offset] = to + 1
}
