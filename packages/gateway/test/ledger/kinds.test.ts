import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExportRequest, type HistogramDataPoint, type Metric } from '@swansong/otlp'
import { extremesOf } from '../../src/ledger/values/histogram.ts'
import { gauge, histogram, labels, post, second, sum, tell, kept, worker } from '../support/kinds.ts'
import { committed, open, postBatch, rendered, shown } from '../support/ledgers.ts'
import { SimStore } from '../support/sim-store.ts'

test('histograms with equal bounds add up, their lines ascend and end with all of them', async () => {
  const store = new SimStore()
  const opened = open(store)
  const bounds = [0.001, 0.25, 1, 2.5, 1000, 1e6, 1e21]
  const bucketCounts = [1, 0, 2, 0, 0, 3, 0, 4]
  const point = { count: 10, sum: 0.1, explicitBounds: bounds, bucketCounts }
  await post(opened, [histogram(point), histogram(point)])
  await post(opened, [histogram({ ...point, sum: 0.2 })])
  assert.equal(
    rendered(opened.exposition),
    `# TYPE size histogram
size_bucket{${labels},le="0.001"} 3
size_bucket{${labels},le="0.25"} 3
size_bucket{${labels},le="1"} 9
size_bucket{${labels},le="2.5"} 9
size_bucket{${labels},le="1000"} 9
size_bucket{${labels},le="1e+06"} 18
size_bucket{${labels},le="1e+21"} 18
size_bucket{${labels},le="+Inf"} 30
size_sum{${labels}} 0.4
size_count{${labels}} 30
`
  )
  assert.equal(kept(opened, store, 'size_count'), 30)
})

test('where one set of bounds contains the other the series takes the coarser one, for good', async () => {
  const store = new SimStore()
  const opened = open(store)
  await post(opened, [histogram({ count: 6, explicitBounds: [1, 2, 3], bucketCounts: [1, 2, 3, 0] })])
  await post(opened, [histogram({ count: 1, explicitBounds: [2], bucketCounts: [0, 1] })])
  assert.equal(kept(opened, store, 'size_bucket', `${labels},le="2"`), 3)
  assert.equal(kept(opened, store, 'size_bucket', `${labels},le="1"`), undefined)
  assert.equal(kept(opened, store, 'size_count'), 7)
  await post(opened, [histogram({ count: 6, explicitBounds: [1, 2, 3], bucketCounts: [1, 2, 3, 0] })])
  assert.equal(kept(opened, store, 'size_bucket', `${labels},le="2"`), 6)
  assert.equal(kept(opened, store, 'size_bucket', `${labels},le="1"`), undefined)
  const message = await post(opened, [
    histogram({ count: 1, explicitBounds: [1, 3], bucketCounts: [0, 1, 0] }),
    histogram({ count: 1, explicitBounds: [1, 2], bucketCounts: [0, 1, 0] }),
  ])
  assert.match(message, /^1 × BOUNDS_DIFFER \(first in "size"\)/)
  assert.equal(kept(opened, store, 'size_bucket', `${labels},le="2"`), 7)
  assert.equal(opened.stats.pointsRejected.get('BOUNDS_DIFFER'), 1)
  // Without any buckets a histogram is its count and its sum.
  await post(opened, [histogram({ count: 5, sum: 1 })])
  assert.deepEqual(
    [...shown(opened)].map(([line, count]) => [line.split('{')[0], count]),
    [
      ['size_bucket', 19],
      ['size_count', 19],
    ]
  )
})

test('a sum that one part lacks is not shown any more, a point of nothing takes none away', async () => {
  const store = new SimStore()
  const opened = open(store)
  const point = { count: 1, explicitBounds: [1], bucketCounts: [1, 0] }
  const empty = { count: 0, explicitBounds: [1], bucketCounts: [0, 0] }
  await post(opened, [histogram({ ...point, sum: 0.5 }), histogram(empty)])
  assert.equal(kept(opened, store, 'size_sum'), 0.5)
  await post(opened, [histogram(point)])
  await post(opened, [histogram({ ...point, sum: 0.5 })])
  assert.equal(kept(opened, store, 'size_sum'), undefined)
  assert.equal(kept(opened, store, 'size_count'), 3)
  // A sum that goes down is no counter.
  await post(opened, [
    histogram({ ...point, sum: 2 }, 1, 'other'),
    histogram({ ...point, sum: -1 }, 1, 'other'),
  ])
  assert.equal(kept(opened, store, 'other_sum'), undefined)
  assert.equal(kept(opened, store, 'other_count'), 2)
})

