import { Reader, type Writer } from '@swansong/otlp/wire'
import type { Exemplar } from '../ledger/exemplars.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { isGaugeType, isLevel, metricTypes, type MetricType } from '../ledger/metric-types.ts'
import type { Buckets } from '../ledger/values/buckets.ts'
import { Exponential } from '../ledger/values/exponential.ts'
import { extremesOf, histogramHeadSlots, sumOf } from '../ledger/values/histogram.ts'

// By opentelemetry/proto/metrics/v1/metrics.proto: numbers of fields.
// NumberDataPoint, HistogramDataPoint and ExponentialHistogramDataPoint
const startTimeField = 2
const timeField = 3
// NumberDataPoint
const asDoubleField = 4
const numberExemplarsField = 5
const numberAttributesField = 7
const numberFlagsField = 8
// HistogramDataPoint and ExponentialHistogramDataPoint
const countField = 4
const sumField = 5
// HistogramDataPoint
const bucketCountsField = 6
const explicitBoundsField = 7
const histogramExemplarsField = 8
const histogramAttributesField = 9
const histogramMinField = 11
// ExponentialHistogramDataPoint
const exponentialAttributesField = 1
const scaleField = 6
const zeroCountField = 7
const positiveField = 8
const negativeField = 9
const exponentialExemplarsField = 11
const exponentialMinField = 12
const zeroThresholdField = 14
// Exemplar
const exemplarTimeField = 2
const exemplarValueField = 3
const spanIdField = 4
const traceIdField = 5
const filteredAttributesField = 7

/** DataPointFlags: the sender has ended this series, and tells no value of it (CONFORMANCE B16). */
const noRecordedValue = 1

/** `data_points` is the first field of every kind of metric. */
const dataPointsField = 1
const nanoPerMs = 1_000_000n

/**
 * Writes series as points of OTLP: running totals since their start (CONFORMANCE B7), values as doubles, attributes as the
 * bytes that they are kept as. One point a series.
 */
export class OtlpPoints {
  readonly #ledger: Ledger
  readonly #writer: Writer
  readonly #exponential = new Exponential()
  /** Many series begin in the same commit. */
  #startUnixMs = -1
  #startUnixNano = 0n
  #timeUnixMs = -1
  #timeUnixNano = 0n

  constructor(ledger: Ledger, writer: Writer) {
    this.#ledger = ledger
    this.#writer = writer
  }

  /** Writes the point of a living series as of this time; false where it has nothing yet. */
  write(series: number, type: MetricType, unixMs: number): boolean {
    if (type === metricTypes.histogram) this.#histogram(series, unixMs)
    else if (type === metricTypes.exponentialHistogram) return this.#exponentialHistogram(series, unixMs)
    else this.#number(series, type, unixMs)
    return true
  }

