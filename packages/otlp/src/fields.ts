/*
 * The messages of OTLP metrics as tables: opentelemetry-proto 1.9 to 1.11, opentelemetry/proto/{collector/metrics/v1/
 * metrics_service,metrics/v1/metrics,resource/v1/resource,common/v1/common}.proto. Names are those of OTLP/JSON. The
 * *_strindex fields of common.proto are left out: they belong to profiles, and metrics must ignore them.
 */

/** The scalar types that occur. `hex` is bytes that OTLP/JSON writes as hexadecimal: trace and span ids. */
export type ScalarType =
  | 'string'
  | 'bytes'
  | 'hex'
  | 'bool'
  | 'enum'
  | 'int32'
  | 'sint32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'fixed64'
  | 'sfixed64'
  | 'double'

export interface Field {
  readonly name: string
  readonly number: number
  readonly type: ScalarType | MessageName
  readonly repeated: boolean
  /** Written even at its default: a member of a oneof, or `optional`. */
  readonly explicit: boolean
  /** The oneof that the field is a member of. */
  readonly oneof: string | undefined
}

export type MessageName =
  | 'ExportMetricsServiceRequest'
  | 'ResourceMetrics'
  | 'Resource'
  | 'EntityRef'
  | 'ScopeMetrics'
  | 'InstrumentationScope'
  | 'KeyValue'
  | 'AnyValue'
  | 'ArrayValue'
  | 'KeyValueList'
  | 'Metric'
  | 'Gauge'
  | 'Sum'
  | 'Histogram'
  | 'ExponentialHistogram'
  | 'Summary'
  | 'NumberDataPoint'
  | 'HistogramDataPoint'
  | 'ExponentialHistogramDataPoint'
  | 'Buckets'
  | 'SummaryDataPoint'
  | 'ValueAtQuantile'
  | 'Exemplar'

