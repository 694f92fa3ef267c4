import { encodeBase64 } from './base64.ts'
import { OtlpError } from './error.ts'
import { readString } from './text.ts'
import { Reader } from './wire/reader.ts'

/** A value by its kind: int64 is always a bigint, double a number, empty undefined. */
export type AttributeValue =
  | string
  | boolean
  | bigint
  | number
  | Uint8Array
  | readonly AttributeValue[]
  | KeyValueList
  | undefined

export interface Attribute {
  key: string
  value: AttributeValue
}

export interface KeyValueList {
  keyValues: readonly Attribute[]
}

export interface Scope {
  name: string
  version: string
  attributes: Attribute[]
}

/** Lists within lists that are followed. */
export const attributeDepthMax = 16

/** The fields of attributes in Resource (resource/v1/resource.proto) and InstrumentationScope (common/v1/common.proto). */
export const resourceAttributesField = 1
export const scopeAttributesField = 3
/** That of metadata in Metric (metrics/v1/metrics.proto). */
export const metricMetadataField = 12

// By opentelemetry/proto/common/v1/common.proto: field << 3 | wire type.
// InstrumentationScope
const scopeNameTag = (1 << 3) | 2
const scopeVersionTag = (2 << 3) | 2
// KeyValue
const keyTag = (1 << 3) | 2
const valueTag = (2 << 3) | 2
// AnyValue
const stringValueTag = (1 << 3) | 2
const boolValueTag = 2 << 3
const intValueTag = 3 << 3
const doubleValueTag = (4 << 3) | 1
const arrayValueTag = (5 << 3) | 2
const kvlistValueTag = (6 << 3) | 2
const bytesValueTag = (7 << 3) | 2
// ArrayValue, KeyValueList
const valuesField = 1
const arrayItemTag = (1 << 3) | 2

/**
 * The attributes in [start, end) of `bytes`, in their order, a key given twice included. With `field`, the range is a
 * message and only that field is read; without, it is a run of KeyValue fields under any number, as NumberPoint has it.
 * Throws OtlpError: `NOT_UTF8`, `TOO_DEEP` beyond sixteen lists in lists, and what a torn message gives.
 */
export function readAttributes(bytes: Uint8Array, start: number, end: number, field?: number): Attribute[] {
  return readKeyValues(new Reader(bytes, start, end), field, 0)
}

/** The InstrumentationScope in [start, end) of `bytes`. Throws as `readAttributes` does. */
export function readScope(bytes: Uint8Array, start: number, end: number): Scope {
  const reader = new Reader(bytes, start, end)
  let name = ''
  let version = ''
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === scopeNameTag) name = takeString(reader)
    else if (tag === scopeVersionTag) version = takeString(reader)
    else reader.skip(tag)
  }
  return { name, version, attributes: readAttributes(bytes, start, end, scopeAttributesField) }
}

/**
 * A value as text, by the specification's common/README.md: strings as they are, bytes in base64, empty as nothing,
 * the other kinds as JSON, where numbers that JSON does not know and bytes inside lists become strings.
 */
export function attributeText(value: AttributeValue): string {
  if (typeof value === 'string') return value
  if (value === undefined) return ''
  if (typeof value === 'object') return value instanceof Uint8Array ? encodeBase64(value) : jsonText(value)
  return String(value)
}

function jsonText(value: AttributeValue): string {
  if (value === undefined) return 'null'
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : `"${value}"`
  if (typeof value !== 'object') return typeof value === 'string' ? JSON.stringify(value) : String(value)
  if (value instanceof Uint8Array) return `"${encodeBase64(value)}"`
  if ('keyValues' in value) {
    return `{${value.keyValues.map((item) => `${JSON.stringify(item.key)}:${jsonText(item.value)}`).join(',')}}`
  }
  return `[${value.map(jsonText).join(',')}]`
}

// One reader goes down and up again: a function that narrows it leaves it behind what it read, and as wide as before.

/** Reads to the reader's end. */
function readKeyValues(reader: Reader, field: number | undefined, depth: number): Attribute[] {
  const attributes: Attribute[] = []
  while (reader.at < reader.end) {
    const tag = reader.tag()
    if ((tag & 7) === 2 && (field === undefined || tag >>> 3 === field))
      attributes.push(takeKeyValue(reader, depth))
    else reader.skip(tag)
  }
  return attributes
}

