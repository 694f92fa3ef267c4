import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Deltas } from '../src/encode/batch.ts'
import { cumulative, delta } from '../src/encode/template.ts'
import { worker, type Worker } from '../src/worker.ts'
import { type Point, readRequest } from './support/read-request.ts'
import { recorded, startMs } from './support/recorded.ts'

test('a histogram counts into buckets whose upper bounds are inclusive', () => {
  const { meter, point } = recorded()
  const histogram = meter.createHistogram('h', { unit: 's', boundaries: [1, 2, 5] })
  for (const value of [0, 1, 1.5, 2, 2.5, 5, 5.1, 100]) histogram.record(value)
  histogram.bind({}).record(2)
  const { value, kind, temporality, unit, histogram: data } = point('h') ?? {}
  assert.deepEqual([value, kind, temporality, unit], [119.1, 'histogram', cumulative, 's'])
  assert.deepEqual(data, { count: 9, min: 0, max: 100, buckets: [2, 3, 2, 2], bounds: [1, 2, 5] })
})

test('boundaries come from the option, else from the advice, else from the specification', () => {
  const { meter, point } = recorded()
  const check = (options: object, want: number[]): void => {
    const name = JSON.stringify(options)
    meter.createHistogram(name, options).record(1)
    assert.deepEqual(point(name)?.histogram?.bounds, want, name)
  }
  const byDefault = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000]
  check({}, byDefault)
  check({ advice: { explicitBucketBoundaries: [1, 2] } }, [1, 2])
  check({ boundaries: [3], advice: { explicitBucketBoundaries: [1, 2] } }, [3])
  check({ boundaries: [] }, [])
  for (const wrong of [[2, 1], [1, 1], ['1'], [Infinity], 'x', 7]) check({ boundaries: wrong }, byDefault)
})

test('a histogram that was bound and never recorded into is not told', () => {
  const { meter, read } = recorded()
  meter.createHistogram('h').bind({ a: 1 })
  meter.createGauge('g').bind({ a: 1 })
  assert.deepEqual(read().points, [])
})

test('an up-down counter goes both ways, without a rounding error', () => {
  const { meter, point } = recorded()
  const open = meter.createUpDownCounter('open')
  open.add(2 ** 53, { a: 1 })
  for (let count = 0; count < 3; count++) open.bind({ a: 1 }).add(1)
  open.add(-(2 ** 53), { a: 1 })
  const { value, monotonic, temporality } = point('open') ?? {}
  assert.deepEqual([value, monotonic, temporality], [3, false, cumulative])
})

test('a gauge tells what was recorded last, and when', () => {
  const { meter, point } = recorded()
  const before = Date.now()
  meter.createGauge('g').record(7)
  meter.createGauge('g').bind({}).record(-2.5)
  const { value, kind, time = 0n } = point('g') ?? {}
  assert.deepEqual([value, kind], [-2.5, 'gauge'])
  const ms = Number(time / 1_000_000n)
  assert.ok(ms >= before && ms <= Date.now())
})

test('what an instrument does not take is ignored and never thrown', () => {
  const { meter, read } = recorded()
  const wrong = [Number.NaN, Infinity, -Infinity, '3', undefined, null, 1n, {}] as unknown as number[]
  for (const value of wrong) {
    meter.createHistogram('h').record(value)
    meter.createHistogram('h').bind({}).record(value)
    meter.createGauge('g').record(value)
    meter.createGauge('g').bind({}).record(value)
    meter.createUpDownCounter('u').add(value)
    meter.createUpDownCounter('u').bind({}).add(value)
  }
  meter.createHistogram('h').record(-1)
  meter.createHistogram('h').bind({}).record(-1)
  assert.deepEqual(
    read().points.map(({ metric, value }) => [metric, value]),
    [['u', 0]]
  )
})

test('a meter is the same where its whole scope is', () => {
  const get = (...given: unknown[]): unknown =>
    worker().getMeter(...(given as Parameters<Worker['getMeter']>))
  const meters = [
    get('a'),
    get('a', '1'),
    get('a', '1', { schemaUrl: 's' }),
    get('a', '1', { schemaUrl: 's', attributes: { x: 1 } }),
    get('a', '1', { schemaUrl: 's', attributes: { x: '1' } }),
    get(undefined),
  ]
  assert.equal(new Set(meters).size, meters.length)
  assert.equal(get('a', '1', { attributes: { x: 1 }, schemaUrl: 's' }), meters[3])
  assert.equal(get('a', '1', null), meters[1])
})

test('one name in two kinds is two metrics', () => {
  const { meter, read } = recorded()
  meter.createCounter('x').add(1)
  meter.createHistogram('x').record(1)
  meter.createObservableCounter('x').addCallback((result) => result.observe(5))
  assert.deepEqual(
    read().points.map(({ metric, kind }) => [metric, kind]),
    [
      ['x', 'sum'],
      ['x', 'histogram'],
    ]
  )
})

