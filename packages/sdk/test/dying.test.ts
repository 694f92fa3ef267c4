import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fault, startFaultyGateway } from './support/faulty-gateway.ts'
import { requestsOf, startGateway } from './support/gateway.ts'
import { sums } from './support/read-request.ts'
import { type Ended, makeSpool, run } from './support/run.ts'

const truth = { 'done{kind="a"}': 250, 'done{kind="b"}': 750 }
const withLate = { ...truth, 'done{kind="late"}': 5 }
const endings = [
  'natural',
  'natural with an exit code',
  'exit',
  'exit in a promise',
  'exit in a timer',
  'exit in beforeExit',
  'exit handler before',
  'exit handler after',
  'exit handler that exits',
  'exit handler that throws',
  'uncaught',
  'rejection',
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  'handler before',
  'handler after',
  'handler once',
  'handler removed',
  'handler that goes on',
]
/** Nobody listens there: the port is reserved. */
const down = 'http://127.0.0.1:1'
const options = { timeout: 60_000 }
const heldMsMax = 20_000

for (const ending of endings) {
  test(
    `${ending}: without a spool every count is posted, once, and the parent sees no difference`,
    options,
    async () => {
      const gateway = await startGateway(200)
      const without = await run('dying', [ending, 'without'], {})
      const ended = await run('dying', [ending, 'with'], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
      assert.deepEqual(statusOf(ended), statusOf(without))
      const late = ending === 'exit handler before' || ending === 'exit handler after'
      assert.deepEqual(sums(requestsOf(gateway.counted.values())), late ? withLate : truth)
      assert.equal(gateway.requests.length, gateway.counted.size, 'nothing is sent twice')
      await gateway.close()
    }
  )
}

for (const ending of ['natural', 'exit', 'uncaught', 'SIGTERM', 'handler that goes on']) {
  test(`${ending}: a gateway that comes back within the budget gets all, under one id`, options, async () => {
    const gateway = await startGateway(503, 'reset', 'count and reset', 200)
    const ended = await run('dying', [ending, 'with'], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
    assert.doesNotMatch(ended.stderr, /swansong:/)
    assert.deepEqual(sums(requestsOf(gateway.counted.values())), truth)
    assert.equal(new Set(gateway.requests.map(({ id }) => id)).size, 1)
    await gateway.close()
  })

  test(`${ending}: the budget holds whatever the gateway does, and the loss is said`, options, async () => {
    const faults: Fault[] = ['says nothing', 'answers byte by byte for ever', 'dies mid-head', 'is no HTTP']
    const check = async (fault: Fault): Promise<void> => {
      const gateway = await startFaultyGateway(fault)
      const ended = await runWithin(ending, gateway.url, 400)
      assertLost(ended, fault)
      assert.ok(gateway.connections() >= 1, fault)
      await gateway.close()
    }
    await Promise.all(faults.map(check))
    const refusing = await startGateway(503)
    assertLost(await runWithin(ending, refusing.url, 400), 'answered 503')
    assert.ok(
      refusing.requests.length >= 1 && refusing.requests.length <= 8,
      `${refusing.requests.length} tries`
    )
    await refusing.close()
    assertLost(await runWithin(ending, down, 400), 'ECONNREFUSED')
  })

  test(`${ending}: what says 200 has counted it, however it goes on`, options, async () => {
    const faults: Fault[] = [
      'answers byte by byte',
      'dies mid-answer',
      'ends mid-answer',
      'answers hugely',
      'answers for ever',
    ]
    const check = async (fault: Fault): Promise<void> => {
      const gateway = await startFaultyGateway(fault)
      const ended = await runWithin(ending, gateway.url, 5000)
      assert.doesNotMatch(ended.stderr, /swansong:/, fault)
      assert.equal(gateway.connections(), 1, fault)
      await gateway.close()
    }
    await Promise.all(faults.map(check))
  })
}

test('SIGTERM in a busy loop waits for the loop, and then delivers', options, async () => {
  const gateway = await startGateway(200)
  const ended = await run('dying', ['busy loop', 'with', '300'], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
  assert.equal(ended.signal, 'SIGTERM')
  assert.deepEqual(sums(requestsOf(gateway.counted.values())), truth)
  await gateway.close()
})

test('with a budget of 0 nothing is held up: the spool has it, or the loss is said', options, async () => {
  const gateway = await startGateway(200)
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url, SWANSONG_EXIT_BUDGET_MS: '0' }
  for (const ending of ['natural', 'exit', 'SIGTERM']) {
    assertLost(await run('dying', [ending, 'with'], env), 'before it could be sent')
    const spool = makeSpool()
    const ended = await run('dying', [ending, 'with'], { ...env, SWANSONG_SPOOL_DIR: spool.directory })
    assert.doesNotMatch(ended.stderr, /swansong:/)
    assert.deepEqual(sums(spool.read().map((each) => each.request)), truth)
    spool.remove()
  }
  assert.equal(gateway.requests.length, 0)
  await gateway.close()
})

test(
  'a disk that is full, a spool that is gone or closed: the one line, and the exit code stays',
  options,
  async () => {
    const spool = makeSpool()
    spool.remove()
    const refused = ['/dev/full', '/proc/sys', spool.directory]
    for (const directory of refused) {
      for (const ending of ['natural', 'exit', 'SIGTERM']) {
        const env = { OTEL_EXPORTER_OTLP_ENDPOINT: down, SWANSONG_SPOOL_DIR: directory }
        const ended = await run('dying', [ending, 'with'], env)
        assertLost(ended, directory)
        assert.deepEqual(statusOf(ended), statusOf(await run('dying', [ending, 'without'], {})))
      }
    }
  }
)

/**
 * Whatever does not hold the budget holds for a minute, or for ever: so much slack is for a busy machine, and the budget
 * itself is measured by a clock of the test's (long-lived.test.ts).
 */
function runWithin(ending: string, url: string, budgetMs: number): Promise<Ended> {
  const budget = { SWANSONG_EXIT_BUDGET_MS: String(budgetMs), OTEL_EXPORTER_OTLP_TIMEOUT: '60000' }
  return run('dying', [ending, 'with'], { OTEL_EXPORTER_OTLP_ENDPOINT: url, ...budget }).then((ended) => {
    assert.ok(ended.ms < heldMsMax, `${ended.ms} ms`)
    return ended
  })
}

function assertLost({ stderr }: Ended, why: string): void {
  const said = stderr.split('\n').filter((line) => line.includes('swansong'))
  assert.equal(said.length, 1, `${why}: ${stderr}`)
  assert.match(said[0] ?? '', /^swansong: 2 points of unknown_service:node lost: /, why)
}

/** What the parent sees, without the SDK's line and the lines of the stack, which name the job's own lines. */
function statusOf({ code, signal, stdout, stderr }: Ended): unknown {
  const errors = stderr.split('\n').filter((line) => /^\w*Error:/.test(line))
  return { code, signal, stdout, errors }
}
