import { checkDepth, misfit, numberAt, writeField, writeNumbers, type Place } from './encode.ts'
import { messages, type Field, type MessageName } from './fields.ts'
import { OtlpError } from './error.ts'
import { closeBrace, closeBracket, JsonReader, openBrace, openBracket } from './json-reader.ts'
import { isNumeric } from './scalars.ts'
import { Writer } from './wire/writer.ts'

export interface FromJson {
  /** What the protobuf may be long: numbers are longer there. A little more may be written before it is seen. */
  bytesMax?: number
  /** Hears the names at the top where there are some and none is known. */
  onUnknown?: (names: string[]) => void
}

/**
 * An ExportMetricsServiceRequest in OTLP/JSON (UTF-8, or text) as protobuf, so that both go the same way from here. Unknown
 * names are ignored, `null` is absent. Throws `NOT_JSON`, `NOT_UTF8`, `BAD_JSON_FIELD` with the path in its message,
 * `TOO_DEEP`, `TOO_LONG` or `TOO_LARGE`. `onUnknown` is there because a sender that spells `resource_metrics` counts nothing
 * and should be told.
 */
export function jsonToProtobuf(
  json: Uint8Array | string,
  { bytesMax = Infinity, onUnknown }: FromJson = {}
): Uint8Array {
  const reader = new JsonReader(typeof json === 'string' ? new TextEncoder().encode(json) : json)
  const writer = new Writer(Math.max(64, reader.bytes.length >> 1))
  const place = { path: [], offset: 0 }
  const out = { writer, bytesMax }
  const unknown: string[] = []
  const known = writeMessage(reader, out, 'ExportMetricsServiceRequest', place, unknown)
  reader.finish()
  if (known === 0 && unknown.length > 0) onUnknown?.(unknown)
  return writer.take()
}

/** What is written to, and how far. */
interface Out {
  writer: Writer
  bytesMax: number
}

/** Names that are kept to be told. */
const unknownCountMax = 10

/** Transcodes the object that comes next, by the table of its message. Returns which fields it has, a bit for each. */
function writeMessage(
  json: JsonReader,
  out: Out,
  name: MessageName,
  place: Place,
  unknown?: string[]
): number {
  checkDepth(place)
  checkLength(out)
  if (json.peek() !== openBrace) throw misfitNext(json, place, 'an object')
  json.at++
  const fields = messages[name]
  let seen = 0
  let chosen: string | undefined
  for (let first = true; json.next(closeBrace, first); first = false) {
    const key = json.key()
    const index = indexOf(fields, key)
    const field = fields[index]
    if (field === undefined) {
      if (unknown !== undefined && unknown.length < unknownCountMax) unknown.push(key)
      json.skip()
      continue
    }
    place.path.push(key)
    if ((seen & (1 << index)) !== 0) throw misfitNext(json, place, 'allowed twice')
    seen |= 1 << index
    if (json.isNull()) json.scalar()
    else {
      if (field.oneof !== undefined) {
        if (chosen !== undefined) throw misfitNext(json, place, `allowed beside ${chosen}`)
        chosen = key
      }
      if (field.repeated) writeArray(json, out, field, place)
      else writeValue(json, out, field, place)
    }
    place.path.pop()
  }
  return seen
}

/** Numbers that are objects before they are bytes: a long list of them would take ten times its text. */
const numbersAtOnce = 4096

function writeArray(json: JsonReader, out: Out, field: Field, place: Place): void {
  if (json.peek() !== openBracket) throw misfitNext(json, place, 'an array')
  json.at++
  const numbers: (bigint | number)[] = []
  let at = 0
  for (let first = true; json.next(closeBracket, first); first = false) {
    place.path.push(at++)
    if (isNumeric(field.type)) {
      if (numbers.length === numbersAtOnce) {
        writeNumbers(out.writer, field, numbers) // A packed field may come in parts.
        checkLength(out)
        numbers.length = 0
      }
      numbers.push(numberAt(field.type, scalar(json, place), place))
    } else writeValue(json, out, field, place)
    place.path.pop()
  }
  writeNumbers(out.writer, field, numbers)
}

function writeValue(json: JsonReader, out: Out, field: Field, place: Place): void {
  const { type } = field
  const { writer } = out
  if (isMessage(type)) {
    const start = writer.open(field.number)
    writeMessage(json, out, type, place)
    writer.close(start)
  } else writeField(writer, field, scalar(json, place), place)
}

/** A scalar or, where an array or object stands, something that no scalar takes: those stay unread. */
function scalar(json: JsonReader, place: Place): unknown {
  const next = json.peek()
  place.offset = json.at
  if (next === openBracket) return []
  if (next === openBrace) return {}
  return json.scalar()
}

function checkLength({ writer, bytesMax }: Out): void {
  if (writer.length <= bytesMax) return
  throw new OtlpError('TOO_LARGE', bytesMax, 'what the JSON says is larger as protobuf than the limit')
}

function misfitNext(json: JsonReader, place: Place, expected: string): Error {
  const found = scalar(json, place)
  return misfit(place, expected, found)
}

function indexOf(fields: readonly Field[], name: string): number {
  for (let index = 0; index < fields.length; index++) if (fields[index]?.name === name) return index
  return -1
}

function isMessage(type: Field['type']): type is MessageName {
  return Object.hasOwn(messages, type)
}
