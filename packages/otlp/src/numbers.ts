import { OtlpError } from './error.ts'
import type { Reader } from './wire/reader.ts'

/** More of one point are counted, but not kept: no histogram has as many buckets, and a body of nothing else would fill memory. */
export const numbersPerPointMax = 65_536

/** What an idle decoder keeps of a list: longer ones go with the body that they came in. */
const keptMax = 4096

/**
 * Numbers of one point: the first `length` of `values`. Reused for the next point; grows to the longest. Past
 * `numbersPerPointMax`, `length` alone goes on counting.
 */
export class Numbers {
  values: Float64Array = new Float64Array(32)
  length = 0

  push(value: number): void {
    if (this.length === this.values.length) this.#reserve(this.length * 2)
    this.values[this.length++] = value // Beyond its end nothing is written.
  }

  /** Packed fixed64, rounded to doubles: exact to 2^53. The cursor stands on the length. */
  readPackedFixed64(reader: Reader): void {
    const end = packedEnd(reader)
    this.#reserve(this.length + (end - reader.at) / 8)
    while (reader.at < end) this.values[this.length++] = reader.fixed64()
  }

  /** Packed doubles. The cursor stands on the length. */
  readPackedDouble(reader: Reader): void {
    const end = packedEnd(reader)
    this.#reserve(this.length + (end - reader.at) / 8)
    while (reader.at < end) this.values[this.length++] = reader.double()
  }

  /** Packed varints up to `end`, which the reader is narrowed to. */
  readPackedVarint(reader: Reader, end: number): void {
    reader.end = end
    while (reader.at < end) this.push(reader.varint())
  }

  /** Lets go of what a long list took. */
  forget(): void {
    this.length = 0
    if (this.values.length > keptMax) this.values = new Float64Array(32)
  }

  #reserve(length: number): void {
    if (length <= this.values.length || this.values.length === numbersPerPointMax) return
    const values = new Float64Array(Math.min(numbersPerPointMax, Math.max(length, this.values.length * 2)))
    values.set(this.values.subarray(0, this.length))
    this.values = values
  }
}

/** Where packed numbers of eight bytes end. The cursor is left on the first of them. */
function packedEnd(reader: Reader): number {
  const start = reader.at
  const end = reader.lengthEnd()
  if ((end - reader.at) % 8 !== 0)
    throw new OtlpError('TRUNCATED', start, 'packed numbers end inside one of them')
  return end
}
