import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  encodeExportRequest,
  jsonToProtobuf,
  metricKinds,
  type AnyValue,
  type Attribute,
  type AttributeValue,
  type Exemplar,
  type ExponentialHistogramDataPoint,
  type ExportRequest,
  type HistogramDataPoint,
  type KeyValue,
  type Metric,
  type NumberDataPoint,
  type ReadExemplar,
} from '@swansong/otlp'
import {
  collect,
  type CollectedExponential,
  type CollectedHistogram,
  type CollectedMetric,
  type CollectedPoint,
  type CollectedResource,
} from './collect.ts'

const plain = { noNullPrototype: true } as const
const partly = { requiredKeys: [] as never[], noNullPrototype: true } as const
const text = fc.string({ unit: 'grapheme' })
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const nanoseconds = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const uint32 = fc.nat(0xffffffff)

const { anyValue } = fc.letrec<{ anyValue: AnyValue; keyValue: KeyValue }>((tie) => ({
  keyValue: fc.record({ key: text, value: tie('anyValue') }, partly),
  anyValue: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constant({}),
    fc.record({ stringValue: text }, plain),
    fc.record({ boolValue: fc.boolean() }, plain),
    fc.record({ intValue: int64 }, plain),
    fc.record({ doubleValue: fc.double() }, plain),
    fc.record({ bytesValue: fc.uint8Array() }, plain),
    fc.record(
      { arrayValue: fc.record({ values: fc.array(tie('anyValue'), { maxLength: 3 }) }, plain) },
      plain
    ),
    fc.record(
      { kvlistValue: fc.record({ values: fc.array(tie('keyValue'), { maxLength: 3 }) }, plain) },
      plain
    )
  ),
}))
const attributes = fc.array(fc.record({ key: text, value: anyValue }, partly), { maxLength: 5 })

// All records have their fields in the order of the tables, in which objects are written; JSON is written as it comes.
const times = { attributes, startTimeUnixNano: nanoseconds, timeUnixNano: nanoseconds }
const flags = uint32
const exemplar = fc.oneof(
  fc.record({ filteredAttributes: attributes, timeUnixNano: nanoseconds, asDouble: fc.double() }, partly),
  fc.record({ filteredAttributes: attributes, asInt: int64, spanId: id(8), traceId: id(16) }, partly)
)
const exemplars = fc.array(exemplar, { maxLength: 2 })
const numberPoints = fc.array(
  fc.oneof(
    fc.record({ ...times, asDouble: fc.double(), exemplars, flags }, partly),
    fc.record({ ...times, asInt: int64, exemplars, flags }, partly)
  ),
  { maxLength: 4 }
)
const histogramPoints = fc.array(
  fc.record(
    {
      ...times,
      count: nanoseconds,
      sum: fc.double(),
      bucketCounts: fc.array(nanoseconds),
      explicitBounds: fc.array(fc.double()),
      exemplars,
      flags,
      min: fc.double(),
      max: fc.double(),
    },
    partly
  ),
  { maxLength: 3 }
)
// Varints are rounded as they are read, so these counts stay where doubles are exact.
const exactCounts = fc.array(fc.bigInt({ min: 0n, max: 2n ** 53n }))
const buckets = fc.record({ offset: fc.integer(), bucketCounts: exactCounts }, partly)
const exponentialPoints = fc.array(
  fc.record(
    {
      ...times,
      count: nanoseconds,
      sum: fc.double(),
      scale: fc.integer(),
      zeroCount: nanoseconds,
      positive: buckets,
      negative: buckets,
      flags,
      exemplars,
      min: fc.double(),
      max: fc.double(),
      zeroThreshold: fc.double(),
    },
    partly
  ),
  { maxLength: 3 }
)
const quantileValues = fc.array(fc.record({ quantile: fc.double(), value: fc.double() }, partly), {
  maxLength: 3,
})
const summaryPoints = fc.array(fc.record({ ...times, sum: fc.double(), quantileValues, flags }, partly), {
  maxLength: 3,
})