function takeKeyValue(reader: Reader, depth: number): Attribute {
  const outerEnd = reader.end
  const end = reader.lengthEnd()
  const start = reader.at
  let key = ''
  let values = 0
  let valueAt = end
  reader.end = end
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === keyTag) key = takeString(reader)
    else {
      if (tag === valueTag) {
        values++
        valueAt = reader.at
      }
      reader.skip(tag)
    }
  }
  // Read once and for all: reading a first piece only to read it again would double the work with each list in a list.
  let value: AttributeValue
  if (values > 1) value = readAnyValue(new Reader(pieceTogether(reader, start, end, valueTag)), depth)
  else if (values === 1) {
    reader.at = valueAt
    value = takeAnyValue(reader, depth)
  }
  reader.at = end
  reader.end = outerEnd
  return { key, value }
}

function takeAnyValue(reader: Reader, depth: number): AttributeValue {
  const outerEnd = reader.end
  reader.end = reader.lengthEnd()
  const value = readAnyValue(reader, depth)
  reader.end = outerEnd
  return value
}

/** Reads to the reader's end. The last member of the oneof wins; a list given in pieces is their concatenation. */
function readAnyValue(reader: Reader, depth: number): AttributeValue {
  let value: AttributeValue
  let listTag = 0
  let listAt = 0
  let pieces = 0
  while (reader.at < reader.end) {
    const fieldAt = reader.at
    const tag = reader.tag()
    if (tag === arrayValueTag || tag === kvlistValueTag) {
      if (tag !== listTag) {
        listTag = tag
        listAt = fieldAt
        pieces = 0
      }
      pieces++
      reader.skip(tag)
    } else if (isScalarTag(tag)) {
      value = takeScalar(reader, tag)
      listTag = 0
    } else reader.skip(tag)
  }
  return listTag === 0 ? value : readList(reader, listAt, listTag, pieces, depth + 1)
}

function readList(
  reader: Reader,
  at: number,
  listTag: number,
  pieces: number,
  depth: number
): AttributeValue {
  if (depth > attributeDepthMax) throw new OtlpError('TOO_DEEP', at, 'lists nested too deep in an attribute')
  const { end } = reader
  let list = reader
  if (pieces > 1) list = new Reader(pieceTogether(reader, at, end, listTag))
  else {
    reader.at = at
    reader.tag()
    reader.end = reader.lengthEnd()
  }
  const value =
    listTag === kvlistValueTag
      ? { keyValues: readKeyValues(list, valuesField, depth) }
      : readArray(list, depth)
  reader.at = end
  reader.end = end
  return value
}

function readArray(reader: Reader, depth: number): AttributeValue[] {
  const values: AttributeValue[] = []
  while (reader.at < reader.end) {
    const tag = reader.tag()
    if (tag === arrayItemTag) values.push(takeAnyValue(reader, depth))
    else reader.skip(tag)
  }
  return values
}

function isScalarTag(tag: number): boolean {
  return (
    tag === stringValueTag ||
    tag === boolValueTag ||
    tag === intValueTag ||
    tag === doubleValueTag ||
    tag === bytesValueTag
  )
}

function takeScalar(reader: Reader, tag: number): AttributeValue {
  if (tag === stringValueTag) return takeString(reader)
  if (tag === boolValueTag) return reader.varint() !== 0
  if (tag === intValueTag) return takeInt64(reader)
  if (tag === doubleValueTag) return reader.double()
  const end = reader.lengthEnd()
  const bytes = reader.bytes.slice(reader.at, end)
  reader.at = end
  return bytes
}

function takeString(reader: Reader): string {
  const end = reader.lengthEnd()
  const text = readString(reader.bytes, reader.at, end)
  reader.at = end
  return text
}

function takeInt64(reader: Reader): bigint {
  const start = reader.at
  const rounded = reader.varint()
  if (rounded <= Number.MAX_SAFE_INTEGER) return BigInt(rounded)
  let value = 0n
  for (let at = reader.at - 1; at >= start; at--)
    value = (value << 7n) | BigInt((reader.bytes[at] as number) & 0x7f)
  return BigInt.asIntN(64, value)
}

/** A message that was given in several fields of one tag is their concatenation. */
function pieceTogether(reader: Reader, start: number, end: number, pieceTag: number): Uint8Array {
  const joined = new Uint8Array(end - start)
  let length = 0
  reader.at = start
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === pieceTag) {
      const pieceEnd = reader.lengthEnd()
      joined.set(reader.bytes.subarray(reader.at, pieceEnd), length)
      length += pieceEnd - reader.at
      reader.at = pieceEnd
    } else reader.skip(tag)
  }
  return joined.subarray(0, length)
}
