import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  attributeDepthMax,
  attributeText,
  OtlpError,
  readAttributes,
  readString,
  resourceAttributesField,
  type AttributeValue,
  type OtlpErrorCode,
} from '@swansong/otlp'
import { Writer } from '@swansong/otlp/wire'

type Fields = (writer: Writer) => void

test('every kind of value is read', () => {
  function check(write: Fields, want: AttributeValue): void {
    assert.deepEqual(readOne(write), want)
  }
  check((any) => any.string(1, 'größe'), 'größe')
  check((any) => any.string(1, 'a long value, '.repeat(10)), 'a long value, '.repeat(10))
  check((any) => any.bool(2, true), true)
  check((any) => any.bool(2, false), false)
  check((any) => any.int64(3, 5), 5n)
  check((any) => any.int64(3, -1), -1n)
  check((any) => any.int64(3, 2n ** 63n - 1n), 2n ** 63n - 1n)
  check((any) => any.int64(3, -(2n ** 63n)), -(2n ** 63n))
  check((any) => any.int64(3, 2n ** 53n + 1n), 2n ** 53n + 1n)
  check((any) => any.double(4, 1), 1)
  check((any) => any.bytes(7, Uint8Array.of(1, 2)), Uint8Array.of(1, 2))
  check(() => undefined, undefined)
  check((any) => any.uint(8, 3), undefined) // string_value_strindex belongs to profiles.
  check((any) => field(any, 5, () => undefined), [])
  const oneAndTwo: Fields = (list) => {
    field(list, 1, (item) => item.int64(3, 1))
    field(list, 1, (item) => item.string(1, 'two'))
  }
  check((any) => field(any, 5, oneAndTwo), [1n, 'two'])
  const entry: Fields = (list) =>
    list.bytes(
      1,
      keyValue('k', (item) => item.bool(2, true))
    )
  check((any) => field(any, 6, entry), { keyValues: [{ key: 'k', value: true }] })
})

test('the last of several values counts, and lists in pieces are merged', () => {
  const one: Fields = (list) => field(list, 1, (item) => item.int64(3, 1))
  const inPieces: Fields = (any) => {
    any.string(1, 'first')
    field(any, 5, one)
    field(any, 5, one)
  }
  assert.deepEqual(readOne(inPieces), [1n, 1n])
  assert.deepEqual(
    readOne((any) => [inPieces(any), any.string(1, 'last')]),
    'last'
  )
  const twice = message((writer) => {
    writer.string(1, 'old')
    field(writer, 2, (any) => field(any, 5, one))
    writer.string(1, 'k')
    field(writer, 2, (any) => field(any, 5, one))
  })
  const run = message((writer) => writer.bytes(7, twice))
  assert.deepEqual(readAttributes(run, 0, run.length), [{ key: 'k', value: [1n, 1n] }])
})

test('a run is read under any field number, a message under the one that is asked for', () => {
  const bytes = message((writer) => {
    writer.bytes(
      1,
      keyValue('a', (any) => any.int64(3, 1))
    )
    writer.uint(2, 7)
    writer.bytes(
      3,
      keyValue('b', (any) => any.int64(3, 2))
    )
  })
  const keys = (of?: number) => readAttributes(bytes, 0, bytes.length, of).map(({ key }) => key)
  assert.deepEqual(keys(), ['a', 'b'])
  assert.deepEqual(keys(resourceAttributesField), ['a'])
  assert.deepEqual(keys(3), ['b'])
})

test('an attribute without a key or a value is read, a key given twice is given twice', () => {
  const run = message((writer) => {
    writer.bytes(7, new Uint8Array(0))
    writer.bytes(
      7,
      keyValue('k', (any) => any.int64(3, 1))
    )
    writer.bytes(
      7,
      keyValue('k', (any) => any.int64(3, 2))
    )
  })
  assert.deepEqual(readAttributes(run, 0, run.length), [
    { key: '', value: undefined },
    { key: 'k', value: 1n },
    { key: 'k', value: 2n },
  ])
})