test('the least and the greatest value are known as long as every part had them', async () => {
  const store = new SimStore()
  const opened = open(store)
  const point = { count: 1, explicitBounds: [1], bucketCounts: [1, 0] }
  const check = async (
    given: HistogramDataPoint,
    min: number | undefined,
    max: number | undefined
  ): Promise<void> => {
    await post(opened, [histogram(given)])
    for (const { ledger } of [opened, open(store.restarted())])
      assert.deepEqual(extremesOf(ledger.series.pages, ledger.series.slotOf(0)), { min, max })
  }
  await check({ ...point, min: 0.5, max: 0.75 }, 0.5, 0.75)
  await check({ ...point, min: 0.25, max: 0.25 }, 0.25, 0.75)
  await check({ count: 0, explicitBounds: [1], bucketCounts: [0, 0] }, 0.25, 0.75)
  await check({ ...point, max: 1 }, undefined, 1)
  await check({ ...point, min: 0 }, undefined, undefined)
})

test('a journal of histograms adds what it tells more, in whatever bounds the series has by then', async () => {
  const store = new SimStore()
  const opened = open(store)
  const told = (bucketCounts: number[], total: number): Metric => {
    const count = bucketCounts.reduce((before, each) => before + each, 0)
    return histogram({ count, sum: total, explicitBounds: [1, 2], bucketCounts }, 2)
  }
  await tell(opened, 'w', 1, [told([1, 0, 0], 0.5)])
  await tell(opened, 'w', 1, [told([9, 9, 9], 99)])
  await tell(opened, 'w', 2, [told([1, 2, 0], 3.5)])
  assert.equal(kept(opened, store, 'size_bucket', `${labels},le="2"`), 3)
  assert.equal(kept(opened, store, 'size_sum'), 3.5)
  await post(opened, [histogram({ count: 1, sum: 0.5, explicitBounds: [2], bucketCounts: [1, 0] })])
  await tell(opened, 'w', 3, [told([2, 3, 1], 10)])
  assert.equal(kept(opened, store, 'size_bucket', `${labels},le="2"`), 6)
  assert.equal(kept(opened, store, 'size_count'), 7)
  assert.equal(kept(opened, store, 'size_sum'), 10.5)
  await tell(opened, 'w', 4, [told([1, 1, 9], 99)])
  assert.equal(kept(opened, store, 'size_count'), 7)
  const again = open(store.restarted())
  await tell(again, 'w', 5, [told([2, 3, 2], 13)], true)
  await tell(again, 'w', 6, [told([2, 3, 9], 13)], true)
  assert.equal(shown(again).get(`size_count{${labels}}`), 8)
  assert.equal(shown(again).get(`size_sum{${labels}}`), 13.5)
  assert.equal(opened.stats.pointsRejected.get('TOTAL_WENT_DOWN'), 1)
})

