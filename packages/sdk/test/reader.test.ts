import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { SwansongReader } from '@swansong/sdk/reader'
import { type FakeGateway, startGateway } from './support/gateway.ts'
import { readBatches, readMetrics, totals } from './support/read-metrics.ts'
import { makeSpool, run, start } from './support/run.ts'

const down = 'http://127.0.0.1:1'

test('a callback that throws or hangs takes nothing else along, and no more than the budget', async (t) => {
  const want = { counted: 4, fine: 1, beside: 2 }
  for (const [how, code] of [
    ['natural', 0],
    ['exit', 3],
  ] as const) {
    const gateway = await startGateway(200)
    t.after(gateway.close)
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url, OTEL_EXPORTER_OTLP_TIMEOUT: '60000' }
    const ended = await run('reader-callbacks', [how], env)
    assert.deepEqual([ended.code, ended.stderr], [code, ''])
    assert.deepEqual(totals(sent(gateway)), want)
    // Half a second was waited for the callback; the rest is what a job takes to start on a busy machine.
    assert.ok(Number.parseFloat(ended.stdout) < 25, ended.stdout)
  }
})

test('what hung at the last interval is not waited for at the end', async (t) => {
  const spool = makeSpool()
  t.after(spool.remove)
  const env = {
    SWANSONG_SPOOL_DIR: spool.directory,
    OTEL_METRIC_EXPORT_INTERVAL: '20',
    SWANSONG_EXIT_BUDGET_MS: '200',
  }
  const ended = await run('reader-callbacks', [], env)
  assert.deepEqual([ended.code, ended.stderr], [0, ''])
  const streams = readBatches(spool.directory).flatMap((batch) => batch.streams)
  assert.deepEqual(totals(streams), { counted: 4, fine: 1, beside: 2 })
})

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`in a spool what was counted is there soon, before ${signal}`, async (t) => {
    const spool = makeSpool()
    t.after(spool.remove)
    const job = start('reader-living', ['{}'], { SWANSONG_SPOOL_DIR: spool.directory })
    t.after(() => job.kill('SIGKILL'))
    await job.saw('ready')
    await until(() => readBatches(spool.directory).length === 1)
    job.kill('SIGUSR2')
    await job.saw('counted')
    await until(() => readBatches(spool.directory).length === 2)
    job.kill(signal)
    await job.ended
    const batches = readBatches(spool.directory)
    // An up-down counter that was never told of need not be taken back.
    assert.deepEqual(totals(batches.flatMap(({ streams }) => streams)), { seen: 2 })
  })
}

test('forceFlush and shutdown reject when nothing could be delivered, and a second shutdown does nothing', async (t) => {
  const job = start(
    'reader-living',
    [JSON.stringify({ endpoint: down, timeoutMs: 200, exitBudgetMs: 200 })],
    {}
  )
  t.after(() => job.kill('SIGKILL'))
  await job.saw('ready')
  job.kill('SIGUSR1')
  await job.saw('second: ')
  job.kill('SIGTERM')
  const { stdout, stderr, signal } = await job.ended
  assert.match(
    stdout,
    /^ready\nflush: swansong: not delivered: .*127.0.0.1:1.*\nfirst: swansong: not delivered: .*\nsecond: done\n$/
  )
  assert.equal(signal, 'SIGTERM')
  assert.match(stderr, /^(swansong: \d points? of .* lost: .*\n)+$/)
})

test('forceFlush and shutdown resolve when all is delivered', async (t) => {
  const gateway = await startGateway(200)
  t.after(gateway.close)
  const job = start('reader-living', [JSON.stringify({ endpoint: `${gateway.url}/v1/metrics` })], {})
  t.after(() => job.kill('SIGKILL'))
  await job.saw('ready')
  job.kill('SIGUSR1')
  await job.saw('second: ')
  assert.deepEqual(totals(sent(gateway)), { seen: 1, open: 'gone' })
  job.kill('SIGTERM')
  const { stdout, stderr } = await job.ended
  assert.deepEqual([stdout, stderr], ['ready\nflush: done\nfirst: done\nsecond: done\n', ''])
})

test('a gateway that comes back gets all that was counted meanwhile, once', async (t) => {
  const gateway = await startGateway(503, 503, 200)
  t.after(gateway.close)
  const options = { endpoint: `${gateway.url}/v1/metrics`, intervalMs: 20 }
  const job = start('reader-living', [JSON.stringify(options)], {})
  t.after(() => job.kill('SIGKILL'))
  await job.saw('ready')
  await gateway.asked
  job.kill('SIGUSR2')
  await job.saw('counted')
  await until(() => totals(sent(gateway))['seen'] === 2)
  const [first, again] = gateway.requests
  assert.equal(first?.id, again?.id)
  assert.ok(again !== undefined && first?.body.equals(again.body))
})

