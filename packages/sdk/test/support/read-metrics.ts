import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { attributeText, type AttributeValue, readAttributes } from '@swansong/otlp'
import { readSpoolFile } from '@swansong/otlp/spool'
import { Reader } from '@swansong/otlp/wire'

/** A metric of one request, with its points: every kind, and all that a point may hold. */
export interface Stream {
  resource: Record<string, AttributeValue>
  resourceSchemaUrl: string
  scope: { name: string; version: string; schemaUrl: string; attributes: Record<string, AttributeValue> }
  name: string
  description: string
  unit: string
  kind: 'gauge' | 'sum' | 'histogram' | 'exponentialHistogram'
  temporality: number
  monotonic: boolean
  points: MetricPoint[]
}

export interface MetricPoint {
  attributes: Record<string, AttributeValue>
  start: bigint
  time: bigint
  flags: number
  exemplars: {
    attributes: Record<string, AttributeValue>
    time: bigint
    value: number
    span: string
    trace: string
  }[]
  value?: number
  /** Whether the value came as an integer. */
  isInt?: boolean
  count?: number
  sum?: number
  min?: number
  max?: number
  bounds?: number[]
  buckets?: number[]
  scale?: number
  zeroCount?: number
  positive?: { offset: number; counts: number[] }
  negative?: { offset: number; counts: number[] }
}

type Take = (field: number, reader: Reader) => void

/** Decodes an ExportMetricsServiceRequest by the numbers of metrics.proto, with nothing of what wrote it. */
export function readMetrics(bytes: Uint8Array): Stream[] {
  const streams: Stream[] = []
  each(new Reader(bytes), (_, resourceMetrics) => {
    let resource = {}
    let resourceSchemaUrl = ''
    const from = streams.length
    each(resourceMetrics, (field, part) => {
      if (field === 1) {
        resource = attributesOf(part, 1)
        part.at = part.end
      } else if (field === 2) readScope(part, streams)
      else resourceSchemaUrl = textOf(part)
    })
    for (const stream of streams.slice(from)) Object.assign(stream, { resource, resourceSchemaUrl })
  })
  return streams
}

/** The batches that lie in a spool directory, in the order of their times. */
export function readBatches(directory: string): { id: string; streams: Stream[] }[] {
  const names = readdirSync(directory).filter((name) => name.endsWith('.batch') && !name.startsWith('.'))
  const batches = names.map((name) => {
    const { header, body } = readSpoolFile(readFileSync(join(directory, name)))
    if (header.kind !== 'batch') throw new Error(`${name} is a ${header.kind}`)
    return { id: name.replace('.batch', ''), streams: readMetrics(body) }
  })
  return batches.sort((a, b) => (timeOf(a.streams) < timeOf(b.streams) ? -1 : 1))
}

/** Deltas added up, running totals and gauges at their last, by `name{attributes}`; a histogram as `count/sum/buckets`. */
export function totals(streams: readonly Stream[]): Record<string, number | string> {
  const all: Record<string, number | string> = {}
  const histograms: Record<string, { count: number; sum: number; buckets: number[] }> = {}
  for (const { name, kind, temporality, points } of streams) {
    for (const point of points) {
      const labels = Object.entries(point.attributes).map(([key, value]) => `${key}=${attributeText(value)}`)
      const id = labels.length > 0 ? `${name}{${labels.sort().join(',')}}` : name
      if (kind === 'histogram') {
        const { count, sum, buckets } = (histograms[id] ??= { count: 0, sum: 0, buckets: [] })
        const added = (point.buckets ?? []).map((value, index) => value + (buckets[index] ?? 0))
        histograms[id] = { count: count + (point.count ?? 0), sum: sum + (point.sum ?? 0), buckets: added }
      } else if (kind === 'exponentialHistogram') all[id] = Number(all[id] ?? 0) + (point.count ?? 0)
      else if ((point.flags & 1) === 1) all[id] = 'gone'
      else if (kind === 'sum' && temporality === 1)
        all[id] = Number(all[id] ?? 0) + (point.value ?? Number.NaN)
      else all[id] = point.value ?? Number.NaN
    }
  }
  for (const [id, { count, sum, buckets }] of Object.entries(histograms))
    all[id] = `${count}/${sum}/${buckets.join()}`
  return all
}

function timeOf(streams: Stream[]): bigint {
  return streams[0]?.points[0]?.time ?? 0n
}

function readScope(reader: Reader, into: Stream[]): void {
  const scope: Stream['scope'] = { name: '', version: '', schemaUrl: '', attributes: {} }
  each(reader, (field, part) => {
    if (field === 1) {
      scope.attributes = attributesOf(part, 3)
      each(part, (scopeField, text) => {
        if (scopeField === 1) scope.name = textOf(text)
        else if (scopeField === 2) scope.version = textOf(text)
        else text.at = text.end
      })
    } else if (field === 2) into.push({ ...readMetric(part), scope })
    else scope.schemaUrl = textOf(part)
  })
}

const kinds: Record<number, Stream['kind']> = {
  5: 'gauge',
  7: 'sum',
  9: 'histogram',
  10: 'exponentialHistogram',
}

