import { OtlpError } from './error.ts'
import { messages, type Field, type MessageName } from './fields.ts'
import type { ExportRequest } from './model.ts'
import { describe, isNumeric, readBytes, readNumber, type NumericType } from './scalars.ts'
import { Writer } from './wire/writer.ts'

/** Where a value stands: names and indexes from the request down. */
export type Path = (string | number)[]

/** Deeper than any request is: sixteen lists in an attribute of an exemplar are within it. */
const pathLengthMax = 100

/** A request as protobuf. Throws `BAD_JSON_FIELD`, with the path in its message, for a value that its field cannot hold. */
export function encodeExportRequest(request: ExportRequest): Uint8Array {
  const writer = new Writer()
  writeMessage(writer, 'ExportMetricsServiceRequest', request, [])
  return writer.finish()
}

/**
 * Writes an object as the fields of a message, by its table. Takes what JSON may bring: anything. `undefined` and
 * `null` are absent, unknown names are ignored, defaults are not written.
 */
export function writeMessage(writer: Writer, name: MessageName, value: unknown, path: Path): void {
  if (!isRecord(value)) throw misfit(path, 'an object', value)
  if (path.length > pathLengthMax) throw new OtlpError('TOO_DEEP', 0, `${pathText(path)}: nested too deep`)
  let chosen: string | undefined
  for (const field of messages[name]) {
    const item = value[field.name]
    if (item === undefined || item === null) continue
    path.push(field.name)
    if (field.oneof !== undefined) {
      if (chosen !== undefined) throw misfit(path, `nothing beside ${chosen}`, item)
      chosen = field.name
    }
    if (field.repeated) writeRepeated(writer, field, item, path)
    else writeField(writer, field, item, path)
    path.pop()
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function writeRepeated(writer: Writer, field: Field, items: unknown, path: Path): void {
  if (!Array.isArray(items)) throw misfit(path, 'an array', items)
  const numbers: (bigint | number)[] = []
  for (let at = 0; at < items.length; at++) {
    const item: unknown = items[at]
    path.push(at)
    if (isNumeric(field.type)) numbers.push(numberAt(field.type, item, path))
    else writeField(writer, field, item, path)
    path.pop()
  }
  if (numbers.length === 0) return
  if (field.type === 'fixed64') writer.fixed64s(field.number, numbers)
  else if (field.type === 'double') writer.doubles(field.number, numbers as number[])
  else {
    const start = writer.open(field.number)
    for (const number of numbers) writer.varint64(number)
    writer.close(start)
  }
}

/** One value with its tag. Scalars at their default are not written where absent means the same. */
function writeField(writer: Writer, field: Field, value: unknown, path: Path): void {
  const { number, type } = field
  const always = field.explicit || field.repeated
  if (type === 'string') {
    if (typeof value !== 'string') throw misfit(path, describe(type), value)
    if (always || value !== '') writer.string(number, value)
  } else if (type === 'bool') {
    if (typeof value !== 'boolean') throw misfit(path, describe(type), value)
    if (always || value) writer.bool(number, value)
  } else if (type === 'bytes' || type === 'hex') {
    const bytes = readBytes(type, value)
    if (bytes === undefined) throw misfit(path, describe(type), value)
    if (always || bytes.length > 0) writer.bytes(number, bytes)
  } else if (isNumeric(type)) {
    const read = numberAt(type, value, path)
    if (always || !isZero(read)) writeNumber(writer, number, type, read)
  } else {
    const start = writer.open(number)
    writeMessage(writer, type, value, path)
    writer.close(start)
  }
}

function writeNumber(writer: Writer, field: number, type: NumericType, value: bigint | number): void {
  if (type === 'double') writer.double(field, value as number)
  else if (type === 'fixed64' || type === 'sfixed64') writer.fixed64(field, value)
  else if (type === 'sint32') writer.int64(field, value < 0 ? -2n * BigInt(value) - 1n : 2n * BigInt(value))
  else writer.int64(field, value)
}

function numberAt(type: NumericType, value: unknown, path: Path): bigint | number {
  const number = readNumber(type, value)
  if (number === undefined) throw misfit(path, describe(type), value)
  return number
}

/** Zero as protobuf sees it: a double of -0 is another value. */
function isZero(value: bigint | number): boolean {
  return typeof value === 'bigint' ? value === 0n : Object.is(value, 0)
}

function misfit(path: Path, expected: string, value: unknown): OtlpError {
  const found = typeof value === 'bigint' ? `${value}` : (JSON.stringify(value) ?? typeof value)
  const short = found.length > 60 ? `${found.slice(0, 60)}…` : found
  return new OtlpError('BAD_JSON_FIELD', 0, `${pathText(path)}: ${short} is not ${expected}`)
}

function pathText(path: Path): string {
  let text = ''
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : `${text === '' ? '' : '.'}${step}`
  return text === '' ? 'the request' : text
}
