import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExportRequest, type Metric } from '@swansong/otlp'
import { open, postBatch, postJournal, shown, type Opened } from '../support/ledgers.ts'
import { deltas, keyValues, metricsOf, totals } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

// CONFORMANCE G6: past the limit of series, points of a metric count in one, so that totals stay right.

const small = { seriesCountMax: 2 }
const large = { seriesCountMax: 100 }
const sets = ['a', 'b', 'c', 'd', 'e']
const startMs = Date.now() + 60_000 // Younger than the ledger: what is told counts whole.

function label(set: string): string {
  return `work_total{job="jobs",otel_scope_name="test",set="${set}"}`
}
const overflow = 'work_total{job="jobs",otel_metric_overflow="true",otel_scope_name="test"}'

function sumOf(opened: Opened, name = 'work_total'): number {
  let sum = 0
  for (const [line, value] of shown(opened)) if (line.startsWith(`${name}{`)) sum += value
  return sum
}

function counts(
  value: number,
  of: readonly string[] = sets
): { value: number; attributes: { set: string } }[] {
  return of.map((set) => ({ value, attributes: { set } }))
}

/** Running totals of one sender over HTTP. */
function told(value: number, atMs: number, of: readonly string[] = sets): Uint8Array {
  const dataPoints = of.map((set) => ({
    attributes: keyValues({ set }),
    startTimeUnixNano: BigInt(startMs) * 1_000_000n,
    timeUnixNano: BigInt(startMs + atMs) * 1_000_000n,
    asDouble: value,
  }))
  const metric: Metric = { name: 'work', sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints } }
  const resource = { 'service.name': 'jobs', 'service.instance.id': 'one' }
  return encodeExportRequest(metricsOf([metric], resource))
}

test('deltas past the limit count in the overflow series, and each is counted as such', async () => {
  const opened = open(new SimStore(), { limits: small })
  await postBatch(opened, deltas(counts(1)))
  await postBatch(opened, deltas(counts(1)))
  assert.deepEqual(
    [...shown(opened)],
    [
      [label('a'), 2],
      [label('b'), 2],
      [overflow, 6],
    ]
  )
  assert.deepEqual([...opened.stats.pointsOverflow], [['work', 6]])
})

test('what a rolled-back group added to it is not counted', async () => {
  const opened = open(new SimStore(new Map([[1, 'full']])), { limits: small })
  await postBatch(opened, deltas(counts(1)))
  assert.equal((await postBatch(opened, deltas(counts(1)))).refused, 'STORE_FULL')
  assert.deepEqual([...opened.stats.pointsOverflow], [['work', 3]])
  assert.equal(sumOf(opened), 5)
})

test('running totals of a sender stay right in it, over a restart, and when the limit was raised meanwhile', async () => {
  let store = new SimStore()
  let opened = open(store, { limits: small })
  await postBatch(opened, told(10, 1000))
  assert.deepEqual([sumOf(opened), shown(opened).get(overflow)], [50, 30])
  opened = open((store = store.restarted()), { limits: small })
  await postBatch(opened, told(11, 2000))
  assert.deepEqual([sumOf(opened), shown(opened).get(overflow)], [55, 33])
  opened = open((store = store.restarted()), { limits: large })
  await postBatch(opened, deltas(counts(1))) // Now each set has a series of its own.
  await postBatch(opened, told(12, 3000, [...sets, 'new']))
  assert.equal(sumOf(opened), 60 + 12 + 5, 'nothing twice')
  assert.equal(shown(opened).get(overflow), 33, 'what was counted there stays there')
  assert.equal(shown(opened).get(label('new')), 12)
  opened = open((store = store.restarted()), { limits: small })
  await postBatch(opened, told(13, 4000, [...sets, 'new']))
  assert.equal(sumOf(opened), 65 + 13 + 5)
})

test('so do those of a journal', async () => {
  let store = new SimStore()
  let opened = open(store, { limits: small })
  const checkpoint = (sequence: number, value: number, of = sets, final = false): Promise<unknown> =>
    postJournal(opened, { writer: 'one', sequence, final, body: totals(counts(value, of), startMs) })
  await checkpoint(1, 10)
  assert.deepEqual([sumOf(opened), shown(opened).get(overflow)], [50, 30])
  opened = open((store = store.restarted()), { limits: large })
  await postBatch(opened, deltas(counts(1)))
  await checkpoint(2, 12, [...sets, 'new'])
  assert.equal(sumOf(opened), 72 + 5, 'nothing twice')
  opened = open((store = store.restarted()), { limits: large })
  await checkpoint(3, 13, [...sets, 'new'], true)
  assert.equal(sumOf(opened), 78 + 5)
})

test('gauges keep the latest there, histograms of other bounds meet at those that both have, or are rejected', async () => {
  const opened = open(new SimStore(), { limits: { seriesCountMax: 0 } })
  const time = { startTimeUnixNano: 1n, timeUnixNano: 2_000_000_000n }
  const histogram = (explicitBounds: number[]): Metric => {
    const bucketCounts = [...explicitBounds, 0].map(() => 1)
    const attributes = keyValues({ set: String(explicitBounds) })
    const point = { ...time, attributes, explicitBounds, bucketCounts, count: bucketCounts.length, sum: 1 }
    return { name: 'took', histogram: { aggregationTemporality: 1, dataPoints: [point] } }
  }
  const gauge = (value: number, at: bigint): Metric => {
    const attributes = keyValues({ set: String(value) })
    return { name: 'level', gauge: { dataPoints: [{ attributes, timeUnixNano: at, asDouble: value }] } }
  }
  await postBatch(
    opened,
    encodeExportRequest(metricsOf([histogram([1, 2, 3]), gauge(7, 20n), gauge(5, 10n)]))
  )
  await postBatch(opened, encodeExportRequest(metricsOf([histogram([2])])))
  const { receipt } = await postBatch(opened, encodeExportRequest(metricsOf([histogram([2.5])])))
  assert.match(receipt.message, /BOUNDS_DIFFER/)
  const lines = shown(opened)
  const labels = 'job="jobs",otel_metric_overflow="true",otel_scope_name="test"'
  assert.equal(lines.get(`level{${labels}}`), 7)
  assert.equal(lines.get(`took_bucket{${labels},le="2"}`), 3)
  assert.equal(lines.get(`took_count{${labels}}`), 6)
  assert.equal(lines.get(`took_bucket{${labels},le="1"}`), undefined)
})