test('by POST a histogram is told as deltas, with the extremes of each', () => {
  const { recorder, meter } = recorded()
  const histogram = meter.createHistogram('h', { boundaries: [10] })
  const deltas = new Deltas(recorder, new Uint8Array(0), () => 'id')
  const next = (): Point | undefined => pointsOf(deltas)[0]
  histogram.record(1)
  histogram.record(50)
  const first = next()
  assert.deepEqual(
    [first?.value, first?.temporality, first?.start],
    [51, delta, BigInt(startMs) * 1_000_000n]
  )
  assert.deepEqual(first?.histogram, { count: 2, min: 1, max: 50, buckets: [1, 1], bounds: [10] })
  assert.equal(next(), undefined)
  histogram.record(20)
  assert.deepEqual(next()?.histogram, { count: 1, min: 20, max: 20, buckets: [0, 1], bounds: [10] })
})

test('by POST a gauge is told when it was recorded again', () => {
  const { recorder, meter } = recorded()
  const gauge = meter.createGauge('g')
  const deltas = new Deltas(recorder, new Uint8Array(0), () => 'id')
  gauge.record(1)
  assert.deepEqual(
    pointsOf(deltas).map(({ value }) => value),
    [1]
  )
  void deltas.collect('interval')
  assert.deepEqual(pointsOf(deltas), [])
  gauge.record(2)
  assert.deepEqual(
    pointsOf(deltas).map(({ value }) => value),
    [2]
  )
})

test('by POST an up-down counter is told as a whole on each interval, and taken back at the end', () => {
  const { recorder, meter } = recorded()
  const open = meter.createUpDownCounter('open')
  const deltas = new Deltas(recorder, new Uint8Array(0), () => 'id')
  const told = (moment: 'interval' | 'flush' | 'end'): unknown[] => {
    void deltas.collect(moment)
    return pointsOf(deltas).map(({ value, flags, temporality, start }) => {
      assert.deepEqual([temporality, start], [cumulative, BigInt(startMs) * 1_000_000n])
      return flags === 1 ? 'gone' : value
    })
  }
  open.add(3)
  assert.deepEqual(told('interval'), [3])
  assert.deepEqual(told('interval'), [3])
  assert.deepEqual(told('flush'), [])
  open.add(-1)
  assert.deepEqual(told('flush'), [2])
  open.add(1)
  assert.deepEqual(told('end'), ['gone'])
  assert.deepEqual(told('end'), [])
  assert.deepEqual(told('interval'), [3]) // It lives on after all.
})

test('an up-down counter that nobody was told of needs not be taken back', () => {
  const { recorder, meter } = recorded()
  meter.createUpDownCounter('open').add(3)
  const deltas = new Deltas(recorder, new Uint8Array(0), () => 'id')
  void deltas.collect('end')
  assert.equal(deltas.take(), undefined)
})

test('any interleaving of records and batches sums to the truth, of every kind', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.nat(2), of: fc.nat(2), value: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.constantFrom('interval', 'flush') }
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { recorder, meter } = recorded()
      const bounds = [2, 5, 11]
      const instruments = [
        meter.createHistogram('h', { boundaries: bounds }),
        meter.createUpDownCounter('u'),
        meter.createCounter('c'),
      ] as const
      const deltas = new Deltas(recorder, new Uint8Array(0), () => 'id')
      const truth = new Map<string, number>()
      const told = new Map<string, number>()
      const count = (into: Map<string, number>, name: string, value: number): void => {
        if (value !== 0) into.set(name, (into.get(name) ?? 0) + value)
      }
      const take = (): void => {
        for (const { metric, attributes, value, histogram } of pointsOf(deltas)) {
          const name = `${metric}{${attributes}}`
          if (metric === 'u') told.set(name, value)
          else count(told, name, value)
          if (histogram === undefined) continue
          count(told, `${name} count`, histogram.count)
          for (const [at, bucket] of histogram.buckets.entries()) count(told, `${name} ${at}`, bucket)
        }
      }
      for (const each of steps) {
        if (typeof each === 'string') {
          void deltas.collect(each)
          take()
          continue
        }
        const attributes = { of: each.of }
        const name = `${'huc'[each.kind]}{of=${each.of}n}`
        if (each.kind === 0) {
          instruments[0].record(each.value, attributes)
          count(truth, name, each.value)
          count(truth, `${name} count`, 1)
          const bucket = bounds.findIndex((bound) => each.value <= bound)
          count(truth, `${name} ${bucket < 0 ? bounds.length : bucket}`, 1)
        } else if (each.kind === 1) {
          instruments[1].add(each.value - 10, attributes)
          truth.set(name, (truth.get(name) ?? 0) + each.value - 10)
        } else {
          instruments[2].add(each.value, attributes)
          count(truth, name, each.value)
        }
      }
      take()
      assert.deepEqual(sorted(told), sorted(truth))
    })
  )
})

function pointsOf(deltas: Deltas): Point[] {
  const batch = deltas.take()
  return batch === undefined ? [] : readRequest(batch.body).points
}

function sorted(map: Map<string, number>): [string, number][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))
}
