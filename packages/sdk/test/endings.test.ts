import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestsOf, startGateway } from './support/gateway.ts'
import { sums } from './support/read-request.ts'
import { type Ended, makeSpool, run } from './support/run.ts'

const truth = { 'done{kind="a"}': 250, 'done{kind="b"}': 750 }
const withLate = { ...truth, 'done{kind="late"}': 5 }
/** What the parent of a job sees that ends so, with us or without. */
const endings: Record<string, [code: number | null, signal: string | null]> = {
  natural: [0, null],
  exit: [7, null],
  'exit in a promise': [7, null],
  uncaught: [1, null],
  rejection: [1, null],
  SIGTERM: [null, 'SIGTERM'],
  SIGINT: [null, 'SIGINT'],
  SIGHUP: [null, 'SIGHUP'],
}
const synchronous = new Set(['exit', 'exit in a promise', 'uncaught', 'rejection'])
/** Nobody listens there: the port is reserved. */
const down = 'http://127.0.0.1:1'
/** What does not end by itself is told from what is slow; the budget is measured by a clock of the test's. */
const heldMsMax = 20_000

for (const [ending, status] of Object.entries(endings)) {
  test(`${ending}: by journal every count arrives, and the parent sees no difference`, async () => {
    const spool = makeSpool()
    const ended = await run('ending', [ending], {
      SWANSONG_SPOOL_DIR: spool.directory,
      OTEL_SERVICE_NAME: 'svc',
    })
    assertEnded(ended, status)
    const [journal, ...others] = spool.read()
    assert.ok(journal)
    assert.deepEqual(others, [])
    assert.deepEqual(sums([journal.request]), truth)
    assert.equal(`${String(journal.request.resource['service.instance.id'])}.journal`, journal.name)
    assert.equal(journal.request.resource['service.name'], 'svc')
    assert.equal(journal.header.kind, 'journal')
    assert.equal(journal.header.ended, !ending.startsWith('SIG'))
    assert.ok(journal.header.owner.startTicks > 0 && journal.header.owner.pidNamespace > 0)
    assert.equal(journal.request.points[0]?.temporality, 2)
    spool.remove()
  })

  test(`${ending}: by POST every count arrives once, over the network or by the spool`, async () => {
    const gateway = await startGateway(200)
    const spool = makeSpool()
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url, SWANSONG_SPOOL_DIR: spool.directory }
    assertEnded(await run('ending', [ending], env), status)
    const spooled = spool.read()
    assert.equal(spooled.length, synchronous.has(ending) ? 1 : 0)
    assert.deepEqual(
      sums([...requestsOf(gateway.counted.values()), ...spooled.map((each) => each.request)]),
      truth
    )
    await gateway.close()
    spool.remove()
  })

  test(`${ending}: gateway down, every count waits in the spool as a batch under its id`, async () => {
    const spool = makeSpool()
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: down, SWANSONG_SPOOL_DIR: spool.directory }
    const ended = await run('ending', [ending], env)
    assertEnded(ended, status)
    const [batch, ...others] = spool.read()
    assert.ok(batch)
    assert.deepEqual(others, [])
    assert.deepEqual(sums([batch.request]), truth)
    assert.match(batch.name, /^[0-9a-f]{8}-[0-9a-f-]{27}\.batch$/)
    assert.deepEqual([batch.header.kind, batch.header.ended, batch.header.sequence], ['batch', true, 0])
    assert.equal(batch.request.points[0]?.temporality, 1)
    spool.remove()
  })

  test(`${ending}: gateway down and no spool, one line says how many of whom and why, within the budget`, async () => {
    const ended = await run('ending', [ending], {
      OTEL_EXPORTER_OTLP_ENDPOINT: down,
      OTEL_SERVICE_NAME: 'svc',
    })
    assert.deepEqual([ended.code, ended.signal], status)
    const said = ended.stderr.split('\n').filter((line) => line.includes('swansong:'))
    assert.equal(said.length, 1, ended.stderr)
    assert.match(said[0] ?? '', /^swansong: 2 points of svc lost: /)
    assert.ok(ended.ms < heldMsMax, `${ended.ms} ms`)
  })

  test(`${ending}: gateway hangs, the budget holds and the same bytes go to the spool under the same id`, async () => {
    const gateway = await startGateway('hang')
    const spool = makeSpool()
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url,
      SWANSONG_SPOOL_DIR: spool.directory,
      SWANSONG_EXIT_BUDGET_MS: '300',
    }
    const ended = await run('ending', [ending], env)
    assertEnded(ended, status)
    const [batch] = spool.read()
    assert.ok(batch)
    assert.deepEqual(sums([batch.request]), truth)
    for (const { id, body } of gateway.requests) {
      assert.equal(batch.name, `${id}.batch`)
      assert.ok(body.equals(batch.body))
    }
    assert.equal(gateway.requests.length, synchronous.has(ending) ? 0 : 1)
    await gateway.close()
    spool.remove()
  })
}

test('what the job counts in exit handlers of its own, after ours, is counted', async () => {
  const spool = makeSpool()
  await run('ending', ['late'], { SWANSONG_SPOOL_DIR: spool.directory })
  assert.deepEqual(sums(spool.read().map((each) => each.request)), withLate)
  assert.equal(spool.read()[0]?.header.ended, true)
  spool.remove()
  const other = makeSpool()
  await run('ending', ['late'], { OTEL_EXPORTER_OTLP_ENDPOINT: down, SWANSONG_SPOOL_DIR: other.directory })
  assert.deepEqual(sums(other.read().map((each) => each.request)), withLate)
  other.remove()
})

test('a job that handles its signal decides about its end, and loses nothing', async () => {
  const gateway = await startGateway(200)
  const spool = makeSpool()
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url, SWANSONG_SPOOL_DIR: spool.directory }
  const counted = (): Record<string, number> => {
    const inSpool = spool.read().filter(({ name }) => !gateway.counted.has(name.replace('.batch', '')))
    return sums([...requestsOf(gateway.counted.values()), ...inSpool.map((each) => each.request)])
  }
  assertEnded(await run('ending', ['own handler'], env), [5, null])
  assert.deepEqual(counted(), withLate)
  spool.remove()
  await gateway.close()
})

test(
  'a job that carries the package signal-exit ends by its signal, its counts delivered',
  { timeout: 10_000 },
  async () => {
    const gateway = await startGateway(200)
    assertEnded(await run('ending', ['signal-exit'], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url }), [
      null,
      'SIGTERM',
    ])
    assert.deepEqual(sums(requestsOf(gateway.counted.values())), truth)
    await gateway.close()
  }
)

test('a job that handles a signal and goes on is not ended by us, and still delivers', async () => {
  const gateway = await startGateway(503, 200)
  assertEnded(
    await run('ending', ['own handler that goes on'], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url }),
    [0, null]
  )
  assert.deepEqual(sums(requestsOf(gateway.counted.values())), withLate)
  await gateway.close()
})

function assertEnded(ended: Ended, status: [number | null, string | null]): void {
  assert.deepEqual([ended.code, ended.signal], status, ended.stderr)
  assert.doesNotMatch(ended.stderr, /swansong:/)
}
