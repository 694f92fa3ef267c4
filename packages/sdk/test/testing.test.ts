import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  counter,
  gauge,
  getMeter,
  histogram,
  observableCounter,
  observableGauge,
  observableUpDownCounter,
  upDownCounter,
} from '@swansong/sdk'
import { type Capture, capture } from '@swansong/sdk/testing'
import { requestsOf, startGateway } from './support/gateway.ts'
import { sums } from './support/read-request.ts'
import { makeSpool, run } from './support/run.ts'

const tokens = counter('tokens', { attributes: ['model', 'type'] })
const running = upDownCounter('running')
const heat = gauge('heat')
const sizes = histogram('sizes', { boundaries: [10, 100] })
let captures: Capture[] = []
function begin(): Capture {
  const counts = capture()
  captures.push(counts)
  return counts
}
afterEach(() => {
  for (const each of captures) each.restore()
  captures = []
})

test('a counter: by its whole set of attributes, in any order, or all together', () => {
  tokens.add(1000, { model: 'before' })
  const counts = begin()
  tokens.add(3, { model: 'small', type: 'input' })
  tokens.add(4, { type: 'input', model: 'small' })
  tokens.bind({ model: 'large' }).add(5)
  tokens.add(0.1)
  tokens.add(0.2)
  assert.equal(counts.value('tokens', { model: 'small', type: 'input' }), 7)
  assert.equal(counts.value('tokens', { type: 'input', model: 'small' }), 7)
  assert.equal(counts.value('tokens', { model: 'large', type: undefined }), 5)
  assert.equal(counts.value('tokens', { model: 'small' }), 0, 'a part of a set is another set')
  assert.equal(counts.value('tokens', { model: 'before' }), 0)
  assert.equal(counts.value('tokens', {}), 0.1 + 0.2)
  assert.equal(counts.value('tokens'), 12 + (0.1 + 0.2))
})

test('an up-down counter, a gauge, a histogram', () => {
  running.add(5)
  heat.record(20)
  const counts = begin()
  assert.equal(counts.value('running'), 0)
  assert.equal(counts.value('heat'), undefined)
  assert.deepEqual(counts.value('sizes'), {
    count: 0,
    sum: 0,
    min: undefined,
    max: undefined,
    buckets: [0, 0, 0],
  })
  running.add(2)
  running.add(-3)
  heat.record(21, { room: 'a' })
  heat.record(-4, { room: 'b' })
  for (const size of [5, 50, 10, 200]) sizes.record(size, { kind: 'x' })
  sizes.record(1)
  assert.equal(counts.value('running'), -1)
  assert.equal(counts.value('heat', { room: 'a' }), 21)
  assert.equal(counts.value('heat'), -4)
  assert.deepEqual(counts.histogram('sizes', { kind: 'x' }), {
    count: 4,
    sum: 265,
    min: 5,
    max: 200,
    buckets: [2, 1, 1],
  })
  assert.deepEqual(counts.value('sizes'), { count: 5, sum: 266, min: 1, max: 200, buckets: [3, 1, 1] })
})

test('observable instruments are observed when they are asked for', () => {
  let seen = 10
  observableCounter('seen').addCallback((result) => result.observe(seen))
  observableUpDownCounter('queue').addCallback((result) => result.observe(seen, { of: 'jobs' }))
  observableGauge('level').addCallback((result) => result.observe(seen))
  const check = (counts: Capture, want: number[]): void => {
    const got = ['seen', 'queue', 'level'].map((name) => counts.value(name))
    assert.deepEqual(got, want)
  }
  const around = begin()
  check(around, [0, 10, 10]) // An observed counter is what it rose by.
  seen = 12
  check(around, [2, 12, 12])
  const counts = begin()
  seen = 15
  check(counts, [3, 15, 15])
  check(around, [5, 15, 15])
  counts.reset()
  seen = 16
  check(counts, [1, 16, 16])
  check(around, [6, 16, 16])
})

test('captures overlap: each holds what was recorded since it began, or was reset', () => {
  const check = (counts: Capture, jobs: number, max: number | undefined): void => {
    assert.deepEqual([counts.value('overlap'), counts.histogram('overlap.sizes').max], [jobs, max])
  }
  const jobs = counter('overlap')
  const jobSizes = histogram('overlap.sizes')
  const record = (value: number): void => {
    jobs.add(value)
    jobSizes.record(value)
  }
  const outer = begin()
  record(100)
  const inner = begin()
  record(20)
  check(outer, 120, 100)
  check(inner, 20, 20)
  outer.reset()
  check(outer, 0, undefined)
  check(inner, 20, 20)
  record(3)
  check(outer, 3, 3)
  check(inner, 23, 20)
  inner.reset()
  for (let series = 0; series < 500; series++) jobs.add(1, { series }) // The recorder's column grows meanwhile.
  check(inner, 500, undefined)
  check(outer, 503, 3)
  outer.restore() // The one that began first need not end last.
  record(7)
  check(inner, 507, 7)
  assert.throws(() => outer.value('overlap'), /this capture was restored/)
  assert.throws(() => outer.reset(), /this capture was restored/)
  inner.restore()
  inner.restore()
  const after = begin()
  check(after, 0, undefined)
})

