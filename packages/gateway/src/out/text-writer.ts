import type { ByteIndex } from '../ledger/byte-index.ts'

const zero = 0x30
const lineFeed = 0x0a
const billion = 1e9
/** The longest that a number is written: a sign, 17 digits, a point, an exponent. */
const numberBytesMax = 32
/** For the length of a message that is not known when it begins: enough for 34 GB. */
const paddedLengthBytes = 5

/**
 * Text as bytes, in one buffer that grows: what a scrape sends, without a string a line. ASCII numbers are written digit
 * by digit, as `String(number)` has them.
 */
export class TextWriter {
  #bytes: Uint8Array
  #view: DataView
  #at = 0
  readonly #bytesMax: number

  /**
   * `reused`: a buffer that nobody reads any more. The pages of a new one cost as much as what is written to them. Past
   * `bytesMax` writing throws a TextTooLarge.
   */
  constructor(capacity: number, reused?: Uint8Array, bytesMax: number = Infinity) {
    this.#bytesMax = bytesMax
    const fits = reused !== undefined && reused.length >= capacity
    this.#bytes = fits ? reused : Buffer.allocUnsafeSlow(Math.max(capacity, 1024))
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength)
  }

  /** The whole buffer, for reuse when what was written is not needed any more. */
  get buffer(): Uint8Array {
    return this.#bytes
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at
  }

  /** What was written. The writer is not to be used further. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  /** Forgets what was written. */
  clear(): void {
    this.#at = 0
  }

  text(text: string): void {
    this.#reserve(text.length * 3)
    this.#at += encoder.encodeInto(text, this.#bytes.subarray(this.#at)).written
  }

  /** The first `length` of these bytes, as they are. */
  bytes(bytes: Uint8Array, length: number): void {
    this.#reserve(length)
    this.#bytes.set(bytes.subarray(0, length), this.#at)
    this.#at += length
  }

  /** Begins a message whose length stands before it: hand what it returns to `endMessage` when all of it is written. */
  beginMessage(): number {
    this.#reserve(paddedLengthBytes)
    this.#at += paddedLengthBytes
    return this.#at
  }

  /** The length is a varint that is longer than it needs to be, so that nothing has to move. */
  endMessage(start: number): void {
    let rest = this.#at - start
    for (let at = start - paddedLengthBytes; at < start; at++) {
      this.#bytes[at] = (rest % 128) | (at < start - 1 ? 0x80 : 0)
      rest = Math.floor(rest / 128)
    }
  }

  /** Puts a text behind what stands in the line that was written last. */
  append(text: string): void {
    this.#at--
    this.text(text)
    this.#bytes[this.#at++] = lineFeed
  }

  /** A key of an index as it is, a number, a line feed. */
  line(index: ByteIndex, entry: number, value: number): void {
    this.#reserve(index.lengthOf(entry) + numberBytesMax)
    this.#at = index.copyKey(entry, this.#view, this.#at)
    this.#number(value)
  }

  /** A key of an index between two texts, a number, a line feed. */
  lineAround(before: Uint8Array, index: ByteIndex, entry: number, after: Uint8Array, value: number): void {
    this.#reserve(before.length + index.lengthOf(entry) + after.length + numberBytesMax)
    this.#copy(before)
    this.#at = index.copyKey(entry, this.#view, this.#at)
    this.#copy(after)
    this.#number(value)
  }

  #number(value: number): void {
    if (value === (value | 0) && value >= 0) this.#at = writeDigits(this.#bytes, this.#at, value, 1)
    else if (Number.isSafeInteger(value) && value > 0 && value < billion * billion) {
      const high = Math.floor(value / billion)
      this.#at = writeDigits(this.#bytes, this.#at, high, 1)
      this.#at = writeDigits(this.#bytes, this.#at, value - high * billion, 9)
    } else if (value === Infinity) this.#ascii('+Inf')
    else this.#ascii(value === -Infinity ? '-Inf' : String(value))
    this.#bytes[this.#at++] = lineFeed
  }

  /** Short texts, for which a loop is faster than a call. */
  #copy(text: Uint8Array): void {
    const bytes = this.#bytes
    let to = this.#at
    for (let at = 0; at < text.length; at++) bytes[to++] = text[at] as number
    this.#at = to
  }

  #ascii(text: string): void {
    for (let at = 0; at < text.length; at++) this.#bytes[this.#at++] = text.charCodeAt(at)
  }

  #reserve(count: number): void {
    const wanted = this.#at + count
    if (wanted <= this.#bytes.length) return
    if (wanted > this.#bytesMax) throw new TextTooLarge(this.#bytesMax)
    const bytes = Buffer.allocUnsafeSlow(Math.max(wanted, Math.min(this.#bytes.length * 2, this.#bytesMax)))
    bytes.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}

/** A text that would be larger than it may. */
export class TextTooLarge extends Error {
  constructor(bytesMax: number) {
    super(`the text would be more than the limit of ${bytesMax} bytes`)
    this.name = 'TextTooLarge'
  }
}

/** Writes an unsigned integer below 2^31, with zeros before it up to a width; returns where it ends. */
function writeDigits(bytes: Uint8Array, start: number, value: number, width: number): number {
  let length = width
  if (value >= 10) {
    length = 2
    for (let limit = 100; value >= limit && length < 10; limit *= 10) length++
    if (length < width) length = width
  }
  const end = start + length
  for (let at = end - 1; at >= start; at--) {
    const tenth = (value / 10) | 0
    bytes[at] = zero + (value - tenth * 10)
    value = tenth
  }
  return end
}

const encoder = new TextEncoder()
