import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeExportRequest, type ExponentialHistogramDataPoint, type Metric } from '@swansong/otlp'
import { Exponential } from '../../src/ledger/values/exponential.ts'
import { exponentialPoint, labels, second, time } from '../support/kinds.ts'
import { committed, open, postBatch, postJournal, shown, type Opened } from '../support/ledgers.ts'
import { metricsOf } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

function sized(point: ExponentialHistogramDataPoint, aggregationTemporality = 1): Metric {
  const dataPoints = [{ timeUnixNano: time, startTimeUnixNano: time - second, ...point }]
  return { name: 'size', exponentialHistogram: { aggregationTemporality, dataPoints } }
}

async function post(
  opened: Opened,
  points: readonly ExponentialHistogramDataPoint[],
  temporality = 1
): Promise<string> {
  const body = encodeExportRequest(metricsOf(points.map((point) => sized(point, temporality))))
  const answer = postBatch(opened, body)
  await committed()
  const { refused, receipt } = await answer
  assert.equal(refused, undefined)
  return receipt.message
}

function bucketsOf(opened: Opened): Record<string, number> {
  const found: Record<string, number> = {}
  for (const [line, count] of shown(opened)) {
    const le = /size_bucket\{.*le="([^"]+)"\}/.exec(line)?.[1]
    if (le !== undefined) found[le] = count
  }
  return found
}

test('buckets are shown with le at the bounds of their scale, negative ones first, then what is at zero', async () => {
  const store = new SimStore()
  const opened = open(store)
  await post(opened, [exponentialPoint([0.5, 1, 1.5, 3, 3, 100], 0)])
  assert.deepEqual(bucketsOf(opened), {
    '0.5': 1,
    '1': 2,
    '2': 3,
    '4': 5,
    '8': 5,
    '16': 5,
    '32': 5,
    '64': 5,
    '128': 6,
    '+Inf': 6,
  })
  assert.equal(shown(opened).get(`size_sum{${labels}}`), 109)
  await post(opened, [exponentialPoint([-3, -1.5, 0, 0, 3], 0)])
  const lines = [...shown(opened)].map(
    ([line, count]) => `${/le="([^"]+)"/.exec(line)?.[1] ?? line} ${count}`
  )
  assert.deepEqual(lines.slice(0, 5), ['-2 1', '-1 2', '0 4', '0.5 5', '1 6'])
  assert.equal(shown(opened).get(`size_count{${labels}}`), 11)
  assert.deepEqual(shown(open(store.restarted())), shown(opened))
})

test('of two scales the lower is taken, and what is beyond 160 buckets a side lowers it further', async () => {
  const store = new SimStore()
  const opened = open(store)
  await post(opened, [exponentialPoint([1.1, 1.9], 5), exponentialPoint([1.5], 1)])
  const stateOf = (): Exponential => {
    const state = new Exponential()
    assert.ok(state.readSlots(opened.ledger.series.pages, opened.ledger.series.slotOf(0)))
    return state
  }
  assert.equal(stateOf().scale, 1)
  await post(opened, [exponentialPoint([1e-300, 1e300], 0)])
  const { scale, positive } = stateOf()
  assert.equal(scale, -4)
  assert.ok(positive.length <= 160 && positive.length > 80)
  await post(opened, [exponentialPoint([1.5], 20)])
  assert.equal(stateOf().scale, -4, 'a scale never rises')
  assert.equal(stateOf().total, 6)
  assert.ok(Object.keys(bucketsOf(opened)).length <= 42)
  assert.deepEqual(shown(open(store.restarted())), shown(opened))
})

test('the zero threshold grows past buckets that it splits, and never shrinks', async () => {
  const opened = open(new SimStore())
  await post(opened, [exponentialPoint([0.3, 0.6, 5], 0)])
  await post(opened, [{ count: 2, zeroCount: 2, zeroThreshold: 0.6, scale: 0 }])
  assert.deepEqual(Object.entries(bucketsOf(opened)).slice(0, 1), [['1', 4]])
  const lines = [...shown(opened)].map(([line, count]) => `${/le="([^"]+)"/.exec(line)?.[1] ?? ''} ${count}`)
  assert.equal(lines[0], '1 4', '0.3, 0.6 and the two at zero')
  await post(opened, [exponentialPoint([0.7], 0)])
  assert.equal([...shown(opened).values()][0], 5)
})

