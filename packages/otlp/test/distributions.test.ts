import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metricKinds, OtlpError } from '@swansong/otlp'
import { Writer } from '@swansong/otlp/wire'
import { collectMetrics, type CollectedExponential, type CollectedHistogram } from './collect.ts'

type Fields = (writer: Writer) => void

const none = {
  attributes: [],
  start: 0,
  time: 0,
  flags: 0,
  exemplars: [],
  sum: undefined,
  min: undefined,
  max: undefined,
}

test('bucket counts and bounds are read packed, singly, and in pieces of both', () => {
  function check(write: Fields, counts: number[], bounds: number[]): void {
    assert.deepEqual(histogram(write), { ...none, count: 0, counts, bounds })
  }
  check(() => undefined, [], [])
  check((point) => point.bytes(6, eights(1n, 2n ** 53n)), [1, 2 ** 53], [])
  check((point) => singly(point, 6, 1n, 2n), [1, 2], [])
  check(
    (point) => {
      singly(point, 6, 1n)
      point.bytes(7, doubles(0.5))
      point.bytes(6, eights(2n, 3n))
      singly(point, 6, 4n)
      point.bytes(7, doubles(-0.5, 7))
    },
    [1, 2, 3, 4],
    [0.5, -0.5, 7]
  )
  check((point) => point.bytes(6, eights(...Array<bigint>(1000).fill(3n))), Array<number>(1000).fill(3), [])
})

test('of a sum, a minimum and a maximum 0 is not the same as none', () => {
  const point = histogram((writer) => {
    writer.double(5, 0)
    writer.double(11, 0)
    writer.double(12, 0)
  })
  assert.deepEqual([point?.sum, point?.min, point?.max], [0, 0, 0])
})

test('nothing of a point is left in the next', () => {
  const [metric] = collectMetrics(
    request(metricKinds.histogram, (data) => {
      data.bytes(
        1,
        message((point) => {
          point.fixed64(4, 3n)
          point.double(5, 1)
          point.bytes(6, eights(1n, 2n))
          point.bytes(7, doubles(5))
          point.uint(10, 1)
          point.bytes(9, keyValue('a'))
        })
      )
      data.bytes(1, new Uint8Array(0))
    })
  )
  assert.deepEqual(metric?.histograms[1], { ...none, count: 0, counts: [], bounds: [] })
})

test('scales and offsets are zigzag, counts are varints, packed or not, and pieces are merged', () => {
  const empty = { ...none, count: 0, scale: 0, zeroCount: 0, zeroThreshold: 0, positive: [0], negative: [0] }
  function check(write: Fields, want: Partial<CollectedExponential>): void {
    assert.deepEqual(exponential(write), { ...empty, ...want })
  }
  check(() => undefined, {})
  check((point) => point.uint(6, 0xffff_ffff), { scale: -0x8000_0000 })
  check((point) => point.uint(6, 40), { scale: 20 })
  check((point) => point.bytes(9, Uint8Array.from([0x08, 0x03, 0x12, 0x03, 0x01, 0xac, 0x02])), {
    negative: [-2, 1, 300],
  })
  check(
    (point) => {
      point.bytes(8, Uint8Array.from([0x08, 0x02, 0x12, 0x01, 0x05, 0x10, 0x06]))
      point.bytes(8, Uint8Array.from([0x12, 0x02, 0x07, 0x08]))
    },
    { positive: [1, 5, 6, 7, 8] }
  )
  check((point) => point.double(14, 0.25), { zeroThreshold: 0.25 })
})

test('attributes between which other fields stand are gathered, in both kinds', () => {
  const read = histogram((point) => {
    point.bytes(9, keyValue('a'))
    point.fixed64(4, 1n)
    point.bytes(9, keyValue('b'))
    point.bytes(6, eights(1n))
    point.bytes(9, keyValue('c'))
  })
  assert.deepEqual(
    read?.attributes.map(({ key }) => key),
    ['a', 'b', 'c']
  )
  assert.deepEqual(read.counts, [1])
  const other = exponential((point) => {
    point.bytes(1, keyValue('a'))
    point.bytes(8, Uint8Array.from([0x12, 0x01, 0x05]))
    point.bytes(1, keyValue('b'))
  })
  assert.deepEqual(
    other?.attributes.map(({ key }) => key),
    ['a', 'b']
  )
  assert.deepEqual(other.positive, [0, 5])
})

test('what is torn inside of a point is an error', () => {
  function check(kind: number, write: Fields): void {
    const body = request(kind, (data) => data.bytes(1, message(write)))
    assert.throws(() => collectMetrics(body), OtlpError)
  }
  check(metricKinds.histogram, (point) => point.bytes(6, new Uint8Array(7)))
  check(metricKinds.histogram, (point) => point.bytes(7, new Uint8Array(9)))
  check(metricKinds.histogram, (point) => point.bytes(8, Uint8Array.from([0x0a, 0x05])))
  check(metricKinds.exponentialHistogram, (point) => point.bytes(8, Uint8Array.from([0x12, 0x02, 0x01])))
  check(metricKinds.exponentialHistogram, (point) => point.bytes(9, Uint8Array.from([0x12, 0x01, 0x80])))
  check(metricKinds.exponentialHistogram, (point) => point.bytes(11, Uint8Array.from([0x0a, 0x05])))
  check(metricKinds.summary, (point) => point.bytes(6, Uint8Array.from([0x0a, 0x05])))
})

function histogram(write: Fields): CollectedHistogram | undefined {
  const body = request(metricKinds.histogram, (data) => data.bytes(1, message(write)))
  return collectMetrics(body)[0]?.histograms[0]
}

function exponential(write: Fields): CollectedExponential | undefined {
  const body = request(metricKinds.exponentialHistogram, (data) => data.bytes(1, message(write)))
  return collectMetrics(body)[0]?.exponentials[0]
}

/** A request with one metric of this kind. */
function request(kind: number, write: Fields): Uint8Array {
  const metric = message((writer) => writer.bytes(kind, message(write)))
  const scope = message((writer) => writer.bytes(2, metric))
  const resource = message((writer) => writer.bytes(2, scope))
  return message((writer) => writer.bytes(1, resource))
}

function message(write: Fields): Uint8Array {
  const writer = new Writer()
  write(writer)
  return writer.finish()
}

function keyValue(key: string): Uint8Array {
  return message((writer) => writer.string(1, key))
}

function eights(...values: bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values).buffer)
}

function doubles(...values: number[]): Uint8Array {
  return new Uint8Array(Float64Array.from(values).buffer)
}

function singly(writer: Writer, field: number, ...values: bigint[]): void {
  for (const value of values) writer.fixed64(field, value)
}