const temporality = { aggregationTemporality: fc.nat(2) }
const named = { name: text, description: text, unit: text }
const metadata = attributes
const sum = fc.record({ dataPoints: numberPoints, ...temporality, isMonotonic: fc.boolean() }, partly)
const metric: fc.Arbitrary<Metric> = fc.oneof(
  fc.record({ ...named, metadata }, partly),
  fc.record({ ...named, sum, metadata }, partly),
  fc.record({ ...named, gauge: fc.record({ dataPoints: numberPoints }, partly), metadata }, partly),
  fc.record(
    { ...named, histogram: fc.record({ dataPoints: histogramPoints, ...temporality }, partly) },
    partly
  ),
  fc.record(
    { ...named, exponentialHistogram: fc.record({ dataPoints: exponentialPoints, ...temporality }, partly) },
    partly
  ),
  fc.record({ ...named, summary: fc.record({ dataPoints: summaryPoints }, partly), metadata }, partly)
)
const scope = fc.record({ name: text, version: text, attributes, droppedAttributesCount: uint32 }, partly)
const scopeMetrics = fc.record(
  { scope, metrics: fc.array(metric, { maxLength: 4 }), schemaUrl: text },
  partly
)
const resource = fc.record({ attributes, droppedAttributesCount: uint32 }, partly)
const resourceMetrics = fc.record(
  { resource, scopeMetrics: fc.array(scopeMetrics, { maxLength: 3 }), schemaUrl: text },
  partly
)
const request: fc.Arbitrary<ExportRequest> = fc.record(
  { resourceMetrics: fc.array(resourceMetrics, { maxLength: 3 }) },
  partly
)

/** Of a span or a trace, as bytes. */
function id(length: number): fc.Arbitrary<string> {
  return fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((bytes) => Buffer.from(bytes).toString('hex'))
}

test('what is encoded is visited as it was', () => {
  fc.assert(
    fc.property(request, (model) => {
      assert.deepEqual(collect(encodeExportRequest(model)), expected(model))
    }),
    { numRuns: 300 }
  )
})

test('a request in JSON becomes the bytes that its objects encode to', () => {
  fc.assert(
    fc.property(request, fc.boolean(), (model, bare) => {
      assert.deepEqual(jsonToProtobuf(otlpJson(model, bare)), encodeExportRequest(model))
    }),
    { numRuns: 300 }
  )
})

test('scales, offsets and zeros are written as protobuf has them', () => {
  const histogram = { scale: -2, positive: { offset: -1, bucketCounts: [300] }, zeroThreshold: -0, sum: 0 }
  const metrics: Metric[] = [{ exponentialHistogram: { dataPoints: [histogram] } }]
  const point = [
    [0x29, 0, 0, 0, 0, 0, 0, 0, 0], // sum, which is optional: 0 is not absent.
    [0x30, 3], // scale, zigzag.
    [0x42, 6, 0x08, 1, 0x12, 2, 0xac, 0x02], // positive: offset, zigzag, and packed counts.
    [0x71, 0, 0, 0, 0, 0, 0, 0, 0x80], // zero_threshold: -0 is not the default.
  ].flat()
  const inMetric = [0x52, point.length + 2, 0x0a, point.length, ...point]
  const inScope = [0x12, inMetric.length, ...inMetric]
  const inResource = [0x12, inScope.length, ...inScope]
  const body = encodeExportRequest({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] })
  assert.deepEqual([...body], [0x0a, inResource.length, ...inResource])
})

/** OTLP/JSON of a model: 64-bit integers as strings or bare, bytes in base64. */
function otlpJson(model: ExportRequest, bare: boolean): string {
  const marked = JSON.stringify(model, (_, value: unknown) => {
    if (typeof value === 'bigint') return bare ? `\u0001${value}\u0001` : String(value)
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
    if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
    return Object.is(value, -0) ? '-0' : value
  })
  return marked.replaceAll(/"\\u0001(-?\d+)\\u0001"/g, '$1')
}

function expected(model: ExportRequest): CollectedResource[] {
  return (model.resourceMetrics ?? []).map((each) => ({
    attributes: (each.resource?.attributes ?? []).map(attribute),
    scopes: (each.scopeMetrics ?? []).map((inScope) => ({
      name: inScope.scope?.name ?? '',
      version: inScope.scope?.version ?? '',
      schemaUrl: inScope.schemaUrl ?? '',
      attributes: (inScope.scope?.attributes ?? []).map(attribute),
      metrics: (inScope.metrics ?? []).map(expectedMetric),
    })),
  }))
}