test('a point of an exponential histogram that cannot count is rejected with its reason', async () => {
  const opened = open(new SimStore())
  const check = async (point: ExponentialHistogramDataPoint, want: string): Promise<void> => {
    assert.match(await post(opened, [point]), new RegExp(`^1 × ${want} `))
  }
  const positive = { offset: 0, bucketCounts: [1] }
  await check({ count: 2, positive }, 'BUCKETS_INVALID')
  await check({ count: 1, positive, scale: -11 }, 'BUCKETS_INVALID')
  await check({ count: 1, positive: { offset: 1025, bucketCounts: [1] } }, 'BUCKETS_INVALID')
  await check({ count: 1, positive: { offset: -1080, bucketCounts: [1] } }, 'BUCKETS_INVALID')
  await check(
    { count: 1, positive: { offset: 0x7fff_ffff, bucketCounts: [1] }, scale: 40 },
    'BUCKETS_INVALID'
  )
  await check({ count: 1, positive, zeroThreshold: -1 }, 'BUCKETS_INVALID')
  await check({ count: 1, positive, zeroThreshold: Number.NaN }, 'BUCKETS_INVALID')
  await check({ count: 1, positive, sum: Number.NaN }, 'NOT_FINITE')
  await check({ count: 1, positive, timeUnixNano: 0n }, 'TIME_MISSING')
  assert.equal(await post(opened, [{ count: 1, positive, scale: 30 }]), '')
  assert.equal(shown(opened).get(`size_count{${labels}}`), 1)
})

test('cumulative exponential histograms are differenced, also when their scale falls and their buckets grow', async () => {
  const store = new SimStore()
  const opened = open(store)
  const told = async (values: readonly number[], scale: number, at: number): Promise<string> =>
    post(opened, [{ ...exponentialPoint(values, scale), timeUnixNano: time + BigInt(at) * second }], 2)
  await told([1.5], 3, 1)
  await told([1.5, 1.6, 900], 0, 2)
  await told([1.5, 1.6, 900], 0, 3)
  assert.equal(shown(opened).get(`size_count{${labels}}`), 3)
  assert.match(await told([1.5, 900], 0, 4), /TOTAL_WENT_DOWN/)
  await told([-5, 1.5, 1.6, 900, 1e9], -1, 5)
  assert.equal(shown(opened).get(`size_count{${labels}}`), 5)
  assert.deepEqual(shown(open(store.restarted())), shown(opened))
  const journal = (values: readonly number[], sequence: number, final: boolean): Promise<unknown> =>
    postJournal(opened, {
      writer: 'w',
      sequence,
      final,
      body: encodeExportRequest(metricsOf([sized(exponentialPoint(values, 4), 2)])),
    })
  void journal([2], 1, false)
  void journal([2, 3], 2, false)
  void journal([2, 3, 4], 3, true)
  await committed()
  assert.equal(shown(opened).get(`size_count{${labels}}`), 8)
  assert.equal(opened.stats.bugs, 0)
})

const magnitude = fc.double({ min: 1e-3, max: 1e6, noNaN: true })
const observed = fc.oneof(
  { weight: 6, arbitrary: magnitude },
  fc.constant(0),
  magnitude.map((value) => -value)
)
const parts = fc.array(
  fc.record({
    values: fc.array(observed, { minLength: 1, maxLength: 12 }),
    scale: fc.integer({ min: -3, max: 11 }), // At 12 all these magnitudes are more numbers than a point may have.
    zeroThreshold: fc.constantFrom(0, 0, 0.01, 0.5),
  }),
  { minLength: 1, maxLength: 8 }
)

test('any points in any scales are what all their values would be in the scale that is left', async () => {
  const property = fc.asyncProperty(parts, async (given) => {
    const store = new SimStore()
    const opened = open(store)
    for (const { values, scale, zeroThreshold } of given) {
      assert.equal(await post(opened, [exponentialPoint(values, scale, zeroThreshold)]), '')
    }
    const restarted = open(store.restarted())
    for (const { ledger } of [opened, restarted]) {
      const state = new Exponential()
      assert.ok(state.readSlots(ledger.series.pages, ledger.series.slotOf(0)))
      const all = given.flatMap(({ values }) => values)
      assert.ok(state.scale <= Math.min(...given.map(({ scale }) => scale)))
      assert.ok(state.zeroThreshold >= Math.max(...given.map(({ zeroThreshold }) => zeroThreshold)))
      const want = exponentialPoint(all, state.scale, state.zeroThreshold)
      const listed = ({ first, length, counts }: Exponential['positive']): [number, number][] =>
        [...counts.subarray(0, length)].map((count, at): [number, number] => [first + at, count])
      const wanted = ({
        offset = 0,
        bucketCounts = [],
      }: NonNullable<ExponentialHistogramDataPoint['positive']>) =>
        bucketCounts.map((count, at): [number, number] => [offset + at, Number(count)])
      assert.equal(state.zeroCount, want.zeroCount)
      assert.deepEqual(listed(state.positive), wanted(want.positive ?? {}))
      assert.deepEqual(listed(state.negative), wanted(want.negative ?? {}))
    }
    assert.deepEqual(shown(restarted), shown(opened))
  })
  await fc.assert(property, { numRuns: 40 })
})
