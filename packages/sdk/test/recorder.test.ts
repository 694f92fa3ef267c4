import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Deltas } from '../src/encode/batch.ts'
import { NanoClock } from '../src/encode/clock.ts'
import { cumulative, delta } from '../src/encode/template.ts'
import { readRequest, type Request, sums } from './support/read-request.ts'
import { recorded, startMs } from './support/recorded.ts'

test('ten million times 0.1 is a million, to the last digit', () => {
  const { meter, read } = recorded()
  const bound = meter.createCounter('tenths').bind({})
  for (let count = 0; count < 10_000_000; count++) bound.add(0.1)
  assert.equal(read().points[0]?.value, 1_000_000)
})

test('counting goes on past 2^53', () => {
  const { meter, read } = recorded()
  const counter = meter.createCounter('big')
  counter.add(2 ** 53)
  counter.add(1)
  counter.add(1)
  assert.equal(read().points[0]?.value, 2 ** 53 + 2)
})

test('the same attributes in another order are the same series; 1 and its text are not', () => {
  const { meter, read } = recorded()
  const counter = meter.createCounter('c')
  for (let round = 0; round < 3; round++) {
    counter.add(1, { a: 'x', b: 1 })
    counter.add(1, { b: 1, a: 'x' })
    counter.add(1, { b: '1', a: 'x' })
    counter.add(1, { b: 1, a: 'x', gone: undefined })
    counter.bind({ a: 'x', b: 1 }).add(1)
  }
  assert.deepEqual(sums([read()]), { 'c{a="x",b=1n}': 12, 'c{a="x",b="1"}': 3 })
})

test('attributes are of every kind that OTLP has', () => {
  const { meter, read } = recorded()
  const deep = { z: 1, a: [true, undefined, { n: 2n }] }
  const all = { s: 'ä', i: 3, d: 0.5, b: true, l: ['x', 1], big: 2n ** 60n, raw: Uint8Array.of(0, 255), deep }
  meter.createCounter('c').add(1, all)
  meter.createCounter('c').add(1, { ...all, deep: { a: [true, null, { n: 2 }], z: 1n } })
  const { points } = read()
  assert.equal(points.length, 1) // The same, whatever the order of keys, and 2n is the integer 2.
  const texts = [
    'b=true',
    `big=${2n ** 60n}n`,
    'd=0.5',
    'deep={"a":[true,null,{"n":"2"}],"z":"1"}',
    'i=3n',
    'l=["x","1"]',
    'raw={"bytes":[0,255]}',
    's="ä"',
  ]
  assert.equal(points[0]?.attributes, texts.join(','))
})

test('an attribute that OTLP has no kind for is left out, and the rest counts', () => {
  const { meter, read } = recorded()
  let endless: Record<string, unknown> = {}
  endless = { endless }
  const ring: Record<string, unknown> = {}
  ring['ring'] = ring
  const wrong = {
    f: () => {},
    y: Symbol('y'),
    date: new Date(),
    map: new Map(),
    huge: 2n ** 63n,
    ring,
    in: [() => {}],
  }
  meter.createCounter('c').add(1, { ...wrong, '': 'no key', ok: 1, endless })
  assert.equal(read().points[0]?.attributes, 'endless={"endless":{}},ok=1n')
})

test('an array that is changed and used again is another series', () => {
  const { meter, read } = recorded()
  const counter = meter.createCounter('c')
  const list = ['a']
  counter.add(1, { list })
  list[0] = 'b'
  counter.add(2, { list })
  assert.deepEqual(sums([read()]), { 'c{list=["a"]}': 1, 'c{list=["b"]}': 2 })
})

test('what would make a counter go down, and every wrong use, is ignored and never thrown', () => {
  const { meter, read } = recorded()
  const counter = meter.createCounter('c')
  const add = counter.add.bind(counter) as (value: unknown, attributes?: unknown) => void
  const trap = {
    get a(): string {
      throw new Error('no')
    },
  }
  for (const wrong of [-1, Number.NaN, Infinity, -Infinity, '3', undefined, null, 1n, {}]) add(wrong)
  for (const attributes of [null, 'text', 7, trap]) add(1, attributes)
  assert.deepEqual(sums([read()]), { c: 4 })
})

test('past its limit of series an instrument counts into one that says so, and the sum stays right', () => {
  const { recorder, meter, read } = recorded()
  const check = (name: string, limit: number, options?: { cardinalityLimit: number }): void => {
    const counter = meter.createCounter(name, options)
    for (let id = 0; id < 5000; id++) counter.add(1, { id })
    const points = read().points.filter(({ metric }) => metric === name)
    assert.equal(points.length, limit, name)
    const over = points.find(({ attributes }) => attributes === 'otel.metric.overflow=true')
    assert.equal(over?.value, 5000 - (limit - 1), name)
  }
  check('by default', 2000)
  check('of its own', 10, { cardinalityLimit: 10 })
  check('of a wrong one', 2000, { cardinalityLimit: -3 })
  meter.createCounter('made before')
  recorder.cardinalityLimit = 100
  check('configured', 100)
  check('made before', 100)
})

