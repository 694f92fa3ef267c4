import { Reader } from '@swansong/otlp/wire'

/** A point as these tests look at it. Attributes are `key=JSON` by key; times are Unix nanoseconds. */
export interface Point {
  scope: string
  schemaUrl: string
  metric: string
  unit: string
  description: string
  temporality: number
  monotonic: boolean
  attributes: string
  start: bigint
  time: bigint
  /** Of a histogram its sum; NaN where there is none. */
  value: number
  kind: 'gauge' | 'sum' | 'histogram'
  flags: number
  histogram: { count: number; min: number; max: number; buckets: number[]; bounds: number[] } | undefined
}

export interface Request {
  resource: Record<string, unknown>
  points: Point[]
}

type Field = (number: number, reader: Reader) => void

/** Decodes an ExportMetricsServiceRequest of sums, gauges and histograms with a reader of its own, so that our writer is held by another hand. */
export function readRequest(bytes: Uint8Array): Request {
  const request: Request = { resource: {}, points: [] }
  each(new Reader(bytes), (_, inner) => {
    each(inner, (field, part) => {
      if (field === 1) each(part, (_field, attribute) => readAttribute(attribute, request.resource))
      else if (field === 2) readScopeMetrics(part, request.points)
      else assert(false, field)
    })
  })
  return request
}

/** The sum of all points by `metric{attributes}`. */
export function sums(requests: readonly Request[]): Record<string, number> {
  const totals: Record<string, number> = {}
  for (const { points } of requests) {
    for (const { metric, attributes, value } of points) {
      const name = attributes === '' ? metric : `${metric}{${attributes}}`
      totals[name] = (totals[name] ?? 0) + value
    }
  }
  return totals
}

function readScopeMetrics(reader: Reader, into: Point[]): void {
  const points: Point[] = []
  let scope = ''
  let schemaUrl = ''
  each(reader, (field, part) => {
    if (field === 1) {
      const attributes: Record<string, unknown> = {}
      each(part, (scopeField, value) => {
        if (scopeField === 3) readAttribute(value, attributes)
        else scope += (scope === '' ? '' : '@') + readString(value)
      })
      if (Object.keys(attributes).length > 0) scope += `{${attributesText(attributes)}}`
    } else if (field === 2) readMetric(part, points)
    else schemaUrl = readString(part)
  })
  for (const point of points) into.push({ ...point, scope, schemaUrl })
}

function readMetric(reader: Reader, into: Point[]): void {
  const texts = ['', '', '', '']
  const points: OwnPoint[] = []
  let temporality = 0
  let monotonic = false
  each(reader, (field, part) => {
    if (field <= 3) texts[field] = readString(part)
    else {
      const kind = kinds[field]
      if (kind === undefined) throw new Error(`field ${field} of a metric`)
      each(part, (dataField, value) => {
        if (dataField === 1) points.push(readPoint(value, kind))
        else if (dataField === 2) temporality = value.varint()
        else monotonic = value.varint() === 1
      })
    }
  })
  const [, metric = '', description = '', unit = ''] = texts
  for (const point of points) {
    into.push({ ...point, metric, description, unit, temporality, monotonic, scope: '', schemaUrl: '' })
  }
}

type OwnPoint = Pick<Point, 'attributes' | 'start' | 'time' | 'value' | 'kind' | 'flags' | 'histogram'>

const kinds: Readonly<Record<number, Point['kind']>> = { 5: 'gauge', 7: 'sum', 9: 'histogram' }

function readPoint(reader: Reader, kind: Point['kind']): OwnPoint {
  const attributes: Record<string, unknown> = {}
  const histogram = {
    count: 0,
    min: Number.NaN,
    max: Number.NaN,
    buckets: [] as number[],
    bounds: [] as number[],
  }
  const isHistogram = kind === 'histogram'
  const point: OwnPoint = {
    attributes: '',
    start: 0n,
    time: 0n,
    value: Number.NaN,
    kind,
    flags: 0,
    histogram: isHistogram ? histogram : undefined,
  }
  each(reader, (field, part) => {
    if (field === (isHistogram ? 9 : 7)) readAttribute(part, attributes)
    else if (field === 2) point.start = part.fixed64BigInt()
    else if (field === 3) point.time = part.fixed64BigInt()
    else if (field === 8) point.flags = part.varint()
    else if (!isHistogram && field === 4) point.value = part.double()
    else if (isHistogram && field === 4) histogram.count = Number(part.fixed64BigInt())
    else if (isHistogram && field === 5) point.value = part.double()
    else if (isHistogram && field === 11) histogram.min = part.double()
    else if (isHistogram && field === 12) histogram.max = part.double()
    else if (isHistogram && field === 6) {
      while (part.at < part.end) histogram.buckets.push(Number(part.fixed64BigInt()))
    } else if (isHistogram && field === 7) while (part.at < part.end) histogram.bounds.push(part.double())
    else assert(false, field)
  })
  point.attributes = attributesText(attributes)
  return point
}

function attributesText(attributes: Record<string, unknown>): string {
  return Object.entries(attributes)
    .map(([key, value]) => `${key}=${valueText(value)}`)
    .join(',')
}

function valueText(value: unknown): string {
  return typeof value === 'bigint' ? `${value}n` : JSON.stringify(value)
}

function readAttribute(reader: Reader, into: Record<string, unknown>): void {
  let key = ''
  each(reader, (field, part) => {
    if (field === 1) key = readString(part)
    else into[key] = readValue(part)
  })
}

/** Integers come as bigints, so that 1 and 1.5 tell their kinds. */
function readValue(reader: Reader): unknown {
  let value: unknown
  each(reader, (field, part) => {
    if (field === 1) value = readString(part)
    else if (field === 2) value = part.varint() === 1
    else if (field === 3) value = readInt64(part)
    else if (field === 4) value = part.double()
    else if (field === 5) {
      const items: unknown[] = []
      each(part, (_, item) => items.push(readValue(item)))
      value = items.map((item) => (typeof item === 'bigint' ? String(item) : item))
    } else if (field === 6) {
      const map: Record<string, unknown> = {}
      each(part, (_, item) => readAttribute(item, map))
      value = Object.fromEntries(
        Object.entries(map).map(([key, item]) => [key, typeof item === 'bigint' ? String(item) : item])
      )
    } else {
      assert(field === 7, field)
      value = { bytes: [...part.bytes.subarray(part.at, part.end)] }
      part.at = part.end
    }
  })
  return value
}

function readInt64(reader: Reader): bigint {
  let value = 0n
  for (let shift = 0n; ; shift += 7n) {
    const byte = reader.bytes[reader.at++] as number
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return BigInt.asIntN(64, value)
  }
}

function readString(reader: Reader): string {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(reader.bytes.subarray(reader.at, reader.end))
  reader.at = reader.end
  return text
}

/** Calls for each field; one that is length-delimited is narrowed to its contents. */
function each(reader: Reader, take: Field): void {
  const end = reader.end
  while (reader.at < end) {
    const tag = reader.tag()
    if ((tag & 7) === 2) reader.end = reader.lengthEnd()
    take(tag >>> 3, reader)
    assert(reader.end === end || reader.at === reader.end, tag)
    reader.end = end
  }
}

function assert(holds: boolean, what: unknown): void {
  if (!holds) throw new Error(`not as expected: ${String(what)}`)
}
