import { Writer } from '@swansong/otlp/wire'
import type { Exemplar } from '../../ledger/exemplars.ts'
import type { Buckets } from '../../ledger/values/buckets.ts'
import type { Exponential } from '../../ledger/values/exponential.ts'
import type { Described, RequestWriter } from './request-writer.ts'
import { writeDouble, writeStale } from './request-writer.ts'
import type { Symbols } from './symbols.ts'

// io.prometheus.write.v2.Request, by prompb/io/prometheus/write/v2/types.proto: numbers of fields.
const symbolsField = 4
const timeseriesField = 5
// TimeSeries, and Exemplar
const labelsField = 1
const samplesField = 2
const histogramsField = 3
const exemplarsField = 4
const metadataField = 5
// Sample
const valueField = 1
const timestampField = 2
const startField = 3
// Exemplar
const exemplarValueField = 2
const exemplarTimestampField = 3
// Metadata
const typeField = 1
const helpField = 3
const unitField = 4
// Histogram: counts are floats, as what the ledger holds may be more than 2^53, and is a double.
const countField = 2
const sumField = 3
const schemaField = 4
const zeroThresholdField = 5
const zeroCountField = 7
const negativeSpansField = 8
const negativeCountsField = 10
const positiveSpansField = 11
const positiveCountsField = 13
const histogramTimestampField = 15
const histogramStartField = 17

const zeroThresholdDefault = 1e-128

/** Remote write 2.0: labels are numbers of texts that the request holds once each; the first text is empty. */
export class RequestV2 implements RequestWriter {
  readonly isVersion2 = true
  readonly #symbols: Symbols
  readonly #writer = new Writer(64 * 1024)
  readonly #texts = new Writer(16 * 1024)
  /** Symbol → its number in this request, if it is of this request. */
  #numbers: Uint32Array = new Uint32Array(1024)
  #requestOf: Uint32Array = new Uint32Array(1024)
  /** Symbols of texts that are no labels' own: held until the request is written. */
  readonly #held: number[] = []
  #request = 1
  #count = 0
  #series = 0
  #family: Described | undefined

  constructor(symbols: Symbols) {
    this.#symbols = symbols
    this.#clear()
  }

  get length(): number {
    return this.#writer.length + this.#texts.length
  }

  begin(labels: Uint32Array, count: number, family: Described): void {
    const writer = this.#writer
    this.#family = family
    this.#series = writer.open(timeseriesField)
    const packed = writer.open(labelsField)
    for (let at = 0; at < count; at++) writer.varint(this.#numberOf(labels[at] as number))
    writer.close(packed)
  }

  sample(value: number, unixMs: number, startUnixMs: number): void {
    const sample = this.#writer.open(samplesField)
    writeDouble(this.#writer, valueField, value)
    this.#times(timestampField, unixMs, startField, startUnixMs)
    this.#writer.close(sample)
  }

  staleSample(unixMs: number): void {
    const sample = this.#writer.open(samplesField)
    writeStale(this.#writer, valueField)
    this.#times(timestampField, unixMs, startField, 0)
    this.#writer.close(sample)
  }

  histogram(histogram: Exponential, sum: number, unixMs: number, startUnixMs: number): void {
    const writer = this.#writer
    const { zeroThreshold, zeroCount, positive, negative, total, scale } = histogram
    const opened = writer.open(histogramsField)
    writeDouble(writer, countField, total)
    writeDouble(writer, sumField, sum)
    writer.uint(schemaField, zigzag(scale))
    writer.double(zeroThresholdField, zeroThreshold > 0 ? zeroThreshold : zeroThresholdDefault)
    writer.double(zeroCountField, zeroCount)
    this.#buckets(negativeSpansField, negativeCountsField, negative)
    this.#buckets(positiveSpansField, positiveCountsField, positive)
    this.#times(histogramTimestampField, unixMs, histogramStartField, startUnixMs)
    writer.close(opened)
  }

  staleHistogram(unixMs: number): void {
    const opened = this.#writer.open(histogramsField)
    this.#writer.double(countField, 0)
    writeStale(this.#writer, sumField)
    this.#writer.double(zeroCountField, 0)
    this.#times(histogramTimestampField, unixMs, histogramStartField, 0)
    this.#writer.close(opened)
  }

  /** One span: the bucket that OTLP numbers `first` is the one after it here (CONFORMANCE D14). */
  #buckets(spansField: number, countsField: number, { first, length, counts }: Buckets): void {
    if (length === 0) return
    const span = this.#writer.open(spansField)
    this.#writer.uint(1, zigzag(first + 1))
    this.#writer.uint(2, length)
    this.#writer.close(span)
    this.#writer.doubles(countsField, counts.subarray(0, length))
  }

  exemplar({ value, timeUnixNano, labels }: Exemplar, unixMs: number): void {
    const writer = this.#writer
    const exemplar = writer.open(exemplarsField)
    if (labels.length > 0) {
      const packed = writer.open(labelsField)
      for (const [name, text] of labels.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
        writer.varint(this.#numberOfText(name))
        writer.varint(this.#numberOfText(text))
      }
      writer.close(packed)
    }
    writeDouble(writer, exemplarValueField, value)
    writer.int64(exemplarTimestampField, timeUnixNano > 0 ? Math.floor(timeUnixNano / 1e6) : unixMs)
    writer.close(exemplar)
  }

  end(): void {
    const writer = this.#writer
    const { metadata: type, help, unit } = this.#family as Described
    const metadata = writer.open(metadataField)
    writer.uint(typeField, type)
    if (help >= 0) writer.uint(helpField, this.#numberOf(help))
    if (unit >= 0) writer.uint(unitField, this.#numberOf(unit))
    writer.close(metadata)
    writer.close(this.#series)
  }

  finish(): Uint8Array {
    this.#texts.raw(this.#writer.finish())
    const body = this.#texts.finish()
    this.#clear()
    return body
  }

  #clear(): void {
    this.#writer.length = 0
    this.#texts.length = 0
    this.#texts.string(symbolsField, '')
    this.#count = 1
    this.#request++
    for (const symbol of this.#held.splice(0)) this.#symbols.release(symbol)
  }

  #times(field: number, unixMs: number, startUnixField: number, startUnixMs: number): void {
    this.#writer.int64(field, unixMs)
    if (startUnixMs > 0) this.#writer.int64(startUnixField, startUnixMs)
  }

  #numberOf(symbol: number): number {
    if (symbol >= this.#requestOf.length) this.#grow(symbol)
    if (this.#requestOf[symbol] === this.#request) return this.#numbers[symbol] as number
    const { texts } = this.#symbols
    const writer = this.#texts
    const length = texts.lengthOf(symbol)
    const text = writer.open(symbolsField)
    const view = writer.room(length)
    writer.length = texts.copy(symbol, view, writer.length)
    writer.close(text)
    this.#requestOf[symbol] = this.#request
    this.#numbers[symbol] = this.#count
    return this.#count++
  }

  #numberOfText(text: string): number {
    const symbol = this.#symbols.hold(text)
    this.#held.push(symbol)
    return this.#numberOf(symbol)
  }

  #grow(symbol: number): void {
    const capacity = Math.ceil(symbol * 1.5)
    const numbers = new Uint32Array(capacity)
    const requestOf = new Uint32Array(capacity)
    numbers.set(this.#numbers)
    requestOf.set(this.#requestOf)
    this.#numbers = numbers
    this.#requestOf = requestOf
  }
}

/** A sint32 as the unsigned number that is written for it. */
function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}
