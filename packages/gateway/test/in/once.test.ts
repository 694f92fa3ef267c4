import assert from 'node:assert/strict'
import { test } from 'node:test'
import { committed, open, postBatch, postJournal, shown, type Opened } from '../support/ledgers.ts'
import { deltas, totals } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

// DESIGN, Once per unit of work: a batch counts for the first attempt that commits under its swansong.once.

const job = 'work_total{job="jobs",otel_scope_name="test"}'
let batches = 0

interface Attempt {
  once?: string
  attempt?: string
  instance?: string
}

function resourceOf({ once, attempt, instance }: Attempt): Record<string, string> {
  return {
    'service.name': 'jobs',
    ...(once === undefined ? {} : { 'swansong.once': once }),
    ...(attempt === undefined ? {} : { 'swansong.attempt': attempt }),
    ...(instance === undefined ? {} : { 'service.instance.id': instance }),
  }
}

/** Posts a batch of an id of its own; gives why it was refused, and how many points were rejected. */
async function post(
  opened: Opened,
  value: number | readonly number[],
  ...attempts: Attempt[]
): Promise<unknown> {
  const values = typeof value === 'number' ? [value] : value
  const bodies = attempts.map((attempt) =>
    deltas(
      values.map((each) => ({ value: each })),
      resourceOf(attempt)
    )
  )
  const answer = postBatch(opened, Buffer.concat(bodies), `batch ${batches++}`)
  await committed()
  const { refused, receipt } = await answer
  return refused ?? receipt.rejected
}

test('the first attempt counts with all its batches; another is acknowledged, left out and counted', async () => {
  const opened = open(new SimStore())
  assert.equal(await post(opened, 1, { once: 'a', attempt: '1' }), 0)
  assert.equal(await post(opened, 10, { once: 'a', attempt: '2' }), 0)
  assert.equal(await post(opened, 100, { once: 'a', attempt: '1' }), 0)
  assert.equal(await post(opened, 1000, { once: 'b', attempt: '2' }), 0)
  assert.deepEqual(shown(opened), new Map([[job, 1101]]), 'neither attribute is a label')
  assert.deepEqual([opened.stats.pointsSuperseded, opened.stats.onceKeys], [1, 2])
})

test('two attempts in one group: the first counts', async () => {
  const opened = open(new SimStore())
  const answers = [
    post(opened, 1, { once: 'a', attempt: '1' }),
    post(opened, 10, { once: 'a', attempt: '2' }),
  ]
  assert.deepEqual(await Promise.all(answers), [0, 0])
  assert.equal(shown(opened).get(job), 1)
})

test('in one batch each resource is decided by itself', async () => {
  const opened = open(new SimStore())
  await post(
    opened,
    1,
    { once: 'a', attempt: '1' },
    { once: 'a', attempt: '2' },
    {},
    { once: 'b', attempt: '2' }
  )
  assert.equal(shown(opened).get(job), 3)
  assert.equal(opened.stats.pointsSuperseded, 1)
})

test('without swansong.attempt the instance id says which attempt; without both it is rejected with the reason', async () => {
  const opened = open(new SimStore())
  await post(opened, 1, { once: 'a', instance: 'worker 1' })
  await post(opened, 10, { once: 'a', instance: 'worker 2' })
  await post(opened, 100, { once: 'a', instance: 'worker 1' })
  assert.equal(shown(opened).get(job), 101)
  assert.equal(await post(opened, 1, { once: 'c' }), 1)
  assert.equal(opened.stats.pointsRejected.get('ATTEMPT_MISSING'), 1)
  assert.equal(await post(opened, 1000, { once: '', instance: 'worker 2' }), 0, 'an empty one is none')
  assert.equal(shown(opened).get(job), 1101)
})

test('an attempt of which all points are rejected leaves the unit to others; one that counted nothing takes it', async () => {
  const opened = open(new SimStore())
  assert.equal(await post(opened, -1, { once: 'a', attempt: '1' }), 1)
  assert.equal(await post(opened, [2, -1], { once: 'a', attempt: '2' }), 1)
  await post(opened, 10, { once: 'a', attempt: '1' })
  assert.equal(shown(opened).get(job), 2)
  await post(opened, [], { once: 'b', attempt: '1' })
  await post(opened, 100, { once: 'b', attempt: '2' })
  assert.equal(shown(opened).get(job), 2)
})