function expectedMetric(given: Metric): CollectedMetric {
  const { none, gauge, sum: sumKind, histogram, exponentialHistogram, summary } = metricKinds
  const numbers = given.sum ?? given.gauge
  const timed = given.sum ?? given.histogram ?? given.exponentialHistogram
  let kind: CollectedMetric['kind'] = none
  if (given.sum) kind = sumKind
  else if (given.gauge) kind = gauge
  else if (given.histogram) kind = histogram
  else if (given.exponentialHistogram) kind = exponentialHistogram
  else if (given.summary) kind = summary
  return {
    name: given.name ?? '',
    unit: given.unit ?? '',
    description: given.description ?? '',
    kind,
    temporality: timed?.aggregationTemporality ?? 0,
    monotonic: given.sum?.isMonotonic ?? false,
    points: (numbers?.dataPoints ?? []).map(expectedPoint),
    histograms: (given.histogram?.dataPoints ?? []).map(expectedHistogram),
    exponentials: (given.exponentialHistogram?.dataPoints ?? []).map(expectedExponential),
    summaries: given.summary?.dataPoints?.length ?? 0,
  }
}

function expectedPoint(given: NumberDataPoint): CollectedPoint {
  const valueKind = given.asInt !== undefined ? 'int' : given.asDouble !== undefined ? 'double' : 'none'
  return {
    attributes: (given.attributes ?? []).map(attribute),
    start: Number(given.startTimeUnixNano ?? 0),
    time: Number(given.timeUnixNano ?? 0),
    value: Number(given.asInt ?? given.asDouble ?? 0),
    valueKind,
    flags: given.flags ?? 0,
    exemplars: expectedExemplars(given.exemplars),
  }
}

function expectedHistogram(given: HistogramDataPoint): CollectedHistogram {
  return {
    ...expectedDistribution(given),
    counts: (given.bucketCounts ?? []).map(Number),
    bounds: [...(given.explicitBounds ?? [])],
  }
}

function expectedExponential(given: ExponentialHistogramDataPoint): CollectedExponential {
  const { positive, negative } = given
  return {
    ...expectedDistribution(given),
    scale: given.scale ?? 0,
    zeroCount: Number(given.zeroCount ?? 0),
    zeroThreshold: given.zeroThreshold ?? 0,
    positive: [positive?.offset ?? 0, ...(positive?.bucketCounts ?? []).map(Number)],
    negative: [negative?.offset ?? 0, ...(negative?.bucketCounts ?? []).map(Number)],
  }
}

function expectedDistribution(
  given: HistogramDataPoint | ExponentialHistogramDataPoint
): Omit<CollectedHistogram, 'counts' | 'bounds'> {
  return {
    attributes: (given.attributes ?? []).map(attribute),
    start: Number(given.startTimeUnixNano ?? 0),
    time: Number(given.timeUnixNano ?? 0),
    flags: given.flags ?? 0,
    exemplars: expectedExemplars(given.exemplars),
    count: Number(given.count ?? 0),
    sum: given.sum,
    min: given.min,
    max: given.max,
  }
}

/** Those without a value are left out; an id of zeros is none. */
function expectedExemplars(given: readonly Exemplar[] = []): ReadExemplar[] {
  return given
    .filter(({ asInt, asDouble }) => asInt !== undefined || asDouble !== undefined)
    .map((each) => ({
      value: Number(each.asInt ?? each.asDouble),
      timeUnixNano: Number(each.timeUnixNano ?? 0),
      traceId: idOf(each.traceId),
      spanId: idOf(each.spanId),
      attributes: (each.filteredAttributes ?? []).map(attribute),
    }))
}

function idOf(hex: Exemplar['spanId']): string {
  return typeof hex !== 'string' || /^0*$/.test(hex) ? '' : hex
}

function attribute(given: KeyValue): Attribute {
  return { key: given.key ?? '', value: attributeValue(given.value ?? {}) }
}

function attributeValue(given: AnyValue): AttributeValue {
  if (given.intValue !== undefined) return BigInt(given.intValue)
  if (given.arrayValue !== undefined) return (given.arrayValue.values ?? []).map(attributeValue)
  if (given.kvlistValue !== undefined) return { keyValues: (given.kvlistValue.values ?? []).map(attribute) }
  return given.stringValue ?? given.boolValue ?? given.doubleValue ?? given.bytesValue
}