test('of gauges the latest counts, then the one that came last; min, max and sum where they are asked for', async () => {
  const store = new SimStore()
  const check = async (policy: 'last' | 'min' | 'max' | 'sum', want: readonly number[]): Promise<void> => {
    const own = new SimStore()
    const opened = open(own, { gaugePolicy: policy })
    const seen: (number | undefined)[] = []
    const posts: [string, number, bigint][] = [
      ['a', 5, 10n],
      ['b', 3, 12n],
      ['a', 9, 11n],
      ['b', 4, 12n],
      ['a', -2, 13n],
    ]
    for (const [at, [name, depth, seconds]] of posts.entries()) {
      const stamped = gauge(depth, seconds * second)
      // The same body would be the same batch.
      await post(opened, [stamped, sum({ asInt: at }, 1, true, 'beside')], worker(name))
      seen.push(shown(opened).get(`depth{${labels}}`))
    }
    assert.deepEqual(seen, want, policy)
    assert.deepEqual(shown(open(own.restarted())), shown(opened))
  }
  await check('last', [5, 3, 3, 4, -2])
  await check('min', [5, 3, 3, 3, -2])
  await check('max', [5, 5, 9, 9, 9])
  await check('sum', [5, 8, 12, 12, 1]) // Of one time the first is taken: it may be the same again.
  const opened = open(store)
  await post(opened, [gauge(Infinity, 1n), gauge(-Infinity, 1n, 'other'), gauge(Number.NaN, 1n, 'third')])
  assert.match(rendered(opened.exposition), /^depth\{.*\} \+Inf$/m)
  assert.match(rendered(opened.exposition), /^other\{.*\} -Inf$/m)
  assert.match(rendered(opened.exposition), /^third\{.*\} NaN$/m)
  assert.match(rendered(opened.exposition), /^# TYPE depth gauge$/m)
})

test('an UpDownCounter is what living processes hold: with a journal it goes, in the commit that takes it whole', async () => {
  const store = new SimStore()
  const opened = open(store)
  await tell(opened, 'a', 1, [sum({ asInt: 3 })])
  await tell(opened, 'b', 1, [sum({ asInt: 2 })])
  assert.equal(kept(opened, store, 'active'), 5)
  await tell(opened, 'a', 2, [sum({ asInt: -4 })])
  assert.equal(kept(opened, store, 'active'), -2)
  const restarted = store.restarted()
  const again = open(restarted)
  await tell(again, 'a', 3, [sum({ asInt: 7 }), sum({ asInt: 7 }, 2, true, 'done')], true)
  await tell(again, 'a', 3, [sum({ asInt: 7 }), sum({ asInt: 7 }, 2, true, 'done')], true)
  assert.equal(kept(again, restarted, 'active'), 2)
  assert.equal(kept(again, restarted, 'done_total'), 7)
  await tell(again, 'b', 2, [], true)
  assert.equal(kept(again, restarted, 'active'), 0)
  await tell(again, 'c', 1, [sum({ asInt: 9 })], true)
  assert.equal(kept(again, restarted, 'active'), 0, 'a process that is dead already holds nothing')
  assert.match(rendered(again.exposition), /^# TYPE active gauge$/m)
})

test('deltas of a sum that may go down add up, and are shown as a gauge', async () => {
  const store = new SimStore()
  const opened = open(store)
  for (const asInt of [5, -7, 1]) await post(opened, [sum({ asInt }, 1)])
  assert.equal(kept(opened, store, 'active'), -1)
})

test('series that are one after translation are one line: sums add, the latest gauge shows, histograms meet', async () => {
  const opened = open(new SimStore())
  const point = { count: 3, sum: 1, explicitBounds: [1, 2], bucketCounts: [1, 1, 1] }
  await post(opened, [
    gauge(1, 5n, 'a.b'),
    gauge(2, 4n, 'a_b'),
    sum({ asInt: 3 }, 1, false, 'c.d'),
    sum({ asInt: -5 }, 1, false, 'c_d'),
    histogram(point, 1, 'e.f'),
    histogram({ count: 2, sum: 1, explicitBounds: [2, 3], bucketCounts: [1, 1, 0] }, 1, 'e_f'),
  ])
  const values = shown(opened)
  assert.equal(values.get(`a_b{${labels}}`), 1)
  assert.equal(values.get(`c_d{${labels}}`), -2)
  assert.equal(values.get(`e_f_bucket{${labels},le="2"}`), 3)
  assert.equal(values.get(`e_f_bucket{${labels},le="1"}`), undefined)
  assert.equal(values.get(`e_f_count{${labels}}`), 5)
  assert.equal(values.get(`e_f_sum{${labels}}`), 2)
  await post(opened, [histogram({ count: 3, explicitBounds: [1, 2], bucketCounts: [1, 1, 1] }, 1, 'e.f')])
  assert.equal(shown(opened).get(`e_f_count{${labels}}`), 8)
  assert.equal(shown(opened).get(`e_f_sum{${labels}}`), undefined, 'what one of them lacks')
})

test('a histogram without labels has its bounds alone in braces', async () => {
  const opened = open(new SimStore())
  const point = { count: 1, sum: 1, explicitBounds: [1], bucketCounts: [1, 0] }
  const { histogram: data } = histogram(point)
  const metrics = [
    { name: 'size', unit: 's', description: 'How long.', ...(data ? { histogram: data } : {}) },
  ]
  const answer = postBatch(
    opened,
    encodeExportRequest({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] })
  )
  await committed()
  assert.equal((await answer).refused, undefined)
  assert.equal(
    rendered(opened.exposition),
    `# HELP size_seconds How long.
# TYPE size_seconds histogram
size_seconds_bucket{le="1"} 1
size_seconds_bucket{le="+Inf"} 1
size_seconds_sum 1
size_seconds_count 1
`
  )
})

/** A gauge whose sender says NO_RECORDED_VALUE. */
function ended(at: bigint, name = 'depth'): Metric {
  return { name, gauge: { dataPoints: [{ flags: 1, timeUnixNano: at }] } }
}

test('a gauge that its sender ends goes from the text, and comes back with its next value (B16)', async () => {
  const store = new SimStore()
  const opened = open(store)
  await post(opened, [ended(1n)])
  assert.equal(opened.ledger.series.count, 0)
  await post(opened, [gauge(7, 1n * second)])
  await post(opened, [ended(3n * second)])
  assert.equal(kept(opened, store, 'depth'), undefined)
  await post(opened, [gauge(8, 2n * second)]) // Late: it was over after this.
  assert.equal(kept(opened, store, 'depth'), undefined)
  await post(opened, [gauge(9, 4n * second), ended(3n * second)])
  assert.equal(kept(opened, store, 'depth'), 9)
  assert.match(await post(opened, [ended(0n)]), /TIME_MISSING/)
})

test('of gauges that are one line the ended ones do not count (B16, D8)', async () => {
  const store = new SimStore()
  const opened = open(store)
  await post(opened, [gauge(1, 2n * second, 'a.b'), gauge(2, 1n * second, 'a_b')])
  assert.equal(kept(opened, store, 'a_b'), 1)
  await post(opened, [ended(3n * second, 'a.b')])
  assert.equal(kept(opened, store, 'a_b'), 2)
  await post(opened, [ended(3n * second, 'a_b')])
  assert.equal(kept(opened, store, 'a_b'), undefined)
})
