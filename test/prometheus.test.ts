import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Prometheus, startPrometheus } from './peers/prometheus.ts'
import { lineOf } from './support/deltas.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { until } from './support/wait.ts'
import { addTruth, type Ending, ends, type Work } from './support/work.ts'
import { startWorker, wayOut } from './support/worker.ts'

/** At least; more, if the gateway was not killed twice by then. */
const workerCountMin = 90
const atOnce = 12
const seriesCount = 4
const journalEndings: Ending[] = [
  'natural end',
  'exit code',
  'uncaught error',
  'SIGTERM',
  'flush and SIGKILL',
]
const postEndings: Ending[] = ['natural end', 'exit code', 'uncaught error', 'SIGTERM']

test('Prometheus ends with the truth, and never saw a counter go down, though the gateway was killed twice', async (t) => {
  const gateway = await startGateway()
  const prometheus = await startPrometheus({ targets: [`127.0.0.1:${gateway.ports.metrics}`] })
  const truth = new Map<string, number>()
  const kills = { done: false }
  let workers = 0
  const lane = async (): Promise<void> => {
    while (!kills.done || workers < workerCountMin) await runWorker(gateway, truth, workers++)
  }
  const lanes = Array.from({ length: atOnce }, lane)
  const killing = killTwice(gateway, prometheus).finally(() => (kills.done = true))
  await Promise.all([...lanes, killing])

  for (const [series, count] of truth) await gateway.shows(lineOf('work', { series }), count)
  await until('Prometheus has scraped the truth', () => hasScraped(prometheus, truth))
  await sleep(2500) // Nothing is added twice later on either.
  assert.ok(await hasScraped(prometheus, truth))

  const ranges = await prometheus.samples('work_total', '10m')
  assert.equal(ranges.length, seriesCount)
  for (const { labels, values } of ranges) {
    const instance = `127.0.0.1:${gateway.ports.metrics}`
    assert.deepEqual(labels, {
      __name__: 'work_total',
      instance,
      job: 'test',
      series: labels['series'],
    })
    assert.ok(values.length >= 4, `only ${values.length} scrapes were seen`)
    for (const [at, { value }] of values.entries()) {
      const before = values[at - 1]?.value ?? 0
      assert.ok(value >= before, `series ${labels['series']} went down, from ${before} to ${value}`)
    }
  }
  const [resets] = await prometheus.query('sum(resets(work_total[10m]))')
  assert.equal(resets?.value, 0)
  t.diagnostic(`${workers} workers, ${ranges[0]?.values.length} scrapes a series`)
})

/** One worker after the other: every way out with every ending that it has, over and over. */
async function runWorker(gateway: Gateway, truth: Map<string, number>, at: number): Promise<void> {
  const posts = at % 2 === 1
  const endings = posts ? postEndings : journalEndings
  const ending = endings[(at >> 1) % endings.length] as Ending
  const work: Work = {
    metric: 'work',
    seriesCount,
    adds: 1000 + at,
    liveMs: 300 + ((20 * at) % 2000),
    ending,
  }
  addTruth(truth, work)
  const ways = wayOut(gateway)
  // Short, so that some post while the gateway is away: what has no answer at their end has to go into the spool.
  const env = posts ? { ...ways.postOrSpool, OTEL_METRIC_EXPORT_INTERVAL: '300' } : ways.journal
  const { code, signal, stderr } = await startWorker('work', [JSON.stringify(work)], env).ended
  assert.deepEqual({ code, signal }, ends[ending], stderr)
}

/** Twice: lets Prometheus see more than before, kills, leaves the workers nobody to talk to, and starts again. */
async function killTwice(gateway: Gateway, prometheus: Prometheus): Promise<void> {
  let seen = 0
  for (let kills = 0; kills < 2; kills++) {
    const sum = await until('Prometheus sees more than before', async () => {
      const [sample] = await prometheus.query('sum(work_total)')
      return sample !== undefined && sample.value > seen && sample.value
    })
    seen = sum
    await gateway.kill9()
    await sleep(1500)
    await gateway.restart()
  }
}

async function hasScraped(prometheus: Prometheus, truth: ReadonlyMap<string, number>): Promise<boolean> {
  const samples = await prometheus.query('work_total')
  const last = new Map(samples.map(({ labels, value }) => [labels['series'], value]))
  return samples.length === truth.size && [...truth].every(([series, count]) => last.get(series) === count)
}
