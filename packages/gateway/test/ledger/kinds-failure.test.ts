import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExportRequest, type Metric } from '@swansong/otlp'
import { eachRecord } from '../../src/ledger/writers.ts'
import {
  exponentialPoint,
  histogram,
  labels,
  post,
  second,
  sum,
  tell,
  time,
  worker,
} from '../support/kinds.ts'
import { committed, open, postBatch, shown, type Opened } from '../support/ledgers.ts'
import { metricsOf } from '../support/requests.ts'
import { SimStore, type Fault } from '../support/sim-store.ts'

const valueOf = (opened: Opened, name: string): number | undefined => shown(opened).get(`${name}{${labels}}`)

test('a torn body leaves nothing of its histograms: no bounds, no slots that the next series would begin with', async () => {
  const opened = open(new SimStore())
  const sized = histogram({ count: 9, explicitBounds: [1, 2], bucketCounts: [9, 0, 0] }, 1, 'torn')
  const width: Metric = {
    name: 'width',
    exponentialHistogram: {
      aggregationTemporality: 1,
      dataPoints: [{ ...exponentialPoint([1, 2], 3), timeUnixNano: time }],
    },
  }
  const whole = encodeExportRequest(metricsOf([sized, sized, width]))
  const refused = postBatch(opened, Buffer.concat([whole, Buffer.from([0x0a, 0x05, 0x00])]))
  await committed()
  assert.equal((await refused).refused, 'NOT_OTLP')
  assert.equal(opened.ledger.series.bounds.count, 0)
  await post(opened, [sum({ asInt: 1 }, 1, true, 'done')])
  assert.equal(valueOf(opened, 'done_total'), 1)
  // The name is free again, and so are the bounds.
  await post(opened, [sum({ asInt: 2 }, 1, false, 'torn'), { ...sized, name: 'size' }])
  assert.deepEqual([valueOf(opened, 'torn'), valueOf(opened, 'size_count')], [2, 9])
  assert.equal(opened.stats.bugs, 0)
})

test('what a series gave up of its run is empty for the one that is born there after a restart', async () => {
  const store = new SimStore()
  const opened = open(store)
  const fine = { count: 6, explicitBounds: [1, 2, 3, 4, 5], bucketCounts: [1, 1, 1, 1, 1, 1] }
  await post(opened, [histogram(fine)])
  await post(opened, [histogram({ count: 1, explicitBounds: [3], bucketCounts: [1, 0] })])
  const again = open(store.restarted())
  await post(again, [sum({ asInt: 1 }, 1, true, 'done'), sum({ asInt: 1 }, 1, true, 'more')])
  assert.deepEqual([valueOf(again, 'done_total'), valueOf(again, 'more_total')], [1, 1])
  assert.equal(valueOf(again, 'size_count'), 7)
})

test('a point that did not fit is not where counting begins', async () => {
  const opened = open(new SimStore(new Map(), Number(time)))
  const told = (count: number, bound: number, at: number): Metric =>
    histogram(
      {
        count,
        explicitBounds: [bound],
        bucketCounts: [count, 0],
        startTimeUnixNano: time - second,
        timeUnixNano: time + BigInt(at) * second,
      },
      2
    )
  await post(opened, [histogram({ count: 1, explicitBounds: [1], bucketCounts: [1, 0] })])
  assert.match(await post(opened, [told(100, 6, 1)], worker('old')), /BOUNDS_DIFFER/)
  assert.equal(await post(opened, [told(100, 1, 2)], worker('old')), '')
  assert.equal(valueOf(opened, 'size_count'), 1, 'it is older than the ledger: it begins at what it has')
  assert.equal(await post(opened, [told(102, 1, 3)], worker('old')), '')
  assert.equal(valueOf(opened, 'size_count'), 3)
})

test('who was forgotten stays so when a later commit fails', async () => {
  const faults = new Map<number, Fault>()
  const store = new SimStore(faults)
  let now = 0
  const opened = open(store, { clock: () => now })
  const told = (asInt: number, at: number, start = 0): Metric[] => [
    sum(
      { asInt, timeUnixNano: time + BigInt(at) * second, startTimeUnixNano: time + BigInt(start) },
      2,
      true,
      'done'
    ),
  ]
  await post(opened, told(5, 1), worker('a'))
  now += 3_601_000
  opened.ledger.tick()
  await committed()
  faults.set(store.commits, 'full')
  const refused = postBatch(opened, encodeExportRequest(metricsOf(told(1, 1, 5), worker('b'))))
  await committed()
  assert.equal((await refused).refused, 'STORE_FULL')
  await post(opened, told(7, 5000), worker('a'))
  assert.equal(valueOf(opened, 'done_total'), 5)
  await post(opened, told(8, 5001), worker('a'))
  assert.equal(valueOf(opened, 'done_total'), 6)
})

test('what a writer told is kept once, however its histograms grow', async () => {
  const opened = open(new SimStore())
  const values: number[] = []
  for (let sequence = 1; sequence < 30; sequence++) {
    values.push(1.5 ** sequence)
    const dataPoints = [{ ...exponentialPoint(values, 3), timeUnixNano: time }]
    const width = { name: 'width', exponentialHistogram: { aggregationTemporality: 2, dataPoints } }
    await tell(opened, 'w', sequence, [sum({ asInt: sequence }, 2, true, 'done'), width])
    let records = 0
    eachRecord(opened.ledger.tellers.get('w')?.records ?? assert.fail(), () => records++)
    assert.equal(records, 2)
  }
  assert.equal(valueOf(opened, 'width_count'), 29)
  assert.equal(valueOf(opened, 'done_total'), 29)
})

test('past the limit of writers further senders are told to try again, unless others were silent for long', async () => {
  let now = 0
  const opened = open(new SimStore(), { limits: { writerCountMax: 4 }, clock: () => now })
  const told = (at: number): Metric[] => [
    sum({ asInt: at, timeUnixNano: time + BigInt(at) * second, startTimeUnixNano: time }, 2, true, 'done'),
  ]
  for (const name of ['a', 'b', 'c', 'd']) await post(opened, told(1), worker(name))
  const refused = postBatch(opened, encodeExportRequest(metricsOf(told(1), worker('e'))))
  await committed()
  assert.equal((await refused).refused, 'WRITERS_FULL')
  assert.equal(valueOf(opened, 'done_total'), 4)
  await post(opened, told(3), worker('d'))
  now += 301_000
  await post(opened, told(4), worker('d'))
  opened.ledger.tick()
  await committed()
  assert.ok(opened.stats.senders < 4 && opened.stats.senders >= 2, `${opened.stats.senders} senders`)
  await post(opened, told(5), worker('d'))
  await post(opened, told(1), worker('f'))
  assert.equal(valueOf(opened, 'done_total'), 4 + 4)
})

test('past the limit of slots no histogram is born, and counters go on', async () => {
  const opened = open(new SimStore(), { limits: { slotCountMax: 20 } })
  const point = { count: 1, explicitBounds: [1], bucketCounts: [1, 0] }
  assert.equal(await post(opened, [histogram(point), histogram(point, 1, 'b')]), '')
  const width = {
    name: 'width',
    exponentialHistogram: {
      aggregationTemporality: 1,
      dataPoints: [{ ...exponentialPoint([1], 3), timeUnixNano: time }],
    },
  }
  assert.match(await post(opened, [histogram(point, 1, 'c'), width, histogram(point)]), /^2 × BUCKETS_FULL/)
  await post(opened, [sum({ asInt: 3 }, 1, true, 'done')])
  assert.deepEqual([valueOf(opened, 'size_count'), valueOf(opened, 'done_total')], [2, 3])
})
