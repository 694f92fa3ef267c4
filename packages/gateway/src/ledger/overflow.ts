import { countUp, type Stats } from '../stats.ts'
import type { Series } from './series.ts'

/** Metrics whose points in overflow series are counted by name; those of others are counted together. */
const namedCountMax = 100
const otherName = '(other)'

/** Counts what a group has added to overflow series, once it is durable. */
export function countOverflow(stats: Stats, known: Series, overflowed: ReadonlyMap<number, number>): void {
  const { metrics } = known.metrics
  for (const [series, count] of overflowed) {
    const name = metrics[known.metricOf(series)]?.name ?? otherName
    const isNamed = stats.pointsOverflow.has(name) || stats.pointsOverflow.size < namedCountMax
    countUp(stats.pointsOverflow, isNamed ? name : otherName, count)
  }
}