function readMetric(reader: Reader): Stream {
  const stream = { name: '', description: '', unit: '', temporality: 0, monotonic: false } as Stream
  stream.points = []
  each(reader, (field, part) => {
    if (field === 1) stream.name = textOf(part)
    else if (field === 2) stream.description = textOf(part)
    else if (field === 3) stream.unit = textOf(part)
    else {
      const kind = kinds[field]
      if (kind === undefined) throw new Error(`field ${field} of a metric`)
      stream.kind = kind
      each(part, (dataField, data) => {
        if (dataField === 1) stream.points.push(readPoint(kind, data))
        else if (dataField === 2) stream.temporality = data.varint()
        else stream.monotonic = data.varint() === 1
      })
    }
  })
  return stream
}

/** The fields of each kind of point, where they differ. */
const attributeFields = { gauge: 7, sum: 7, histogram: 9, exponentialHistogram: 1 }
const exemplarFields = { gauge: 5, sum: 5, histogram: 8, exponentialHistogram: 11 }
const flagFields = { gauge: 8, sum: 8, histogram: 10, exponentialHistogram: 10 }

function readPoint(kind: Stream['kind'], reader: Reader): MetricPoint {
  const attributes = attributesOf(reader, attributeFields[kind])
  const point: MetricPoint = { attributes, start: 0n, time: 0n, flags: 0, exemplars: [] }
  each(reader, (field, part) => {
    if (field === attributeFields[kind]) part.at = part.end
    else if (field === exemplarFields[kind]) point.exemplars.push(readExemplar(part))
    else if (field === flagFields[kind]) point.flags = part.varint()
    else if (field === 2) point.start = part.fixed64BigInt()
    else if (field === 3) point.time = part.fixed64BigInt()
    else if (kind === 'gauge' || kind === 'sum') readNumber(point, field, part)
    else if (kind === 'histogram') readHistogram(point, field, part)
    else readExponential(point, field, part)
  })
  return point
}

function readNumber(point: MetricPoint, field: number, reader: Reader): void {
  if (field !== 4 && field !== 6) throw new Error(`field ${field} of a number`)
  point.isInt = field === 6
  point.value = field === 4 ? reader.double() : reader.sfixed64()
}

function readHistogram(point: MetricPoint, field: number, reader: Reader): void {
  if (field === 4) point.count = reader.fixed64()
  else if (field === 5) point.sum = reader.double()
  else if (field === 6) point.buckets = many(reader, () => reader.fixed64())
  else if (field === 7) point.bounds = many(reader, () => reader.double())
  else if (field === 11) point.min = reader.double()
  else if (field === 12) point.max = reader.double()
  else throw new Error(`field ${field} of a histogram`)
}

function readExponential(point: MetricPoint, field: number, reader: Reader): void {
  if (field === 4) point.count = reader.fixed64()
  else if (field === 5) point.sum = reader.double()
  else if (field === 6) point.scale = zigzag(reader.varint())
  else if (field === 7) point.zeroCount = reader.fixed64()
  else if (field === 8) point.positive = readSide(reader)
  else if (field === 9) point.negative = readSide(reader)
  else if (field === 12) point.min = reader.double()
  else if (field === 13) point.max = reader.double()
  else throw new Error(`field ${field} of an exponential histogram`)
}

function readSide(reader: Reader): { offset: number; counts: number[] } {
  const side = { offset: 0, counts: [] as number[] }
  each(reader, (field, part) => {
    if (field === 1) side.offset = zigzag(part.varint())
    else side.counts = many(part, () => part.varint())
  })
  return side
}

function readExemplar(reader: Reader): MetricPoint['exemplars'][number] {
  const exemplar = { attributes: attributesOf(reader, 7), time: 0n, value: Number.NaN, span: '', trace: '' }
  each(reader, (field, part) => {
    if (field === 2) exemplar.time = part.fixed64BigInt()
    else if (field === 3) exemplar.value = part.double()
    else if (field === 4) exemplar.span = hexOf(part)
    else if (field === 5) exemplar.trace = hexOf(part)
    else part.at = part.end
  })
  return exemplar
}

function attributesOf(reader: Reader, field: number): Record<string, AttributeValue> {
  const pairs = readAttributes(reader.bytes, reader.at, reader.end, field)
  return Object.fromEntries(pairs.map(({ key, value }) => [key, value]))
}

function textOf(reader: Reader): string {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(reader.bytes.subarray(reader.at, reader.end))
  reader.at = reader.end
  return text
}

function hexOf(reader: Reader): string {
  const hex = Buffer.from(reader.bytes.subarray(reader.at, reader.end)).toString('hex')
  reader.at = reader.end
  return hex
}

function many(reader: Reader, one: () => number): number[] {
  const values: number[] = []
  while (reader.at < reader.end) values.push(one())
  return values
}

function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

/** Calls for each field; one that is length-delimited is narrowed to its contents, which must be read to their end. */
function each(reader: Reader, take: Take): void {
  const end = reader.end
  while (reader.at < end) {
    const tag = reader.tag()
    if ((tag & 7) === 2) reader.end = reader.lengthEnd()
    take(tag >>> 3, reader)
    if (reader.end !== end && reader.at !== reader.end)
      throw new Error(`field ${tag >>> 3} was not read to its end`)
    reader.end = end
  }
}
