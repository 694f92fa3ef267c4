import assert from 'node:assert/strict'
import { Reader } from '@swansong/otlp/wire'

/** One series of a request, as its receiver reads it. */
export interface WrittenSeries {
  /** `name{label="value",…}`, labels in the order that they came in. */
  name: string
  labels: [name: string, value: string][]
  samples: WrittenSample[]
  histograms: WrittenHistogram[]
  exemplars: { labels: Record<string, string>; value: number; unixMs: number }[]
  metadata: { type: number; help: string; unit: string } | undefined
}

export interface WrittenSample {
  value: number
  /** Of the value: so that one not-a-number is told from another. */
  bits: bigint
  unixMs: number
  startUnixMs: number
}

export interface WrittenHistogram {
  count: number
  sum: number
  sumBits: bigint
  schema: number
  zeroThreshold: number
  zeroCount: number
  positive: { offset: number; counts: number[] }[]
  negative: { offset: number; counts: number[] }[]
  unixMs: number
  startUnixMs: number
}

export const staleBits = 0x7ff0000000000002n

/** prometheus.WriteRequest, by prompb/remote.proto and prompb/types.proto. */
export function decodeV1(body: Uint8Array): WrittenSeries[] {
  const all: WrittenSeries[] = []
  eachField(body, (field, reader) => {
    assert.equal(field, 1, 'only timeseries are of version 1.0')
    const labels: [string, string][] = []
    const samples: WrittenSample[] = []
    eachField(bytesOf(reader), (within, inner) => {
      assert.ok(within === 1 || within === 2, `TimeSeries has no field ${within} in 1.0`)
      if (within === 1) labels.push(labelOf(bytesOf(inner)))
      else samples.push(sampleOf(bytesOf(inner)))
    })
    all.push(seriesOf(labels, { samples }))
  })
  return all
}

/** io.prometheus.write.v2.Request, by prompb/io/prometheus/write/v2/types.proto. */
export function decodeV2(body: Uint8Array): WrittenSeries[] {
  const symbols: string[] = []
  const series: Uint8Array[] = []
  eachField(body, (field, reader) => {
    if (field === 4) symbols.push(text(bytesOf(reader)))
    else if (field === 5) series.push(bytesOf(reader))
    else assert.fail(`Request has no field ${field}`)
  })
  assert.equal(symbols[0], '', 'the first symbol is empty')
  assert.equal(new Set(symbols).size, symbols.length, 'each symbol stands once')
  const used = new Set([0])
  const symbol = (at: number): string => {
    used.add(at)
    const found = symbols[at]
    assert.ok(found !== undefined, `there is no symbol ${at}`)
    return found
  }
  const all = series.map((bytes) => seriesV2Of(bytes, symbol))
  assert.equal(used.size, symbols.length, 'no symbol is there for nothing')
  return all
}

function seriesV2Of(bytes: Uint8Array, symbol: (at: number) => string): WrittenSeries {
  let labels: [string, string][] = []
  const samples: WrittenSample[] = []
  const histograms: WrittenHistogram[] = []
  const exemplars: WrittenSeries['exemplars'] = []
  let metadata: WrittenSeries['metadata']
  eachField(bytes, (field, reader) => {
    if (field === 1) labels = labelsOf(bytesOf(reader), symbol)
    else if (field === 2) samples.push(sampleOf(bytesOf(reader)))
    else if (field === 3) histograms.push(histogramOf(bytesOf(reader)))
    else if (field === 4) exemplars.push(exemplarOf(bytesOf(reader), symbol))
    else if (field === 5) metadata = metadataOf(bytesOf(reader), symbol)
    else assert.fail(`TimeSeries has no field ${field}`)
  })
  return seriesOf(labels, { samples, histograms, exemplars, metadata })
}

function seriesOf(labels: [string, string][], rest: Partial<WrittenSeries>): WrittenSeries {
  const base = labels.find(([name]) => name === '__name__')?.[1] ?? ''
  const others = labels.filter(([name]) => name !== '__name__')
  const inner = others.map(([name, value]) => `${name}="${value}"`).join(',')
  const name = inner === '' ? base : `${base}{${inner}}`
  return { name, labels, samples: [], histograms: [], exemplars: [], metadata: undefined, ...rest }
}

function sampleOf(bytes: Uint8Array): WrittenSample {
  const sample = { value: 0, bits: 0n, unixMs: 0, startUnixMs: 0 }
  eachField(bytes, (field, reader) => {
    if (field === 1) {
      sample.bits = reader.fixed64BigInt()
      sample.value = doubleOf(sample.bits)
    } else if (field === 2) sample.unixMs = reader.varint()
    else if (field === 3) sample.startUnixMs = reader.varint()
    else assert.fail(`Sample has no field ${field}`)
  })
  return sample
}

