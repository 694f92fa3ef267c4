import { OtlpError } from './error.ts'
import { readString } from './text.ts'

/** Arrays and objects within each other that are followed. */
const depthMax = 200
/** Longer than any string of use: it would be text in memory, at twice its size, beside the bytes. */
const stringBytesMax: number = 1024 * 1024
const numberBytesMax = 1000

const backslash = 0x5c
/** The characters that hold JSON together. */
export const openBrace = 0x7b
export const closeBrace = 0x7d
export const openBracket = 0x5b
export const closeBracket = 0x5d
const quote = 0x22
const colon = 0x3a
const comma = 0x2c

const numberToken = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/
const wholeToken = /^-?\d{16,}$/

/**
 * A cursor over JSON (RFC 8259) in UTF-8. It reads value by value instead of all at once, because JSON.parse rounds integers
 * beyond 2^53 and makes twenty times the text's size of objects out of `[{},{},…]`; and bytes instead of text, which
 * would be as large again, or twice that. Errors are `NOT_JSON`, `NOT_UTF8`, `TOO_DEEP` or `TOO_LONG`, with their place.
 */
export class JsonReader {
  readonly bytes: Uint8Array
  at: number

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
    this.at = hasMark ? 3 : 0
  }

  /** The first byte of what comes next; -1 at the end. */
  peek(): number {
    const { bytes } = this
    let code = bytes[this.at]
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = bytes[++this.at]
    return code ?? -1
  }

  /** Takes a character if it comes next. */
  take(code: number): boolean {
    if (this.peek() !== code) return false
    this.at++
    return true
  }

  /**
   * Goes on to the next element of the array or object that ends with `end`: call it behind the opening bracket
   * (`first`) and behind each element. False, and behind `end`, where there is no more.
   */
  next(end: number, first: boolean): boolean {
    if (this.take(end)) return false
    if (!first) this.#expect(comma)
    return true
  }

  /** The key of a pair, and the colon behind it. */
  key(): string {
    if (this.peek() !== quote) throw this.#unexpected()
    const key = this.#string()
    this.#expect(colon)
    return key
  }

  /** Whether `null` comes next. */
  isNull(): boolean {
    return this.peek() === 0x6e
  }

  /** A value that is no array or object; long integers as bigints, so that no digit is lost. `null` is undefined. */
  scalar(): string | number | bigint | boolean | undefined {
    const first = this.peek()
    if (first === quote) return this.#string()
    if (first === 0x74) return this.#literal('true', true)
    if (first === 0x66) return this.#literal('false', false)
    if (first === 0x6e) return this.#literal('null', undefined)
    return this.#number()
  }

  /** Passes over a value of any kind, making sure that it is JSON. */
  skip(depth = 0): void {
    if (depth > depthMax) throw new OtlpError('TOO_DEEP', this.at, 'JSON nested too deep')
    if (this.take(openBracket)) {
      for (let first = true; this.next(closeBracket, first); first = false) this.skip(depth + 1)
    } else if (this.take(openBrace)) {
      for (let first = true; this.next(closeBrace, first); first = false) {
        this.key()
        this.skip(depth + 1)
      }
    } else this.scalar()
  }

  /** Makes sure that nothing follows. */
  finish(): void {
    if (this.peek() !== -1) throw this.#unexpected()
  }

  #string(): string {
    const { bytes } = this
    const start = this.at
    let end = start + 1
    let isPlain = true
    for (let code = bytes[end]; code !== quote; code = bytes[++end]) {
      if (code === undefined) throw new OtlpError('NOT_JSON', bytes.length, 'a string does not end')
      if (code === backslash) {
        isPlain = false
        end++
      } else if (code < 0x20) throw badString(start)
    }
    if (end - start > stringBytesMax) throw tooLong(start, 'string', stringBytesMax)
    this.at = end + 1
    const inside = readString(bytes, start + 1, end)
    if (isPlain) return inside
    try {
      return JSON.parse(`"${inside}"`) as string
    } catch (cause) {
      throw badString(start, cause)
    }
  }

  #number(): number | bigint {
    const { bytes, at } = this
    let end = at
    while (isOfNumber(bytes[end])) end++
    if (end - at > numberBytesMax) throw tooLong(at, 'number', numberBytesMax)
    const token = numberToken.exec(readString(bytes, at, end))?.[0]
    if (token === undefined) throw this.#unexpected()
    this.at += token.length
    return wholeToken.test(token) && token.length <= 40 ? BigInt(token) : Number(token)
  }

  #literal<T>(word: string, value: T): T {
    for (let at = 0; at < word.length; at++)
      if (this.bytes[this.at + at] !== word.charCodeAt(at)) throw this.#unexpected()
    this.at += word.length
    return value
  }

  #expect(code: number): void {
    if (!this.take(code)) throw this.#unexpected()
  }

  #unexpected(): OtlpError {
    const code = this.bytes[this.at]
    const found =
      code === undefined ? 'the end' : code < 0x80 ? JSON.stringify(String.fromCharCode(code)) : 'this'
    return new OtlpError('NOT_JSON', this.at, `${found} is not JSON here`)
  }
}

function isOfNumber(code: number | undefined): boolean {
  if (code === undefined) return false
  return (
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x2e ||
    code === 0x2b ||
    (code | 0x20) === 0x65
  )
}

function badString(at: number, cause?: unknown): OtlpError {
  const message = 'a string has an escape that does not exist, or a control character'
  return new OtlpError('NOT_JSON', at, message, { cause })
}

function tooLong(at: number, what: string, max: number): OtlpError {
  return new OtlpError('TOO_LONG', at, `a ${what} of more than ${max} bytes`)
}
