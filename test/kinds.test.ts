import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { encodeExportRequest, type Metric } from '@swansong/otlp'
import { checkedByPromtool } from './peers/parsers.ts'
import { revealed, startPrometheus } from './peers/prometheus.ts'
import { startGateway, type Gateway } from './support/gateway.ts'
import { ask } from './support/http.ts'

const fixtures = new URL('../packages/otlp/test/fixtures/', import.meta.url)
const time = BigInt(Date.now()) * 1_000_000n

test('every kind that stock SDKs send is taken, whole, and Prometheus reads what is shown of it', async () => {
  const gateway = await startGateway()
  for (const language of ['js', 'python', 'go']) {
    for (const temporality of ['delta', 'cumulative'])
      await postFixture(gateway, `${language}-${temporality}.bin`)
  }
  const awkward = encodeExportRequest({
    resourceMetrics: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'awkward' } }] },
        scopeMetrics: [{ metrics: awkwardMetrics }],
      },
    ],
  })
  const { status, body } = await gateway.post(awkward)
  assert.deepEqual([status, body.length], [200, 0], 'nothing of it is rejected')

  const { body: text } = await ask(`${gateway.urls.metrics}/metrics`)
  await checkedByPromtool(text.toString())

  const targets = [`127.0.0.1:${gateway.ports.metrics}`]
  const both = [await startPrometheus({ targets }), await startPrometheus({ targets, major: 3 })]
  for (const prometheus of both) {
    await revealed(prometheus)
    const want = await valuesOf(gateway)
    assert.ok(want.size > 100, `${want.size} lines`)
    const read = await prometheus.query('{job=~"capture-.*|awkward"}')
    const have = new Map(read.map(({ labels, value }) => [keyOf(labels), value]))
    assert.deepEqual(have, want)
    // What a histogram is for: of four values in powers of two the second is the median.
    const [median] = await prometheus.query(
      'histogram_quantile(0.5, awkward_exponential_seconds_bucket{sign=""})'
    )
    assert.ok(median !== undefined && median.value > 1 && median.value <= 2, `${median?.value}`)
  }
})

const awkwardMetrics: Metric[] = [
  { name: 'awkward.gauge', gauge: { dataPoints: [{ timeUnixNano: time, asDouble: -Infinity }] } },
  {
    name: 'awkward.level',
    sum: { aggregationTemporality: 1, dataPoints: [{ timeUnixNano: time, asDouble: -1e-7 }] },
  },
  {
    name: 'awkward.bounds',
    unit: 'By',
    description: 'Bounds that Go writes in another way.',
    histogram: {
      aggregationTemporality: 1,
      dataPoints: [
        {
          timeUnixNano: time,
          count: 8,
          explicitBounds: [-1e9, -0.00001, 0.0001, 1, 123_456_789, 1e21, 1.5e300],
          bucketCounts: Array<number>(8).fill(1),
        },
      ],
    },
  },
  {
    name: 'awkward.bare',
    histogram: { aggregationTemporality: 1, dataPoints: [{ timeUnixNano: time, count: 3, sum: 5 }] },
  },
  {
    name: 'awkward.exponential',
    unit: 's',
    exponentialHistogram: {
      aggregationTemporality: 1,
      dataPoints: [
        {
          timeUnixNano: time,
          count: 4,
          sum: 10,
          scale: 0,
          positive: { offset: -1, bucketCounts: [1, 1, 2] },
        },
        {
          timeUnixNano: time,
          attributes: [{ key: 'sign', value: { stringValue: 'both' } }],
          count: 6,
          zeroCount: 2,
          zeroThreshold: 0.001,
          scale: 5,
          positive: { offset: 100, bucketCounts: [1, 0, 1] },
          negative: { offset: -50, bucketCounts: [2] },
        },
      ],
    },
  },
]

async function postFixture(gateway: Gateway, name: string): Promise<void> {
  const { status, body } = await gateway.post(readFileSync(new URL(name, fixtures)), name)
  assert.deepEqual([name, status, body.length], [name, 200, 0], 'nothing of it is rejected')
}

/** What /metrics shows Prometheus of workers: name and labels, sorted → value, as it has them. */
async function valuesOf(gateway: Gateway): Promise<Map<string, number>> {
  const values = new Map<string, number>()
  const headers = { accept: 'application/openmetrics-text;version=1.0.0' }
  const { body } = await ask(`${gateway.urls.metrics}/metrics`, { headers })
  for (const marked of body.toString().split('\n')) {
    const [line = ''] = marked.split(' # ') // An exemplar stands behind it.
    if (line === '' || line.startsWith('#') || line.startsWith('swansong_')) continue
    const space = line.lastIndexOf(' ')
    const number = line.slice(space + 1).replace('Inf', 'Infinity')
    const [, name = '', inner = ''] = /^([^{]+)(?:\{(.*)\})?$/.exec(line.slice(0, space)) ?? []
    const labels: Record<string, string> = { __name__: name }
    for (const [, key = '', text = ''] of inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      labels[key] = text.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
    values.set(keyOf(labels), Number(number))
  }
  return values
}

/** `instance` is Prometheus' own. */
function keyOf(labels: Record<string, string>): string {
  const named = Object.entries(labels).filter(([name]) => name !== 'instance')
  return JSON.stringify(named.toSorted(([one], [other]) => (one < other ? -1 : 1)))
}
