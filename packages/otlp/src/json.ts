import { checkDepth, misfit, numberAt, writeField, writeNumbers, type Place } from './encode.ts'
import { messages, type Field, type MessageName } from './fields.ts'
import { OtlpError } from './error.ts'
import { closeBrace, closeBracket, JsonReader, openBrace, openBracket } from './json-reader.ts'
import { isNumeric, type NumericType } from './scalars.ts'
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
export function jsonToProtobuf(json: Uint8Array | string, options: FromJson = {}): Uint8Array {
  const transcoder = new JsonTranscoder(json, options)
  transcoder.step(Infinity)
  return transcoder.take()
}

/** Names that are kept to be told. */
const unknownCountMax = 10
/** By four times this the system gives memory page by page. */
const largeBytesMin: number = 8 * 1024 * 1024
/** Numbers that are objects before they are bytes: a long list of them would take ten times its text. */
const numbersAtOnce = 4096

/** An object or an array that is being read. Of each depth there is one, for all that come to stand there. */
interface Frame {
  /** Of an object, by the table of its message. */
  fields: readonly Field[]
  /** Of an array of objects or strings what its elements are; undefined of an object. */
  elements: Field | undefined
  /** Nothing of it was read yet. */
  isFirst: boolean
  /** Which fields an object has, a bit for each, and which of a oneof. */
  seen: number
  chosen: string | undefined
  /** How many elements an array has. */
  count: number
  /** Where an object was opened in the protobuf; -1 for the whole. */
  start: number
}

/** The same in steps: between two others may do something else, as a large text takes a second. */
export class JsonTranscoder {
  readonly #json: JsonReader
  readonly #writer: Writer
  readonly #options: FromJson
  readonly #place: Place = { path: [], offset: 0 }
  readonly #frames: Frame[] = []
  readonly #unknown: string[] = []
  /** Of the frame that is read; -1 when all was. */
  #depth = -1
  #isBegun = false

  constructor(json: Uint8Array | string, options: FromJson = {}) {
    this.#json = new JsonReader(typeof json === 'string' ? new TextEncoder().encode(json) : json)
    this.#writer = new Writer(capacityFor(this.#json.bytes.length, options.bytesMax))
    this.#options = options
  }

