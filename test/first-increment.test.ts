import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Prometheus, type PrometheusOptions, revealed, startPrometheus } from './peers/prometheus.ts'
import { deltas, lineOf } from './support/deltas.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { until } from './support/wait.ts'

/** What each series was told. */
type Truth = Map<string, number>

const name = 'born'
const perWave = 8
/** More than one scrape of the slower one: a Prometheus that a busy machine stopped for longer has missed a birth. */
const scrapeGapSecondsMax = 5
const attemptsMax = 3

test('stock Prometheus of both versions, of different intervals and formats, count what is born at 7 as an increase of 7, through kill -9 and a restart', async (t) => {
  for (let attempt = 1; ; attempt++) {
    const stalledSeconds = await run()
    if (stalledSeconds <= scrapeGapSecondsMax) return
    t.diagnostic(`attempt ${attempt}: this machine kept a Prometheus from scraping for ${stalledSeconds} s`)
    assert.ok(attempt < attemptsMax, 'a Prometheus that scrapes in time')
  }
})

/** Returns the longest time between two scrapes of a Prometheus; nothing is asserted of who missed the hold. */
async function run(): Promise<number> {
  const gateway = await startGateway()
  const targets = [`127.0.0.1:${gateway.ports.metrics}`]
  const often: PrometheusOptions[] = [
    { targets, scrapeInterval: '1s', dataDir: await directory() },
    { targets, scrapeInterval: '1s', dataDir: await directory(), major: 3 },
  ]
  let fast = await startAll(often)
  const takesStarts = ['--enable-feature=created-timestamp-zero-ingestion']
  const slow = await startAll([
    { targets, scrapeInterval: '3s', takesNativeHistograms: true },
    { targets, scrapeInterval: '3s', takesNativeHistograms: true, major: 3, extraArgs: takesStarts },
  ])
  const all = [...fast, ...slow]
  for (const prometheus of all) await scrapedThrice(prometheus)

  const truth: Truth = new Map()
  await bear(gateway, truth, 'before')
  await gateway.kill9() // Those are held, and scrapers are not known any more.
  await gateway.restart()
  await bear(gateway, truth, 'after')
  for (const prometheus of all) await revealed(prometheus)
  await addToAll(gateway, truth)
  for (const prometheus of all) await until('it has the truth', () => hasTruth(prometheus, truth))
  const stalled = Math.max(...(await Promise.all(all.map(longestGap))))
  if (stalled > scrapeGapSecondsMax) return stalled
  for (const prometheus of all) assert.deepEqual(await increases(prometheus), truth)

  for (const prometheus of fast) await prometheus.stop()
  fast = await startAll(often)
  await addToAll(gateway, truth)
  for (const prometheus of fast) {
    await until('the restarted one has the truth', () => hasTruth(prometheus, truth))
    assert.deepEqual(await prometheus.query('resets(born_total[10m]) > 0'), [], 'no series fell')
    assert.deepEqual(await increases(prometheus), truth)
  }
  return 0
}

function startAll(options: readonly PrometheusOptions[]): Promise<Prometheus[]> {
  return Promise.all(options.map(startPrometheus))
}

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'swansong-scrapes-'))
  after(() => rm(made, { recursive: true, force: true }))
  return made
}

/** Workers that each bring a series of their own into the world, and are seen by curl at once. */
async function bear(gateway: Gateway, truth: Truth, wave: string): Promise<void> {
  for (let at = 0; at < perWave; at++) {
    const series = `${wave} ${at}`
    truth.set(series, 7 + at)
    const { status } = await gateway.post(deltas([{ name, value: 7 + at, attributes: { series } }]), series)
    assert.equal(status, 200)
    assert.equal(await gateway.metric(lineOf(name, { series })), 7 + at)
  }
}

async function addToAll(gateway: Gateway, truth: Truth): Promise<void> {
  const points = [...truth.keys()].map((series) => ({ name, value: 1, attributes: { series } }))
  assert.equal((await gateway.post(deltas(points))).status, 200)
  for (const [series, value] of truth) truth.set(series, value + 1)
}

async function scrapedThrice(prometheus: Prometheus): Promise<void> {
  await until('Prometheus scrapes', async () => {
    const [count] = await prometheus.query('sum(sum_over_time(up[1m]))')
    return count !== undefined && count.value >= 3
  })
}

async function hasTruth(prometheus: Prometheus, truth: Truth): Promise<boolean> {
  const samples = await prometheus.query('born_total')
  const last = new Map(samples.map(({ labels, value }) => [labels['series'], value]))
  return [...truth].every(([series, value]) => last.get(series) === value)
}

/** By `increase()`, a millisecond behind the last sample, so that Prometheus has next to nothing to extrapolate. */
async function increases(prometheus: Prometheus): Promise<Truth> {
  const samples = await prometheus.samples('born_total', '10m')
  const at = Math.max(...samples.map(({ values }) => values.at(-1)?.at ?? 0)) + 0.001
  const range = { start: at, end: at, step: 1 }
  const read = await prometheus.queryRange('increase(born_total[10m])', range)
  return new Map(
    read.map(({ labels, values }) => [labels['series'] ?? '', Math.round(values[0]?.value ?? 0)])
  )
}

async function longestGap(prometheus: Prometheus): Promise<number> {
  const [up] = await prometheus.samples('up', '10m')
  const times = up?.values.map(({ at }) => at) ?? []
  return Math.max(...times.slice(1).map((at, before) => at - (times[before] as number)))
}
