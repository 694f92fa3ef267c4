import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExportRequest, type ExponentialHistogramDataPoint, type Metric } from '@swansong/otlp'
import { type Prometheus, startPrometheus } from './peers/prometheus.ts'
import { startGateway } from './support/gateway.ts'
import { until } from './support/wait.ts'

const scale = 5
/** What one bucket's upper bound is to the one before. */
const factor = 2 ** (1 / 2 ** scale)

test('Prometheus scrapes exponential histograms as native ones, from 0 on, beside all else', async () => {
  const gateway = await startGateway()
  const targets = [`127.0.0.1:${gateway.ports.metrics}`]
  const prometheus = await startPrometheus({ targets, takesNativeHistograms: true })
  await until('Prometheus scrapes', async () => (await prometheus.query('up == 1')).length > 0)
  const values = Array.from({ length: 1000 }, (_, at) => 0.001 * 1.01 ** at)
  const post = async (some: readonly number[]): Promise<void> => {
    const { status, body } = await gateway.post(encodeExportRequest(requestOf(some)))
    assert.deepEqual([status, body.length], [200, 0])
  }
  await post(values.slice(0, 600))
  await until('it has the first', () => has(prometheus, 'histogram_count(duration_seconds)', 600))
  await post(values.slice(600))
  await until('it has all', () => has(prometheus, 'histogram_count(duration_seconds)', 1000))

  const total = values.reduce((sum, value) => sum + value, 0)
  const sum = await valueOf(prometheus, 'histogram_sum(duration_seconds)')
  assert.ok(Math.abs(sum / total - 1) < 1e-9, `${sum} is ${total}`)
  for (const share of [0.1, 0.5, 0.9, 0.99]) {
    const quantile = await valueOf(prometheus, `histogram_quantile(${share}, duration_seconds)`)
    const truth = values[Math.ceil(share * values.length) - 1] as number
    const ratio = quantile / truth
    assert.ok(ratio < factor && ratio > 1 / factor, `${share}: ${quantile} is about ${truth}`)
  }
  const now = Date.now() / 1000
  const range = { start: now - 120, end: now, step: 1 }
  const [counts] = await prometheus.queryRange('histogram_count(duration_seconds)', range)
  const seen = new Set(counts?.values.map(({ value }) => value))
  assert.deepEqual([...seen], [0, 600, 1000], 'each once, none between, in this order')
  assert.equal(await valueOf(prometheus, 'jobs_total'), 2)
  assert.equal(await valueOf(prometheus, 'classic_bucket{le="1.0"}'), 2)
  assert.equal(await valueOf(prometheus, 'sum(classic_count)'), 4)
  assert.equal((await prometheus.query('duration_seconds_bucket')).length, 0, 'nothing is kept twice')
  assert.equal(await valueOf(prometheus, 'swansong_build_info'), 1)
})

function requestOf(values: readonly number[]) {
  const nowUnixNano = BigInt(Date.now()) * 1_000_000n
  const times = { timeUnixNano: nowUnixNano, startTimeUnixNano: nowUnixNano - 1_000_000_000n }
  const metrics: Metric[] = [
    {
      name: 'duration',
      unit: 's',
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
  return { count: values.length, sum, scale, zeroCount: 0, positive: { offset, bucketCounts } }
}

async function valueOf(prometheus: Prometheus, promql: string): Promise<number> {
  const [sample, ...more] = await prometheus.query(promql)
  assert.deepEqual(more, [])
  return sample?.value ?? assert.fail(`Prometheus has no ${promql}`)
}

async function has(prometheus: Prometheus, promql: string, want: number): Promise<boolean> {
  const [sample] = await prometheus.query(promql)
  return sample?.value === want
}
