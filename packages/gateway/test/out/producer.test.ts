import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  MetricReader,
  type CollectionResult,
  type MetricData,
  type ScopeMetrics,
} from '@opentelemetry/sdk-metrics'
import { encodeExportRequest, type ExportRequest, type Metric, type ResourceMetrics } from '@swansong/otlp'
import { LedgerProducer } from '../../src/out/producer.ts'
import { startGateway, type TestGateway } from '../support/gateways.ts'
import { exponentialPoint, gauge, histogram, sum, time } from '../support/kinds.ts'
import { committed, open, postBatch } from '../support/ledgers.ts'
import { deltas, keyValues } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'
import { eventually } from '../support/spools.ts'

const start = time - 1_000_000_000n
/** Names that end in a unit here, and not as the stock exporter has them. */
const withoutUnits: Readonly<Record<string, string>> = {
  io_bytes_total: 'io_total',
  latency_seconds: 'latency',
  temperature_celsius: 'temperature',
}

/** Every kind, from two services and several scopes, with all that has to be translated. */
function everything(): ExportRequest {
  const attributes = keyValues({ 'a.b': 'x', job: 'mine', quote: '"\\\n', count: 3, is: true, empty: '' })
  const metrics: Metric[] = [
    sum({ asDouble: 5, attributes }, 1, true, 'work'),
    sum({ asDouble: 0.1, attributes: keyValues({ a_b: '2', 'a.b': '1' }) }, 1, true, 'work'),
    { ...sum({ asDouble: 4096 }, 1, true, 'io'), unit: 'By', description: 'Bytes.\nRead \\ written.' },
    sum({ asDouble: -3 }, 2, false, 'active'),
    { ...gauge(1e300, time, 'temperature'), unit: 'Cel' },
    gauge(-0.5, time, '9.lives'),
    {
      ...histogram(
        { count: 4, sum: 12.5, min: 0.25, max: 9, bucketCounts: [1, 2, 1], explicitBounds: [1, 5] },
        1,
        'latency'
      ),
      unit: 's',
    },
    histogram({ count: 2, bucketCounts: [1, 1], explicitBounds: [1_000_000] }, 1, 'no.sum'),
    {
      name: 'sizes',
      exponentialHistogram: {
        aggregationTemporality: 1,
        dataPoints: [
          {
            timeUnixNano: time,
            startTimeUnixNano: start,
            ...exponentialPoint([-4, -1, 0, 0.001, 1, 3, 70], 3),
          },
        ],
      },
    },
  ]
  return {
    resourceMetrics: [
      of('jobs', [{ scope: { name: 'test', version: '1.2' }, metrics }]),
      of('jobs', [
        {
          scope: { name: 'other', attributes: keyValues({ 'team.name': 'red' }) },
          schemaUrl: 'https://x/1',
          metrics,
        },
        { scope: {}, metrics },
      ]),
      of('crons', [{ scope: { name: 'test', version: '1.2' }, metrics }]),
    ],
  }
}

function of(service: string, scopeMetrics: NonNullable<ResourceMetrics['scopeMetrics']>): ResourceMetrics {
  const attributes = {
    'service.name': service,
    'service.namespace': 'night',
    'deployment.environment.name': 'test',
  }
  return { resource: { attributes: keyValues(attributes) }, scopeMetrics }
}

/** The stock exporter with the gateway's sums, on a port of its own, and nothing else to show. */
async function startExporter(context: TestContext, gateway: TestGateway): Promise<string> {
  const port = await freePort()
  const exporter = new PrometheusExporter({
    host: '127.0.0.1',
    port,
    preventServerStart: true,
    metricProducers: [gateway.gateway.producer('prometheus')],
  })
  const provider = new MeterProvider({ readers: [exporter] })
  await exporter.startServer()
  context.after(() => provider.shutdown())
  return `http://127.0.0.1:${port}/metrics`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A series as Prometheus knows it: no label without a value, `le` as a number, names without units. */
async function seriesOf(url: string, accept = '*/*'): Promise<Map<string, string>> {
  const text = await (await fetch(url, { headers: { accept } })).text()
  const series = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, name = '', inner = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (name === '' || name === 'target_info' || name.startsWith('swansong_')) continue
    const labels: string[] = []
    for (const [, label, quoted = ''] of inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      if (quoted !== '')
        labels.push(label === 'le' ? `le=${Number(quoted.replace('Inf', 'Infinity'))}` : `${label}=${quoted}`)
    const key = `${stockName(name)}{${labels.toSorted().join(',')}}`
    assert.ok(!series.has(key), `${key} is there twice`)
    series.set(key, value)
  }
  return series
}

function stockName(name: string): string {
  for (const [ours, stock] of Object.entries(withoutUnits))
    if (name === ours || name.startsWith(`${ours}_`)) return stock + name.slice(ours.length)
  return name
}

function typesOf(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name = '', type = '']) => [stockName(name), type])
  )
}

