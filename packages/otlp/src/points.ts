import {
  exponentialAttributesTag,
  histogramAttributesTag,
  newExponentialPoint,
  newHistogramPoint,
  readExponential,
  readHistogram,
  type Distribution,
  type Exponential,
} from './distributions.ts'
import { metricKinds, type ExportVisitor, type PointFrame } from './visitor.ts'
import { walkSummaryPoint } from './walk.ts'
import type { Reader } from './wire/reader.ts'

const nothing = new Uint8Array(0)

/** Reads the points of everything but sums and gauges, into one object for each kind. */
export class OtherPoints {
  readonly #histogram: Distribution = newHistogramPoint(nothing)
  readonly #exponential: Exponential = newExponentialPoint(nothing)
  readonly #scattered = new Scattered()

  /** `kind` is the field number of Metric.data. The cursor stands on the point's first byte. */
  visit(reader: Reader, end: number, kind: number, visitor: ExportVisitor): void {
    const start = reader.at
    if (kind === metricKinds.histogram) {
      const point = this.#histogram
      point.attributeBytes = reader.bytes
      const isScattered = readHistogram(reader, end, point)
      if (isScattered) this.#scattered.gather(reader, start, end, histogramAttributesTag, point)
      visitor.histogramPoint(point)
    } else if (kind === metricKinds.exponentialHistogram) {
      const point = this.#exponential
      point.attributeBytes = reader.bytes
      const isScattered = readExponential(reader, end, point)
      if (isScattered) this.#scattered.gather(reader, start, end, exponentialAttributesTag, point)
      visitor.exponentialHistogramPoint(point)
    } else {
      walkSummaryPoint(reader, end)
      visitor.summaryPoint()
    }
  }

  /** Lets go of the body and of what long points took. */
  forget(): void {
    const { bucketCounts, explicitBounds } = this.#histogram
    const { positive, negative } = this.#exponential
    for (const numbers of [bucketCounts, explicitBounds, positive.counts, negative.counts]) numbers.forget()
    this.#histogram.attributeBytes = nothing
    this.#exponential.attributeBytes = nothing
    this.#scattered.forget()
  }
}

/** Attributes of one point that did not lie together. Its memory grows to the largest such point. */
export class Scattered {
  #bytes: Uint8Array = nothing

  /** Puts the attributes of a point, between whose fields others stand, one behind the other. */
  gather(reader: Reader, start: number, end: number, attributesTag: number, point: PointFrame): void {
    if (this.#bytes.length < end - start) this.#bytes = new Uint8Array(end - start)
    let length = 0
    reader.at = start
    reader.end = end
    while (reader.at < end) {
      const fieldAt = reader.at
      const tag = reader.tag()
      reader.skip(tag)
      if (tag !== attributesTag) continue
      this.#bytes.set(reader.bytes.subarray(fieldAt, reader.at), length)
      length += reader.at - fieldAt
    }
    point.attributeBytes = this.#bytes
    point.attributesStart = 0
    point.attributesEnd = length
  }

  forget(): void {
    this.#bytes = nothing
  }
}
