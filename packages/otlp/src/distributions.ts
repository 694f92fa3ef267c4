import { Numbers } from './numbers.ts'
import type {
  DistributionPoint,
  ExponentialBuckets,
  ExponentialHistogramPoint,
  HistogramPoint,
} from './visitor.ts'
import { walkFields } from './walk.ts'
import type { Reader } from './wire/reader.ts'

// By opentelemetry/proto/metrics/v1/metrics.proto: field << 3 | wire type.
// HistogramDataPoint and ExponentialHistogramDataPoint
const startTimeTag = (2 << 3) | 1
const timeTag = (3 << 3) | 1
const countTag = (4 << 3) | 1
const sumTag = (5 << 3) | 1
const flagsTag = 10 << 3
// HistogramDataPoint
const bucketCountsPackedTag = (6 << 3) | 2
const bucketCountsTag = (6 << 3) | 1
const explicitBoundsPackedTag = (7 << 3) | 2
const explicitBoundsTag = (7 << 3) | 1
const histogramExemplarsTag = (8 << 3) | 2
const histogramMinTag = (11 << 3) | 1
const histogramMaxTag = (12 << 3) | 1
// ExponentialHistogramDataPoint
const scaleTag = 6 << 3
const zeroCountTag = (7 << 3) | 1
const positiveTag = (8 << 3) | 2
const negativeTag = (9 << 3) | 2
const exponentialExemplarsTag = (11 << 3) | 2
const exponentialMinTag = (12 << 3) | 1
const exponentialMaxTag = (13 << 3) | 1
const zeroThresholdTag = (14 << 3) | 1
// ExponentialHistogramDataPoint.Buckets
const offsetTag = 1 << 3
const countsPackedTag = (2 << 3) | 2
const countsTag = 2 << 3

/** The number of the attributes' field, with its tag's wire type, in each kind of point. */
export const histogramAttributesTag: number = (9 << 3) | 2
export const exponentialAttributesTag: number = (1 << 3) | 2

export type Distribution = HistogramPoint & { bucketCounts: Numbers; explicitBounds: Numbers }
type Buckets = ExponentialBuckets & { counts: Numbers }
export type Exponential = ExponentialHistogramPoint & { positive: Buckets; negative: Buckets }

export function newHistogramPoint(nothing: Uint8Array): Distribution {
  return { ...newPoint(nothing), bucketCounts: new Numbers(), explicitBounds: new Numbers() }
}

export function newExponentialPoint(nothing: Uint8Array): Exponential {
  const positive = { offset: 0, counts: new Numbers() }
  const negative = { offset: 0, counts: new Numbers() }
  return { ...newPoint(nothing), scale: 0, zeroCount: 0, zeroThreshold: 0, positive, negative }
}

function newPoint(nothing: Uint8Array): DistributionPoint {
  return {
    attributeBytes: nothing,
    attributesStart: 0,
    attributesEnd: 0,
    startTimeUnixNano: 0,
    timeUnixNano: 0,
    flags: 0,
    exemplarsStart: 0,
    exemplarsEnd: 0,
    count: 0,
    sum: 0,
    hasSum: false,
    min: 0,
    hasMin: false,
    max: 0,
    hasMax: false,
  }
}

/** Reads the fields of a HistogramDataPoint up to `end`; true where its attributes do not lie together. */
export function readHistogram(reader: Reader, end: number, point: Distribution): boolean {
  clear(point, end)
  point.bucketCounts.length = 0
  point.explicitBounds.length = 0
  let scattered = false
  reader.end = end
  while (reader.at < end) {
    const fieldAt = reader.at
    const tag = reader.tag()
    if (tag === histogramAttributesTag) scattered = readAttributes(reader, fieldAt, point, end) || scattered
    else if (tag === bucketCountsPackedTag) point.bucketCounts.readPackedFixed64(reader)
    else if (tag === explicitBoundsPackedTag) point.explicitBounds.readPackedDouble(reader)
    else if (tag === bucketCountsTag) point.bucketCounts.push(reader.fixed64())
    else if (tag === explicitBoundsTag) point.explicitBounds.push(reader.double())
    else if (tag === histogramMinTag) {
      point.min = reader.double()
      point.hasMin = true
    } else if (tag === histogramMaxTag) {
      point.max = reader.double()
      point.hasMax = true
    } else if (tag === histogramExemplarsTag) {
      walkExemplar(reader, fieldAt, point)
      reader.end = end
    } else readCommon(reader, tag, point)
  }
  return scattered
}