test('one name is one instrument, another unit another; the scope travels', () => {
  const { meter, read } = recorded()
  meter.createCounter('Jobs', { unit: '{job}', description: 'done' }).add(1)
  meter.createCounter('jobs', { unit: '{job}' }).add(1)
  meter.createCounter('jobs', { unit: 's' }).add(1)
  const seen = read().points.map(({ metric, unit, value }) => [metric, unit, value])
  assert.deepEqual(seen, [
    ['Jobs', '{job}', 2],
    ['jobs', 's', 1],
  ])
  const { scope, schemaUrl, description, monotonic, temporality } = read().points[0] ?? {}
  assert.deepEqual([scope, schemaUrl, description, monotonic], ['lib@1.2', 'https://schema', 'done', true])
  assert.equal(temporality, cumulative)
})

const key = fc.constantFrom('a', 'b', 'c')
const value = fc.oneof(
  fc.constantFrom('x', '1', ''),
  fc.integer({ min: 0, max: 2 }),
  fc.boolean(),
  fc.constant(undefined)
)
const attributes = fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name })
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ add: fc.integer({ min: 0, max: 1000 }), attributes, bound: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.constant('take' as const) }
)

test('any interleaving of adds, orders of attributes and batches sums to the truth', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { recorder, meter, read } = recorded()
      const counter = meter.createCounter('c')
      const deltas = new Deltas(recorder, new Uint8Array(0), () => 'id')
      const truth: Record<string, number> = {}
      const posted: Request[] = []
      const take = (): void => {
        const batch = deltas.take()
        if (batch !== undefined) posted.push(readRequest(batch.body))
      }
      for (const each of steps) {
        if (each === 'take') take()
        else {
          const given = Object.fromEntries(each.attributes)
          if (each.bound) counter.bind(given).add(each.add)
          else counter.add(each.add, given)
          const name = nameOf(each.attributes)
          truth[name] = (truth[name] ?? 0) + each.add
        }
      }
      take()
      assert.deepEqual(sorted(sums([read()])), sorted(truth))
      assert.deepEqual(
        sorted(sums(posted)),
        sorted(Object.fromEntries(Object.entries(truth).filter(([, sum]) => sum > 0)))
      )
    })
  )
})

test('deltas hold only what grew, and their times follow each other', () => {
  const { recorder, meter } = recorded()
  const counter = meter.createCounter('c')
  const deltas = new Deltas(recorder, new Uint8Array(0), () => 'id')
  assert.equal(deltas.take(), undefined)
  counter.add(0, { k: 'zero' })
  assert.equal(deltas.take(), undefined)
  counter.add(1, { k: 'a' })
  counter.add(2, { k: 'b' })
  const first = readRequest(deltas.take()?.body ?? new Uint8Array(0)).points
  counter.add(3, { k: 'b' })
  const second = readRequest(deltas.take()?.body ?? new Uint8Array(0)).points
  assert.deepEqual(
    first.map((point) => point.value),
    [1, 2]
  )
  assert.deepEqual(
    second.map((point) => point.value),
    [3]
  )
  assert.equal(first[0]?.temporality, delta)
  assert.equal(first[0]?.start, BigInt(startMs) * 1_000_000n)
  assert.equal(second[0]?.start, first[0]?.time)
  assert.ok((second[0]?.time ?? 0n) > (second[0]?.start ?? 0n))
})

test('deltas of fractions add up to the total without a gathering error', () => {
  const { recorder, meter, read } = recorded()
  const counter = meter.createCounter('c')
  const deltas = new Deltas(recorder, new Uint8Array(0), () => 'id')
  let sum = 0
  for (let round = 0; round < 1000; round++) {
    for (let count = 0; count < 7; count++) counter.add(0.1)
    sum += readRequest(deltas.take()?.body ?? new Uint8Array(0)).points[0]?.value ?? 0
  }
  assert.ok(Math.abs(sum - (read().points[0]?.value ?? 0)) < 1e-9)
  assert.equal(deltas.take(), undefined)
})

test('time only grows, whatever the clock does, and is later than the start', () => {
  let now = startMs - 5000
  const clock = new NanoClock(startMs, () => now)
  const times = [clock.last, clock.next(), clock.next()]
  now = startMs + 10
  times.push(clock.next())
  now = startMs
  times.push(clock.next())
  for (let at = 1; at < times.length; at++) assert.ok((times[at] as bigint) > (times[at - 1] as bigint))
})

function nameOf(pairs: readonly (readonly [string, unknown])[]): string {
  const shown = pairs
    .filter(([, each]) => each !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, each]) => `${name}=${typeof each === 'number' ? `${each}n` : JSON.stringify(each)}`)
  return shown.length === 0 ? 'c' : `c{${shown.join(',')}}`
}

function sorted(record: Record<string, number>): [string, number][] {
  return Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1))
}
