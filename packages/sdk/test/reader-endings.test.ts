import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attributeText } from '@swansong/otlp'
import { startGateway } from './support/gateway.ts'
import { readBatches, readMetrics, type Stream, totals } from './support/read-metrics.ts'
import { makeSpool, run } from './support/run.ts'

/** What the job counted. An asynchronous callback is waited for where the process can still wait. */
const truth = {
  'done{kind=a}': 250,
  'done{kind=b}': 750,
  took: '1/5/0,1,0',
  heat: 21.5,
  reads: 7,
  'bytes{way=in}': 11,
}
const waited = { ...truth, later: 2 }
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
  shutdown: [0, null],
}
const synchronous = new Set(['exit', 'exit in a promise', 'uncaught', 'rejection'])
/** Nobody listens there: the port is reserved. */
const down = 'http://127.0.0.1:1'
/**
 * Far more than the budget and the start of a job on a busy machine, and far less than the timeout of a request, by which
 * a job would be held whose budget does not hold.
 */
const heldMsMax = 25_000

for (const [ending, status] of Object.entries(endings)) {
  const want = synchronous.has(ending) ? truth : waited

  test(`${ending}: by the spool all that the stock SDK counted arrives as batches`, async (t) => {
    const spool = makeSpool()
    t.after(spool.remove)
    const env = { SWANSONG_SPOOL_DIR: spool.directory, OTEL_SERVICE_NAME: 'svc' }
    assertEnded(await run('reader-ending', [ending], env), status)
    const streams = readBatches(spool.directory).flatMap((batch) => batch.streams)
    assert.deepEqual(totals(streams), want)
    for (const { resource } of streams) {
      assert.match(attributeText(resource['service.instance.id']), /^[0-9a-f]{8}-[0-9a-f-]{27}$/)
      assert.equal(resource['telemetry.sdk.name'], 'opentelemetry')
    }
  })

  test(`${ending}: by POST all arrives once, over the network or by the spool`, async (t) => {
    const gateway = await startGateway(200)
    const spool = makeSpool()
    t.after(gateway.close)
    t.after(spool.remove)
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url, SWANSONG_SPOOL_DIR: spool.directory }
    assertEnded(await run('reader-ending', [ending], env), status)
    assert.deepEqual(totals(counted(gateway.counted, spool.directory)), want)
  })

  test(`${ending}: gateway down, all waits in the spool`, async (t) => {
    const spool = makeSpool()
    t.after(spool.remove)
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: down, SWANSONG_SPOOL_DIR: spool.directory }
    const ended = await run('reader-ending', [ending], env)
    assertEnded(ended, status)
    assert.deepEqual(totals(counted(new Map(), spool.directory)), want)
  })

  test(`${ending}: gateway hung and no spool, the loss is said once and holds nothing up`, async (t) => {
    const gateway = await startGateway('hang')
    t.after(gateway.close)
    const ended = await run('reader-ending', [ending], {
      OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url,
      SWANSONG_EXIT_BUDGET_MS: '400',
      // shutdown() is asked for, and has this time instead of the budget.
      OTEL_EXPORTER_OTLP_TIMEOUT: ending === 'shutdown' ? '400' : '60000',
    })
    if (ending !== 'shutdown') assert.deepEqual([ended.code, ended.signal], status)
    const lines = ended.stderr.match(/^swansong: \d+ points of .* lost: .*127.0.0.1:.*$/gm)
    assert.equal(lines?.length, 1, ended.stderr)
    assert.ok(ended.ms < heldMsMax, `${ended.ms} ms`)
  })
}

/** What a gateway has when it has taken up the spool: an id counts once. */
function counted(byId: ReadonlyMap<string, Uint8Array>, directory: string): Stream[] {
  const left = readBatches(directory).filter(({ id }) => !byId.has(id))
  return [...byId.values()]
    .flatMap((body) => readMetrics(body))
    .concat(left.flatMap(({ streams }) => streams))
}

function assertEnded(
  ended: { code: number | null; signal: string | null; stderr: string },
  status: [number | null, string | null]
): void {
  assert.deepEqual([ended.code, ended.signal], status, ended.stderr)
  assert.doesNotMatch(ended.stderr, /swansong:/)
}
