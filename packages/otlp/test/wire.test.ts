import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OtlpError, Reader, Writer, type OtlpErrorCode } from '@swansong/otlp/wire'

test('what is written as a field is read as that field', () => {
  const fields = fc.array(
    fc.record({
      number: fc.integer({ min: 1, max: 2 ** 29 - 1 }),
      uint: fc.maxSafeNat(),
      double: fc.double(),
      text: fc.string({ unit: 'grapheme' }),
      fixed64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fixed32: fc.nat(0xffffffff),
    })
  )
  fc.assert(
    fc.property(fields, fc.integer({ min: 1, max: 64 }), (list, capacity) => {
      const writer = new Writer(capacity)
      for (const field of list) {
        writer.uint(field.number, field.uint)
        writer.double(field.number, field.double)
        writer.string(field.number, field.text)
        writer.fixed64(field.number, field.fixed64)
        writer.fixed32(field.number, field.fixed32)
      }
      const reader = new Reader(writer.finish())
      for (const field of list) {
        assert.equal(reader.tag(), field.number * 8)
        assert.equal(reader.varint(), field.uint)
        assert.equal(reader.tag(), field.number * 8 + 1)
        assert.equal(reader.double(), field.double)
        assert.equal(reader.tag(), field.number * 8 + 2)
        const end = reader.lengthEnd()
        assert.equal(new TextDecoder().decode(reader.bytes.subarray(reader.at, end)), field.text)
        reader.at = end
        assert.equal(reader.tag(), field.number * 8 + 1)
        assert.equal(reader.fixed64BigInt(), field.fixed64)
        assert.equal(reader.tag(), field.number * 8 + 5)
        assert.equal(reader.fixed32(), field.fixed32)
      }
      assert.equal(reader.at, reader.end)
    })
  )
})

test('int64 is written as protobuf has it, to both ends of its range', () => {
  function check(value: bigint | number, want: number[]): void {
    const writer = new Writer()
    writer.int64(1, value)
    assert.deepEqual([...writer.finish()], [8, ...want], String(value))
  }
  const ones = Array<number>(8).fill(0xff)
  check(0, [0])
  check(127n, [0x7f])
  check(128, [0x80, 1])
  check(2n ** 53n + 1n, [0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10])
  check(2n ** 63n - 1n, [...ones, 0x7f])
  check(-1, [0xff, ...ones, 1])
  check(-(2n ** 63n), [...Array<number>(9).fill(0x80), 1])
})

test('a number and a bigint of the same value are the same fixed64', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      const fromNumber = new Writer()
      const fromBigInt = new Writer()
      fromNumber.fixed64(1, value)
      fromBigInt.fixed64(1, BigInt(value))
      assert.deepEqual(fromNumber.finish(), fromBigInt.finish())
      const reader = new Reader(fromNumber.finish())
      reader.tag()
      assert.equal(reader.sfixed64(), value)
    })
  )
})

test('packed numbers come back one behind the other', () => {
  const writer = new Writer(1)
  writer.fixed64s(6, [1, 2n ** 63n, 2 ** 53])
  writer.doubles(7, [0.5, Number.NaN, -0])
  const reader = new Reader(writer.finish())
  assert.equal(reader.tag(), (6 << 3) | 2)
  assert.equal(reader.lengthEnd() - reader.at, 24)
  assert.deepEqual(
    [reader.fixed64BigInt(), reader.fixed64BigInt(), reader.fixed64BigInt()],
    [1n, 2n ** 63n, 2n ** 53n]
  )
  assert.equal(reader.tag(), (7 << 3) | 2)
  assert.equal(reader.lengthEnd() - reader.at, 24)
  assert.deepEqual([reader.double(), reader.double(), reader.double()], [0.5, Number.NaN, -0])
})

test('a varint beyond 2^53 is rounded to the nearest double', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }), (value) => {
      const writer = new Writer()
      writer.varint64(value)
      const read = new Reader(writer.finish()).varint()
      assert.ok(Math.abs(read / Number(value) - 1) <= 2 ** -52, `${value} was read as ${read}`)
    })
  )
})

