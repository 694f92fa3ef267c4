const quote = 0x22
const comma = 0x2c
const equals = 0x3d
const backslash = 0x5c
const letterN = 0x6e
const lineFeed = 0x0a
/** The longest that a varint of 64 bits is. */
const varintBytesMax = 10

// LabelPair of io/prometheus/client/metrics.proto, and where it stands in Metric and Exemplar: field << 3 | wire type.
const labelTag = (1 << 3) | 2
const labelNameTag = (1 << 3) | 2
const labelValueTag = (2 << 3) | 2

/**
 * Messages of Protocol Buffers as bytes, for a scrape: without an object a label, whose text is taken as an exposition in text
 * has it.
 */
export class MessageBuffer {
  /** The first `length` of them are written. */
  bytes: Uint8Array = new Uint8Array(64 * 1024)
  length = 0
  #view: DataView = new DataView(this.bytes.buffer)

  clear(): void {
    this.length = 0
  }

  /** A field of an unsigned integer. */
  uint(field: number, value: number): void {
    this.#reserve(2 * varintBytesMax)
    this.#varint(field * 8)
    this.#varint(value)
  }

  /** A field of an integer that may be negative, as sint32 or sint64. */
  sint(field: number, value: number): void {
    this.uint(field, value < 0 ? -2 * value - 1 : 2 * value)
  }

  double(field: number, value: number): void {
    this.#reserve(varintBytesMax + 8)
    this.#varint(field * 8 + 1)
    this.#view.setFloat64(this.length, value, true)
    this.length += 8
  }

  /** A field that is encoded already: short, for which a loop is faster than a call. */
  raw(field: Uint8Array): void {
    this.#reserve(field.length)
    for (let at = 0; at < field.length; at++) this.bytes[this.length++] = field[at] as number
  }

  string(field: number, value: string): void {
    const start = this.open(field)
    this.#reserve(value.length * 3)
    this.length += encoder.encodeInto(value, this.bytes.subarray(this.length)).written
    this.close(start)
  }

  /** Begins a message in a field; hand what it returns to `close` when its contents are written. */
  open(field: number): number {
    this.#reserve(varintBytesMax + 1)
    this.#varint(field * 8 + 2)
    this.length++
    return this.length
  }

  /** One byte was left for the length, as most need no more. */
  close(start: number): void {
    const length = this.length - start
    if (length <= 0x7f) {
      this.bytes[start - 1] = length
      return
    }
    let extra = 0
    for (let rest = length; rest > 0x7f; rest = Math.floor(rest / 128)) extra++
    this.#reserve(extra)
    this.bytes.copyWithin(start + extra, start, this.length)
    this.length = start - 1
    this.#varint(length)
    this.length += length
  }

  /** Begins a message that stands by itself, with its length before it. */
  openMessage(): number {
    this.#reserve(1)
    this.length++
    return this.length
  }

  /** One of many in a packed field of sint64. */
  packedSint(value: number): void {
    this.#reserve(varintBytesMax)
    this.#varint(value < 0 ? -2 * value - 1 : 2 * value)
  }

  /** A google.protobuf.Timestamp in a field. */
  timestamp(field: number, seconds: number, nanos: number): void {
    const start = this.open(field)
    this.uint(1, seconds)
    if (nanos > 0) this.uint(2, nanos)
    this.close(start)
  }

  /** What stands in text between [at, end), as `a="b",c="d"`: each a LabelPair. Names may be quoted, too. */
  labels(text: Uint8Array, at: number, end: number): void {
    this.#reserve((end - at) * varintBytesMax) // A label of text is four bytes longer than what is in it.
    while (at < end) {
      this.bytes[this.length] = labelTag
      this.length += 2
      const start = this.length
      at = text[at] === quote ? this.#quoted(text, at, labelNameTag) : this.#name(text, at)
      at = this.#quoted(text, at + 1, labelValueTag)
      this.close(start)
      if (text[at] === comma) at++
    }
  }

  /** A name up to its `=`, whose place is returned. */
  #name(text: Uint8Array, from: number): number {
    const { bytes } = this
    let at = from
    bytes[this.length] = labelNameTag
    let to = this.length + 2
    const start = to
    while (text[at] !== equals) bytes[to++] = text[at++] as number
    this.length = to
    this.close(start)
    return at
  }

  /** What is between quotes, unescaped; returns where it stands behind them. */
  #quoted(text: Uint8Array, from: number, tag: number): number {
    const { bytes } = this
    let at = from + 1
    bytes[this.length] = tag
    let to = this.length + 2
    const start = to
    for (let byte = text[at++] as number; byte !== quote; byte = text[at++] as number) {
      if (byte === backslash) {
        byte = text[at++] as number
        if (byte === letterN) byte = lineFeed
      }
      bytes[to++] = byte
    }
    this.length = to
    this.close(start)
    return at
  }

  #varint(value: number): void {
    while (value > 0x7f) {
      this.bytes[this.length++] = (value % 128) | 0x80
      value = Math.floor(value / 128)
    }
    this.bytes[this.length++] = value
  }

  #reserve(count: number): void {
    const wanted = this.length + count
    if (wanted <= this.bytes.length) return
    const bytes = new Uint8Array(Math.max(wanted, this.bytes.length * 2))
    bytes.set(this.bytes.subarray(0, this.length))
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }
}

const encoder = new TextEncoder()
