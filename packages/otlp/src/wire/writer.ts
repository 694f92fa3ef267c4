import { release } from './release.ts'

/** Bytes to begin with; the buffer doubles from there. */
const capacityStart = 1024

/** Up to this length a loop is faster than a call into the encoder (and a view for it). */
const shortLengthMax = 48

/**
 * Writes protobuf: the wire format of https://protobuf.dev/programming-guides/encoding/ and no more.
 * A message inside a message is opened and closed (`open`, `close`): its length is put in when it is known.
 */
export class Writer {
  /** Bytes written so far. May be set back to a place where it stood before. */
  length: number = 0
  #bytes: Uint8Array
  #view: DataView

  constructor(capacity: number = capacityStart) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** What was written, in the memory it was written to: this writer is done. */
  take(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.length)
    this.#bytes = new Uint8Array(0)
    return bytes
  }

  /** What was written, as a copy. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.length)
  }

  varint(value: number): void {
    this.#reserve(10)
    while (value > 0x7f) {
      this.#bytes[this.length++] = (value % 128) | 0x80
      value = Math.floor(value / 128)
    }
    this.#bytes[this.length++] = value
  }

  /** A field of wire type 0. `value` is an unsigned integer up to 2^53. */
  uint(field: number, value: number): void {
    this.varint(field * 8)
    this.varint(value)
  }

  /** A signed int64 field of wire type 0, from a bigint or an integer within ±2^53. */
  int64(field: number, value: bigint | number): void {
    this.varint(field * 8)
    this.varint64(value)
  }

  /** A varint of up to 64 bits; a negative number is written in two's complement, ten bytes long. */
  varint64(value: bigint | number): void {
    if (typeof value === 'number' && value >= 0) {
      this.varint(value)
      return
    }
    let rest = BigInt.asUintN(64, BigInt(value))
    this.#reserve(10)
    while (rest > 0x7fn) {
      this.#bytes[this.length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#bytes[this.length++] = Number(rest)
  }

  bool(field: number, value: boolean): void {
    this.uint(field, value ? 1 : 0)
  }

  double(field: number, value: number): void {
    this.varint(field * 8 + 1)
    this.#reserve(8)
    this.#view.setFloat64(this.length, value, true)
    this.length += 8
  }

  /** A fixed64 or sfixed64 field: nanoseconds, asInt. From a bigint or an integer within ±2^53. */
  fixed64(field: number, value: bigint | number): void {
    this.varint(field * 8 + 1)
    this.#reserve(8)
    this.#set64(value)
  }

  /** A packed `repeated fixed64`: the counts of a histogram's buckets. */
  fixed64s(field: number, values: ArrayLike<bigint | number>): void {
    this.varint(field * 8 + 2)
    this.varint(values.length * 8)
    this.#reserve(values.length * 8)
    for (let at = 0; at < values.length; at++) this.#set64(values[at] as bigint | number)
  }

  /** A packed `repeated double`: the bounds of a histogram's buckets. */
  doubles(field: number, values: ArrayLike<number>): void {
    this.varint(field * 8 + 2)
    this.varint(values.length * 8)
    this.#reserve(values.length * 8)
    for (let at = 0; at < values.length; at++) {
      this.#view.setFloat64(this.length, values[at] as number, true)
      this.length += 8
    }
  }

  fixed32(field: number, value: number): void {
    this.varint(field * 8 + 5)
    this.#reserve(4)
    this.#view.setUint32(this.length, value, true)
    this.length += 4
  }

  string(field: number, value: string): void {
    const start = this.open(field)
    this.#reserve(value.length * 3)
    if (value.length > shortLengthMax || !this.#ascii(value)) {
      this.length += encoder.encodeInto(value, this.#bytes.subarray(this.length)).written
    }
    this.close(start)
  }

  bytes(field: number, value: Uint8Array): void {
    this.varint(field * 8 + 2)
    this.varint(value.length)
    this.raw(value)
  }

  /** Bytes as they are: a field already encoded. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#bytes.set(value, this.length)
    this.length += value.length
  }

  /** Memory for so many further bytes: who writes them there, from `length` on, sets that to where they end. */
  room(count: number): DataView {
    this.#reserve(count)
    return this.#view
  }

  /** Begins a length-delimited field; hand what it returns to `close` when its contents are written. */
  open(field: number): number {
    this.varint(field * 8 + 2)
    this.#reserve(1)
    this.length++ // One byte for the length, as most need no more; `close` makes room where one does.
    return this.length
  }

  close(start: number): void {
    const length = this.length - start
    let extra = 0
    for (let rest = length; rest > 0x7f; rest = Math.floor(rest / 128)) extra++
    this.#reserve(extra + 10) // For both: the bytes that move up, and the length that `varint` reserves for.
    if (extra > 0) {
      this.#bytes.copyWithin(start + extra, start, this.length)
    }
    const end = this.length + extra
    this.length = start - 1
    this.varint(length)
    this.length = end
  }

  /** Writes a string of ASCII by hand; false, and nothing written, for any other. */
  #ascii(value: string): boolean {
    const bytes = this.#bytes
    const start = this.length
    for (let at = 0; at < value.length; at++) {
      const code = value.charCodeAt(at)
      if (code > 0x7f) return false
      bytes[start + at] = code
    }
    this.length = start + value.length
    return true
  }

  #set64(value: bigint | number): void {
    if (typeof value === 'number') {
      this.#view.setUint32(this.length, value, true) // Takes it modulo 2^32.
      this.#view.setInt32(this.length + 4, Math.floor(value / 0x1_0000_0000), true)
    } else this.#view.setBigUint64(this.length, BigInt.asUintN(64, value), true)
    this.length += 8
  }

  #reserve(count: number): void {
    const wanted = this.length + count
    if (wanted <= this.#bytes.length) return
    const bytes = new Uint8Array(Math.max(wanted, this.#bytes.length * 2))
    bytes.set(this.#bytes.subarray(0, this.length))
    release(this.#bytes)
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }
}

const encoder = new TextEncoder()
