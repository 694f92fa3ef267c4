import { isRecord, writeMessage } from './encode.ts'
import { OtlpError } from './error.ts'
import { messages } from './fields.ts'
import { Writer } from './wire/writer.ts'

/** Digits from which an integer may be beyond 2^53, where JSON.parse rounds. */
const exactDigitsMax = 15

/**
 * An ExportMetricsServiceRequest in OTLP/JSON as protobuf, so that both go the same way from here. Throws `NOT_JSON`
 * with the place in characters where V8 tells it, `BAD_JSON_FIELD` with the path in its message (and offset 0), or
 * `TOO_DEEP`. `onUnknown` hears the names at the top where there are some and none is known: a sender that spells
 * `resource_metrics` counts nothing and should be told.
 */
export function jsonToProtobuf(text: string, onUnknown?: (names: string[]) => void): Uint8Array {
  const request = parse(text)
  const writer = new Writer(Math.max(64, text.length >> 1))
  writeMessage(writer, 'ExportMetricsServiceRequest', request, [])
  if (onUnknown !== undefined && isRecord(request)) {
    const names = Object.keys(request)
    const known = messages.ExportMetricsServiceRequest.some(({ name }) => names.includes(name))
    if (names.length > 0 && !known) onUnknown(names)
  }
  return writer.finish()
}

/** JSON.parse, but a bare integer too long for a double comes as a string of its digits. Throws `NOT_JSON`. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(quoteLongIntegers(text))
  } catch {
    throw notJson(text)
  }
}

const quote = 0x22
const backslash = 0x5c
const minus = 0x2d
const colon = /[\t\n\r ]*:/y

/** Bare integers of more than fifteen digits, put in quotation marks. The reviver's source text is not in Node 20. */
function quoteLongIntegers(text: string): string {
  let quoted = ''
  let copied = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      at = stringEnd(text, at)
      if (at < 0) break
    } else if (code === minus || isDigit(code)) {
      const start = at
      while (isDigit(text.charCodeAt(at + 1))) at++
      const isLong = at - start >= exactDigitsMax
      const digitsEnd = at
      while (isInNumber(text.charCodeAt(at + 1))) at++ // A fraction or exponent: JSON.parse reads such a number as well as can be.
      if (!isLong || at !== digitsEnd || !mayQuote(text, start, at + 1)) continue
      quoted += `${text.slice(copied, start)}"${text.slice(start, at + 1)}"`
      copied = at + 1
    }
  }
  return copied === 0 ? text : quoted + text.slice(copied)
}

/** False for what is no JSON and would become JSON by quotation marks: 0123, and a number for a key. */
function mayQuote(text: string, start: number, end: number): boolean {
  const first = text.charCodeAt(start) === minus ? start + 1 : start
  colon.lastIndex = end
  return text.charCodeAt(first) !== 0x30 && !colon.test(text)
}

/** The quotation mark that closes the string opened at `at`, or -1. */
function stringEnd(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0
    while (text.charCodeAt(end - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return end
  }
  return -1
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** Digits, point, signs, e and E. */
function isInNumber(code: number): boolean {
  return isDigit(code) || code === 0x2e || code === 0x2b || code === minus || (code | 0x20) === 0x65
}

/** Parses the text as it came, so that V8's place is a place in it. */
function notJson(text: string): OtlpError {
  try {
    JSON.parse(text)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : 'not JSON'
    const position = /at position (\d+)/.exec(message)?.[1]
    const atEnd = message.startsWith('Unexpected end')
    const offset = position === undefined ? (atEnd ? text.length : 0) : Number(position)
    return new OtlpError('NOT_JSON', offset, message, { cause })
  }
  return new OtlpError('NOT_JSON', 0, 'a number that is not JSON') // "01234567890123456789": JSON only once quoted.
}
