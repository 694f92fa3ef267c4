import type { Series } from '../ledger/series.ts'
import { histogramHeadSlots, sumOf } from '../ledger/values/histogram.ts'

/** What several series that are one line have together. */
export interface MergedHistogram {
  bounds: Float64Array
  counts: Float64Array
  /** undefined where it is not known of one of them. */
  sum: number | undefined
}

/** Series by their slots, in the bounds that all of them have, which is exact. */
export function mergedHistogram(series: Series, slots: readonly number[]): MergedHistogram {
  const { pages, bounds: known } = series
  const sets = slots.map((slot) => known.sets[pages.value(slot) - 1] as Float64Array)
  const bounds = (sets[0] as Float64Array).filter((bound) => sets.every((set) => set.includes(bound)))
  const counts = new Float64Array(bounds.length + 1)
  let sum: number | undefined = 0
  for (const [at, slot] of slots.entries()) {
    const set = sets[at] as Float64Array
    for (let bucket = 0; bucket <= set.length; bucket++) {
      const upper = set[bucket] ?? Infinity
      const found = bounds.findIndex((bound) => upper <= bound)
      const into = found < 0 ? bounds.length : found
      counts[into] = (counts[into] as number) + pages.value(slot + histogramHeadSlots + bucket)
    }
    const part = sumOf(pages, slot)
    sum = sum === undefined || part === undefined ? undefined : sum + part
  }
  return { bounds, counts, sum }
}