test('sums are exact, and what is born in an inner capture is whole in the outer one', () => {
  const outer = begin()
  for (const value of [1e16, 1]) tokens.add(value, { model: 'vast' })
  const inner = begin()
  const late = histogram('late.sizes')
  late.record(50)
  tokens.add(1, { model: 'vast' })
  assert.equal(outer.histogram('late.sizes').min, 50)
  inner.restore()
  assert.equal(outer.histogram('late.sizes').min, 50)
  assert.equal(outer.value('tokens', { model: 'vast' }), 1e16 + 2)
})

test('a thousand resets hold on to nothing', () => {
  const outer = begin()
  const inner = begin()
  for (let turn = 0; turn < 1000; turn++) {
    tokens.add(1)
    assert.equal(inner.value('tokens'), 1)
    inner.reset()
  }
  const startedAt = process.cpuUsage()
  for (let turn = 0; turn < 100; turn++) assert.equal(outer.value('tokens'), 1000)
  assert.ok(process.cpuUsage(startedAt).user < 1_000_000)
})

test('a wrong name is an error that names the right ones', () => {
  const counts = begin()
  assert.throws(() => counts.value('tokns'), /no instrument 'tokns': there are .*heat.*, tokens/)
  assert.throws(() => counts.histogram('tokens'), /'tokens' is no histogram/)
  getMeter('library').createHistogram('tokens')
  assert.throws(() => counts.value('tokens'), /is a counter and a histogram/)
})

test('instruments of one name in several scopes are one', () => {
  getMeter('a').createCounter('shared').add(1)
  const counts = begin()
  getMeter('a').createCounter('shared').add(2, { x: 1 })
  getMeter('b').createCounter('shared').add(3, { x: 1 })
  assert.equal(counts.value('shared', { x: 1 }), 5)
})

const sizesAre = (points: readonly { metric: string }[]): string[] => points.map(({ metric }) => metric)
for (const [when, jobs] of [
  ['first', 0],
  ['between', 3],
  ['twice', 7],
  ['never restored', 3],
] as const) {
  test(`nothing leaves that was captured, whatever was set: ${when}`, async () => {
    const register = ['--import', fileURLToPath(new URL('../src/register.ts', import.meta.url))]
    const spool = makeSpool()
    const ended = await run('capturing', [when], { SWANSONG_SPOOL_DIR: spool.directory }, register)
    assert.deepEqual([ended.code, ended.stderr], [0, ''])
    const files = spool.read(when === 'never restored' ? 'living' : undefined)
    const journaled = sums(files.map((file) => file.request))
    assert.equal(journaled['jobs'] ?? 0, jobs)
    assert.equal(journaled['born.meanwhile'] ?? 0, 0)
    for (const { request } of files) {
      for (const point of request.points) assert.ok(point.value < 100, sizesAre([point]).join())
    }
    spool.remove()

    if (when === 'never restored') return // What was not posted by then waits for the end of the capture.
    const gateway = await startGateway(200)
    const posted = await run('capturing', [when], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url }, register)
    await gateway.close()
    assert.deepEqual([posted.code, posted.stderr], [0, ''])
    const got = sums(requestsOf(gateway.counted.values()))
    assert.equal(got['jobs'] ?? 0, jobs)
    assert.deepEqual(
      Object.keys(got).filter((name) => /born|of\.api/.test(name)),
      []
    )
  })
}

test('a capture that came first installs nothing, and sees the API in a test run too', async () => {
  const register = ['--import', fileURLToPath(new URL('../src/register.ts', import.meta.url))]
  const wrong = { OTEL_METRIC_EXPORT_INTERVAL: 'often' } // Complained of where a way out is opened.
  for (const env of [wrong, { NODE_ENV: 'test', SWANSONG_EXPORT: '' }]) {
    const { code, stderr } = await run('capturing', ['only'], env, register)
    assert.deepEqual([code, stderr], [0, ''])
  }
})

test('in a test run nothing leaves, though it counts; with SWANSONG_EXPORT=1 it does', async () => {
  for (const sign of [{ NODE_ENV: 'test' }, { VITEST: 'true' }, { JEST_WORKER_ID: '1' }]) {
    const spool = makeSpool()
    const gateway = await startGateway(200)
    for (const asked of ['', '1']) {
      const env = { SWANSONG_EXPORT: asked, ...sign }
      const journal = await run('ending', ['natural'], { ...env, SWANSONG_SPOOL_DIR: spool.directory })
      const post = await run('ending', ['natural'], { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
      assert.deepEqual([journal.stderr, post.stderr, journal.code, post.code], ['', '', 0, 0])
      const got = [spool.read().length, gateway.requests.length]
      assert.deepEqual(got, asked === '1' ? [1, 1] : [0, 0], JSON.stringify(env))
    }
    await gateway.close()
    spool.remove()
  }
})
