export { decodeExportRequest } from './decode.ts'
export { metricKinds } from './visitor.ts'
export type {
  DistributionPoint,
  ExponentialBuckets,
  ExponentialHistogramPoint,
  ExportVisitor,
  HistogramPoint,
  MetricFrame,
  MetricKind,
  NumberList,
  NumberPoint,
  PointFrame,
} from './visitor.ts'
export { attributeText, readAttributes, readScope } from './attributes.ts'
export {
  attributeDepthMax,
  metricMetadataField,
  resourceAttributesField,
  scopeAttributesField,
} from './attributes.ts'
export type { Attribute, AttributeValue, KeyValueList, Scope } from './attributes.ts'
export { exemplarsFields, readExemplars } from './exemplars.ts'
export type { ReadExemplar } from './exemplars.ts'
export { readString } from './text.ts'
export { JsonTranscoder, jsonToProtobuf } from './json.ts'
export { encodeExportRequest } from './encode.ts'
export type {
  AnyValue,
  Exemplar,
  ExponentialHistogramDataPoint,
  ExportRequest,
  HistogramDataPoint,
  Int64,
  KeyValue,
  Metric,
  NumberDataPoint,
  ResourceMetrics,
  ScopeMetrics,
  SummaryDataPoint,
} from './model.ts'
export { decodeExportResponse, decodeStatus, encodeExportResponse, encodeStatus } from './response.ts'
export { numbersPerPointMax } from './numbers.ts'
export { messageLengthMax, type Encoding, type ExportResponse, type Status } from './response.ts'
export { OtlpError, type OtlpErrorCode } from './error.ts'