export const messages: Readonly<Record<MessageName, readonly Field[]>> = {
  ExportMetricsServiceRequest: [many('resourceMetrics', 1, 'ResourceMetrics')],
  ResourceMetrics: [
    one('resource', 1, 'Resource'),
    many('scopeMetrics', 2, 'ScopeMetrics'),
    one('schemaUrl', 3, 'string'),
  ],
  Resource: [
    many('attributes', 1, 'KeyValue'),
    one('droppedAttributesCount', 2, 'uint32'),
    many('entityRefs', 3, 'EntityRef'),
  ],
  EntityRef: [
    one('schemaUrl', 1, 'string'),
    one('type', 2, 'string'),
    many('idKeys', 3, 'string'),
    many('descriptionKeys', 4, 'string'),
  ],
  ScopeMetrics: [
    one('scope', 1, 'InstrumentationScope'),
    many('metrics', 2, 'Metric'),
    one('schemaUrl', 3, 'string'),
  ],
  InstrumentationScope: [
    one('name', 1, 'string'),
    one('version', 2, 'string'),
    many('attributes', 3, 'KeyValue'),
    one('droppedAttributesCount', 4, 'uint32'),
  ],
  KeyValue: [one('key', 1, 'string'), one('value', 2, 'AnyValue')],
  AnyValue: [
    member('value', 'stringValue', 1, 'string'),
    member('value', 'boolValue', 2, 'bool'),
    member('value', 'intValue', 3, 'int64'),
    member('value', 'doubleValue', 4, 'double'),
    member('value', 'arrayValue', 5, 'ArrayValue'),
    member('value', 'kvlistValue', 6, 'KeyValueList'),
    member('value', 'bytesValue', 7, 'bytes'),
  ],
  ArrayValue: [many('values', 1, 'AnyValue')],
  KeyValueList: [many('values', 1, 'KeyValue')],
  Metric: [
    one('name', 1, 'string'),
    one('description', 2, 'string'),
    one('unit', 3, 'string'),
    member('data', 'gauge', 5, 'Gauge'),
    member('data', 'sum', 7, 'Sum'),
    member('data', 'histogram', 9, 'Histogram'),
    member('data', 'exponentialHistogram', 10, 'ExponentialHistogram'),
    member('data', 'summary', 11, 'Summary'),
    many('metadata', 12, 'KeyValue'),
  ],
  Gauge: [many('dataPoints', 1, 'NumberDataPoint')],
  Sum: [
    many('dataPoints', 1, 'NumberDataPoint'),
    one('aggregationTemporality', 2, 'enum'),
    one('isMonotonic', 3, 'bool'),
  ],
  Histogram: [many('dataPoints', 1, 'HistogramDataPoint'), one('aggregationTemporality', 2, 'enum')],
  ExponentialHistogram: [
    many('dataPoints', 1, 'ExponentialHistogramDataPoint'),
    one('aggregationTemporality', 2, 'enum'),
  ],
  Summary: [many('dataPoints', 1, 'SummaryDataPoint')],
  NumberDataPoint: [
    many('attributes', 7, 'KeyValue'),
    one('startTimeUnixNano', 2, 'fixed64'),
    one('timeUnixNano', 3, 'fixed64'),
    member('value', 'asDouble', 4, 'double'),
    member('value', 'asInt', 6, 'sfixed64'),
    many('exemplars', 5, 'Exemplar'),
    one('flags', 8, 'uint32'),
  ],
  HistogramDataPoint: [
    many('attributes', 9, 'KeyValue'),
    one('startTimeUnixNano', 2, 'fixed64'),
    one('timeUnixNano', 3, 'fixed64'),
    one('count', 4, 'fixed64'),
    optional('sum', 5, 'double'),
    many('bucketCounts', 6, 'fixed64'),
    many('explicitBounds', 7, 'double'),
    many('exemplars', 8, 'Exemplar'),
    one('flags', 10, 'uint32'),
    optional('min', 11, 'double'),
    optional('max', 12, 'double'),
  ],
  ExponentialHistogramDataPoint: [
    many('attributes', 1, 'KeyValue'),
    one('startTimeUnixNano', 2, 'fixed64'),
    one('timeUnixNano', 3, 'fixed64'),
    one('count', 4, 'fixed64'),
    optional('sum', 5, 'double'),
    one('scale', 6, 'sint32'),
    one('zeroCount', 7, 'fixed64'),
    one('positive', 8, 'Buckets'),
    one('negative', 9, 'Buckets'),
    one('flags', 10, 'uint32'),
    many('exemplars', 11, 'Exemplar'),
    optional('min', 12, 'double'),
    optional('max', 13, 'double'),
    one('zeroThreshold', 14, 'double'),
  ],
  Buckets: [one('offset', 1, 'sint32'), many('bucketCounts', 2, 'uint64')],
  SummaryDataPoint: [
    many('attributes', 7, 'KeyValue'),
    one('startTimeUnixNano', 2, 'fixed64'),
    one('timeUnixNano', 3, 'fixed64'),
    one('count', 4, 'fixed64'),
    one('sum', 5, 'double'),
    many('quantileValues', 6, 'ValueAtQuantile'),
    one('flags', 8, 'uint32'),
  ],
  ValueAtQuantile: [one('quantile', 1, 'double'), one('value', 2, 'double')],
  Exemplar: [
    many('filteredAttributes', 7, 'KeyValue'),
    one('timeUnixNano', 2, 'fixed64'),
    member('value', 'asDouble', 3, 'double'),
    member('value', 'asInt', 6, 'sfixed64'),
    one('spanId', 4, 'hex'),
    one('traceId', 5, 'hex'),
  ],
}

function one(name: string, number: number, type: Field['type']): Field {
  return { name, number, type, repeated: false, explicit: false, oneof: undefined }
}

function optional(name: string, number: number, type: Field['type']): Field {
  return { name, number, type, repeated: false, explicit: true, oneof: undefined }
}

function many(name: string, number: number, type: Field['type']): Field {
  return { name, number, type, repeated: true, explicit: false, oneof: undefined }
}

function member(oneof: string, name: string, number: number, type: Field['type']): Field {
  return { name, number, type, repeated: false, explicit: true, oneof }
}
