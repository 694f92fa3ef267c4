import { readAttributes, readScope, readString, resourceAttributesField } from '@swansong/otlp'
import { familyName } from '../ledger/family-names.ts'
import { metricTypes, type MetricType } from '../ledger/metric-types.ts'
import type { Series } from '../ledger/series.ts'
import type { Buckets } from '../ledger/values/buckets.ts'
import { Exponential } from '../ledger/values/exponential.ts'
import { histogramHeadSlots, sumOf } from '../ledger/values/histogram.ts'
import { labelsOf, metricLabels } from './names.ts'
import { namingOf } from './naming.ts'

const limitDefault = 100
const limitMax = 1000

/** A number, or what JSON has no number for: `NaN`, `Infinity`, `-Infinity`. */
type JsonNumber = number | string

/** One series of the ledger, for a person who looks. */
export interface SeriesRow {
  /** Series are numbered in the order of their birth. */
  id: number
  /** As `/metrics` calls it. */
  name: string
  /** As its sender calls it, and in what unit. */
  metric: string
  unit: string
  type: string
  labels: Record<string, string>
  /** Of a sum or gauge; where it is missing, its sender has ended it. */
  value?: JsonNumber
  histogram?: { count: number; sum?: JsonNumber; buckets: { le: JsonNumber; count: number }[] }
  exponentialHistogram?: {
    count: number
    sum?: JsonNumber
    scale: number
    zeroThreshold: number
    zeroCount: number
    positive: { offset: number; counts: number[] }
    negative: { offset: number; counts: number[] }
  }
}

export interface SeriesPage {
  series: SeriesRow[]
  /** What to give as `after` for the next page; missing on the last. */
  next?: number
}

/** What cannot be asked, and what to write instead. */
export class QueryError extends Error {}

/**
 * A page of series: `metric` (as its sender or as `/metrics` calls it; all where it is not given), `limit` (100; at most
 * 1,000), `after` (a series' id). Throws QueryError.
 */
export function seriesPage(series: Series, query: URLSearchParams): SeriesPage {
  for (const key of query.keys()) {
    if (key !== 'metric' && key !== 'limit' && key !== 'after')
      throw new QueryError(`${key} cannot be asked for; there are metric, limit and after`)
  }
  const limit = integerOf(query, 'limit', limitDefault, 1, limitMax)
  const after = integerOf(query, 'after', -1, 0, Number.MAX_SAFE_INTEGER)
  const wanted = metricsCalled(series, query.get('metric') ?? undefined)
  const rows: SeriesRow[] = []
  for (let id = after + 1; id < series.idEnd; id++) {
    if (!series.isLive(id)) continue
    if (wanted !== undefined && !wanted.has(series.metricOf(id))) continue
    if (rows.length === limit) return { series: rows, next: (rows.at(-1) as SeriesRow).id }
    rows.push(rowOf(series, id))
  }
  return { series: rows }
}

function integerOf(query: URLSearchParams, key: string, without: number, min: number, max: number): number {
  const text = query.get(key)
  if (text === null) return without
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new QueryError(
    `${key} is ${JSON.stringify(text.slice(0, 100))}; write an integer from ${min} to ${max}`
  )
}

function metricsCalled(series: Series, name: string | undefined): ReadonlySet<number> | undefined {
  if (name === undefined) return undefined
  const { strategy } = series.metrics
  const found = new Set<number>()
  for (const [id, metric] of series.metrics.metrics.entries())
    if (metric.name === name || familyName(strategy, metric.type, metric.name, metric.unit) === name)
      found.add(id)
  return found
}

function rowOf(series: Series, id: number): SeriesRow {
  const { metrics } = series
  const metric = metrics.metrics[series.metricOf(id)]
  const scope = metrics.scopes[metric?.scope ?? -1]
  const resource = metrics.resources[scope?.resource ?? -1]
  if (metric === undefined || scope === undefined || resource === undefined)
    throw new Error(`BUG: series ${id} has no metric`)
  const { strategy } = metrics
  const naming = namingOf(strategy, 'allow-utf-8')
  const attributes = series.attributesOf(id)
  const shared = metricLabels(naming, readAttributes(resource, 0, resource.length, resourceAttributesField), {
    ...readScope(scope.scope, 0, scope.scope.length),
    schemaUrl: readString(scope.schemaUrl),
  })
  return {
    id,
    name: familyName(strategy, metric.type, metric.name, metric.unit),
    metric: metric.name,
    unit: metric.unit,
    type: typeNames[metric.type],
    labels: Object.fromEntries(
      labelsOf(naming, metric.type, shared, readAttributes(attributes, 0, attributes.length))
    ),
    ...valueOf(series, series.slotOf(id), metric.type),
  }
}

function valueOf(series: Series, slot: number, type: MetricType): Partial<SeriesRow> {
  const { pages } = series
  if (type === metricTypes.histogram) return { histogram: histogramOf(series, slot) }
  if (type === metricTypes.exponentialHistogram) return { exponentialHistogram: exponentialOf(series, slot) }
  const isEnded = type === metricTypes.gauge && pages.value(slot + 1) < 0
  return isEnded ? {} : { value: jsonNumber(pages.value(slot)) }
}

function histogramOf(series: Series, slot: number): NonNullable<SeriesRow['histogram']> {
  const { pages, bounds } = series
  const set = bounds.sets[pages.value(slot) - 1] ?? new Float64Array(0)
  const buckets = [...set, Infinity].map((bound, at) => ({
    le: jsonNumber(bound),
    count: pages.value(slot + histogramHeadSlots + at),
  }))
  const count = buckets.reduce((total, bucket) => total + bucket.count, 0)
  return { count, ...knownSum(series, slot), buckets }
}

function exponentialOf(series: Series, slot: number): NonNullable<SeriesRow['exponentialHistogram']> {
  const read = new Exponential()
  read.readSlots(series.pages, slot)
  const { total: count, scale, zeroThreshold, zeroCount, positive, negative } = read
  const side = ({ first, length, counts }: Buckets): { offset: number; counts: number[] } => ({
    offset: first,
    counts: [...counts.subarray(0, length)],
  })
  const sides = { positive: side(positive), negative: side(negative) }
  return { count, ...knownSum(series, slot), scale, zeroThreshold, zeroCount, ...sides }
}

function knownSum(series: Series, slot: number): { sum?: JsonNumber } {
  const sum = sumOf(series.pages, slot)
  return sum === undefined ? {} : { sum: jsonNumber(sum) }
}

function jsonNumber(value: number): JsonNumber {
  return Number.isFinite(value) ? value : String(value)
}

const typeNames: Readonly<Record<MetricType, string>> = {
  [metricTypes.counter]: 'counter',
  [metricTypes.upDownCounter]: 'up-down counter',
  [metricTypes.gauge]: 'gauge',
  [metricTypes.gaugeMin]: 'gauge (min)',
  [metricTypes.gaugeMax]: 'gauge (max)',
  [metricTypes.gaugeSum]: 'gauge (sum)',
  [metricTypes.histogram]: 'histogram',
  [metricTypes.exponentialHistogram]: 'exponential histogram',
}
