import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from '@swansong/otlp'
import { openStore } from '../../src/ledger/sqlite.ts'
import { dataDirectory, temporaryDirectory } from '../support/directories.ts'
import {
  exponentialPoint,
  histogram,
  kept,
  labels,
  post,
  second,
  sum,
  time,
  worker,
} from '../support/kinds.ts'
import { open, shown, committed } from '../support/ledgers.ts'
import { keyValues, type ResourceAttributes } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

test('over HTTP it goes when its sender says so, or was silent for five minutes of uptime, and comes back with it', async () => {
  const store = new SimStore()
  let now = 0
  const opened = open(store, { clock: () => now })
  const at = (seconds: number): { timeUnixNano: bigint } => ({
    timeUnixNano: time + BigInt(seconds) * second,
  })
  await post(opened, [sum({ asDouble: 0.1, ...at(0) })], worker('a'))
  await post(opened, [sum({ asDouble: 0.2, ...at(0) })], worker('b'))
  assert.equal(kept(opened, store, 'active'), 0.30000000000000004)
  await post(opened, [sum({ asDouble: 5, ...at(2) })], worker('a'))
  await post(opened, [sum({ asDouble: 4, ...at(1) })], worker('a'))
  assert.equal(kept(opened, store, 'active'), 5.2, 'what is older than what was told is ignored')
  assert.equal(opened.stats.pointsOld, 1)
  await post(opened, [sum({ flags: 1, ...at(3) })], worker('a'))
  assert.equal(kept(opened, store, 'active'), 0.2)
  await post(opened, [sum({ asDouble: 5, ...at(2) })], worker('a'))
  assert.equal(kept(opened, store, 'active'), 0.2, 'late copies do not bring it back')
  now += 299_000
  opened.ledger.tick()
  await committed()
  assert.equal(kept(opened, store, 'active'), 0.2)
  now += 3000
  opened.ledger.tick()
  await committed()
  assert.equal(kept(opened, store, 'active'), 0)
  await post(opened, [sum({ asDouble: 0.2, ...at(400) })], worker('b'))
  assert.equal(kept(opened, store, 'active'), 0.2)
  assert.equal(opened.stats.senders, 2)
})

test('cumulative sums are differenced by sender: later adds, old is ignored, lower is refused, a later start is a reset', async () => {
  const store = new SimStore()
  const opened = open(store)
  const told = (asInt: number, at: number, start = 0): Metric => {
    const timeUnixNano = time + BigInt(at) * second
    return sum({ asInt, timeUnixNano, startTimeUnixNano: time + BigInt(start) * second }, 2, true, 'done')
  }
  const check = async (metric: Metric, sender: string, want: number, message = /^$/): Promise<void> => {
    assert.match(await post(opened, [metric], worker(sender)), message)
    assert.equal(kept(opened, store, 'done_total'), want)
  }
  await check(told(5, 1), 'a', 5)
  await check(told(5, 2), 'a', 5)
  await check(told(8, 3), 'a', 8)
  await check(told(7, 2), 'a', 8)
  await check(told(4, 4), 'b', 12)
  await check(told(6, 5), 'a', 12, /^1 × TOTAL_WENT_DOWN/)
  await check(told(9, 6), 'a', 13)
  await check(told(2, 12, 10), 'a', 15)
  await check(told(30, 13, 0), 'a', 15)
  assert.equal(opened.stats.pointsOld, 2)
  // Without an instance id the start tells processes apart.
  const anonymous: ResourceAttributes = { 'service.name': 'jobs' }
  assert.equal(await post(opened, [told(3, 5, 1)], anonymous), '')
  assert.equal(await post(opened, [told(4, 6, 2)], anonymous), '')
  assert.equal(await post(opened, [told(5, 7, 1)], anonymous), '')
  assert.equal(kept(opened, store, 'done_total'), 24)
})

test('a sender from before the ledger, and one that was forgotten and returns, begin at what they have', async () => {
  const created = Number(time)
  const store = new SimStore(new Map(), created)
  let now = 0
  const opened = open(store, { clock: () => now })
  const told = (asInt: number, at: number, start: number): Metric => {
    const timeUnixNano = time + BigInt(at) * second
    return sum({ asInt, timeUnixNano, startTimeUnixNano: time + BigInt(start) * second }, 2, true, 'done')
  }
  const sized = (count: number, at: number, start: number): Metric =>
    histogram(
      {
        count,
        explicitBounds: [1],
        bucketCounts: [count, 0],
        timeUnixNano: time + BigInt(at) * second,
        startTimeUnixNano: time + BigInt(start) * second,
      },
      2
    )
  await post(opened, [told(100, 1, -5), sized(100, 1, -5)], worker('old'))
  await post(opened, [told(101, 2, -5), sized(103, 2, -5)], worker('old'))
  assert.equal(kept(opened, store, 'done_total'), 1)
  assert.equal(kept(opened, store, 'size_count'), 3)
  await post(opened, [told(10, 3, 2), sized(10, 3, 2)], worker('new'))
  assert.equal(kept(opened, store, 'done_total'), 11)
  now += 3_601_000
  opened.ledger.tick()
  await committed()
  assert.equal(opened.stats.senders, 0)
  const restarted = store.restarted()
  const again = open(restarted, { clock: () => now })
  await post(again, [told(15, 4000, 2), sized(15, 4000, 2)], worker('new'))
  assert.equal(kept(again, restarted, 'done_total'), 11)
  await post(again, [told(17, 4001, 2), sized(18, 4001, 2)], worker('new'))
  await post(again, [told(1, 4002, 3000)], worker('newest'))
  assert.equal(kept(again, restarted, 'done_total'), 14)
  assert.equal(kept(again, restarted, 'size_count'), 16)
})

