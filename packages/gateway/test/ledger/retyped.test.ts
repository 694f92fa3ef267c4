import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from '@swansong/otlp'
import { completeConfig } from '../../src/config/config.ts'
import { exponentialPoint, gauge, histogram, post, sum, time, worker } from '../support/kinds.ts'
import { open, shown, written, type Opened } from '../support/ledgers.ts'
import { familiesOf } from '../support/metric-families.ts'
import { startRemoteWriteReceiver } from '../support/remote-write-receiver.ts'
import { RemoteWrites } from '../support/remote-writes.ts'
import { Turned } from '../support/scrapers.ts'
import { SimStore, type Fault } from '../support/sim-store.ts'

const ttlMs = 60_000
const ttl = { seriesTtlMs: ttlMs, gaugeTtlMs: ttlMs }
const conflict = /another kind of metric has this name/

/** One metric of each kind, all of the name `x`. */
const kinds: Readonly<Record<string, Metric>> = {
  counter: sum({ asInt: 3 }, 1, true, 'x'),
  upDownCounter: sum({ asInt: 3 }, 1, false, 'x'),
  gauge: gauge(3, time, 'x'),
  histogram: histogram({ count: 3, sum: 1, bucketCounts: [3], explicitBounds: [] }, 1, 'x'),
  exponential: {
    name: 'x',
    exponentialHistogram: {
      aggregationTemporality: 1,
      dataPoints: [{ timeUnixNano: time, ...exponentialPoint([1, 1, 1], 0) }],
    },
  },
}

/** What is shown, and of which type. Throws where lines stand twice. */
function typesOf(opened: Opened): string[] {
  shown(opened)
  return familiesOf(written(opened, 'protobuf')).map(({ name, type }) => `${name} ${type}`)
}

test('a name may be of another type when its last series is over: at once, after a restart, and back again', async () => {
  const names = Object.keys(kinds)
  for (const [at, first] of names.entries()) {
    const second = names[(at + 1) % names.length] as string
    for (const other of [second, names[(at + 3) % names.length] as string]) {
      const turned = new Turned(0, { ttl })
      let workers = 0 // None says the same as another, or it would be a retry.
      const told = (kind: string): Promise<string> =>
        post(turned.opened, [kinds[kind] as Metric], worker(`${++workers}`))
      const what = `${first}, then ${other}`
      assert.equal(await told(first), '', what)
      const firstTypes = typesOf(turned.opened)
      assert.match(await told(other), conflict, what)
      turned.pass(2 * ttlMs)
      assert.deepEqual(typesOf(turned.opened), [], what)
      assert.equal(await told(other), '', what)
      const lines = shown(turned.opened)
      assert.ok(lines.size > 0 && ![...lines.values()].some((value) => value > 3), what)
      const otherTypes = typesOf(turned.opened)
      assert.equal(otherTypes.length, 1)
      assert.match(await told(first), conflict, what)
      assert.deepEqual(shown(turned.opened), lines, what)
      turned.restart('killed')
      assert.match(await told(first), conflict, what)
      assert.deepEqual(shown(turned.opened), lines, what)
      assert.deepEqual(typesOf(turned.opened), otherTypes, what)
      turned.pass(2 * ttlMs)
      assert.equal(await told(first), '', what)
      assert.match(await told(other), conflict, what)
      assert.deepEqual(typesOf(turned.opened), firstTypes, what)
    }
  }
})

test('names that lines would have are free, too, when a histogram is over', async () => {
  const turned = new Turned(0, { ttl })
  assert.equal(await post(turned.opened, [kinds['histogram'] as Metric]), '')
  const level = gauge(1, time, 'x_count')
  assert.match(await post(turned.opened, [level]), conflict)
  turned.pass(2 * ttlMs)
  assert.equal(await post(turned.opened, [level]), '')
  assert.match(await post(turned.opened, [kinds['histogram'] as Metric]), conflict)
})

test('a commit that fails takes a name from nobody', async () => {
  const faults = new Map<number, Fault>()
  const store = new SimStore(faults)
  let ms = 0
  const opened = open(store, { ttl, clock: () => ms })
  opened.ledger.holdExpiry(false)
  assert.equal(await post(opened, [kinds['counter'] as Metric]), '')
  ms += 2 * ttlMs
  opened.ledger.tick()
  assert.equal(opened.stats.series, 0)
  faults.set(store.commits, 'full')
  await assert.rejects(post(opened, [kinds['gauge'] as Metric]))
  assert.equal(await post(opened, [kinds['counter'] as Metric]), '')
  assert.match(await post(opened, [kinds['gauge'] as Metric]), conflict)
})

test('a gauge that comes back is kept as all of its name are by then', async () => {
  const turned = new Turned(0, { ttl, gaugePolicy: 'max' })
  const tell = (value: number, name: string): Promise<string> =>
    post(turned.opened, [gauge(value, time + BigInt(turned.ms), 'x')], { 'service.name': name })
  assert.equal(await tell(9, 'a'), '')
  turned.pass(2 * ttlMs)
  turned.opened.receiver.useRules(completeConfig({ gaugePolicy: 'min' }))
  assert.equal(await tell(8, 'b'), '')
  for (const [value, least] of [
    [3, 3],
    [1, 1],
    [2, 1],
  ] as const) {
    assert.equal(await tell(value, 'a'), '')
    assert.deepEqual(
      [...shown(turned.opened)],
      [
        ['x{job="b",otel_scope_name="test"}', 8],
        ['x{job="a",otel_scope_name="test"}', least],
      ]
    )
  }
})

test('receivers of remote write are told the end of the one and then the other, of its own type', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver, { protocol: 2 }, { ttl })
  const line = 'x{instance="here",job="jobs",otel_scope_name="test"}'
  const turn = async (kind: string): Promise<void> => {
    assert.equal(await post(writes.opened, [kinds[kind] as Metric]), '')
    for (let at = 0; at < 7; at++) await writes.interval()
  }
  for (const kind of ['upDownCounter', 'histogram', 'gauge', 'upDownCounter', 'exponential', 'gauge'])
    await turn(kind)
  const told = receiver.values(line).filter((value, at, all) => value !== all[at - 1])
  assert.deepEqual(told, [3, 'stale', 3, 'stale', 3, 'stale', 3, 'stale'])
  const buckets = receiver
    .values(line.replace('x{', 'x_count{'))
    .filter((value, at, all) => value !== all[at - 1])
  assert.deepEqual(buckets, [0, 3, 'stale'])
  assert.deepEqual(receiver.latest(), new Map())
  assert.deepEqual(receiver.violations, [])
})
