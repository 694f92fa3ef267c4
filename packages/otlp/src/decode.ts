import { OtherPoints, Scattered } from './points.ts'
import { Reader } from './wire/reader.ts'
import {
  metricKinds,
  type ExportVisitor,
  type MetricFrame,
  type MetricKind,
  type NumberPoint,
} from './visitor.ts'
import { walkFields } from './walk.ts'

/**
 * Visits an ExportMetricsServiceRequest where it lies: ranges, not strings, and no object a point. Throws OtlpError for
 * bytes that are no such message, with the offset in `bytes`; by then earlier points have been visited, so a visitor
 * must not let them count before this returns. As protobuf parsers do, a known field with another wire type is skipped
 * as an unknown one, the last of a oneof wins, and a message given twice is merged. What is inside attributes, and
 * whether strings are UTF-8, is found by whoever reads them (`readAttributes`, `readString`).
 */
export function decodeExportRequest(bytes: Uint8Array, visitor: ExportVisitor): void {
  const decoder = idle ?? new Decoder()
  idle = undefined // A visitor that decodes another request meanwhile gets a decoder of its own.
  try {
    decoder.decode(bytes, visitor)
  } finally {
    decoder.forget()
    idle = decoder
  }
}

let idle: Decoder | undefined
const nothing = new Uint8Array(0)

// By opentelemetry/proto/collector/metrics/v1/metrics_service.proto and metrics/v1/metrics.proto: field << 3 | wire type.
const resourceMetricsTag = (1 << 3) | 2
// ResourceMetrics
const resourceTag = (1 << 3) | 2
const scopeMetricsTag = (2 << 3) | 2
// ScopeMetrics
const scopeTag = (1 << 3) | 2
const metricsTag = (2 << 3) | 2
const schemaUrlTag = (3 << 3) | 2
// Metric
const nameTag = (1 << 3) | 2
const descriptionTag = (2 << 3) | 2
const metadataTag = (12 << 3) | 2
const unitTag = (3 << 3) | 2
const gaugeTag = (5 << 3) | 2
const sumTag = (7 << 3) | 2
const histogramTag = (9 << 3) | 2
const exponentialHistogramTag = (10 << 3) | 2
const summaryTag = (11 << 3) | 2
// Gauge, Sum, Histogram, ExponentialHistogram, Summary
const dataPointsTag = (1 << 3) | 2
const aggregationTemporalityTag = 2 << 3
const isMonotonicTag = 3 << 3
// NumberDataPoint
const startTimeTag = (2 << 3) | 1
const timeTag = (3 << 3) | 1
const asDoubleTag = (4 << 3) | 1
const exemplarsTag = (5 << 3) | 2
const asIntTag = (6 << 3) | 1
const attributesTag = (7 << 3) | 2
const flagsTag = 8 << 3

