import { Writer } from '@swansong/otlp/wire'
import type { RequestWriter } from './request-writer.ts'
import { writeDouble, writeStale } from './request-writer.ts'
import type { Symbols } from './symbols.ts'

// prometheus.WriteRequest, by prompb/remote.proto and prompb/types.proto: numbers of fields, and tags.
const timeseriesField = 1
// TimeSeries
const labelTag = (1 << 3) | 2
const samplesField = 2
// Label
const nameTag = (1 << 3) | 2
const valueTag = (2 << 3) | 2
// Sample
const valueField = 1
const timestampField = 2

/** Lengths of up to four bytes, and tags, of one label. */
const labelHeadBytes = 20

/** Remote write 1.0: labels are written out with each series. */
export class RequestV1 implements RequestWriter {
  readonly isVersion2 = false
  readonly #symbols: Symbols
  readonly #writer = new Writer(64 * 1024)
  #series = 0

  constructor(symbols: Symbols) {
    this.#symbols = symbols
  }

  get length(): number {
    return this.#writer.length
  }

  begin(labels: Uint32Array, count: number): void {
    this.#series = this.#writer.open(timeseriesField)
    for (let at = 0; at < count; at += 2) this.#label(labels[at] as number, labels[at + 1] as number)
  }

  #label(name: number, value: number): void {
    const { texts } = this.#symbols
    const writer = this.#writer
    const nameLength = texts.lengthOf(name)
    const valueLength = texts.lengthOf(value)
    const view = writer.room(labelHeadBytes + nameLength + valueLength)
    writer.varint(labelTag)
    writer.varint(2 + nameLength + valueLength + extraOf(nameLength) + extraOf(valueLength))
    writer.varint(nameTag)
    writer.varint(nameLength)
    writer.length = texts.copy(name, view, writer.length)
    writer.varint(valueTag)
    writer.varint(valueLength)
    writer.length = texts.copy(value, view, writer.length)
  }

  sample(value: number, unixMs: number): void {
    const sample = this.#writer.open(samplesField)
    writeDouble(this.#writer, valueField, value)
    this.#writer.int64(timestampField, unixMs)
    this.#writer.close(sample)
  }

  staleSample(unixMs: number): void {
    const sample = this.#writer.open(samplesField)
    writeStale(this.#writer, valueField)
    this.#writer.int64(timestampField, unixMs)
    this.#writer.close(sample)
  }

  histogram(): void {
    throw new Error('BUG: version 1.0 has no native histograms')
  }

  staleHistogram(): void {
    throw new Error('BUG: version 1.0 has no native histograms')
  }

  exemplar(): void {
    throw new Error('BUG: version 1.0 has no exemplars')
  }

  end(): void {
    this.#writer.close(this.#series)
  }

  finish(): Uint8Array {
    const body = this.#writer.finish()
    this.#writer.length = 0
    return body
  }
}

/** How many bytes a length takes, the first among them. */
function extraOf(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4
}
