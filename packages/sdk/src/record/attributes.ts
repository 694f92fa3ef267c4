import { Writer } from '@swansong/otlp/wire'
import { warnOnce } from '../process/say.ts'

/**
 * What an attribute may be: AnyValue of common.proto. Integers within ±2^53 and bigints within 64 bits are integers. An
 * attribute that is `undefined` or `null` is not there.
 */
export type AttributeValue =
  | string
  | number
  | boolean
  | bigint
  | Uint8Array
  | readonly (AttributeValue | null | undefined)[]
  | { readonly [key: string]: AttributeValue | null | undefined }

/** Attributes as they come from the job: anything, until looked at. */
export type AttributesGiven = Readonly<Record<string, unknown>>

export type Pair = readonly [key: string, value: AttributeValue]

/** Lists and maps within an attribute: what is deeper is left out, as no receiver takes it. */
const depthMax = 16

/** Pairs sorted by key, without those that have no value or one that is none of OTLP's. Lists and maps are copied. */
export function canonicalPairs(attributes: AttributesGiven): Pair[] {
  const pairs: Pair[] = []
  for (const key in attributes) {
    const given = attributes[key]
    if (given === undefined || given === null) continue
    const value = key === '' ? undefined : canonicalValue(given, 0)
    if (value !== undefined) pairs.push([key, value])
    else {
      warnOnce(
        `attribute '${key}' is left out: strings, numbers, booleans, bigints of 64 bits, Uint8Arrays, and arrays and ` +
          `plain objects of them count, ${depthMax} deep`
      )
    }
  }
  return pairs.length > 1 ? pairs.sort(byKey) : pairs
}

function byKey(a: Pair, b: Pair): number {
  return a[0] < b[0] ? -1 : 1
}

/** Canonical pairs as text. */
export function nameOfPairs(pairs: readonly Pair[]): string {
  let name = ''
  for (let at = 0; at < pairs.length; at++) {
    const pair = pairs[at] as Pair
    name += `${JSON.stringify(pair[0])}${nameOf(pair[1])},`
  }
  return name
}

function canonicalValue(value: unknown, depth: number): AttributeValue | undefined {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value ? value : undefined
  if (typeof value !== 'object' || depth >= depthMax) return undefined
  return canonicalObject(value as object, depth + 1)
}

function canonicalObject(given: object, depth: number): AttributeValue | undefined {
  if (given instanceof Uint8Array) return given.slice()
  if (Array.isArray(given)) {
    const items: (AttributeValue | undefined)[] = []
    for (const item of given as unknown[]) {
      const value = isNothing(item) ? undefined : canonicalValue(item, depth)
      if (value === undefined && !isNothing(item)) return undefined
      items.push(value)
    }
    return items
  }
  const prototype: unknown = Object.getPrototypeOf(given)
  if (prototype !== null && prototype !== Object.prototype) return undefined
  const map: Record<string, AttributeValue | undefined> = Object.create(null) as Record<string, never>
  for (const [key, item] of Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const value = isNothing(item) ? undefined : canonicalValue(item, depth)
    if (value === undefined && !isNothing(item)) return undefined
    map[key] = value
  }
  return map
}

function isNothing(value: unknown): value is null | undefined {
  return value === undefined || value === null
}

/** A canonical value as text, so that equal texts are equal attributes: 1 and '1' are not. */
function nameOf(value: AttributeValue | null | undefined): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return isSmall(value) ? `:${value}` : `i${value}`
  if (typeof value !== 'object' || value === null) return `:${value}` // -0 is written as 0 by both, and is 0.
  if (value instanceof Uint8Array) return `b${value.join(' ')}`
  if (Array.isArray(value)) return `[${value.map(nameOf).join(',')}]`
  const items = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}${nameOf(item)}`)
  return `{${items.join(',')}}`
}

/** An integer that a number could be as well: the same attribute. */
function isSmall(value: bigint): boolean {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
}

// KeyValue and AnyValue, by opentelemetry/proto/common/v1/common.proto: field numbers.
const keyField = 1
const valueField = 2
const stringField = 1
const boolField = 2
const intField = 3
const doubleField = 4
const arrayField = 5
const mapField = 6
const bytesField = 7
const valuesField = 1

/** KeyValue messages, each behind the tag of `field`, ready to be put into a message as they are. */
export function encodeAttributes(field: number, pairs: readonly Pair[]): Uint8Array {
  const writer = new Writer(64)
  for (let at = 0; at < pairs.length; at++) {
    const pair = pairs[at] as Pair
    writePair(writer, field, pair[0], pair[1])
  }
  return writer.finish()
}

function writePair(
  writer: Writer,
  field: number,
  key: string,
  value: AttributeValue | null | undefined
): void {
  const start = writer.open(field)
  writer.string(keyField, key)
  writeValue(writer, valueField, value)
  writer.close(start)
}

function writeValue(writer: Writer, field: number, value: AttributeValue | null | undefined): void {
  const start = writer.open(field)
  if (typeof value === 'string') writer.string(stringField, value)
  else if (typeof value === 'boolean') writer.bool(boolField, value)
  else if (typeof value === 'bigint' || Number.isSafeInteger(value))
    writer.int64(intField, value as bigint | number)
  else if (typeof value === 'number') writer.double(doubleField, value)
  else if (value instanceof Uint8Array) writer.bytes(bytesField, value)
  else if (typeof value === 'object' && value !== null) writeItems(writer, value)
  writer.close(start)
}

function writeItems(writer: Writer, items: object): void {
  const isArray = Array.isArray(items)
  const start = writer.open(isArray ? arrayField : mapField)
  if (isArray) for (const item of items as AttributeValue[]) writeValue(writer, valuesField, item)
  else {
    for (const [key, item] of Object.entries(items))
      writePair(writer, valuesField, key, item as AttributeValue)
  }
  writer.close(start)
}
