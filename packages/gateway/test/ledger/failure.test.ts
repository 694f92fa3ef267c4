import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Posting } from '../../src/ledger/posting.ts'
import { committed, open, postBatch, postJournal, shown, type Opened } from '../support/ledgers.ts'
import { memoryOf } from '../support/memory.ts'
import { deltas, totals } from '../support/requests.ts'
import { SimStore, type Fault } from '../support/sim-store.ts'
import { Workload } from '../support/workload.ts'

const ids = new Map([
  ['first', deltas([{ name: 'a', value: 1, attributes: { n: 1 } }])],
  ['second', deltas([{ name: 'a', value: 2, attributes: { n: 1 } }])],
  ['third', deltas([{ name: 'b', value: 4 }], { 'service.name': 'others' })],
])
const bodyOf = (id: string): Uint8Array => ids.get(id) ?? assert.fail(id)

/** Takes one batch and one journal whose process lives, so that there is something to go back to. */
async function opening(fault: Fault): Promise<{ opened: Opened; store: SimStore }> {
  const store = new SimStore(new Map([[1, fault]]))
  const opened = open(store)
  void postBatch(opened, bodyOf('first'), 'first')
  void postJournal(opened, {
    writer: 'w',
    sequence: 1,
    final: false,
    body: totals([{ name: 'j', value: 10 }]),
  })
  await committed()
  return { opened, store }
}

/** A second batch, one that bears a resource, a scope, a metric and a series, and the journal's end. */
function postGroup(opened: Opened): Promise<(string | undefined)[]> {
  return Promise.all([
    postBatch(opened, bodyOf('second'), 'second').then(({ refused }) => refused),
    postBatch(opened, bodyOf('third'), 'third').then(({ refused }) => refused),
    postBatch(opened, bodyOf('third'), 'third').then(({ refused }) => refused), // While the first waits.
    postJournal(opened, { writer: 'w', sequence: 2, final: true, body: totals([{ name: 'j', value: 15 }]) }),
    postJournal(opened, { writer: 'v', sequence: 1, final: false, body: totals([{ name: 'j', value: 1 }]) }),
  ])
}

test('a full disk refuses all who wait, memory is as before, and a retry counts once', async () => {
  const { opened, store } = await opening('full')
  const before = memoryOf(opened, ids, ['w', 'v'])
  const refused = postGroup(opened)
  await committed()

  assert.deepEqual(await refused, Array(5).fill('STORE_FULL'))
  assert.deepEqual(memoryOf(opened, ids, ['w', 'v']), before)
  assert.deepEqual(memoryOf(open(store.restarted()), ids, ['w', 'v']), before)
  assert.equal(opened.stats.commitsFailed, 1)
  assert.equal(opened.ledger.failed, false)

  const again = postGroup(opened)
  await committed()
  assert.deepEqual(await again, Array(5).fill(undefined))
  const values = shown(opened)
  assert.equal(values.get('a_total{job="jobs",n="1",otel_scope_name="test"}'), 3)
  assert.equal(values.get('b_total{job="others",otel_scope_name="test"}'), 4)
  assert.equal(values.get('j_total{job="jobs",otel_scope_name="test"}'), 16)
  assert.deepEqual(memoryOf(open(store.restarted()), ids, ['w', 'v']), memoryOf(opened, ids, ['w', 'v']))
  assert.equal(opened.stats.points, 6, 'points that were refused are not counted as added')
  assert.equal(opened.failures.length, 0)
})

test('a full disk leaves room for other births: what was refused is born again elsewhere', async () => {
  const { opened, store } = await opening('full')
  void postGroup(opened)
  await committed()
  void postBatch(opened, deltas([{ name: 'c', value: 8, attributes: { other: 'x' } }]))
  await committed()
  assert.equal(shown(opened).get('c_total{job="jobs",otel_scope_name="test",other="x"}'), 8)
  assert.deepEqual(shown(open(store.restarted())), shown(opened))
})

test('a running total that went down is counted as rejected once, whatever the disk does meanwhile', async () => {
  const { opened } = await opening('full')
  const lower = { writer: 'w', sequence: 2, final: false, body: totals([{ name: 'j', value: 9 }]) }
  const refused = postJournal(opened, lower)
  await committed()
  assert.equal(await refused, 'STORE_FULL')
  assert.equal(opened.stats.pointsRejected.get('TOTAL_WENT_DOWN'), undefined)
  void postJournal(opened, lower)
  await committed()
  assert.equal(opened.stats.pointsRejected.get('TOTAL_WENT_DOWN'), 1)
})

