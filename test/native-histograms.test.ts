import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { encodeExportRequest, type ExponentialHistogramDataPoint, type Metric } from '@swansong/otlp'
import { type Prometheus, startPrometheus } from './peers/prometheus.ts'
import { startGateway } from './support/gateway.ts'
import { freePorts } from './support/ports.ts'
import { until } from './support/wait.ts'

const scale = 5
/** What one bucket's upper bound is to the one before. */
const factor = 2 ** (1 / 2 ** scale)

/** How a Prometheus has come to know them. */
interface Way {
  name: string
  prometheus: Prometheus
  /** Tells what came by it. */
  instance: string
}

test('Prometheus has exponential histograms as native ones, from 0 on, beside all else: scraped by both versions, and by remote write 2.0', async () => {
  const [port = 0] = await freePorts(1)
  const url = `http://127.0.0.1:${port}/api/v1/write`
  const by = { protobuf_message: 'io.prometheus.write.v2.Request', interval: '1s' }
  const flags = await configured({
    remote_write: [{ url, ...by, external_labels: { instance: 'written' } }],
  })
  const gateway = await startGateway({ flags })
  const instance = `127.0.0.1:${gateway.ports.metrics}`
  const scraping = { targets: [instance], takesNativeHistograms: true }
  const features = '--enable-feature=exemplar-storage,created-timestamp-zero-ingestion'
  const extraArgs = [features, '--web.enable-remote-write-receiver']
  const third = await startPrometheus({ ...scraping, major: 3, port, extraArgs })
  const ways: Way[] = [
    { name: 'scraped by 2', prometheus: await startPrometheus(scraping), instance },
    { name: 'scraped by 3', prometheus: third, instance },
    { name: 'written to 3', prometheus: third, instance: 'written' },
  ]
  for (const { prometheus } of ways)
    await until('Prometheus scrapes', async () => (await prometheus.query('up == 1')).length > 0)
  const values = Array.from({ length: 1000 }, (_, at) => 0.001 * 1.01 ** at)
  const post = async (some: readonly number[]): Promise<void> => {
    const { status, body } = await gateway.post(encodeExportRequest(requestOf(some)))
    assert.deepEqual([status, body.length], [200, 0])
  }
  await post(values.slice(0, 600))
  for (const way of ways) await until(`${way.name}: the first`, () => hasCount(way, 600))
  await post(values.slice(600))
  for (const way of ways) await until(`${way.name}: all`, () => hasCount(way, 1000))
  for (const way of ways) await check(way, values)

  const [own] = await third.query(`swansong_build_info{instance="${instance}"}`)
  assert.equal(own?.value, 1)
  const told = await third.ask<Record<string, unknown>>('metadata', { metric: 'duration_seconds' })
  assert.deepEqual(told['duration_seconds'], [
    { type: 'histogram', unit: 'seconds', help: 'How long "it" took.' },
  ])
  for (const { instance: from } of ways.slice(1))
    assert.deepEqual(await exemplarsOf(third, `duration_seconds{instance="${from}"}`), [
      { labels: { trace_id: '01'.repeat(16) }, value: String(values[0]) },
      { labels: { trace_id: '01'.repeat(16) }, value: String(values[600]) },
    ])
})

async function configured(settings: object): Promise<string[]> {
  const home = await mkdtemp(join(tmpdir(), 'swansong-native-histograms-'))
  after(() => rm(home, { recursive: true, force: true }))
  await writeFile(join(home, 'swansong.yaml'), JSON.stringify(settings)) // JSON is YAML.
  return ['--config', join(home, 'swansong.yaml')]
}