  /** Reads on for so many bytes or somewhat more; true when all was read. Throws what `jsonToProtobuf` throws. */
  step(bytes: number): boolean {
    const json = this.#json
    const end = json.at + bytes
    if (!this.#isBegun) this.#beginObject('ExportMetricsServiceRequest', -1)
    this.#isBegun = true
    while (this.#depth >= 0) {
      if (json.at >= end) return false
      const frame = this.#frames[this.#depth] as Frame
      if (frame.elements === undefined) this.#readPair(frame)
      else this.#readElement(frame, frame.elements)
    }
    json.finish()
    const { seen } = this.#frames[0] as Frame
    if (seen === 0 && this.#unknown.length > 0) this.#options.onUnknown?.(this.#unknown)
    return true
  }

  /** The protobuf, when all was read. */
  take(): Uint8Array {
    return this.#writer.take()
  }

  /** The next pair of an object, or its end. */
  #readPair(frame: Frame): void {
    const json = this.#json
    const { path } = this.#place
    if (!json.next(closeBrace, frame.isFirst)) {
      if (frame.start >= 0) this.#writer.close(frame.start)
      path.pop() // What it was called where it stands.
      this.#depth--
      return
    }
    frame.isFirst = false
    const key = json.key()
    const index = indexOf(frame.fields, key)
    const field = frame.fields[index]
    if (field === undefined) {
      if (this.#depth === 0 && this.#unknown.length < unknownCountMax) this.#unknown.push(key)
      json.skip()
      return
    }
    path.push(key)
    if ((frame.seen & (1 << index)) !== 0) throw this.#misfit('allowed twice')
    frame.seen |= 1 << index
    if (json.isNull()) {
      json.scalar()
      path.pop()
      return
    }
    if (field.oneof !== undefined) {
      if (frame.chosen !== undefined) throw this.#misfit(`allowed beside ${frame.chosen}`)
      frame.chosen = key
    }
    if (!field.repeated) this.#readValue(field)
    else if (isNumeric(field.type)) this.#readNumbers(field)
    else this.#beginArray(field)
  }

  #readElement(frame: Frame, field: Field): void {
    const { path } = this.#place
    if (this.#json.next(closeBracket, frame.isFirst)) {
      frame.isFirst = false
      path.push(frame.count++)
      this.#readValue(field)
      return
    }
    path.pop()
    this.#depth--
  }

  /** A scalar, or the beginning of an object. */
  #readValue(field: Field): void {
    const { type, number } = field
    if (isMessage(type)) return this.#beginObject(type, number)
    writeField(this.#writer, field, scalar(this.#json, this.#place), this.#place)
    this.#place.path.pop()
  }

  #beginObject(name: MessageName, number: number): void {
    const start = number < 0 ? -1 : this.#writer.open(number)
    checkDepth(this.#place)
    this.#checkLength()
    if (!this.#json.take(openBrace)) throw this.#misfit('an object')
    this.#push(messages[name], undefined, start)
  }

  #beginArray(field: Field): void {
    if (!this.#json.take(openBracket)) throw this.#misfit('an array')
    this.#push(noFields, field, -1)
  }

  #push(fields: readonly Field[], elements: Field | undefined, start: number): void {
    const at = ++this.#depth
    const frame = this.#frames[at]
    const isFirst = true
    if (frame === undefined)
      this.#frames[at] = { fields, elements, isFirst, seen: 0, chosen: undefined, count: 0, start }
    else {
      frame.fields = fields
      frame.elements = elements
      frame.isFirst = isFirst
      frame.seen = 0
      frame.chosen = undefined
      frame.count = 0
      frame.start = start
    }
  }

  #readNumbers(field: Field): void {
    const json = this.#json
    const place = this.#place
    if (!json.take(openBracket)) throw this.#misfit('an array')
    const numbers: (bigint | number)[] = []
    let at = 0
    for (let first = true; json.next(closeBracket, first); first = false) {
      place.path.push(at++)
      if (numbers.length === numbersAtOnce) {
        writeNumbers(this.#writer, field, numbers) // A packed field may come in parts.
        this.#checkLength()
        numbers.length = 0
      }
      numbers.push(numberAt(field.type as NumericType, scalar(json, place), place))
      place.path.pop()
    }
    writeNumbers(this.#writer, field, numbers)
    place.path.pop()
  }

  #checkLength(): void {
    const { bytesMax = Infinity } = this.#options
    if (this.#writer.length <= bytesMax) return
    throw new OtlpError('TOO_LARGE', bytesMax, 'what the JSON says is larger as protobuf than the limit')
  }

  #misfit(expected: string): Error {
    return misfit(this.#place, expected, scalar(this.#json, this.#place))
  }
}

/**
 * Where to write to: mostly half of the text is enough. What is large has as much as it may come to, as memory is only there
 * once it is written to, and what grows is there twice while it is copied.
 */
function capacityFor(length: number, bytesMax = Infinity): number {
  if (length < largeBytesMin) return Math.max(64, length >> 1)
  return Math.min(length * 4, bytesMax) + 64 * 1024
}

const noFields: readonly Field[] = []

/** A scalar or, where an array or object stands, something that no scalar takes: those stay unread. */
function scalar(json: JsonReader, place: Place): unknown {
  const next = json.peek()
  place.offset = json.at
  if (next === openBracket) return []
  if (next === openBrace) return {}
  return json.scalar()
}

function indexOf(fields: readonly Field[], name: string): number {
  for (let index = 0; index < fields.length; index++) if (fields[index]?.name === name) return index
  return -1
}

function isMessage(type: Field['type']): type is MessageName {
  return Object.hasOwn(messages, type)
}
