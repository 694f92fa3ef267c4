import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { test } from 'node:test'
import { decodeExportResponse, decodeStatus } from '@swansong/otlp'
import { deltas, lineOf } from './support/deltas.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { startStorm } from './support/storm.ts'
import { startSwallowingProxy } from './support/swallow.ts'
import { until } from './support/wait.ts'
import type { Work } from './support/work.ts'
import { runAll, startWorker, wayOut } from './support/worker.ts'

const jobs = lineOf('jobs')
const duplicates = 'swansong_duplicates_total'

test('a batch that comes three times under its id counts once and is answered alike, also after kill -9', async () => {
  const gateway = await startGateway()
  const whole = deltas([{ name: 'jobs', value: 5 }])
  const partial = deltas([
    { name: 'jobs', value: 7 },
    { name: 'jobs', value: -1 },
  ])
  const answers = []
  for (let time = 0; time < 3; time++) {
    answers.push([await gateway.post(whole, 'whole'), await gateway.post(partial, 'partial')] as const)
    assert.equal(await gateway.metric(jobs), 12)
    await gateway.kill9()
    await gateway.restart()
    assert.equal(await gateway.metric(jobs), 12)
  }
  for (const [toWhole, toPartial] of answers) {
    assert.deepEqual([toWhole.status, toWhole.body.length], [200, 0])
    assert.deepEqual([toPartial.status, toPartial.body], [200, answers[0]?.[1].body])
    const { rejectedDataPoints, errorMessage } = decodeExportResponse('protobuf', toPartial.body)
    assert.equal(rejectedDataPoints, 1)
    assert.match(errorMessage, /NEGATIVE_DELTA/)
  }

  const other = await gateway.post(deltas([{ name: 'jobs', value: 6 }]), 'whole')
  assert.equal(other.status, 422)
  assert.deepEqual(decodeStatus('protobuf', other.body).code, 3)
  assert.match(decodeStatus('protobuf', other.body).message, /Idempotency-Key/)
  await gateway.post(whole, 'whole')
  assert.equal(await gateway.metric(duplicates), 1) // Since the last start.
  assert.equal(await gateway.metric(jobs), 12)
})

test('a batch whose resource has a service.instance.id counts once without an id, an anonymous one each time', async () => {
  const gateway = await startGateway()
  const own = deltas([{ name: 'jobs', value: 5 }], { instance: '6f2c' })
  const anonymous = deltas([{ name: 'others', value: 5 }])
  for (let time = 0; time < 3; time++) {
    for (const body of [own, anonymous]) assert.equal((await gateway.post(body)).status, 200)
  }
  assert.equal(await gateway.metric(jobs), 5)
  assert.equal(await gateway.metric(lineOf('others')), 15)
  await gateway.kill9()
  await gateway.restart()
  assert.equal((await gateway.post(own)).status, 200)
  assert.equal(await gateway.metric(jobs), 5)
})

test('a batch that comes again while the first is still on its way or waiting counts once', async () => {
  const gateway = await startGateway()
  const body = deltas([{ name: 'jobs', value: 5 }])
  const headers = { 'content-type': 'application/x-protobuf', 'idempotency-key': 'slow' }
  const first = request(gateway.urls.otlp, { method: 'POST', headers, agent: false })
  const answered = once(first, 'response')
  first.write(body.subarray(0, 20))
  assert.equal((await gateway.post(body, 'slow')).status, 200) // Its sender did not wait for the first.
  first.end(body.subarray(20))
  const [response] = (await answered) as [{ statusCode: number }]
  assert.equal(response.statusCode, 200)
  assert.equal(await gateway.metric(jobs), 5)

  const alike = Array.from({ length: 200 }, (_, at) => gateway.post(body, `at once ${at % 10}`))
  for (const { status, body: answer } of await Promise.all(alike)) {
    assert.deepEqual([status, answer.length], [200, 0])
  }
  assert.equal(await gateway.metric(jobs), 55)
  assert.equal(await gateway.metric(duplicates), 191)
})

test('when the answer is lost after the commit, the SDK sends the batch again, and it counts once', async () => {
  const gateway = await startGateway()
  const proxy = await startSwallowingProxy(gateway.ports.otlpHttp, 2)
  await workThrough(proxy.endpoint)
  assert.deepEqual([proxy.swallowed(), proxy.taken()], [2, 3])
  assert.equal(await gateway.metric(lineOf('work', { series: '0' })), 1000)
  assert.equal(await gateway.metric(duplicates), 2)
})

