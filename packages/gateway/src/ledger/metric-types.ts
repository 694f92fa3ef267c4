import type { GaugePolicy } from '../config/rules.ts'

/** What the slots of a series mean, as stored: never to be renumbered. */
export const metricTypes = {
  /** A monotonic sum. */
  counter: 1,
  /** A sum that may go down: what all living writers hold together. */
  upDownCounter: 2,
  /** A gauge of which the latest value is kept. */
  gauge: 3,
  /** Explicit bounds. */
  histogram: 4,
  exponentialHistogram: 5,
  /** A gauge of which the least value is kept, the greatest, or what all living writers hold together. */
  gaugeMin: 6,
  gaugeMax: 7,
  gaugeSum: 8,
} as const

export type MetricType = (typeof metricTypes)[keyof typeof metricTypes]

export const gaugeTypes: Readonly<Record<GaugePolicy, MetricType>> = {
  last: metricTypes.gauge,
  min: metricTypes.gaugeMin,
  max: metricTypes.gaugeMax,
  sum: metricTypes.gaugeSum,
}

/** True for what is the sum of what living writers hold: it is taken out when one of them goes. */
export function isLevel(type: number): boolean {
  return type === metricTypes.upDownCounter || type === metricTypes.gaugeSum
}

/** A gauge, whatever is kept of it: the latest value, the least, the greatest, or a sum. */
export function isGaugeType(type: number): boolean {
  return type === metricTypes.gauge || (type >= metricTypes.gaugeMin && type <= metricTypes.gaugeSum)
}

/** What of a type tells one metric from another: of gauges not what is kept of them, which rules say. */
export function identityType(type: MetricType): MetricType {
  return isGaugeType(type) ? metricTypes.gauge : type
}