/** Reads the fields of an ExponentialHistogramDataPoint up to `end`; true where its attributes do not lie together. */
export function readExponential(reader: Reader, end: number, point: Exponential): boolean {
  clear(point, end)
  point.scale = 0
  point.zeroCount = 0
  point.zeroThreshold = 0
  point.positive.offset = point.positive.counts.length = 0
  point.negative.offset = point.negative.counts.length = 0
  let scattered = false
  reader.end = end
  while (reader.at < end) {
    const fieldAt = reader.at
    const tag = reader.tag()
    if (tag === exponentialAttributesTag) scattered = readAttributes(reader, fieldAt, point, end) || scattered
    else if (tag === positiveTag) readBuckets(reader, reader.lengthEnd(), point.positive)
    else if (tag === negativeTag) readBuckets(reader, reader.lengthEnd(), point.negative)
    else if (tag === scaleTag) point.scale = readSint32(reader)
    else if (tag === zeroCountTag) point.zeroCount = reader.fixed64()
    else if (tag === zeroThresholdTag) point.zeroThreshold = reader.double()
    else if (tag === exponentialMinTag) {
      point.min = reader.double()
      point.hasMin = true
    } else if (tag === exponentialMaxTag) {
      point.max = reader.double()
      point.hasMax = true
    } else if (tag === exponentialExemplarsTag) walkExemplar(reader, fieldAt, point)
    else readCommon(reader, tag, point)
    reader.end = end
  }
  return scattered
}

function clear(point: DistributionPoint, end: number): void {
  point.attributesStart = end
  point.attributesEnd = end
  point.startTimeUnixNano = 0
  point.timeUnixNano = 0
  point.flags = 0
  point.exemplarsStart = 0
  point.exemplarsEnd = 0
  point.count = 0
  point.sum = 0
  point.hasSum = false
  point.min = 0
  point.hasMin = false
  point.max = 0
  point.hasMax = false
}

/** Widens the range of exemplars by one more, and leaves the reader narrowed to it. */
function walkExemplar(reader: Reader, fieldAt: number, point: DistributionPoint): void {
  const exemplarEnd = reader.lengthEnd()
  if (point.exemplarsEnd === 0) point.exemplarsStart = fieldAt
  point.exemplarsEnd = exemplarEnd
  walkFields(reader, exemplarEnd)
}

/** Widens the range of attributes by one more; true where something stands between it and the one before. */
function readAttributes(reader: Reader, fieldAt: number, point: DistributionPoint, end: number): boolean {
  const isFirst = point.attributesStart === end
  const isBehind = point.attributesEnd === fieldAt
  if (isFirst) point.attributesStart = fieldAt
  point.attributesEnd = reader.lengthEnd()
  reader.at = point.attributesEnd
  return !isFirst && !isBehind
}

/** The fields that both kinds have under the same number, and those that nobody knows. */
function readCommon(reader: Reader, tag: number, point: DistributionPoint): void {
  if (tag === timeTag) point.timeUnixNano = reader.fixed64()
  else if (tag === startTimeTag) point.startTimeUnixNano = reader.fixed64()
  else if (tag === countTag) point.count = reader.fixed64()
  else if (tag === sumTag) {
    point.sum = reader.double()
    point.hasSum = true
  } else if (tag === flagsTag) point.flags = reader.varint()
  else reader.skip(tag)
}

/** A message that was given in pieces is merged: the last offset wins, counts follow each other. */
function readBuckets(reader: Reader, end: number, buckets: Buckets): void {
  reader.end = end
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === offsetTag) buckets.offset = readSint32(reader)
    else if (tag === countsPackedTag) {
      buckets.counts.readPackedVarint(reader, reader.lengthEnd())
      reader.end = end
    } else if (tag === countsTag) buckets.counts.push(reader.varint())
    else reader.skip(tag)
  }
}

/** Zigzag; of a longer varint the lower 32 bits count, as in protobuf. */
function readSint32(reader: Reader): number {
  const bits = reader.varint() >>> 0
  return (bits >>> 1) ^ -(bits & 1)
}