function histogramOf(bytes: Uint8Array): WrittenHistogram {
  const spans: Record<number, [offset: number, length: number][]> = { 8: [], 11: [] }
  const counts: Record<number, number[]> = { 10: [], 13: [] }
  const read = {
    count: 0,
    sum: 0,
    sumBits: 0n,
    schema: 0,
    zeroThreshold: 0,
    zeroCount: 0,
    unixMs: 0,
    startUnixMs: 0,
  }
  eachField(bytes, (field, reader) => {
    if (field === 2) read.count = reader.double()
    else if (field === 3) {
      read.sumBits = reader.fixed64BigInt()
      read.sum = doubleOf(read.sumBits)
    } else if (field === 4) read.schema = signed(reader.varint())
    else if (field === 5) read.zeroThreshold = reader.double()
    else if (field === 7) read.zeroCount = reader.double()
    else if (field === 15) read.unixMs = reader.varint()
    else if (field === 17) read.startUnixMs = reader.varint()
    else if (field === 8 || field === 11) spans[field]?.push(spanOf(bytesOf(reader)))
    else if (field === 10 || field === 13) {
      const packed = new Reader(bytesOf(reader))
      while (packed.at < packed.end) counts[field]?.push(packed.double())
    } else assert.fail(`Histogram has no field ${field} that is written here`)
  })
  return {
    ...read,
    negative: sideOf(spans[8] ?? [], counts[10] ?? []),
    positive: sideOf(spans[11] ?? [], counts[13] ?? []),
  }
}

function sideOf(spans: [number, number][], counts: number[]): WrittenHistogram['positive'] {
  const length = spans.reduce((sum, [, each]) => sum + each, 0)
  assert.equal(counts.length, length, 'spans cover the counts')
  let at = 0
  return spans.map(([offset, each]) => ({ offset, counts: counts.slice(at, (at += each)) }))
}

function spanOf(bytes: Uint8Array): [number, number] {
  const span: [number, number] = [0, 0]
  eachField(bytes, (field, reader) => {
    const value = reader.varint()
    if (field === 1) span[0] = signed(value)
    else span[1] = value
  })
  return span
}

function exemplarOf(bytes: Uint8Array, symbol: (at: number) => string): WrittenSeries['exemplars'][number] {
  const exemplar = { labels: {} as Record<string, string>, value: 0, unixMs: 0 }
  eachField(bytes, (field, reader) => {
    if (field === 1) exemplar.labels = Object.fromEntries(labelsOf(bytesOf(reader), symbol))
    else if (field === 2) exemplar.value = reader.double()
    else exemplar.unixMs = reader.varint()
  })
  return exemplar
}

function metadataOf(
  bytes: Uint8Array,
  symbol: (at: number) => string
): { type: number; help: string; unit: string } {
  const metadata = { type: 0, help: '', unit: '' }
  eachField(bytes, (field, reader) => {
    const value = reader.varint()
    if (field === 1) metadata.type = value
    else if (field === 3) metadata.help = symbol(value)
    else metadata.unit = symbol(value)
  })
  return metadata
}

function labelsOf(packed: Uint8Array, symbol: (at: number) => string): [string, string][] {
  const reader = new Reader(packed)
  const refs: number[] = []
  while (reader.at < reader.end) refs.push(reader.varint())
  assert.equal(refs.length % 2, 0, 'names and values alternate')
  return Array.from({ length: refs.length / 2 }, (_, at) => [
    symbol(refs[2 * at] as number),
    symbol(refs[2 * at + 1] as number),
  ])
}

function labelOf(bytes: Uint8Array): [string, string] {
  const label: [string, string] = ['', '']
  eachField(bytes, (field, reader) => (label[field - 1] = text(bytesOf(reader))))
  return label
}

function eachField(bytes: Uint8Array, read: (field: number, reader: Reader) => void): void {
  const reader = new Reader(bytes)
  while (reader.at < reader.end) read(reader.tag() >>> 3, reader)
}

function bytesOf(reader: Reader): Uint8Array {
  const end = reader.lengthEnd()
  const bytes = reader.bytes.slice(reader.at, end)
  reader.at = end
  return bytes
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

function signed(zigzag: number): number {
  return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
}

function doubleOf(bits: bigint): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, bits)
  return view.getFloat64(0)
}