test('after a failed disk all are refused, once it is said, and nothing is shown that is not on it', async () => {
  const { opened, store } = await opening('failed')
  const before = shown(opened)
  const refused = postGroup(opened)
  await committed()
  assert.deepEqual(await refused, Array(5).fill('STORE_FAILED'))
  assert.equal(opened.ledger.failed, true)

  const later = postGroup(opened)
  await committed()
  await committed()
  assert.deepEqual(await later, Array(5).fill('STORE_FAILED'))
  assert.equal(opened.failures.length, 1, 'onFailed was called once')
  assert.equal(opened.failures[0]?.code, 'failed')
  assert.equal(store.commits, 2, 'nothing was tried after the failure')
  assert.deepEqual(shown(opened), before)
  assert.deepEqual(shown(open(store.restarted())), before)

  opened.ledger.tick()
  opened.ledger.close()
  assert.equal(store.commits, 2)
  assert.ok(store.closed)
})

test('an error that is no StoreError is taken for a failed disk', async () => {
  const { opened } = await opening('crash before')
  const refused = postGroup(opened)
  await committed()
  assert.deepEqual(await refused, Array(5).fill('STORE_FAILED'))
})

test('a disk that is full at any commit leaves the memory that a restart would have', async () => {
  const whole = new Workload(3, new SimStore())
  await whole.run()
  for (let step = 0; step < whole.store.commits; step++) {
    const workload = new Workload(3, new SimStore(new Map([[step, 'full']])))
    const bodies = new Map(workload.batches.map(({ item, body }) => [item, body]))
    const writers = workload.journals.map(({ item }) => item)
    while (workload.store.commits <= step) await workload.turn()
    const restarted = open(workload.store.restarted())
    assert.deepEqual(memoryOf(workload.opened, bodies, writers), memoryOf(restarted, bodies, writers))
    await workload.run()
  }
})

test('what bears a metric and no series leaves nothing behind that a restart would trip over', async () => {
  const store = new SimStore()
  const opened = open(store)
  void postBatch(opened, deltas([{ name: 'a', value: Number.NaN }], { 'service.name': 'nobody' }))
  await committed()
  void postBatch(opened, deltas([{ name: 'b', value: 1 }], { 'service.name': 'somebody' }))
  await committed()
  const value = shown(open(store.restarted())).get('b_total{job="somebody",otel_scope_name="test"}')
  assert.equal(value, 1)
})

test('a body that turns out to be torn takes back what it bore, beside others of its group', async () => {
  const store = new SimStore()
  const opened = open(store)
  const whole = deltas([
    { name: 'torn', value: 1, attributes: { torn: 'yes' } },
    { name: 'torn', value: 1, attributes: { torn: 'no' } },
  ])
  const torn = Buffer.concat([whole, Buffer.from([0x0a, 0x05, 0x00])]) // A second resource that ends too early.
  const answers = Promise.all([
    postBatch(opened, deltas([{ name: 'good', value: 1 }])),
    postBatch(opened, torn),
    postBatch(opened, deltas([{ name: 'better', value: 2, attributes: { torn: 'no' } }])),
  ])
  await committed()
  assert.deepEqual(
    (await answers).map(({ refused }) => refused),
    [undefined, 'NOT_OTLP', undefined]
  )
  assert.deepEqual(
    [...shown(opened)],
    [
      ['good_total{job="jobs",otel_scope_name="test"}', 1],
      ['better_total{job="jobs",otel_scope_name="test",torn="no"}', 2],
    ]
  )
  assert.deepEqual(shown(open(store.restarted())), shown(opened))
  const { metrics } = opened.ledger.series.metrics
  assert.deepEqual(
    metrics.map(({ name }) => name),
    ['good', 'better']
  )
})

test('what comes when the ledger is closed, as its sender was slow to be read, is no failure of the store', async () => {
  const { opened, store } = await opening('full')
  const before = shown(open(store.restarted(new Map())))
  opened.ledger.close()
  void postGroup(opened)
  await committed()
  assert.deepEqual(opened.failures, [])
  assert.equal(opened.ledger.failed, false)
  assert.deepEqual(shown(open(store.restarted(new Map()))), before)
})

test('what is posted as the last are told, by one of them, is no failure of the store either', async () => {
  const { opened, store } = await opening('full')
  const before = shown(open(store.restarted(new Map())))
  const { ledger } = opened
  const again: Posting = { apply: () => undefined, settle: () => assert.fail('it is closed') }
  ledger.post({ apply: () => undefined, settle: () => ledger.post(again) })
  ledger.close()
  await committed()
  ledger.tick()
  ledger.reveal()
  assert.deepEqual(opened.failures, [])
  assert.deepEqual(shown(open(store.restarted(new Map()))), before)
})