test('two readers of one provider: each way out gets all; one way out gets nothing twice', async (t) => {
  const gateways = [await startGateway(200), await startGateway(200)]
  for (const { close } of gateways) t.after(close)
  const [one = '', two = ''] = gateways.map(({ url }) => JSON.stringify({ endpoint: `${url}/v1/metrics` }))
  const job = start('reader-living', [one, two, one], {})
  t.after(() => job.kill('SIGKILL'))
  await job.saw('ready')
  job.kill('SIGTERM')
  const { stderr } = await job.ended
  for (const gateway of gateways) assert.deepEqual(totals(sent(gateway)), { seen: 1 })
  assert.match(stderr, /^swansong: a second reader of one MeterProvider .* does nothing\n$/)
})

test('nothing leaves a test run, and nothing is opened where exporting is off', async (t) => {
  const gateway = await startGateway(200)
  t.after(gateway.close)
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url, SWANSONG_EXPORT: '', NODE_ENV: 'test' }
  const ended = await run('reader-ending', ['natural'], env)
  assert.deepEqual([ended.code, ended.stderr, gateway.requests.length], [0, '', 0])
})

test('a spool that is gone is said in one line, and nothing is thrown', async () => {
  const ended = await run('reader-ending', ['natural'], { SWANSONG_SPOOL_DIR: '/nowhere/at-all' })
  assert.deepEqual([ended.code, ended.signal], [0, null])
  assert.match(ended.stderr, /^swansong: \d+ points of \S+ lost: \/nowhere\/at-all: ENOENT.*\n$/)
})

test('a wrong option is named once, and its default used', async (t) => {
  const gateway = await startGateway(200)
  t.after(gateway.close)
  const wrong = JSON.stringify({ endpoint: `${gateway.url}/v1/metrics`, timeoutMs: 'soon' })
  const job = start('reader-living', [wrong], {})
  t.after(() => job.kill('SIGKILL'))
  await job.saw('ready')
  job.kill('SIGTERM')
  const { stderr } = await job.ended
  assert.match(stderr, /^swansong: .*timeoutMs.*\n$/)
  assert.deepEqual(totals(sent(gateway)), { seen: 1 })
})

test('a reader belongs to one provider, and to one of a version that it knows', () => {
  const reader = new SwansongReader({ export: false })
  void new MeterProvider({ readers: [reader] })
  assert.throws(() => new MeterProvider({ readers: [reader] }), /belongs to one MeterProvider/)
  // What sdk-metrics 1 hands to its readers: its resources have no `getRawAttributes`.
  const old = { _sharedState: { resource: { attributes: {}, merge() {} }, meterSharedStates: new Map() } }
  assert.throws(() => new SwansongReader().setMetricProducer(old as never), /sdk-metrics 2 or 3.*version 1/)
})

test('an SDK that keeps its state elsewhere is collected asynchronously', async (t) => {
  const gateway = await startGateway(200)
  t.after(gateway.close)
  const hidden = totalsThroughCollect(t, gateway)
  assert.deepEqual(await hidden, { counted: 5 })
})

/** A provider's own collector, behind a producer that shows nothing but `collect()`. */
async function totalsThroughCollect(t: TestContext, gateway: FakeGateway): Promise<unknown> {
  const before = ['exit', 'beforeExit', 'SIGTERM', 'SIGINT', 'SIGHUP'].map(
    (event) => [event, process.listeners(event as 'exit')] as const
  )
  t.after(() => {
    for (const [event, listeners] of before) {
      for (const each of process.listeners(event as 'exit')) {
        if (!listeners.includes(each)) process.removeListener(event, each)
      }
    }
  })
  const reader = new SwansongReader({ endpoint: `${gateway.url}/v1/metrics`, export: true })
  const provider = new MeterProvider({
    readers: [
      {
        setMetricProducer: (producer) =>
          reader.setMetricProducer({ collect: (options) => producer.collect(options) }),
        selectAggregation: (type) => reader.selectAggregation(type),
        selectAggregationTemporality: (type) => reader.selectAggregationTemporality(type),
        selectCardinalityLimit: () => reader.selectCardinalityLimit(),
        collect: (options) => reader.collect(options),
        forceFlush: (options) => reader.forceFlush(options),
        shutdown: (options) => reader.shutdown(options),
      },
    ],
  })
  const counted = provider.getMeter('hidden').createCounter('counted')
  counted.add(2)
  await provider.forceFlush()
  counted.add(3)
  await provider.shutdown()
  return totals(sent(gateway))
}

function sent(gateway: FakeGateway): ReturnType<typeof readMetrics> {
  return [...gateway.counted.values()].flatMap((body) => readMetrics(body))
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!holds()) {
    assert.ok(Date.now() < deadline, 'it never came')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