/** One reader goes up and down the messages: each level narrows its `end` and its caller widens it again. */
class Decoder {
  #bytes: Uint8Array = nothing
  readonly #reader = new Reader(nothing)
  readonly #metric: MetricFrame = {
    bytes: nothing,
    nameStart: 0,
    nameEnd: 0,
    unitStart: 0,
    unitEnd: 0,
    descriptionStart: 0,
    descriptionEnd: 0,
    metadataStart: 0,
    metadataEnd: 0,
    kind: metricKinds.none,
    temporality: 0,
    monotonic: false,
  }
  readonly #point: NumberPoint = {
    attributeBytes: nothing,
    attributesStart: 0,
    attributesEnd: 0,
    startTimeUnixNano: 0,
    timeUnixNano: 0,
    value: 0,
    valueKind: 'none',
    flags: 0,
    exemplarsStart: 0,
    exemplarsEnd: 0,
  }
  readonly #others = new OtherPoints()
  readonly #scattered = new Scattered()

  decode(bytes: Uint8Array, visitor: ExportVisitor): void {
    const reader = this.#reader
    this.#bytes = bytes
    this.#metric.bytes = bytes
    reader.reset(bytes)
    while (reader.at < bytes.length) {
      const tag = reader.tag()
      if (tag === resourceMetricsTag) {
        const end = reader.lengthEnd()
        this.#resourceMetrics(end, visitor)
        reader.at = end
        reader.end = bytes.length
      } else reader.skip(tag)
    }
  }

  /** Lets go of the body, so that an idle decoder keeps no memory alive. */
  forget(): void {
    this.#bytes = nothing
    this.#metric.bytes = nothing
    this.#point.attributeBytes = nothing
    this.#others.forget()
    this.#scattered.forget()
    this.#reader.reset(nothing)
  }

  /** The order of fields is free, so each level first looks for what its visitor must hear before the rest. */
  #resourceMetrics(end: number, visitor: ExportVisitor): void {
    const reader = this.#reader
    reader.end = end
    const start = reader.at
    let resources = 0
    let resourceStart = start
    let resourceEnd = start
    let scopesAt = end
    while (reader.at < end) {
      const fieldAt = reader.at
      const tag = reader.tag()
      if (tag === resourceTag) {
        resourceEnd = reader.lengthEnd()
        resourceStart = reader.at
        reader.at = resourceEnd
        resources++
      } else {
        if (tag === scopeMetricsTag && scopesAt === end) scopesAt = fieldAt
        reader.skip(tag)
      }
    }
    if (resources > 1) {
      const merged = this.#merged(start, end, resourceTag, 0)
      visitor.resource(merged, 0, merged.length)
    } else visitor.resource(this.#bytes, resourceStart, resourceEnd)

    reader.at = scopesAt
    while (reader.at < end) {
      const tag = reader.tag()
      if (tag === scopeMetricsTag) {
        const scopeEnd = reader.lengthEnd()
        this.#scopeMetrics(scopeEnd, visitor)
        reader.at = scopeEnd
        reader.end = end
      } else reader.skip(tag)
    }
  }

  #scopeMetrics(end: number, visitor: ExportVisitor): void {
    const reader = this.#reader
    reader.end = end
    const start = reader.at
    let scopes = 0
    let scopeStart = start
    let scopeEnd = start
    let schemaUrlStart = start
    let schemaUrlEnd = start
    let metricsAt = end
    while (reader.at < end) {
      const fieldAt = reader.at
      const tag = reader.tag()
      if (tag === metricsTag) {
        if (metricsAt === end) metricsAt = fieldAt
        reader.at = reader.lengthEnd()
      } else if (tag === scopeTag) {
        scopeEnd = reader.lengthEnd()
        scopeStart = reader.at
        reader.at = scopeEnd
        scopes++
      } else if (tag === schemaUrlTag) {
        schemaUrlEnd = reader.lengthEnd()
        schemaUrlStart = reader.at
        reader.at = schemaUrlEnd
      } else reader.skip(tag)
    }
    if (scopes > 1) {
      const schemaUrlBytes = schemaUrlEnd - schemaUrlStart
      const merged = this.#merged(start, end, scopeTag, schemaUrlBytes)
      const mergedEnd = merged.length - schemaUrlBytes
      merged.set(this.#bytes.subarray(schemaUrlStart, schemaUrlEnd), mergedEnd)
      visitor.scope(merged, 0, mergedEnd, mergedEnd, merged.length)
    } else visitor.scope(this.#bytes, scopeStart, scopeEnd, schemaUrlStart, schemaUrlEnd)

    reader.at = metricsAt
    while (reader.at < end) {
      const tag = reader.tag()
      if (tag === metricsTag) {
        const metricEnd = reader.lengthEnd()
        this.#metricWithPoints(metricEnd, visitor)
        reader.at = metricEnd
        reader.end = end
      } else reader.skip(tag)
    }
  }

  #metricWithPoints(end: number, visitor: ExportVisitor): void {
    const reader = this.#reader
    const metric = this.#metric
    reader.end = end
    metric.nameStart = metric.nameEnd = reader.at
    metric.unitStart = metric.unitEnd = reader.at
    metric.descriptionStart = metric.descriptionEnd = reader.at
    metric.metadataStart = metric.metadataEnd = reader.at
    metric.temporality = 0
    metric.monotonic = false
    // Metric.data is a oneof of messages: the last kind wins, and what it was given in pieces is merged.
    let dataTag = 0
    let dataAt = end
    let pieces = 0
    while (reader.at < end) {
      const fieldAt = reader.at
      const tag = reader.tag()
      if (tag === nameTag) {
        metric.nameEnd = reader.lengthEnd()
        metric.nameStart = reader.at
        reader.at = metric.nameEnd
      } else if (tag === unitTag) {
        metric.unitEnd = reader.lengthEnd()
        metric.unitStart = reader.at
        reader.at = metric.unitEnd
      } else if (tag === descriptionTag) {
        metric.descriptionEnd = reader.lengthEnd()
        metric.descriptionStart = reader.at
        reader.at = metric.descriptionEnd
      } else if (tag === metadataTag) {
        if (metric.metadataEnd === metric.metadataStart) metric.metadataStart = fieldAt
        reader.skip(tag)
        metric.metadataEnd = reader.at
      } else if (isData(tag)) {
        if (tag !== dataTag) {
          dataTag = tag
          dataAt = fieldAt
          pieces = 0
          metric.temporality = 0
          metric.monotonic = false
        }
        pieces++
        const dataEnd = reader.lengthEnd()
        if (tag !== gaugeTag && tag !== summaryTag) this.#aggregation(dataEnd, tag === sumTag)
        reader.at = dataEnd
        reader.end = end
      } else reader.skip(tag)
    }
    metric.kind = (dataTag >>> 3) as MetricKind
    visitor.metric(metric)
    reader.at = dataAt
    while (pieces > 0) {
      const tag = reader.tag()
      if (tag === dataTag) {
        const dataEnd = reader.lengthEnd()
        this.#points(dataEnd, dataTag, visitor)
        reader.end = end
        pieces--
      } else reader.skip(tag)
    }
  }

  /** Temporality and monotonicity, which encoders write behind the points. */
  #aggregation(end: number, isSum: boolean): void {
    const reader = this.#reader
    const metric = this.#metric
    reader.end = end
    while (reader.at < end) {
      const tag = reader.tag()
      if (tag === dataPointsTag) reader.at = reader.lengthEnd()
      else if (tag === aggregationTemporalityTag) metric.temporality = reader.varint()
      else if (tag === isMonotonicTag && isSum) metric.monotonic = reader.varint() !== 0
      else reader.skip(tag)
    }
  }

  #points(end: number, dataTag: number, visitor: ExportVisitor): void {
    const reader = this.#reader
    const isNumber = dataTag === sumTag || dataTag === gaugeTag
    reader.end = end
    while (reader.at < end) {
      const tag = reader.tag()
      if (tag !== dataPointsTag) {
        reader.skip(tag)
        continue
      }
      const pointEnd = reader.lengthEnd()
      if (isNumber) {
        this.#numberPoint(pointEnd)
        visitor.numberPoint(this.#point)
      } else this.#others.visit(reader, pointEnd, dataTag >>> 3, visitor)
      reader.at = pointEnd
      reader.end = end
    }
  }

  #numberPoint(end: number): void {
    const reader = this.#reader
    const point = this.#point
    const start = reader.at
    reader.end = end
    let attributesStart = end
    let attributesEnd = end
    let scattered = false
    point.startTimeUnixNano = 0
    point.timeUnixNano = 0
    point.value = 0
    point.valueKind = 'none'
    point.flags = 0
    point.exemplarsStart = 0
    point.exemplarsEnd = 0
    while (reader.at < end) {
      const fieldAt = reader.at
      const tag = reader.tag()
      if (tag === attributesTag) {
        if (attributesStart === end) attributesStart = fieldAt
        else if (attributesEnd !== fieldAt) scattered = true
        attributesEnd = reader.lengthEnd()
        reader.at = attributesEnd
      } else if (tag === timeTag) point.timeUnixNano = reader.fixed64()
      else if (tag === startTimeTag) point.startTimeUnixNano = reader.fixed64()
      else if (tag === asDoubleTag) {
        point.value = reader.double()
        point.valueKind = 'double'
      } else if (tag === asIntTag) {
        point.value = reader.sfixed64()
        point.valueKind = 'int'
      } else if (tag === flagsTag) point.flags = reader.varint()
      else if (tag === exemplarsTag) {
        const exemplarEnd = reader.lengthEnd()
        walkFields(reader, exemplarEnd)
        reader.end = end
        if (point.exemplarsEnd === 0) point.exemplarsStart = fieldAt
        point.exemplarsEnd = exemplarEnd
      } else reader.skip(tag)
    }
    point.attributeBytes = this.#bytes
    point.attributesStart = attributesStart
    point.attributesEnd = attributesEnd
    if (scattered) this.#scattered.gather(reader, start, end, attributesTag, point)
  }

  /** A message that was given in pieces is their concatenation. `room` bytes are left free behind it. */
  #merged(start: number, end: number, pieceTag: number, room: number): Uint8Array {
    const reader = this.#reader
    const bytes = new Uint8Array(end - start + room)
    let length = 0
    reader.at = start
    while (reader.at < end) {
      const tag = reader.tag()
      if (tag === pieceTag) {
        const pieceEnd = reader.lengthEnd()
        bytes.set(this.#bytes.subarray(reader.at, pieceEnd), length)
        length += pieceEnd - reader.at
        reader.at = pieceEnd
      } else reader.skip(tag)
    }
    return bytes.subarray(0, length + room)
  }
}

function isData(tag: number): boolean {
  return (
    tag === sumTag ||
    tag === gaugeTag ||
    tag === histogramTag ||
    tag === exponentialHistogramTag ||
    tag === summaryTag
  )
}
