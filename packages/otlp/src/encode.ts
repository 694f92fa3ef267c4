import { OtlpError } from './error.ts'
import { messages, type Field, type MessageName } from './fields.ts'
import type { ExportRequest } from './model.ts'
import { describe, isNumeric, readBytes, readNumber, type NumericType } from './scalars.ts'
import { Writer } from './wire/writer.ts'

/** Where a value stands. */
export interface Place {
  /** Names and indexes from the request down. */
  readonly path: (string | number)[]
  /** In bytes, where it comes from JSON. */
  offset: number
}

/** Deeper than any request is: sixteen lists in an attribute of an exemplar are within it. */
const pathLengthMax = 100

/** A request as protobuf. Throws `BAD_JSON_FIELD`, with the path in its message, for a value that its field cannot hold. */
export function encodeExportRequest(request: ExportRequest): Uint8Array {
  const writer = new Writer()
  writeMessage(writer, 'ExportMetricsServiceRequest', request, { path: [], offset: 0 })
  return writer.finish()
}

/**
 * Writes an object as the fields of a message, by its table. Takes what JSON may bring: anything. `undefined` and
 * `null` are absent, unknown names are ignored, defaults are not written.
 */
function writeMessage(writer: Writer, name: MessageName, value: unknown, place: Place): void {
  if (!isRecord(value)) throw misfit(place, 'an object', value)
  checkDepth(place)
  let chosen: string | undefined
  for (const field of messages[name]) {
    const item = value[field.name]
    if (item === undefined || item === null) continue
    place.path.push(field.name)
    if (field.oneof !== undefined) {
      if (chosen !== undefined) throw misfit(place, `allowed beside ${chosen}`, item)
      chosen = field.name
    }
    if (field.repeated) writeRepeated(writer, field, item, place)
    else writeField(writer, field, item, place)
    place.path.pop()
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function writeRepeated(writer: Writer, field: Field, items: unknown, place: Place): void {
  if (!Array.isArray(items)) throw misfit(place, 'an array', items)
  const numbers: (bigint | number)[] = []
  for (let at = 0; at < items.length; at++) {
    const item: unknown = items[at]
    place.path.push(at)
    if (isNumeric(field.type)) numbers.push(numberAt(field.type, item, place))
    else writeField(writer, field, item, place)
    place.path.pop()
  }
  writeNumbers(writer, field, numbers)
}

/** A packed field. */
export function writeNumbers(writer: Writer, field: Field, numbers: readonly (bigint | number)[]): void {
  if (numbers.length === 0) return
  if (field.type === 'fixed64') writer.fixed64s(field.number, numbers)
  else if (field.type === 'double') writer.doubles(field.number, numbers as readonly number[])
  else {
    const start = writer.open(field.number)
    for (const number of numbers) writer.varint64(number)
    writer.close(start)
  }
}

/** One value with its tag. Scalars at their default are not written where absent means the same. */
export function writeField(writer: Writer, field: Field, value: unknown, place: Place): void {
  const { number, type } = field
  const always = field.explicit || field.repeated
  if (type === 'string') {
    if (typeof value !== 'string') throw misfit(place, describe(type), value)
    if (always || value !== '') writer.string(number, value)
  } else if (type === 'bool') {
    if (typeof value !== 'boolean') throw misfit(place, describe(type), value)
    if (always || value) writer.bool(number, value)
  } else if (type === 'bytes' || type === 'hex') {
    const bytes = readBytes(type, value)
    if (bytes === undefined) throw misfit(place, describe(type), value)
    if (always || bytes.length > 0) writer.bytes(number, bytes)
  } else if (isNumeric(type)) {
    const read = numberAt(type, value, place)
    if (always || !isZero(read)) writeNumber(writer, number, type, read)
  } else {
    const start = writer.open(number)
    writeMessage(writer, type, value, place)
    writer.close(start)
  }
}

function writeNumber(writer: Writer, field: number, type: NumericType, value: bigint | number): void {
  if (type === 'double') writer.double(field, value as number)
  else if (type === 'fixed64' || type === 'sfixed64') writer.fixed64(field, value)
  else if (type === 'sint32') writer.int64(field, value < 0 ? -2n * BigInt(value) - 1n : 2n * BigInt(value))
  else writer.int64(field, value)
}

export function numberAt(type: NumericType, value: unknown, place: Place): bigint | number {
  const number = readNumber(type, value)
  if (number === undefined) throw misfit(place, describe(type), value)
  return number
}

/** Zero as protobuf sees it: a double of -0 is another value. */
function isZero(value: bigint | number): boolean {
  return typeof value === 'bigint' ? value === 0n : Object.is(value, 0)
}

/** Messages within messages end somewhere: throws `TOO_DEEP`. */
export function checkDepth(place: Place): void {
  if (place.path.length <= pathLengthMax) return
  throw new OtlpError('TOO_DEEP', place.offset, `${pathText(place)}: nested too deep`)
}

export function misfit(place: Place, expected: string, value: unknown): OtlpError {
  const message = `${pathText(place)}: ${shortly(value)} is not ${expected}`
  return new OtlpError('BAD_JSON_FIELD', place.offset, message)
}

/** Never the whole of a value, which may be as large as a request. */
function shortly(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value)
  return value === undefined ? 'null' : 'an object'
}

function pathText({ path }: Place): string {
  let text = ''
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : `${text === '' ? '' : '.'}${step}`
  return text === '' ? 'the request' : text
}
