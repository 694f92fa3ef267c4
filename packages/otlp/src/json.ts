import { checkDepth, misfit, numberAt, writeField, writeNumbers, type Place } from './encode.ts'
import { messages, type Field, type MessageName } from './fields.ts'
import { JsonReader } from './json-reader.ts'
import { isNumeric } from './scalars.ts'
import { Writer } from './wire/writer.ts'

/**
 * An ExportMetricsServiceRequest in OTLP/JSON as protobuf, so that both go the same way from here. Unknown names are
 * ignored, `null` is absent. Throws `NOT_JSON`, `BAD_JSON_FIELD` with the path in its message, or `TOO_DEEP`; offsets
 * are in characters. `onUnknown` hears the names at the top where there are some and none is known: a sender that
 * spells `resource_metrics` counts nothing and should be told.
 */
export function jsonToProtobuf(text: string, onUnknown?: (names: string[]) => void): Uint8Array {
  const json = new JsonReader(text)
  const writer = new Writer(Math.max(64, text.length >> 1))
  const unknown: string[] = []
  const known = writeMessage(json, writer, 'ExportMetricsServiceRequest', { path: [], offset: 0 }, unknown)
  json.finish()
  if (known === 0 && unknown.length > 0) onUnknown?.(unknown)
  return writer.finish()
}

/** Names that are kept to be told. */
const unknownCountMax = 10

/** Transcodes the object that comes next, by the table of its message. Returns which fields it has, a bit for each. */
function writeMessage(
  json: JsonReader,
  writer: Writer,
  name: MessageName,
  place: Place,
  unknown?: string[]
): number {
  checkDepth(place)
  if (json.peek() !== '{') throw misfitNext(json, place, 'an object')
  json.at++
  const fields = messages[name]
  let seen = 0
  let chosen: string | undefined
  for (let first = true; json.next('}', first); first = false) {
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
    if (json.peek() === 'n') json.scalar()
    else {
      if (field.oneof !== undefined) {
        if (chosen !== undefined) throw misfitNext(json, place, `allowed beside ${chosen}`)
        chosen = key
      }
      if (field.repeated) writeArray(json, writer, field, place)
      else writeValue(json, writer, field, place)
    }
    place.path.pop()
  }
  return seen
}

/** Numbers that are objects before they are bytes: a long list of them would take ten times its text. */
const numbersAtOnce = 4096

function writeArray(json: JsonReader, writer: Writer, field: Field, place: Place): void {
  if (json.peek() !== '[') throw misfitNext(json, place, 'an array')
  json.at++
  const numbers: (bigint | number)[] = []
  let at = 0
  for (let first = true; json.next(']', first); first = false) {
    place.path.push(at++)
    if (isNumeric(field.type)) {
      if (numbers.length === numbersAtOnce) {
        writeNumbers(writer, field, numbers) // A packed field may come in parts.
        numbers.length = 0
      }
      numbers.push(numberAt(field.type, scalar(json, place), place))
    } else writeValue(json, writer, field, place)
    place.path.pop()
  }
  writeNumbers(writer, field, numbers)
}

function writeValue(json: JsonReader, writer: Writer, field: Field, place: Place): void {
  const { type } = field
  if (isMessage(type)) {
    const start = writer.open(field.number)
    writeMessage(json, writer, type, place)
    writer.close(start)
  } else writeField(writer, field, scalar(json, place), place)
}

/** A scalar or, where an array or object stands, something that no scalar takes: those stay unread. */
function scalar(json: JsonReader, place: Place): unknown {
  const next = json.peek()
  place.offset = json.at
  if (next === '[') return []
  if (next === '{') return {}
  return json.scalar()
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
