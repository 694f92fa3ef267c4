import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lineOf } from './support/deltas.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { addTruth, type Work } from './support/work.ts'
import { runAll, startWorker, wayOut } from './support/worker.ts'
import type { Posts } from './support/posts.ts'

const seriesCount = 20
const workerCount = 2000
const atOnce = 128

/*
 * Of these 2,000 workers, each has a TCP connection and OTLP bodies of its own, and its time overlaps those of the others;
 * they live in four driver processes. Each of the SDK's, which follow, is a process.
 */
test('2,000 workers under one shared resource, 128 at a time, are 20 series with exact sums', async () => {
  const gateway = await startGateway()
  const truth = await postAll(gateway, { metric: 'shared', instances: false })
  await assertSums(gateway, 'shared', truth)
  assert.equal(await gateway.metric('swansong_duplicates_total'), 0)
})

test('the same with a service.instance.id each are 20 series too', async () => {
  const gateway = await startGateway()
  const truth = await postAll(gateway, { metric: 'own', instances: true })
  await assertSums(gateway, 'own', truth)
})

test('2,000 processes of the SDK, 128 at a time, each with an instance id, are 20 series all the same', async () => {
  const gateway = await startGateway()
  const truth = new Map<string, number>()
  const runs = Array.from({ length: workerCount }, (_, at) => () => {
    const adds = 200 + (at % 7)
    const work: Work = { metric: 'own', seriesCount, adds, liveMs: 0, ending: 'natural end' }
    addTruth(truth, work)
    return runToItsEnd(gateway, work, at % 2 === 0 ? 'journal' : 'post')
  })
  await runAll(runs, atOnce)
  await assertSums(gateway, 'own', truth)
})

test('100 processes of 1,000 that live long among 500 short ones of 1 are 100,500', async () => {
  const gateway = await startGateway()
  const run = (adds: number, liveMs: number, at: number): Promise<void> => {
    const work: Work = { metric: 'mixed', seriesCount: 1, adds, liveMs, ending: 'natural end' }
    return runToItsEnd(gateway, work, at % 2 === 0 ? 'journal' : 'post')
  }
  const long = Array.from({ length: 100 }, (_, at) => run(1000, 5000, at))
  const short = Array.from({ length: 500 }, (_, at) => () => run(1, 0, at))
  await Promise.all([...long, runAll(short, 16)])
  await assertSums(gateway, 'mixed', new Map([['0', 100_500]]))
})

/** Plays the 2,000 workers; the truth by series. */
async function postAll(
  gateway: Gateway,
  { metric, instances }: Pick<Posts, 'metric' | 'instances'>
): Promise<Map<string, number>> {
  const drivers = 4
  const posts: Posts = {
    url: gateway.urls.otlp,
    metric,
    instances,
    seriesCount,
    workerCount: workerCount / drivers,
    atOnce: atOnce / drivers,
    batchCount: 3,
    pauseMsMax: 40,
  }
  const runs = Array.from({ length: drivers }, () => startWorker('posts', [JSON.stringify(posts)], {}))
  let truth = 0
  for (const { code, stdout, stderr } of await Promise.all(runs.map(({ ended }) => ended))) {
    assert.equal(code, 0, stderr)
    const said = JSON.parse(stdout) as { counted: number; atOnceMost: number }
    assert.equal(said.atOnceMost, posts.atOnce)
    truth += said.counted
  }
  return new Map(Array.from({ length: seriesCount }, (_, series) => [String(series), truth]))
}

async function runToItsEnd(gateway: Gateway, work: Work, way: 'journal' | 'post'): Promise<void> {
  const { code, stderr } = await startWorker('work', [JSON.stringify(work)], {
    ...wayOut(gateway)[way],
    OTEL_METRIC_EXPORT_INTERVAL: '500', // So that who lives long posts while the short ones come and go.
    SWANSONG_EXIT_BUDGET_MS: '60000', // The machine is busy, and nothing is to be lost here.
  }).ended
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
}

/** These sums, and no series beside them: also none of another metric. */
async function assertSums(
  gateway: Gateway,
  metric: string,
  truth: ReadonlyMap<string, number>
): Promise<void> {
  for (const [series, count] of truth) await gateway.shows(lineOf(metric, { series }), count)
  assert.equal((await gateway.status()).series, truth.size)
  const lines = [...(await gateway.metrics()).keys()].filter((line) => !line.startsWith('swansong_'))
  assert.equal(lines.length, truth.size)
}