test('the stock exporter and /metrics show the same series and the same values, of every kind', async (context) => {
  const gateway = await startGateway(context, { firstIncrementHoldMs: 0 })
  const url = await startExporter(context, gateway)
  const ours = `${gateway.metricsUrl}/metrics`
  for (let times = 1; times <= 2; times++) {
    await gateway.post(encodeExportRequest(everything()))
    const shown = await seriesOf(ours)
    assert.ok(shown.size > 100)
    assert.deepEqual(await seriesOf(url), shown)
    assert.equal(shown.get('io_total{deployment_environment_name=test,job=night/jobs}'), String(4096 * times))
  }
  const [stock, own] = [await (await fetch(url)).text(), await (await fetch(ours)).text()]
  for (const [name, type] of typesOf(stock))
    if (name !== 'target_info') assert.equal(typesOf(own).get(name), type, name)
})

test('lines that several series are, after translation, are one point, their sum', async (context) => {
  const gateway = await startGateway(context, { firstIncrementHoldMs: 0 })
  const url = await startExporter(context, gateway)
  const twice = (metric: (attributes: Record<string, string | number>) => Metric): Metric[] => [
    metric({ n: 1, 'x.y': 'z' }),
    metric({ n: '1', x_y: 'z' }),
  ]
  const bounds = [
    [1, 2, 5],
    [1, 5],
  ]
  const metrics = [
    ...twice((attributes) => sum({ asDouble: 2, attributes: keyValues(attributes) }, 1, true, 'work')),
    ...twice((attributes) => {
      const explicitBounds = bounds[attributes['n'] === 1 ? 0 : 1] as number[]
      const bucketCounts = [...explicitBounds.map(() => 1), 3]
      const count = bucketCounts.length + 2
      return histogram(
        { count, sum: 30, bucketCounts, explicitBounds, attributes: keyValues(attributes) },
        1,
        'size'
      )
    }),
    ...twice((attributes) => {
      const point = exponentialPoint([attributes['n'] === 1 ? 3 : 0.2], 5)
      const times = { timeUnixNano: time, startTimeUnixNano: start, attributes: keyValues(attributes) }
      return {
        name: 'exp',
        exponentialHistogram: { aggregationTemporality: 1, dataPoints: [{ ...times, ...point }] },
      }
    }),
  ]
  await gateway.post(
    encodeExportRequest({ resourceMetrics: [of('jobs', [{ scope: { name: 't' }, metrics }])] })
  )
  const shown = await seriesOf(`${gateway.metricsUrl}/metrics`)
  assert.deepEqual(await seriesOf(url), shown)
  const labels = 'deployment_environment_name=test,job=night/jobs,n=1,otel_scope_name=t,x_y=z'
  assert.equal(shown.get(`work_total{${labels}}`), '4')
  assert.equal(shown.get(`size_count{${labels}}`), '11')
  assert.equal(shown.get(`exp_count{${labels}}`), '2')
})

test('what scrapers are shown at 0, the stock exporter is; another reader is not', async (context) => {
  const gateway = await startGateway(context, { firstIncrementHoldMs: 2000 })
  const url = await startExporter(context, gateway)
  await gateway.post(encodeExportRequest(everything()))
  const ours = `${gateway.metricsUrl}/metrics`
  const io = 'io_total{deployment_environment_name=test,job=night/jobs}'
  const held = await seriesOf(ours, 'text/plain')
  assert.equal(held.get(io), '0')
  assert.deepEqual(await seriesOf(url), held)
  const { resourceMetrics } = await collected(gateway)
  const scope = resourceMetrics.scopeMetrics.find((each) => each.scope.name === 'test')
  assert.equal(metricOf(scope, 'io').dataPoints[0]?.value, 4096)
  await eventually(async () => assert.equal((await seriesOf(url)).get(io), '4096'))
  assert.deepEqual(await seriesOf(url), await seriesOf(ours, 'text/plain'))
})

test('who reads on after the gateway was closed sees what was shown last', async (context) => {
  const gateway = await startGateway(context, { firstIncrementHoldMs: 2000 })
  const url = await startExporter(context, gateway)
  await gateway.post(encodeExportRequest(everything()))
  const io = 'io_total{deployment_environment_name=test,job=night/jobs}'
  await gateway.close()
  const until = performance.now() + 3500 // The hold is over then.
  while (performance.now() < until) {
    assert.equal((await seriesOf(url)).get(io), '0')
    await sleep(200)
  }
  assert.deepEqual(gateway.failures, [])
})

class Reader extends MetricReader {
  override onForceFlush(): Promise<void> {
    return Promise.resolve()
  }
  override onShutdown(): Promise<void> {
    return Promise.resolve()
  }
}

async function collected(gateway: TestGateway): Promise<CollectionResult> {
  const reader = new Reader({ metricProducers: [gateway.gateway.producer('otlp')] })
  new MeterProvider({ readers: [reader] }).getMeter('own').createCounter('own').add(1)
  return reader.collect()
}