test('a message closes around its contents wherever its length or its buffer grows', () => {
  const lengths = [0, 1]
  for (const edge of [127, 16_383])
    for (let length = edge - 3; length <= edge + 4; length++) lengths.push(length)
  for (const length of lengths) {
    const payload = new Uint8Array(length).map((_, at) => (at * 7 + 1) & 0xff)
    for (let room = 0; room < 20; room++) {
      const writer = new Writer(Math.max(1, length + room)) // Full somewhere between the payload and its length.
      const outer = writer.open(1)
      const inner = writer.open(2)
      writer.raw(payload)
      writer.close(inner)
      writer.close(outer)
      writer.uint(3, 5)
      const reader = new Reader(writer.finish())
      assert.equal(reader.tag(), (1 << 3) | 2)
      const outerEnd = reader.lengthEnd()
      assert.equal(reader.tag(), (2 << 3) | 2)
      assert.equal(reader.lengthEnd(), outerEnd)
      assert.deepEqual(
        reader.bytes.subarray(reader.at, outerEnd),
        payload,
        `${length} bytes, ${room} of room`
      )
      reader.at = outerEnd
      assert.equal(reader.tag(), 3 << 3)
      assert.equal(reader.varint(), 5)
      assert.equal(reader.at, reader.end)
    }
  }
})

test('unknown fields of every wire type are skipped, groups included', () => {
  const writer = new Writer()
  writer.int64(1, -1)
  writer.double(2, 1)
  writer.string(3, 'x'.repeat(200))
  writer.fixed32(4, 1)
  writer.varint((5 << 3) | 3)
  writer.varint((6 << 3) | 3)
  writer.string(7, 'inside')
  writer.varint((6 << 3) | 4)
  writer.varint((5 << 3) | 4)
  const reader = new Reader(writer.finish())
  for (let field = 1; field <= 5; field++) {
    const tag = reader.tag()
    assert.equal(tag >>> 3, field)
    reader.skip(tag)
  }
  assert.equal(reader.at, reader.end)
})

test('bytes that are no protobuf are refused by what is wrong with them', () => {
  function check(bytes: number[], code: OtlpErrorCode): void {
    const reader = new Reader(Uint8Array.of(...bytes))
    const skipAll = () => {
      while (reader.at < reader.end) reader.skip(reader.tag())
    }
    assert.throws(skipAll, (error) => error instanceof OtlpError && error.code === code, String(bytes))
  }
  check([0x00], 'BAD_TAG') // Field number 0.
  check([0x80, 0x00], 'BAD_TAG') // Field number 0, in two bytes.
  check([0x0c], 'BAD_TAG') // The end of a group that was not open.
  check([0x0e], 'BAD_TAG') // Wire type 6.
  check([0x0b, 0x14], 'BAD_TAG') // The end of another group.
  check([0x0b], 'TRUNCATED')
  check([0x80], 'TRUNCATED')
  check([0x08], 'TRUNCATED')
  check([0x08, 0x80], 'TRUNCATED')
  check([0x09, 1, 2, 3, 4, 5, 6, 7], 'TRUNCATED')
  check([0x0d, 1, 2, 3], 'TRUNCATED')
  check([0x0a, 2, 1], 'TRUNCATED')
  check([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], 'TRUNCATED')
  check([0x0a, 0xff, 0xff, 0xff, 0xff, 0x1f], 'BAD_VARINT') // A length beyond 32 bits.
  check([0x08, ...Array<number>(10).fill(0x80), 1], 'BAD_VARINT')
  check(Array<number>(40).fill(0x0b), 'TOO_DEEP')
})

test('a reader of part of a buffer reads that part', () => {
  const writer = new Writer()
  writer.fixed64s(1, [0, 0, 0])
  writer.double(2, 2.5)
  const whole = writer.finish()
  const part = whole.subarray(whole.length - 9)
  const reader = new Reader(part)
  reader.tag()
  assert.equal(reader.double(), 2.5)
  reader.reset(whole)
  reader.reset(part)
  reader.tag()
  assert.equal(reader.double(), 2.5)
})

test('a reader never passes its end, though bytes follow', () => {
  const bytes = Uint8Array.of(0x80, 0x01, 0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 9)
  function check(end: number, read: (reader: Reader) => unknown): void {
    const reader = new Reader(bytes, 0, end)
    assert.throws(
      () => read(reader),
      (error) => error instanceof OtlpError && error.code === 'TRUNCATED'
    )
  }
  check(1, (reader) => reader.tag())
  check(1, (reader) => reader.varint())
  check(1, (reader) => reader.varint32())
  check(2, (reader) => reader.lengthEnd())
  check(7, (reader) => reader.double())
  check(7, (reader) => reader.fixed64())
  check(3, (reader) => reader.fixed32())
  check(0, (reader) => reader.tag())
})