test('a commit that fails leaves the unit to whoever comes next; a restart remembers it', async () => {
  const store = new SimStore(new Map([[0, 'full']]))
  const opened = open(store)
  assert.equal(await post(opened, 1, { once: 'a', attempt: '1' }), 'STORE_FULL')
  assert.equal(opened.ledger.onceKeys.count, 0)
  assert.equal(await post(opened, 10, { once: 'a', attempt: '2' }), 0)
  const again = open(store.restarted())
  await post(again, 100, { once: 'a', attempt: '1' })
  await post(again, 1000, { once: 'a', attempt: '2' })
  assert.equal(shown(again).get(job), 1010)
})

for (const crash of ['crash before', 'crash within', 'crash after'] as const) {
  test(`a ${crash} the commit leaves exactly one attempt counted`, async () => {
    const store = new SimStore(new Map([[0, crash]]))
    await post(open(store), 1, { once: 'a', attempt: '1' })
    const again = open(store.restarted())
    await post(again, 10, { once: 'a', attempt: '2' })
    assert.equal(shown(again).get(job), crash === 'crash after' ? 1 : 10)
  })
}

test('units are remembered for their window of uptime, and at the bound new ones are told to come again', async () => {
  let now = 0
  const limits = { onceKeyCountMax: 1, onceWindowMs: 60_000 }
  const opened = open(new SimStore(), { clock: () => now, limits })
  opened.ledger.holdExpiry(false)
  assert.equal(await post(opened, 1, { once: 'a', attempt: '1' }), 0)
  assert.equal(await post(opened, 10, { once: 'b', attempt: '1' }), 'ONCE_KEYS_FULL')
  assert.equal(await post(opened, 100, { once: 'a', attempt: '1' }), 0)
  now += 50_000
  opened.ledger.tick()
  assert.equal(await post(opened, 1000, { once: 'b', attempt: '1' }), 'ONCE_KEYS_FULL')
  now += 20_000
  opened.ledger.tick()
  assert.equal(await post(opened, 10_000, { once: 'b', attempt: '1' }), 0)
  assert.equal(shown(opened).get(job), 10_101)
})

test('a journal goes by the same rule: the first attempt whose checkpoint commits', async () => {
  const opened = open(new SimStore())
  const checkpoint = async (
    attempt: string,
    sequence: number,
    value: number,
    final = false
  ): Promise<void> => {
    const body = totals([{ value }], Date.now() + 1000, resourceOf({ once: 'a', attempt }))
    const told = postJournal(opened, { writer: `writer-${attempt}`, sequence, final, body })
    await committed()
    assert.equal(await told, undefined)
  }
  await checkpoint('1', 1, 5)
  await checkpoint('2', 1, 100)
  await checkpoint('1', 2, 7)
  await checkpoint('2', 2, 200, true)
  await checkpoint('1', 3, 8, true)
  assert.equal(shown(opened).get(job), 8)
  assert.equal(opened.stats.pointsSuperseded, 1)
})

test('a journal that carries on another, and whose unit finds no room, leaves nothing until it does', async () => {
  let now = 0
  const opened = open(new SimStore(), {
    clock: () => now,
    limits: { onceKeyCountMax: 1, onceWindowMs: 60_000 },
  })
  opened.ledger.holdExpiry(false)
  await post(opened, 1, { once: 'a', attempt: '1' })
  const resource = resourceOf({ once: 'b', attempt: '1' })
  const of = (value: number): Uint8Array =>
    totals([{ name: 'carried', value }], Date.now() + 100_000, resource)
  const checkpoint = async (): Promise<unknown> => {
    const told = postJournal(opened, {
      writer: 'w',
      sequence: 1,
      final: false,
      body: of(17),
      baseline: of(10),
    })
    await committed()
    return await told
  }
  assert.equal(await checkpoint(), 'ONCE_KEYS_FULL')
  assert.equal(opened.ledger.tellers.get('w'), undefined)
  await post(opened, 100, {})
  now += 70_000
  opened.ledger.tick()
  assert.equal(await checkpoint(), undefined)
  const carried = 'carried_total{job="jobs",otel_scope_name="test"}'
  assert.deepEqual([shown(opened).get(carried), shown(opened).get(job)], [7, 101])
})
