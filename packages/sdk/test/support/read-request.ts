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
  value: number
}

export interface Request {
  resource: Record<string, unknown>
  points: Point[]
}

type Field = (number: number, reader: Reader) => void

/** Decodes an ExportMetricsServiceRequest of sums with a reader of its own, so that our writer is held by another hand. */
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
    if (field === 1) each(part, (_, text) => (scope += (scope === '' ? '' : '@') + readString(text)))
    else if (field === 2) readMetric(part, points)
    else schemaUrl = readString(part)
  })
  for (const point of points) into.push({ ...point, scope, schemaUrl })
}

function readMetric(reader: Reader, into: Point[]): void {
  const texts = ['', '', '', '']
  const points: Pick<Point, 'attributes' | 'start' | 'time' | 'value'>[] = []
  let temporality = 0
  let monotonic = false
  each(reader, (field, part) => {
    if (field <= 3) texts[field] = readString(part)
    else {
      assert(field === 7, field)
      each(part, (sumField, value) => {
        if (sumField === 1) points.push(readPoint(value))
        else if (sumField === 2) temporality = value.varint()
        else monotonic = value.varint() === 1
      })
    }
  })
  const [, metric = '', description = '', unit = ''] = texts
  for (const point of points) {
    into.push({ ...point, metric, description, unit, temporality, monotonic, scope: '', schemaUrl: '' })
  }
}

function readPoint(reader: Reader): Pick<Point, 'attributes' | 'start' | 'time' | 'value'> {
  const attributes: Record<string, unknown> = {}
  const point = { attributes: '', start: 0n, time: 0n, value: Number.NaN }
  each(reader, (field, part) => {
    if (field === 7) readAttribute(part, attributes)
    else if (field === 2) point.start = part.fixed64BigInt()
    else if (field === 3) point.time = part.fixed64BigInt()
    else if (field === 4) point.value = part.double()
    else assert(false, field)
  })
  point.attributes = Object.entries(attributes)
    .map(([key, value]) => `${key}=${typeof value === 'bigint' ? `${value}n` : JSON.stringify(value)}`)
    .join(',')
  return point
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
    else if (field === 3) value = BigInt(part.varint())
    else if (field === 4) value = part.double()
    else {
      const items: unknown[] = []
      each(part, (_, item) => items.push(String(readValue(item))))
      value = items
    }
  })
  return value
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