/** That it has all of them, each where it belongs, and saw them once. */
async function check({ name, prometheus, instance }: Way, values: readonly number[]): Promise<void> {
  const only = (metric: string, labels = ''): string => `${metric}{instance="${instance}"${labels}}`
  const duration = only('duration_seconds')
  const total = values.reduce((sum, value) => sum + value, 0)
  const sum = await valueOf(prometheus, `histogram_sum(${duration})`)
  assert.ok(Math.abs(sum / total - 1) < 1e-9, `${name}: ${sum} is ${total}`)
  for (const share of [0.1, 0.5, 0.9, 0.99]) {
    const quantile = await valueOf(prometheus, `histogram_quantile(${share}, ${duration})`)
    const truth = values[Math.ceil(share * values.length) - 1] as number
    const ratio = quantile / truth
    assert.ok(ratio < factor && ratio > 1 / factor, `${name}: ${share}: ${quantile} is about ${truth}`)
  }
  const now = Date.now() / 1000
  const range = { start: now - 120, end: now, step: 0.25 } // Between a zero and its value is a second at least.
  const [counts] = await prometheus.queryRange(`histogram_count(${duration})`, range)
  const seen = new Set(counts?.values.map(({ value }) => value))
  assert.deepEqual([...seen], [0, 600, 1000], `${name}: each once, none between, in this order`)
  assert.equal(await valueOf(prometheus, only('jobs_total')), 2)
  assert.equal(await valueOf(prometheus, only('classic_bucket', ',le="1.0"')), 2)
  assert.equal(await valueOf(prometheus, `sum(${only('classic_count')})`), 4)
  const buckets = await prometheus.query(only('duration_seconds_bucket'))
  assert.equal(buckets.length, 0, `${name}: nothing is kept twice`)
}

interface Marks {
  exemplars: { labels: Record<string, string>; value: string }[]
}

async function exemplarsOf(prometheus: Prometheus, query: string): Promise<Marks['exemplars']> {
  const now = Date.now() / 1000
  const range = { start: String(now - 120), end: String(now + 1) }
  const found = await prometheus.ask<Marks[]>('query_exemplars', { query, ...range })
  return found.flatMap(({ exemplars }) => exemplars.map(({ labels, value }) => ({ labels, value })))
}

function requestOf(values: readonly number[]) {
  const nowUnixNano = BigInt(Date.now()) * 1_000_000n
  const times = { timeUnixNano: nowUnixNano, startTimeUnixNano: nowUnixNano - 1_000_000_000n }
  const metrics: Metric[] = [
    {
      name: 'duration',
      unit: 's',
      description: 'How long "it" took.',
      exponentialHistogram: { aggregationTemporality: 1, dataPoints: [{ ...times, ...pointOf(values) }] },
    },
    {
      name: 'jobs',
      sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: [{ ...times, asInt: 1 }] },
    },
    {
      name: 'classic',
      histogram: {
        aggregationTemporality: 1,
        dataPoints: [{ ...times, count: 2, sum: 3, explicitBounds: [1], bucketCounts: [1, 1] }],
      },
    },
  ]
  return {
    resourceMetrics: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'test' } }] },
        scopeMetrics: [{ scope: {}, metrics }],
      },
    ],
  }
}

function pointOf(values: readonly number[]): ExponentialHistogramDataPoint {
  const indexes = values.map((value) => Math.ceil(Math.log2(value) * 2 ** scale) - 1)
  const offset = Math.min(...indexes)
  const bucketCounts = Array<number>(Math.max(...indexes) - offset + 1).fill(0)
  for (const index of indexes) bucketCounts[index - offset] = (bucketCounts[index - offset] ?? 0) + 1
  const sum = values.reduce((before, each) => before + each, 0)
  const exemplars = [
    {
      asDouble: values[0] as number,
      timeUnixNano: BigInt(Date.now()) * 1_000_000n,
      traceId: new Uint8Array(16).fill(1),
    },
  ]
  return { count: values.length, sum, scale, zeroCount: 0, positive: { offset, bucketCounts }, exemplars }
}

async function valueOf(prometheus: Prometheus, promql: string): Promise<number> {
  const [sample, ...more] = await prometheus.query(promql)
  assert.deepEqual(more, [])
  return sample?.value ?? assert.fail(`Prometheus has no ${promql}`)
}

async function hasCount({ prometheus, instance }: Way, want: number): Promise<boolean> {
  const [sample] = await prometheus.query(`histogram_count(duration_seconds{instance="${instance}"})`)
  return sample?.value === want
}
