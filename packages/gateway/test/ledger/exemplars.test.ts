import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExportRequest, type Exemplar, type Metric } from '@swansong/otlp'
import { post, time, worker } from '../support/kinds.ts'
import { committed, open, postBatch, type Opened } from '../support/ledgers.ts'
import { metricsOf } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

const traceId = '5b8efff798038103d269b633813fc60c'
const spanId = 'eee19b7ec3c1b174'

function exemplar(asDouble: number, at: bigint, more: Exemplar = {}): Exemplar {
  return { asDouble, timeUnixNano: time + at, traceId, spanId, ...more }
}

function counter(name: string, exemplars: Exemplar[], asInt = 1): Metric {
  const dataPoints = [{ timeUnixNano: time, asInt, exemplars }]
  return { name, sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints } }
}

/** A point of one measurement in each bucket. */
function histogram(explicitBounds: number[], exemplars: Exemplar[]): Metric {
  const bucketCounts = Array.from({ length: explicitBounds.length + 1 }, () => 1)
  const point = { timeUnixNano: time, count: bucketCounts.length, sum: 1, bucketCounts, explicitBounds }
  return { name: 'took', histogram: { aggregationTemporality: 1, dataPoints: [{ ...point, exemplars }] } }
}

/** Values of the exemplars of a series, by bucket. */
function valuesOf({ ledger }: Opened, series = 0): Record<number, number> {
  return Object.fromEntries([...ledger.exemplars.of(series)].map(([bucket, { value }]) => [bucket, value]))
}

test('a counter keeps its latest exemplar, in whatever order they come, and adds none of their values (B18, D13)', async () => {
  const opened = open(new SimStore())
  await post(opened, [counter('jobs', [exemplar(3, 5n * 10n ** 9n), exemplar(4, 10n ** 9n)])])
  await post(opened, [counter('jobs', [exemplar(5, 2n * 10n ** 9n)])])
  const [kept] = opened.ledger.exemplars.of(0).values()
  assert.equal(kept?.value, 3)
  assert.deepEqual(kept.labels, [
    ['trace_id', traceId],
    ['span_id', spanId],
  ])
  assert.equal(opened.ledger.series.pages.value(opened.ledger.series.slotOf(0)), 2)
})

test('a histogram keeps the latest of each bucket, and when two become one the later of both (B12)', async () => {
  const opened = open(new SimStore())
  const at = (seconds: number): bigint => BigInt(seconds) * 10n ** 9n
  const exemplars = [exemplar(1, at(1)), exemplar(2, at(9)), exemplar(4, at(3)), exemplar(10, at(2))]
  await post(opened, [histogram([1, 2, 5], exemplars)])
  assert.deepEqual(valuesOf(opened), { 0: 1, 1: 2, 2: 4, 3: 10 })
  await post(opened, [histogram([1, 5], [])])
  assert.deepEqual(valuesOf(opened), { 0: 1, 1: 2, 2: 10 })
  assert.equal(opened.ledger.exemplars.count, 3)
})

test('an exponential histogram keeps one for each power of two, of the latest 64', async () => {
  const opened = open(new SimStore())
  const exemplars = Array.from({ length: 100 }, (_, power) => exemplar(2 ** power, BigInt(power) * 1000n))
  const buckets = { offset: 0, bucketCounts: [1] }
  const point = { timeUnixNano: time, count: 1, sum: 1, scale: 0, positive: buckets, exemplars }
  const dataPoints = [point]
  await post(opened, [{ name: 'took', exponentialHistogram: { aggregationTemporality: 1, dataPoints } }])
  const values = Object.values(valuesOf(opened))
  assert.equal(values.length, 64)
  assert.equal(Math.min(...values), 2 ** 36)
})

test('labels are those that fit into 128 characters, the trace and its span before all (D13, E9)', async () => {
  const opened = open(new SimStore())
  const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } })
  const filteredAttributes = [
    attribute('trace_id', 'another'),
    attribute('url', 'x'.repeat(100)),
    attribute('user', 'ü'.repeat(20)),
  ]
  await post(opened, [counter('jobs', [exemplar(1, 1n, { filteredAttributes })])])
  const [kept] = opened.ledger.exemplars.of(0).values()
  assert.deepEqual(kept?.labels, [
    ['trace_id', traceId],
    ['span_id', spanId],
    ['user', 'ü'.repeat(20)],
  ])
})

test('past the limit the exemplars of the series go that had none for longest', async () => {
  const opened = open(new SimStore(), { limits: { exemplarCountMax: 2 } })
  for (const name of ['a', 'b', 'a', 'c']) await post(opened, [counter(name, [exemplar(1, 1n)])])
  const kept = [0, 1, 2].map((series) => opened.ledger.exemplars.of(series).size)
  assert.deepEqual(kept, [1, 0, 1])
})

test('what was not counted gives no exemplar: a batch that failed to commit, a duplicate, a rejected point', async () => {
  const opened = open(new SimStore(new Map([[1, 'full']])))
  await post(opened, [counter('jobs', [exemplar(1, 1n)])], worker('one'))
  const lost = postBatch(opened, encodeExportRequest(metricsOf([counter('jobs', [exemplar(9, 9n)])])))
  await committed()
  assert.equal((await lost).refused, 'STORE_FULL')
  await post(opened, [counter('jobs', [exemplar(2, 2n)], -1)], worker('two'))
  assert.deepEqual(valuesOf(opened), { 0: 1 })
  await post(opened, [histogram([3], [exemplar(1, 1n)])], worker('three'))
  await post(opened, [histogram([7], [exemplar(2, 2n)])], worker('four')) // Neither set holds the other.
  assert.deepEqual(valuesOf(opened, 1), { 0: 1 })
})

test('an exemplar that cannot be read costs its point nothing', async () => {
  const opened = open(new SimStore())
  let value: NonNullable<Exemplar['filteredAttributes']>[number]['value'] = { stringValue: 'deep' }
  for (let depth = 0; depth < 20; depth++) value = { arrayValue: { values: [value ?? {}] } }
  await post(opened, [counter('jobs', [exemplar(1, 1n, { filteredAttributes: [{ key: 'a', value }] })])])
  assert.equal(opened.ledger.series.pages.value(opened.ledger.series.slotOf(0)), 1)
  assert.equal(opened.ledger.exemplars.count, 0)
})