test('past the limit of series cumulative points of many attribute sets are one series, each by its own total', async () => {
  const store = new SimStore()
  const opened = open(store, { limits: { seriesCountMax: 1 } })
  const told = (values: readonly number[], at: number): Metric => ({
    name: 'done',
    sum: {
      aggregationTemporality: 2,
      isMonotonic: true,
      dataPoints: values.map((asInt, n) => ({
        asInt,
        attributes: keyValues({ n }),
        startTimeUnixNano: time,
        timeUnixNano: time + BigInt(at) * second,
      })),
    },
  })
  await post(opened, [told([1, 2, 3], 1)], worker('a'))
  await post(opened, [told([2, 4, 6], 2)], worker('a'))
  await post(opened, [told([2, 4, 6], 2)], worker('b'))
  const all = [...shown(opened).values()].reduce((before, each) => before + each, 0)
  assert.equal(all, 24)
  const wide = Array.from({ length: 3 }, (_, n) => ({
    attributes: keyValues({ n }),
    timeUnixNano: time,
    count: 1,
    bucketCounts: [1, 0],
    explicitBounds: [1],
  }))
  await post(opened, [{ name: 'size', histogram: { aggregationTemporality: 1, dataPoints: wide } }])
  const overflow = 'job="jobs",otel_metric_overflow="true",otel_scope_name="test"'
  assert.equal(shown(opened).get(`size_count{${overflow}}`), 3)
})

test('all of it is there after a reopen on the disk: bounds, buckets, what senders told, who was forgotten', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  let store = openStore(dataDir)
  let now = 0
  let opened = open(store, { clock: () => now })
  const start = BigInt(Date.now() + 60_000) * 1_000_000n // After the ledger was made.
  const at = (seconds: number): { timeUnixNano: bigint; startTimeUnixNano: bigint } => ({
    timeUnixNano: start + BigInt(seconds) * second,
    startTimeUnixNano: start,
  })
  const metrics = (times: number, seconds: number): Metric[] => [
    sum({ asInt: 5 * times, ...at(seconds) }, 2, true, 'done'),
    sum({ asInt: 7 * times, ...at(seconds) }),
    histogram(
      { count: 3 * times, explicitBounds: [1, 2], bucketCounts: [times, 0, 2 * times], ...at(seconds) },
      2
    ),
    {
      name: 'width',
      exponentialHistogram: {
        aggregationTemporality: 2,
        dataPoints: [
          { ...exponentialPoint(Array<number>(times * 4).fill(1.5), 3), ...at(seconds) },
          {
            ...exponentialPoint(Array<number>(times * 50).fill(-9e9), 5),
            attributes: keyValues({ n: 1 }),
            ...at(seconds),
          },
        ],
      },
    },
  ]
  const reopen = (): void => {
    const before = shown(opened)
    opened.ledger.close()
    store = openStore(dataDir)
    opened = open(store, { clock: () => now })
    assert.deepEqual(shown(opened), before)
  }
  await post(opened, metrics(1, 1), worker('a'))
  reopen()
  await post(opened, metrics(3, 2), worker('a'))
  await post(opened, metrics(1, 2), worker('b'))
  const named = (name: string): number | undefined => shown(opened).get(`${name}{${labels}}`)
  const check = (times: number, living: number): void => {
    assert.deepEqual(
      [named('done_total'), named('active'), named('size_count'), named('width_count')],
      [5 * times, 7 * living, 3 * times, 4 * times]
    )
  }
  check(4, 4)
  // A series that is born after a reopen has slots of its own.
  reopen()
  await post(
    opened,
    [histogram({ count: 1, explicitBounds: [9], bucketCounts: [0, 1] }, 1, 'other')],
    worker('b')
  )
  check(4, 4)
  now += 3_700_000
  opened.ledger.tick()
  await committed()
  check(4, 0)
  reopen()
  await post(opened, metrics(4, 9000), worker('a'))
  check(4, 4)
  await post(opened, metrics(6, 9001), worker('a'))
  check(6, 6)
  opened.ledger.close()
})