  #number(series: number, type: MetricType, unixMs: number): void {
    const writer = this.#writer
    const { pages } = this.#ledger.series
    const slot = this.#ledger.series.slotOf(series)
    const point = this.#open(series, unixMs, numberAttributesField)
    const isKeptGauge = isGaugeType(type) && !isLevel(type)
    if (isKeptGauge && pages.value(slot + 1) < 0) writer.uint(numberFlagsField, noRecordedValue)
    else writer.double(asDoubleField, pages.value(slot))
    this.#exemplars(series, numberExemplarsField)
    writer.close(point)
  }

  #histogram(series: number, unixMs: number): void {
    const writer = this.#writer
    const { pages, bounds } = this.#ledger.series
    const slot = this.#ledger.series.slotOf(series)
    const set = bounds.sets[pages.value(slot) - 1] as Float64Array
    const first = pages.offsetOf(slot) + histogramHeadSlots
    const counts = pages.slotsOf(slot).subarray(first, first + set.length + 1)
    let count = 0
    for (const bucket of counts) count += bucket
    const point = this.#open(series, unixMs, histogramAttributesField)
    writer.fixed64(countField, count)
    this.#sumAndExtremes(slot, histogramMinField)
    writer.fixed64s(bucketCountsField, counts)
    if (set.length > 0) writer.doubles(explicitBoundsField, set)
    this.#exemplars(series, histogramExemplarsField)
    writer.close(point)
  }

  /** Nothing is told of one that has nothing yet: its scale would not be known, and may only fall (CONFORMANCE B14). */
  #exponentialHistogram(series: number, unixMs: number): boolean {
    const writer = this.#writer
    const { pages } = this.#ledger.series
    const slot = this.#ledger.series.slotOf(series)
    const read = this.#exponential
    if (!read.readSlots(pages, slot)) return false
    const point = this.#open(series, unixMs, exponentialAttributesField)
    writer.fixed64(countField, read.total)
    this.#sumAndExtremes(slot, exponentialMinField)
    writer.uint(scaleField, zigzag(read.scale))
    writer.fixed64(zeroCountField, read.zeroCount)
    this.#buckets(positiveField, read.positive)
    this.#buckets(negativeField, read.negative)
    if (read.zeroThreshold > 0) writer.double(zeroThresholdField, read.zeroThreshold)
    this.#exemplars(series, exponentialExemplarsField)
    writer.close(point)
    return true
  }

  #buckets(field: number, { first, length, counts }: Buckets): void {
    if (length === 0) return
    const writer = this.#writer
    const buckets = writer.open(field)
    writer.uint(1, zigzag(first))
    const packed = writer.open(2)
    for (let bucket = 0; bucket < length; bucket++) writer.varint(counts[bucket] as number)
    writer.close(packed)
    writer.close(buckets)
  }

  /** Those that are known; the number of the greatest follows that of the least. */
  #sumAndExtremes(slot: number, minField: number): void {
    const { pages } = this.#ledger.series
    const sum = sumOf(pages, slot)
    const { min, max } = extremesOf(pages, slot)
    if (sum !== undefined) this.#writer.double(sumField, sum)
    if (min !== undefined) this.#writer.double(minField, min)
    if (max !== undefined) this.#writer.double(minField + 1, max)
  }

  /** Begins a point: its attributes, its start, and a time that is later, also where the clock was set back. */
  #open(series: number, unixMs: number, attributesField: number): number {
    const writer = this.#writer
    const startUnixMs = this.#ledger.series.startOf(series)
    if (startUnixMs !== this.#startUnixMs) {
      this.#startUnixMs = startUnixMs
      this.#startUnixNano = BigInt(startUnixMs) * nanoPerMs
    }
    const timeUnixMs = Math.max(unixMs, startUnixMs + 1)
    if (timeUnixMs !== this.#timeUnixMs) {
      this.#timeUnixMs = timeUnixMs
      this.#timeUnixNano = BigInt(timeUnixMs) * nanoPerMs
    }
    const point = writer.open(dataPointsField)
    this.#attributes(this.#ledger.series.attributesOf(series), attributesField)
    writer.fixed64(startTimeField, this.#startUnixNano)
    writer.fixed64(timeField, this.#timeUnixNano)
    return point
  }

  /** They are kept with the tag that they came with: that of this kind, but for those of an overflow series. */
  #attributes(attributes: Uint8Array, field: number): void {
    const writer = this.#writer
    if (attributes.length === 0) return
    if (attributes[0] === ((field << 3) | 2)) return writer.raw(attributes)
    const reader = new Reader(attributes)
    while (reader.at < attributes.length) {
      reader.tag()
      const end = reader.lengthEnd()
      writer.bytes(field, attributes.subarray(reader.at, end))
      reader.at = end
    }
  }

  #exemplars(series: number, field: number): void {
    const exemplars = this.#ledger.exemplars.of(series)
    if (exemplars.size === 0) return
    for (const exemplar of exemplars.values()) this.#exemplar(field, exemplar)
  }

  #exemplar(field: number, { value, timeUnixNano, labels }: Exemplar): void {
    const writer = this.#writer
    const exemplar = writer.open(field)
    if (timeUnixNano > 0) writer.fixed64(exemplarTimeField, BigInt(timeUnixNano))
    writer.double(exemplarValueField, value)
    for (const [name, text] of labels) {
      const id = idFields[name]
      if (id !== undefined && id.form.test(text)) writer.bytes(id.field, bytesOf(text))
      else {
        const keyValue = writer.open(filteredAttributesField)
        writer.string(1, name)
        const any = writer.open(2)
        writer.string(1, text)
        writer.close(any)
        writer.close(keyValue)
      }
    }
    writer.close(exemplar)
  }
}

/** Labels that are fields of an exemplar. */
const idFields: Readonly<Record<string, { field: number; form: RegExp }>> = {
  trace_id: { field: traceIdField, form: /^[\da-f]{32}$/ },
  span_id: { field: spanIdField, form: /^[\da-f]{16}$/ },
}

function bytesOf(hexadecimal: string): Uint8Array {
  return Uint8Array.from({ length: hexadecimal.length / 2 }, (_, at) =>
    Number.parseInt(hexadecimal.slice(at * 2, at * 2 + 2), 16)
  )
}

/** A sint32 as the unsigned number that is written for it. */
function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}
