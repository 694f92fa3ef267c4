import { OtlpError } from './error.ts'

/** Arrays and objects within each other that are followed. */
const depthMax = 200

const backslash = 0x5c
const numberToken = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const wholeToken = /^-?\d{16,}$/
// eslint-disable-next-line no-control-regex -- JSON wants them escaped.
const unusual = /[\u0000-\u001f\\]/

/**
 * A cursor over JSON text (RFC 8259). It reads value by value instead of all at once, because JSON.parse rounds integers
 * beyond 2^53 and makes twenty times the text's size of objects out of `[{},{},…]`. All errors are `NOT_JSON`, with
 * their place in characters, or `TOO_DEEP`.
 */
export class JsonReader {
  readonly text: string
  at: number = 0

  constructor(text: string) {
    this.text = text
  }

  /** The first character of what comes next; empty at the end. */
  peek(): string {
    const { text } = this
    let code = text.charCodeAt(this.at)
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = text.charCodeAt(++this.at)
    return text.charAt(this.at)
  }

  /** Takes `character` if it comes next. */
  take(character: string): boolean {
    if (this.peek() !== character) return false
    this.at++
    return true
  }

  /**
   * Goes on to the next element of the array or object that ends with `end`: call it behind the opening bracket
   * (`first`) and behind each element. False, and behind `end`, where there is no more.
   */
  next(end: ']' | '}', first: boolean): boolean {
    if (this.take(end)) return false
    if (!first) this.#expect(',')
    return true
  }

  /** The key of a pair, and the colon behind it. */
  key(): string {
    if (this.peek() !== '"') throw this.#unexpected()
    const key = this.#string()
    this.#expect(':')
    return key
  }

  /** A value that is no array or object; long integers as bigints, so that no digit is lost. `null` is undefined. */
  scalar(): string | number | bigint | boolean | undefined {
    const first = this.peek()
    if (first === '"') return this.#string()
    if (first === 't') return this.#literal('true', true)
    if (first === 'f') return this.#literal('false', false)
    if (first === 'n') return this.#literal('null', undefined)
    numberToken.lastIndex = this.at
    const token = numberToken.exec(this.text)?.[0]
    if (token === undefined) throw this.#unexpected()
    this.at += token.length
    return wholeToken.test(token) && token.length <= 40 ? BigInt(token) : Number(token)
  }

  /** Passes over a value of any kind, making sure that it is JSON. */
  skip(depth = 0): void {
    if (depth > depthMax) throw new OtlpError('TOO_DEEP', this.at, 'JSON nested too deep')
    if (this.take('[')) {
      for (let first = true; this.next(']', first); first = false) this.skip(depth + 1)
    } else if (this.take('{')) {
      for (let first = true; this.next('}', first); first = false) {
        this.key()
        this.skip(depth + 1)
      }
    } else this.scalar()
  }

  /** Makes sure that nothing follows. */
  finish(): void {
    if (this.peek() !== '') throw this.#unexpected()
  }

  #string(): string {
    const start = this.at
    const end = stringEnd(this.text, start)
    if (end < 0) throw new OtlpError('NOT_JSON', this.text.length, 'a string does not end')
    const inside = this.text.slice(start + 1, end)
    this.at = end + 1
    if (!unusual.test(inside)) return inside
    try {
      return JSON.parse(`"${inside}"`) as string
    } catch (cause) {
      const message = 'a string has an escape that does not exist, or a control character'
      throw new OtlpError('NOT_JSON', start, message, { cause })
    }
  }

  #literal<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) throw this.#unexpected()
    this.at += word.length
    return value
  }

  #expect(character: string): void {
    if (!this.take(character)) throw this.#unexpected()
  }

  #unexpected(): OtlpError {
    const found = this.at < this.text.length ? JSON.stringify(this.text.charAt(this.at)) : 'the end'
    return new OtlpError('NOT_JSON', this.at, `${found} is not JSON here`)
  }
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