function metricOf(scope: ScopeMetrics | undefined, name: string): MetricData {
  const metric = scope?.metrics.find(({ descriptor }) => descriptor.name === name)
  assert.ok(metric !== undefined, name)
  return metric
}

test('another reader gets names and attributes as they were sent, exponential histograms, and starts', async (context) => {
  const gateway = await startGateway(context)
  await gateway.post(encodeExportRequest(everything()))
  const { resourceMetrics, errors } = await collected(gateway)
  assert.deepEqual(errors, [])
  const scopes = resourceMetrics.scopeMetrics.map(({ scope }) => scope.name).toSorted()
  assert.deepEqual(scopes, ['', 'other', 'own', 'test']) // One scope of two services, and what the application counts itself.
  const scope = resourceMetrics.scopeMetrics.find((each) => each.scope.name === 'test')
  assert.deepEqual(scope?.scope, { name: 'test', version: '1.2' })

  const io = metricOf(scope, 'io')
  assert.deepEqual(io.descriptor, {
    name: 'io',
    unit: 'By',
    description: 'Bytes.\nRead \\ written.',
    valueType: 1,
  })
  assert.ok(io.dataPointType === DataPointType.SUM && io.isMonotonic)
  assert.equal(io.aggregationTemporality, AggregationTemporality.CUMULATIVE)
  const kept = { 'service.namespace': 'night', 'deployment.environment.name': 'test' }
  assert.deepEqual(
    io.dataPoints.map(({ attributes }) => attributes),
    [
      { ...kept, job: 'night/jobs', 'service.name': 'jobs' },
      { ...kept, job: 'night/crons', 'service.name': 'crons' },
    ]
  )
  const [point] = io.dataPoints
  assert.ok(
    point !== undefined &&
      msOf(point.startTime) < msOf(point.endTime) &&
      msOf(point.startTime) > Date.now() - 600_000
  )

  const [work] = metricOf(scope, 'work').dataPoints
  assert.deepEqual(work?.attributes, {
    ...kept,
    job: 'night/jobs',
    'service.name': 'jobs',
    'a.b': 'x',
    'exported.job': 'mine',
    quote: '"\\\n',
    count: 3,
    is: true,
    empty: '',
  })
  const active = metricOf(scope, 'active')
  assert.ok(
    active.dataPointType === DataPointType.SUM && !active.isMonotonic && active.dataPoints[0]?.value === -3
  )
  assert.equal(metricOf(scope, 'temperature').dataPointType, DataPointType.GAUGE)
  assert.deepEqual(metricOf(scope, 'latency').dataPoints[0]?.value, {
    buckets: { boundaries: [1, 5], counts: [1, 2, 1] },
    count: 4,
    sum: 12.5,
    min: 0.25,
    max: 9,
  })
  const sizes = metricOf(scope, 'sizes')
  assert.ok(sizes.dataPointType === DataPointType.EXPONENTIAL_HISTOGRAM)
  const { positive, negative, zeroThreshold: _, ...rest } = exponentialPoint([-4, -1, 0, 0.001, 1, 3, 70], 3)
  assert.deepEqual(sizes.dataPoints[0]?.value, { ...rest, positive, negative })
  const other = resourceMetrics.scopeMetrics.find((each) => each.scope.name === 'other')
  assert.equal(other?.scope.schemaUrl, 'https://x/1')
  assert.equal(metricOf(other, 'io').dataPoints[0]?.attributes['otel.scope.team.name'], 'red')
})

function msOf([seconds, nanos]: readonly [number, number]): number {
  return seconds * 1000 + nanos / 1e6
}

test('a series that ended is gone, and its id is another one with attributes of its own', async () => {
  let ms = 0
  const hour = 3_600_000
  const opened = open(new SimStore(), { clock: () => ms, now: () => ms + 1e12, ttl: { seriesTtlMs: hour } })
  const { ledger } = opened
  ledger.holdExpiry(false)
  const producer = new LedgerProducer(ledger, { readBy: 'otlp', now: () => ms + 1e12, reveal: () => {} })
  const count = async (x: string): Promise<void> => {
    const answer = postBatch(opened, deltas([{ name: 'work', value: 1, attributes: { x } }]))
    await committed()
    assert.equal((await answer).refused, undefined)
  }
  const seen = async (): Promise<unknown[]> => {
    const { scopeMetrics } = (await producer.collect()).resourceMetrics
    const points: { attributes: object }[] = scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap((metric): { attributes: object }[] => metric.dataPoints)
    )
    return points.map(({ attributes }) => (attributes as { x: string }).x)
  }
  await count('one')
  assert.deepEqual(await seen(), ['one'])
  for (const end = 3 * hour; ms < end; ms += 60_000) ledger.tick()
  assert.equal(ledger.series.count, 0)
  assert.deepEqual(await seen(), [])
  await count('two')
  assert.deepEqual(await seen(), ['two'])
})
