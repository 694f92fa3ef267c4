import { readAttributes, type Attribute } from './attributes.ts'
import { Reader } from './wire/reader.ts'

// By opentelemetry/proto/metrics/v1/metrics.proto: field << 3 | wire type.
// Exemplar
const timeTag = (2 << 3) | 1
const asDoubleTag = (3 << 3) | 1
const spanIdTag = (4 << 3) | 2
const traceIdTag = (5 << 3) | 2
const asIntTag = (6 << 3) | 1
const filteredAttributesField = 7

/** The number of the exemplars' field in each kind of point. */
export const exemplarsFields = { number: 5, histogram: 8, exponentialHistogram: 11 } as const

/** An exemplar as it was sent: its value is in its point's already (CONFORMANCE B18). */
export interface ReadExemplar {
  value: number
  /** Rounded to a double (256 ns). 0 = not set. */
  timeUnixNano: number
  /** Lower-case hexadecimal; empty where there is none, or one of zeros. */
  traceId: string
  spanId: string
  /** Those of the measurement that are not attributes of the point. */
  attributes: Attribute[]
}

/**
 * The exemplars among the fields in [start, end) of `bytes`: the range that a point gives, and the number of its field for
 * them. Those without a value are left out. Throws as `readAttributes` does.
 */
/** Of one point so many are read, and none that is larger: more could not be shown, and would fill memory. */
const exemplarCountMax = 1000
const exemplarBytesMax = 4096
/** Of a trace id; a span's has eight. */
const idBytesMax = 16

export function readExemplars(bytes: Uint8Array, start: number, end: number, field: number): ReadExemplar[] {
  const reader = new Reader(bytes, start, end)
  const exemplars: ReadExemplar[] = []
  while (reader.at < end && exemplars.length < exemplarCountMax) {
    const tag = reader.tag()
    if (tag !== ((field << 3) | 2)) {
      reader.skip(tag)
      continue
    }
    const exemplarEnd = reader.lengthEnd()
    const fits = exemplarEnd - reader.at <= exemplarBytesMax
    const exemplar = fits ? readExemplar(bytes, reader.at, exemplarEnd) : undefined
    if (exemplar !== undefined) exemplars.push(exemplar)
    reader.at = exemplarEnd
  }
  return exemplars
}

function readExemplar(bytes: Uint8Array, start: number, end: number): ReadExemplar | undefined {
  const reader = new Reader(bytes, start, end)
  let value: number | undefined
  let timeUnixNano = 0
  let traceId = ''
  let spanId = ''
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === timeTag) timeUnixNano = reader.fixed64()
    else if (tag === asDoubleTag) value = reader.double()
    else if (tag === asIntTag) value = reader.sfixed64()
    else if (tag === traceIdTag) traceId = takeId(reader)
    else if (tag === spanIdTag) spanId = takeId(reader)
    else reader.skip(tag)
  }
  if (value === undefined) return undefined
  const attributes = readAttributes(bytes, start, end, filteredAttributesField)
  return { value, timeUnixNano, traceId, spanId, attributes }
}

/** An id of zeros is invalid, and the same as none (trace/api.md, SpanContext). */
function takeId(reader: Reader): string {
  const end = reader.lengthEnd()
  let text = ''
  let isZero = true
  if (end - reader.at > idBytesMax) {
    reader.at = end // No id is as long.
    return ''
  }
  for (; reader.at < end; reader.at++) {
    const byte = reader.bytes[reader.at] as number
    isZero &&= byte === 0
    text += byte.toString(16).padStart(2, '0')
  }
  return isZero ? '' : text
}