test('when the gateway is killed after the commit and before the answer, the batch counts once all the same', async () => {
  const gateway = await startGateway()
  let restarted: Promise<void> | undefined
  const proxy = await startSwallowingProxy(gateway.ports.otlpHttp, 1, () => {
    restarted = gateway.kill9().then(() => gateway.restart())
  })
  await workThrough(proxy.endpoint)
  await restarted
  assert.equal(proxy.swallowed(), 1)
  assert.equal(await gateway.metric(lineOf('work', { series: '0' })), 1000)
  assert.equal(await gateway.metric(duplicates), 1)

  // Where the SDK's time is up before the gateway is back, the spool has the batch, under the same id.
  const [series] = [lineOf('spooled', { series: '0' })]
  const second = await startSwallowingProxy(gateway.ports.otlpHttp, 1, () => void gateway.kill9())
  await workThrough(second.endpoint, { metric: 'spooled' }, wayOut(gateway).journal)
  await gateway.restart()
  await until('the batch is taken from the spool', async () => (await gateway.metric(duplicates)) === 1)
  assert.equal(await gateway.metric(series), 1000)
})

/*
 * Of anonymous batches, all that is retried counts once as long as no other sender has the same bytes. Where many have, it
 * cannot be told after a lost answer or a restart whose retry one is: then too little is counted rather than twice.
 */
test('three kill -9 in a storm of posts lose nothing that was acknowledged and count nothing twice', async (t) => {
  const gateway = await startGateway()
  const url = gateway.urls.otlp
  const ours = startStorm({ url, name: 'jobs', connections: 48, ids: true })
  const anonymous = startStorm({ url, name: 'others', connections: 16, ids: false, again: true })
  const alike = startStorm({ url, name: 'alike', connections: 4, ids: false, again: true, bodies: 'alike' })
  for (let kills = 1; kills <= 3; kills++) {
    const enough = ours.batches + 1000
    await until('some more are acknowledged', () => ours.batches >= enough)
    await gateway.kill9()
    await gateway.restart()
  }
  const enough = ours.batches + 300
  await until('some more are acknowledged', () => ours.batches >= enough)
  await Promise.all([ours.end(), anonymous.end(), alike.end()])

  assert.equal(await gateway.metric(jobs), ours.acknowledged)
  assert.equal(await gateway.metric(lineOf('others')), anonymous.acknowledged)
  assert.ok(anonymous.resent > 0, 'answers were lost')
  const shown = await gateway.metric(lineOf('alike'))
  assert.ok(
    shown > 0 && shown <= alike.acknowledged,
    `${shown} are shown, ${alike.acknowledged} acknowledged`
  )
  t.diagnostic(`${ours.batches} batches, ${ours.resent} sent again; ${anonymous.batches} without ids, `)
  t.diagnostic(`${anonymous.resent} of them sent again; ${shown} of ${alike.acknowledged} alike`)
})

test('of three attempts at each unit of work one counts, and with both its batches, through two kill -9', async () => {
  const gateway = await startGateway()
  const units = 30
  const values = [1, 100, 10_000]
  let acknowledged = 0
  const attempts = Array.from({ length: units * values.length }, (_, at) => async () => {
    const unit = { once: `unit ${at % units}`, attempt: `attempt ${Math.floor(at / units)}` }
    const value = values[Math.floor(at / units)] ?? 0
    for (const part of ['first', 'second']) {
      await postUntilTaken(gateway, deltas([{ name: 'parts', value, attributes: { part } }], { unit }))
      acknowledged++
    }
  })
  const order = attempts.map((_, at) => (at * 77) % attempts.length).map((at) => attempts[at]!) // 77 and 90 share no factor.
  const all = runAll(order, 6)
  for (const share of [0.3, 0.6]) {
    await until('a part of them is acknowledged', () => acknowledged >= attempts.length * 2 * share)
    await gateway.kill9()
    await gateway.restart()
  }
  await all
  const first = await gateway.metric(lineOf('parts', { part: 'first' }))
  const second = await gateway.metric(lineOf('parts', { part: 'second' }))
  const counted = [first % 100, Math.floor(first / 100) % 100, Math.floor(first / 10_000)]
  assert.equal(counted[0]! + counted[1]! + counted[2]!, units, `${first} of the first batches`)
  assert.ok(counted.filter((count) => count > 0).length > 1, 'it was not always the same attempt')
  assert.equal(second, first)
})

/** Sends an anonymous batch until it is acknowledged. */
async function postUntilTaken(gateway: Gateway, body: Uint8Array): Promise<void> {
  const taken = async (): Promise<boolean> => {
    const status = await gateway.post(body).then(
      (answer) => answer.status,
      () => 503 // Nobody was there, or is not any more.
    )
    assert.ok(status === 200 || status === 503, `answered ${status}`)
    return status === 200
  }
  await until('it is acknowledged', taken)
}

/** A job that adds a thousand and posts them to an endpoint. */
async function workThrough(
  endpoint: string,
  given: Partial<Work> = {},
  env: Record<string, string> = {}
): Promise<void> {
  const task = { metric: 'work', seriesCount: 1, adds: 1000, liveMs: 0, ending: 'natural end', ...given }
  const { code, stderr } = await startWorker('work', [JSON.stringify(task)], {
    SWANSONG_EXIT_BUDGET_MS: '30000',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    ...env,
  }).ended
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
}
