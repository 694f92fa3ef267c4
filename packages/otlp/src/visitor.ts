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
  /** From the first KeyValue field of its metadata to the last. Empty where there is none. */
  metadataStart: number
  metadataEnd: number
  kind: MetricKind
  /** As on the wire: 0 unspecified, 1 delta, 2 cumulative. */
  temporality: number
  monotonic: boolean
}

/** What points of every kind have. Reused for the next point, and so are the bytes of scattered attributes. */
export interface PointFrame {
  /** [attributesStart, attributesEnd) of `attributeBytes`: KeyValue fields with their tags, one after the other. */
  attributeBytes: Uint8Array
  attributesStart: number
  attributesEnd: number
  /** Unix nanoseconds, rounded to a double (256 ns). 0 = not set. */
  startTimeUnixNano: number
  timeUnixNano: number
  flags: number
  /**
   * [exemplarsStart, exemplarsEnd) of the metric's `bytes`: from the first exemplar to the last, for `readExemplars`. Empty
   * where there is none.
   */
  exemplarsStart: number
  exemplarsEnd: number
}

/** One point of a sum or gauge. */
export interface NumberPoint extends PointFrame {
  /** 0 where `valueKind` is `none`. */
  value: number
  valueKind: 'none' | 'double' | 'int'
}

/** What points of both kinds of histogram have. */
export interface DistributionPoint extends PointFrame {
  /** Rounded to a double, as all counts are: exact to 2^53. */
  count: number
  /** 0 where there is none. */
  sum: number
  hasSum: boolean
  min: number
  hasMin: boolean
  max: number
  hasMax: boolean
}

/** One point of a histogram with explicit bounds, as it was sent: nothing of it is checked. */
export interface HistogramPoint extends DistributionPoint {
  readonly bucketCounts: NumberList
  readonly explicitBounds: NumberList
}

/** One point of an exponential histogram, as it was sent: nothing of it is checked. */
export interface ExponentialHistogramPoint extends DistributionPoint {
  /** Bucket i holds what is above base^i and at most base^(i + 1), where base is 2^(2^-scale). */
  scale: number
  zeroCount: number
  /** What is at most this far from 0 is in `zeroCount`. */
  zeroThreshold: number
  readonly positive: ExponentialBuckets
  readonly negative: ExponentialBuckets
}

export interface ExponentialBuckets {
  /** The index of the first bucket. */
  offset: number
  readonly counts: NumberList
}

/** The first `length` of `values`. The array may be another one for the next point. */
export interface NumberList {
  values: Float64Array
  length: number
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
  histogramPoint(point: HistogramPoint): void
  exponentialHistogramPoint(point: ExponentialHistogramPoint): void
  /** For every point of a summary, of which nothing is read: summaries cannot be added up. */
  summaryPoint(): void
}