test('lists are followed sixteen deep and no deeper', () => {
  const nested = (depth: number): Fields => {
    let value = message((any) => any.int64(3, 1))
    for (let left = depth; left > 0; left--) {
      const inner = value
      value = message((any) => field(any, 5, (list) => list.bytes(1, inner)))
    }
    return (any) => any.raw(value)
  }
  const deepest = readOne(nested(attributeDepthMax))
  assert.equal(attributeText(deepest), `${'['.repeat(16)}1${']'.repeat(16)}`)
  assert.throws(() => readOne(nested(attributeDepthMax + 1)), isError('TOO_DEEP'))
  assert.throws(() => readOne(nested(5000)), isError('TOO_DEEP'))
})

test('lists in pieces within lists in pieces take no longer than they are long', () => {
  // Reading each first piece, and then both together, would read the innermost 2^16 times.
  let value = message((any) => any.int64(3, 1))
  for (let depth = 0; depth < attributeDepthMax; depth++) {
    const inner = value
    const pair = message((writer) => {
      writer.bytes(2, inner)
      field(writer, 2, () => undefined)
    })
    value = message((any) => field(any, 6, (list) => list.bytes(1, pair)))
  }
  const run = message((writer) => {
    for (let times = 0; times < 100; times++) field(writer, 7, (pair) => pair.bytes(2, value))
  })
  const start = performance.now()
  assert.equal(readAttributes(run, 0, run.length).length, 100)
  assert.ok(performance.now() - start < 500)
})

test('strings that are not UTF-8 are refused, in keys and values', () => {
  const bad = Uint8Array.of(0x61, 0xff)
  assert.throws(() => readOne((any) => any.bytes(1, bad)), isError('NOT_UTF8'))
  const badKey = message((writer) => field(writer, 7, (pair) => pair.bytes(1, bad)))
  assert.throws(() => readAttributes(badKey, 0, badKey.length), isError('NOT_UTF8'))
  assert.equal(
    readOne((any) => any.string(1, '\ufeffmarked')),
    '\ufeffmarked'
  )
  assert.throws(() => readString(Uint8Array.of(0xc3)), isError('NOT_UTF8'))
  assert.equal(readString(new TextEncoder().encode('x größe x'), 2, 9), 'größe')
})

test('a value is shown as text: strings as they are, other kinds as JSON', () => {
  function check(value: AttributeValue, want: string): void {
    assert.equal(attributeText(value), want)
  }
  check('a "b"', 'a "b"')
  check(true, 'true')
  check(2n ** 63n - 1n, '9223372036854775807')
  check(0.1, '0.1')
  check(1e21, '1e+21')
  check(Number.NaN, 'NaN')
  check(Number.NEGATIVE_INFINITY, '-Infinity')
  check(undefined, '')
  check(new TextEncoder().encode('hi?'), 'aGk/')
  check(new TextEncoder().encode('h'), 'aA==')
  check(['a "b"', 1n, 0.5, undefined, Number.NaN, Infinity], '["a \\"b\\"",1,0.5,null,"NaN","Infinity"]')
  check([Uint8Array.of(255)], '["/w=="]')
  check({ keyValues: [{ key: 'k"', value: [true] }] }, '{"k\\"":[true]}')
  check({ keyValues: [] }, '{}')
})

function readOne(write: Fields): AttributeValue {
  const run = message((writer) => writer.bytes(7, keyValue('key', write)))
  const [attribute, ...others] = readAttributes(run, 0, run.length)
  assert.equal(others.length, 0)
  assert.equal(attribute?.key, 'key')
  return attribute.value
}

function keyValue(key: string, write: Fields): Uint8Array {
  return message((writer) => {
    writer.string(1, key)
    field(writer, 2, write)
  })
}

function message(write: Fields): Uint8Array {
  const writer = new Writer()
  write(writer)
  return writer.finish()
}

function field(writer: Writer, number: number, write: Fields): void {
  const start = writer.open(number)
  write(writer)
  writer.close(start)
}

function isError(code: OtlpErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof OtlpError && error.code === code
}
