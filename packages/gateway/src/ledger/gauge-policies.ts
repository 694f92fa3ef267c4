import type { GaugePolicy } from '../config/rules.ts'
import { gaugeTypes, isGaugeType, isLevel, type MetricType } from './metric-types.ts'
import type { Metric } from './metrics.ts'
import type { Series } from './series.ts'
import type { WriterBook } from './writer-book.ts'
import { withoutRecords } from './writers.ts'

/** Says what is to be kept of a gauge. */
export type PolicyOf = (metric: Metric) => GaugePolicy

/**
 * Of which metrics another thing is kept than the rules say now. All gauges that are shown under one name are alike: the
 * first of them decides.
 */
export function gaugesToChange({ metrics }: Series, policyOf: PolicyOf): Map<number, MetricType> {
  const wanted = metrics.families.gaugesUnlike(
    (first) => gaugeTypes[policyOf(metrics.metrics[first] as Metric)]
  )
  const changes = new Map<number, MetricType>()
  if (wanted.size === 0) return changes
  for (const [id, { type, name, unit }] of metrics.metrics.entries()) {
    if (!isGaugeType(type)) continue
    const other = wanted.get(metrics.families.gaugeName(name, unit))
    if (other !== undefined) changes.set(id, other)
  }
  return changes
}

/**
 * Changes them. A value stays and is what the new policy begins at; but what living writers hold together begins at nothing
 * until they tell it, and what they have told is forgotten where that is not kept any more. Within `apply`.
 */
export function changeGauges(
  series: Series,
  writers: WriterBook,
  changes: ReadonlyMap<number, MetricType>
): void {
  const { metrics, pages } = series
  const isLeft = (id: number): boolean => changes.has(id) && isLevel(metrics.metrics[id]?.type ?? 0)
  const left = new Set([...changes.keys()].filter(isLeft))
  for (let id = 0; id < series.idEnd; id++) {
    if (!series.isLive(id)) continue
    const metric = series.metricOf(id)
    const type = changes.get(metric)
    if (type === undefined) continue
    const slot = series.slotOf(id)
    const slots = pages.touch(slot)
    if (isLevel(type)) slots[pages.offsetOf(slot)] = 0
    if (isLevel(type) || left.has(metric)) slots[pages.offsetOf(slot) + 1] = 0
  }
  for (const [id, type] of changes) metrics.changeType(id, type)
  if (left.size === 0) return
  for (const [id, writer] of writers.all()) {
    const records = withoutRecords(writer.records, (of) => !left.has(series.metricOf(of)))
    if (records !== writer.records) writers.set(id, { ...writer, records })
  }
}
