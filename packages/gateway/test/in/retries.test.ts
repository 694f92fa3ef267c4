import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openStore } from '../../src/ledger/sqlite.ts'
import { startGateway } from '../support/gateways.ts'
import { deltas } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

// CONFORMANCE C: a batch that is sent again counts once where it can be told, and gets the first one's answer.

const body = deltas([{ value: 5 }, { value: -1 }, { name: 'other', value: 2 }])
const changed = deltas([{ value: 6 }])
const id = (key: string): Record<string, string> => ({ 'idempotency-key': key })

test('three times with its id counts once, and is answered the same', async (context) => {
  const gateway = await startGateway(context)
  const answers = [
    await gateway.post(body, id('a')),
    await gateway.post(body, id('a')),
    await gateway.post(body, id('a')),
  ]
  for (const { http, said } of answers) {
    assert.equal(http, 200)
    assert.deepEqual(said, answers[0]?.said)
    assert.equal('rejected' in said && said.rejected, 1)
  }
  assert.equal(await gateway.work(), 5)
  const values = await gateway.scrape()
  assert.equal(values.get('swansong_duplicates_total'), 2)
  assert.equal(values.get('swansong_points_total'), 2)
  assert.equal(values.get('swansong_points_rejected_total{reason="negative_delta"}'), 1, 'not once a retry')
})

test('sent again while the first still waits, it counts once and all are answered the same', async (context) => {
  const gateway = await startGateway(context)
  const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.post(body, id('a'))))
  for (const { http, said } of answers) assert.deepEqual([http, said], [200, answers[0]?.said])
  assert.equal(await gateway.work(), 5)
  assert.equal((await gateway.scrape()).get('swansong_duplicates_total'), 49)
})

test('and so it does across a restart', async (context) => {
  const first = await startGateway(context)
  const before = await first.post(body, id('a'))
  await first.close()
  const second = await startGateway(context, { dataDir: first.dataDir })
  const after = await second.post(body, id('a'))
  assert.deepEqual([after.http, after.said], [before.http, before.said])
  assert.equal(await second.work(), 5)
})

test('another body under the same id is refused, in the same turn and later, and counts nothing', async (context) => {
  const gateway = await startGateway(context)
  const [first, other] = await Promise.all([gateway.post(changed, id('a')), gateway.post(body, id('a'))])
  const later = await gateway.post(body, id('a'))
  const refused = [first, other].filter(({ http }) => http === 422)
  assert.equal(refused.length, 1, 'one of the two came first')
  const winner = first.http === 200 ? 6 : 5
  assert.equal(later.http, winner === 6 ? 422 : 200)
  assert.equal('code' in (refused[0]?.said ?? {}), true)
  assert.match(refused[0]?.said.message ?? '', /came with another body before/)
  assert.equal(await gateway.work(), winner)
  const again = await gateway.post(deltas([{ value: 7 }]), id('a'))
  assert.equal(again.http, 422)
  const count = (await gateway.scrape()).get('swansong_requests_rejected_total{reason="batch_id_reused"}')
  assert.equal(count, winner === 6 ? 3 : 2)
})

test('a batch of which every resource has an instance id counts once, without any id of its own', async (context) => {
  const gateway = await startGateway(context)
  const known = deltas([{ value: 3 }], { 'service.name': 'jobs', 'service.instance.id': 'worker 1' })
  for (let times = 0; times < 3; times++) assert.equal((await gateway.post(known)).http, 200)
  assert.equal(await gateway.work(), 3)
  const other = deltas([{ value: 3 }], { 'service.name': 'jobs', 'service.instance.id': 'worker 2' })
  await gateway.post(other)
  assert.equal(await gateway.work(), 6, 'another worker of the same counts')
  await gateway.post(known, id('with an id'))
  assert.equal(await gateway.work(), 9, 'an id of its own is what counts')
})

test('an anonymous batch adds whenever it comes', async (context) => {
  const gateway = await startGateway(context)
  const mixed = Buffer.concat([
    deltas([{ value: 3 }], { 'service.instance.id': 'worker 1' }),
    deltas([{ value: 4 }]),
  ])
  for (let times = 0; times < 3; times++) {
    await gateway.post(deltas([{ value: 1 }]))
    await gateway.post(mixed)
  }
  assert.equal(await gateway.work(), 15)
  assert.equal((await gateway.scrape()).get('work_total{otel_scope_name="test"}'), 9)
})

test('an id and a body that was refused as a whole may come again with a better body', async (context) => {
  const gateway = await startGateway(context)
  assert.equal((await gateway.post(body.subarray(0, -3), id('a'))).http, 400)
  assert.equal((await gateway.post(body, id('a'))).http, 200)
  assert.equal(await gateway.work(), 5)
})

test('a full disk answers 503 with Retry-After to all who wait; nothing of it is shown, and a retry counts', async (context) => {
  const store = new SimStore(new Map([[1, 'full']]))
  const gateway = await startGateway(context, { store })
  assert.equal((await gateway.post(body, id('first'))).http, 200)
  const refused = await gateway.post(changed, id('a'))
  assert.equal(refused.http, 503)
  assert.equal(refused.headers.get('retry-after'), '1')
  assert.equal('code' in refused.said && refused.said.code, 14)
  assert.match(refused.said.message, /disk of the gateway is full: .*; nothing was applied, try again/)
  assert.equal(await gateway.work(), 5)
  assert.equal((await gateway.post(changed, id('a'))).http, 200)
  assert.equal(await gateway.work(), 11)
  assert.equal((await fetch(`${gateway.metricsUrl}/-/ready`)).status, 200)
  assert.equal((await gateway.scrape()).get('swansong_commits_failed_total'), 1)
})

test('a failed disk answers 503 from then on, turns readiness red, shows nothing, and says so once', async (context) => {
  const gateway = await startGateway(context, { store: new SimStore(new Map([[1, 'failed']])) })
  assert.equal((await gateway.post(body, id('a'))).http, 200)
  assert.equal((await gateway.post(body, id('b'))).http, 503)
  assert.equal((await gateway.post(body, id('c'))).http, 503)
  assert.equal((await fetch(`${gateway.metricsUrl}/-/ready`)).status, 503)
  assert.equal((await fetch(`${gateway.metricsUrl}/-/healthy`)).status, 200)
  assert.equal((await fetch(`${gateway.metricsUrl}/metrics`)).status, 503)
  assert.equal(gateway.gateway.status().ready, false)
  assert.equal(gateway.failures.length, 1)
})

test('past the bound on ids batches are told to come again', async (context) => {
  const gateway = await startGateway(context, { limits: { batchIdCountMax: 1 } })
  assert.equal((await gateway.post(body, id('a'))).http, 200)
  const answer = await gateway.post(body, id('b'))
  assert.equal(answer.http, 429)
  assert.equal(answer.headers.get('retry-after'), '1')
  assert.equal(await gateway.work(), 5)
})

test('a gateway whose ledger is damaged does not start, and leaves it to whoever comes next', async (context) => {
  const first = await startGateway(context)
  await first.close()
  const store = openStore(first.dataDir)
  const load = (): never => {
    throw new Error('damaged')
  }
  const damaged = {
    load,
    commit: store.commit.bind(store),
    page: store.page.bind(store),
    close: () => store.close(),
  }
  await assert.rejects(startGateway(context, { store: damaged }), /damaged/)
  const second = await startGateway(context, { dataDir: first.dataDir })
  assert.equal((await second.post(body)).http, 200)
})
