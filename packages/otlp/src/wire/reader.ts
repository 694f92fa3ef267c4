import { OtlpError } from '../error.ts'

/** The largest nesting of groups that `skip` follows. Groups are not in proto3; old encoders may still send them. */
const groupDepthMax = 32

/**
 * A cursor over protobuf bytes: the wire format of https://protobuf.dev/programming-guides/encoding/ and no more.
 * `end` bounds every read, so a message inside a message is read by narrowing it. Reused: `reset` points it elsewhere.
 */
export class Reader {
  bytes: Uint8Array
  at: number
  end: number
  #view: DataView

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.at = start
    this.end = end
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  reset(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    this.at = start
    this.end = end
  }

  /** The next tag: field number << 3 | wire type. Field numbers beyond 29 bits are an error, as is 0. */
  tag(): number {
    // Field numbers up to 15 fill one byte. This path is small, so that V8 puts it into the loops that call it.
    const at = this.at
    if (at < this.end) {
      const first = this.bytes[at] as number
      if (first < 0x80 && first > 7) {
        this.at = at + 1
        return first
      }
    }
    return this.#longTag()
  }

  #longTag(): number {
    const start = this.at
    const tag = this.varint32()
    if (tag >>> 3 === 0) throw new OtlpError('BAD_TAG', start, 'field number 0')
    return tag
  }

  /** A varint that must fit 32 bits, unsigned: tags and lengths. */
  varint32(): number {
    const bytes = this.bytes
    const end = this.end
    const start = this.at
    let at = start
    let value = 0
    let scale = 1
    while (at < end) {
      const byte = bytes[at] as number
      at++
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > 0xffffffff) throw new OtlpError('BAD_VARINT', start, 'a varint beyond 32 bits')
        this.at = at
        return value
      }
      scale *= 128
      if (at - start >= 10) throw new OtlpError('BAD_VARINT', start, 'a varint longer than ten bytes')
    }
    throw new OtlpError('TRUNCATED', start, 'a varint reaches past the end')
  }

  /** Any varint as a number: exact to 2^53, rounded above (a 64-bit one fills ten bytes). Never negative. */
  varint(): number {
    const at = this.at
    if (at < this.end) {
      const first = this.bytes[at] as number
      if (first < 0x80) {
        this.at = at + 1
        return first
      }
    }
    return this.#longVarint()
  }

  #longVarint(): number {
    const start = this.at
    let value = 0
    let scale = 1
    for (let count = 0; count < 10; count++) {
      if (this.at >= this.end) throw new OtlpError('TRUNCATED', start, 'a varint reaches past the end')
      const byte = this.bytes[this.at] as number
      this.at++
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw new OtlpError('BAD_VARINT', start, 'a varint longer than ten bytes')
  }

  /** Reads a length and returns where the bytes that it announces end. The cursor then stands on the first of them. */
  lengthEnd(): number {
    const at = this.at
    if (at < this.end) {
      const end = at + 1 + (this.bytes[at] as number)
      if (end <= at + 0x80 && end <= this.end) {
        this.at = at + 1
        return end
      }
    }
    return this.#longLengthEnd()
  }

  #longLengthEnd(): number {
    const start = this.at
    const length = this.varint32()
    const end = this.at + length
    if (end > this.end) {
      throw new OtlpError(
        'TRUNCATED',
        start,
        `a length of ${length} bytes reaches ${end - this.end} past the end`
      )
    }
    return end
  }

  double(): number {
    const at = this.#advance(8)
    return this.#view.getFloat64(at, true)
  }

  fixed32(): number {
    const at = this.#advance(4)
    return this.#view.getUint32(at, true)
  }

  /** An unsigned 64-bit number, rounded to the nearest double (nanoseconds of today: to 256). */
  fixed64(): number {
    const at = this.#advance(8)
    return this.#view.getUint32(at + 4, true) * 0x1_0000_0000 + this.#view.getUint32(at, true)
  }

  /** A signed 64-bit number, rounded to the nearest double: exact within ±2^53. */
  sfixed64(): number {
    const at = this.#advance(8)
    return this.#view.getInt32(at + 4, true) * 0x1_0000_0000 + this.#view.getUint32(at, true)
  }

  fixed64BigInt(): bigint {
    const at = this.#advance(8)
    return this.#view.getBigUint64(at, true)
  }

  /** Skips the value behind `tag`, whatever it is: unknown fields are legal everywhere. */
  skip(tag: number): void {
    const wireType = tag & 7
    if (wireType === 2) {
      const end = this.lengthEnd()
      this.at = end
    } else if (wireType === 0) this.varint()
    else if (wireType === 1) this.#advance(8)
    else if (wireType === 5) this.#advance(4)
    else this.#skipGroup(tag)
  }

  #skipGroup(tag: number): void {
    const start = this.at
    if ((tag & 7) !== 3) throw new OtlpError('BAD_TAG', start, `wire type ${tag & 7} does not start a field`)
    const open = [tag >>> 3]
    while (open.length > 0) {
      const inner = this.tag()
      const wireType = inner & 7
      if (wireType === 3) {
        open.push(inner >>> 3)
        if (open.length > groupDepthMax) throw new OtlpError('TOO_DEEP', start, 'groups nested too deep')
      } else if (wireType === 4) {
        if (open.pop() !== inner >>> 3)
          throw new OtlpError('BAD_TAG', this.at, 'a group ends that was not open')
      } else this.skip(inner)
    }
  }

  #advance(count: number): number {
    const at = this.at
    if (at + count > this.end) throw new OtlpError('TRUNCATED', at, `${count} bytes reach past the end`)
    this.at = at + count
    return at
  }
}
