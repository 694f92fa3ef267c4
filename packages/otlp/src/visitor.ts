/** What Metric.data holds, by its field number; `none` where it holds nothing that is known. */
export const metricKinds = {
  none: 0,
  gauge: 5,
  sum: 7,
  histogram: 9,
  exponentialHistogram: 10,
  summary: 11,
} as const
export type MetricKind = (typeof metricKinds)[keyof typeof metricKinds]

/** A metric without its points. All are byte ranges [start, end) of `bytes`. Reused for the next metric. */
export interface MetricFrame {
  bytes: Uint8Array
  nameStart: number
  nameEnd: number
  unitStart: number
  unitEnd: number
  descriptionStart: number
  descriptionEnd: number
  kind: MetricKind
  /** As on the wire: 0 unspecified, 1 delta, 2 cumulative. */
  temporality: number
  monotonic: boolean
}

/** One point of a sum or gauge. Reused for the next point, and so are the bytes of scattered attributes. */
export interface NumberPoint {
  /** [attributesStart, attributesEnd) of `attributeBytes`: KeyValue fields with their tags, one after the other. */
  attributeBytes: Uint8Array
  attributesStart: number
  attributesEnd: number
  /** Unix nanoseconds, rounded to a double (256 ns). 0 = not set. */
  startTimeUnixNano: number
  timeUnixNano: number
  /** 0 where `valueKind` is `none`. */
  value: number
  valueKind: 'none' | 'double' | 'int'
  flags: number
}

/** Called in this order: resource, then its scopes, each with its metrics, each with its points. */
export interface ExportVisitor {
  /** For every ResourceMetrics. [start, end) is a Resource message, empty where there is none. */
  resource(bytes: Uint8Array, start: number, end: number): void
  /** For every ScopeMetrics. [start, end) is an InstrumentationScope, empty where there is none. */
  scope(bytes: Uint8Array, start: number, end: number, schemaUrlStart: number, schemaUrlEnd: number): void
  metric(metric: MetricFrame): void
  /** For every point of a sum or a gauge. */
  numberPoint(point: NumberPoint): void
  /** For every point of a histogram, an exponential histogram or a summary. */
  otherPoint(): void
}
