/*
 * An ExportMetricsServiceRequest as plain objects, with the names of OTLP/JSON: for tests, benches and tools that send
 * a few points. What is on the way of many points uses ranges (`decodeExportRequest`) or the writer of `./wire`.
 */

/** A 64-bit integer: a bigint, an integer within ±2^53, or decimal digits. */
export type Int64 = bigint | number | string

export interface ExportRequest {
  resourceMetrics?: readonly ResourceMetrics[]
}

export interface ResourceMetrics {
  resource?: { attributes?: readonly KeyValue[]; droppedAttributesCount?: number }
  scopeMetrics?: readonly ScopeMetrics[]
  schemaUrl?: string
}

export interface ScopeMetrics {
  scope?: {
    name?: string
    version?: string
    attributes?: readonly KeyValue[]
    droppedAttributesCount?: number
  }
  metrics?: readonly Metric[]
  schemaUrl?: string
}

/** At most one of gauge, sum, histogram, exponentialHistogram and summary. */
export interface Metric {
  name?: string
  description?: string
  unit?: string
  gauge?: { dataPoints?: readonly NumberDataPoint[] }
  sum?: { dataPoints?: readonly NumberDataPoint[]; aggregationTemporality?: number; isMonotonic?: boolean }
  histogram?: { dataPoints?: readonly HistogramDataPoint[]; aggregationTemporality?: number }
  exponentialHistogram?: {
    dataPoints?: readonly ExponentialHistogramDataPoint[]
    aggregationTemporality?: number
  }
  summary?: { dataPoints?: readonly SummaryDataPoint[] }
  metadata?: readonly KeyValue[]
}

interface DataPoint {
  attributes?: readonly KeyValue[]
  /** Unix nanoseconds. */
  startTimeUnixNano?: Int64
  timeUnixNano?: Int64
  flags?: number
}

/** At most one of asDouble and asInt. */
export interface NumberDataPoint extends DataPoint {
  asDouble?: number
  asInt?: Int64
  exemplars?: readonly Exemplar[]
}

export interface HistogramDataPoint extends DataPoint {
  count?: Int64
  sum?: number
  bucketCounts?: readonly Int64[]
  explicitBounds?: readonly number[]
  min?: number
  max?: number
  exemplars?: readonly Exemplar[]
}

export interface ExponentialHistogramDataPoint extends DataPoint {
  count?: Int64
  sum?: number
  scale?: number
  zeroCount?: Int64
  zeroThreshold?: number
  positive?: { offset?: number; bucketCounts?: readonly Int64[] }
  negative?: { offset?: number; bucketCounts?: readonly Int64[] }
  min?: number
  max?: number
  exemplars?: readonly Exemplar[]
}

export interface SummaryDataPoint extends DataPoint {
  count?: Int64
  sum?: number
  quantileValues?: readonly { quantile?: number; value?: number }[]
}

/** At most one of asDouble and asInt. Ids as bytes or hexadecimal. */
export interface Exemplar {
  filteredAttributes?: readonly KeyValue[]
  timeUnixNano?: Int64
  asDouble?: number
  asInt?: Int64
  spanId?: Uint8Array | string
  traceId?: Uint8Array | string
}

export interface KeyValue {
  key?: string
  value?: AnyValue
}

/** At most one of its fields; none is a value that is empty. */
export interface AnyValue {
  stringValue?: string
  boolValue?: boolean
  intValue?: Int64
  doubleValue?: number
  arrayValue?: { values?: readonly AnyValue[] }
  kvlistValue?: { values?: readonly KeyValue[] }
  bytesValue?: Uint8Array | string
}
