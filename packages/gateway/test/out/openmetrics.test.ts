import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Exemplar, Metric } from '@swansong/otlp'
import type { Escaping, Format } from '../../src/out/negotiation.ts'
import { exponentialPoint, histogram, gauge, post, sum, time } from '../support/kinds.ts'
import { open, type Opened, type OpenOptions } from '../support/ledgers.ts'
import { keyValues } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

async function opened(metrics: readonly Metric[], options: OpenOptions = {}): Promise<Opened> {
  const gateway = open(new SimStore(), options)
  assert.equal(await post(gateway, metrics), '')
  return gateway
}

function textOf({ exposition }: Opened, format: Format, escaping: Escaping = 'underscores'): string {
  const steps = exposition.steps({ format, escaping, room: 0, bytesMax: Infinity, forScraper: false })
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return Buffer.from(value.finish()).toString()
  }
}

const openMetricsOf = (of: Opened): string => textOf(of, 'openmetrics-1.0')

test('the metadata of a counter has no _total, and a unit is said where the name ends with it', async () => {
  const shown = await opened([
    { ...sum({ asInt: 3 }, 1, true, 'io'), unit: 'By', description: 'Say "bytes".' },
    { ...gauge(1, time, 'io.rate'), unit: 'By/s' },
    { ...gauge(1, time, 'plain'), unit: '{x}' },
  ])
  assert.equal(
    openMetricsOf(shown),
    String.raw`# HELP io_bytes Say \"bytes\".
# TYPE io_bytes counter
# UNIT io_bytes bytes
io_bytes_total{job="jobs",otel_scope_name="test"} 3
# TYPE io_rate_bytes_per_second gauge
# UNIT io_rate_bytes_per_second bytes_per_second
io_rate_bytes_per_second{job="jobs",otel_scope_name="test"} 1
# TYPE plain gauge
plain{job="jobs",otel_scope_name="test"} 1
`
  )
})

test('a counter whose name has no _total is unknown (CONFORMANCE E7)', async () => {
  const translationStrategy = 'UnderscoreEscapingWithoutSuffixes'
  const shown = await opened([sum({ asInt: 3 }, 1, true, 'io')], { translationStrategy })
  assert.equal(openMetricsOf(shown), '# TYPE io unknown\nio{job="jobs",otel_scope_name="test"} 3\n')
  assert.match(textOf(shown, 'text-0.0.4'), /^# TYPE io counter$/m)
})

const bounds = [0.00001, 0.5, 1, 1_000_000, 1.5e6]

test('bounds are written as Go writes them, in OpenMetrics with a point or an exponent', async () => {
  const bucketCounts = [1, 1, 1, 1, 1, 1]
  const shown = await opened([histogram({ explicitBounds: bounds, bucketCounts, count: 6, sum: 9 })])
  const uppers = (text: string): string[] => [...text.matchAll(/le="([^"]*)"/g)].map(([, le]) => String(le))
  assert.deepEqual(uppers(openMetricsOf(shown)), ['1e-05', '0.5', '1.0', '1e+06', '1.5e+06', '+Inf'])
  assert.deepEqual(uppers(textOf(shown, 'text-0.0.4')), ['1e-05', '0.5', '1', '1e+06', '1.5e+06', '+Inf'])
})

test('without a sum, or with negative bounds, a histogram has no _sum and no _count', async () => {
  const noSum = await opened([histogram({ explicitBounds: [1], bucketCounts: [1, 1], count: 2 })])
  const negative = await opened([
    histogram({ explicitBounds: [-1, 1], bucketCounts: [1, 1, 1], count: 3, sum: 0 }),
  ])
  const exponential = await opened([
    { name: 'size', exponentialHistogram: { aggregationTemporality: 1, dataPoints: [point([-2, 3])] } },
  ])
  for (const shown of [noSum, negative, exponential]) {
    assert.doesNotMatch(openMetricsOf(shown), /^size_(sum|count)/m)
    assert.match(openMetricsOf(shown), /^size_bucket.*le="\+Inf"/m)
    assert.match(textOf(shown, 'text-0.0.4'), /^size_count/m)
  }
})

function point(values: readonly number[]): ReturnType<typeof exponentialPoint> {
  return { ...exponentialPoint(values, 2), timeUnixNano: time, startTimeUnixNano: time - 1n }
}

const traceId = new Uint8Array(16).fill(0xab)

function exemplar(asDouble: number, at: bigint, key = 'k', value = 'v'): Exemplar {
  return { asDouble, timeUnixNano: at, traceId, filteredAttributes: keyValues({ [key]: value }) }
}

const traced = `trace_id="${'ab'.repeat(16)}"`

test('exemplars stand behind counters and buckets, the latest of each, and nowhere else', async () => {
  const at = (seconds: number): bigint => BigInt(seconds) * 1_000_000_000n
  const shown = await opened([
    sum({ asInt: 3, exemplars: [exemplar(1, at(1)), exemplar(2, at(2), 'a.b', 'x"y')] }, 1, true, 'work'),
    {
      name: 'depth',
      gauge: { dataPoints: [{ asInt: 1, timeUnixNano: time, exemplars: [exemplar(1, at(1))] }] },
    },
    histogram({
      explicitBounds: [1, 10],
      bucketCounts: [2, 1, 1],
      count: 4,
      sum: 20,
      exemplars: [exemplar(0.5, at(5)), exemplar(0.25, at(6)), exemplar(10, at(4)), exemplar(1000, 0n)],
    }),
    {
      name: 'fine',
      exponentialHistogram: {
        aggregationTemporality: 1,
        dataPoints: [{ ...point([1, 3]), exemplars: [exemplar(3, at(7))] }],
      },
    },
  ])
  const text = openMetricsOf(shown)
  const marked = text.split('\n').filter((line) => line.includes(' # '))
  const own = 'job="jobs",otel_scope_name="test"'
  assert.deepEqual(marked, [
    String.raw`work_total{${own}} 3 # {${traced},a_b="x\"y"} 2 2`,
    `size_bucket{${own},le="1.0"} 2 # {${traced},k="v"} 0.25 6`,
    `size_bucket{${own},le="10.0"} 3 # {${traced},k="v"} 10 4`,
    `size_bucket{${own},le="+Inf"} 4 # {${traced},k="v"} 1000`,
    `fine_bucket{${own},le="3.363585661014858"} 2 # {${traced},k="v"} 3 7`,
  ])
  assert.doesNotMatch(textOf(shown, 'text-0.0.4'), / # /)
})

test('what an exemplar tells beyond 128 characters is left out', async () => {
  const long = exemplar(1, time, 'k', 'x'.repeat(128 - 'trace_id'.length - 32 - 1))
  const shown = await opened([sum({ asInt: 3, exemplars: [long] }, 1, true, 'fits')])
  assert.match(openMetricsOf(shown), /k="x+"/)
  // Its key is counted as it is shown: U___2e__2e_ and not `..`.
  const grown = exemplar(1, time, '..', 'x'.repeat(128 - 'trace_id'.length - 32 - 2))
  const other = await opened([sum({ asInt: 3, exemplars: [grown] }, 1, true, 'not')])
  assert.match(openMetricsOf(other), new RegExp(`# \\{${traced}\\} 1`))
})

test('_created stands behind the samples that it is of, where it is wanted', async () => {
  const metrics = [
    sum({ asInt: 3, attributes: keyValues({ n: '1' }) }, 1, true, 'work'),
    sum({ asInt: 4, attributes: keyValues({ n: '2' }) }, 1, true, 'work'),
    histogram({ explicitBounds: [1], bucketCounts: [1, 1], count: 2, sum: 3 }),
    gauge(1, time),
  ]
  const shown = await opened(metrics, { openMetricsCreated: true, now: () => 1_700_000_000_123 })
  const names = openMetricsOf(shown)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace(/[{].*[}]/, ''))
  const created = '_created 1700000000.122'
  assert.deepEqual(names, [
    'work_total 3',
    `work${created}`,
    'work_total 4',
    `work${created}`,
    'size_bucket 1',
    'size_bucket 2',
    'size_sum 3',
    'size_count 2',
    `size${created}`,
    'depth 1',
  ])
  assert.doesNotMatch(textOf(shown, 'text-0.0.4'), /_created/)
  assert.doesNotMatch(openMetricsOf(await opened(metrics)), /_created/)
})

test('names that Prometheus did not always take are quoted, or escaped as the scraper wants', async () => {
  const attributes = keyValues({ 'a.b': '1', a_b: '2' })
  const metric = { ...sum({ asInt: 3, attributes }, 1, true, 'größe'), unit: 'By' }
  const shown = await opened(
    [metric, histogram({ explicitBounds: [1], bucketCounts: [1, 0], count: 1, sum: 1 }, 1, 'h.x')],
    {
      translationStrategy: 'NoUTF8EscapingWithSuffixes',
    }
  )
  const check = (escaping: Escaping, ...want: string[]): void => {
    const lines = textOf(shown, 'text-1.0.0', escaping).split('\n')
    assert.deepEqual(lines.slice(0, 2).concat(lines.slice(3, 5)), want)
  }
  check(
    'allow-utf-8',
    '# TYPE "größe_bytes_total" counter',
    '{"größe_bytes_total","a.b"="1",a_b="2",job="jobs",otel_scope_name="test"} 3',
    '{"h.x_bucket",job="jobs",otel_scope_name="test",le="1"} 1',
    '{"h.x_bucket",job="jobs",otel_scope_name="test",le="+Inf"} 1'
  )
  check(
    'underscores',
    '# TYPE gr__e_bytes_total counter',
    'gr__e_bytes_total{a_b="1;2",job="jobs",otel_scope_name="test"} 3',
    'h_x_bucket{job="jobs",otel_scope_name="test",le="1"} 1',
    'h_x_bucket{job="jobs",otel_scope_name="test",le="+Inf"} 1'
  )
  check(
    'dots',
    '# TYPE gr____e__bytes__total counter',
    'gr____e__bytes__total{a__b="2",a_dot_b="1",job="jobs",otel__scope__name="test"} 3',
    'h_dot_x_bucket{job="jobs",otel__scope__name="test",le="1"} 1',
    'h_dot_x_bucket{job="jobs",otel__scope__name="test",le="+Inf"} 1'
  )
  check(
    'values',
    '# TYPE U__gr_f6__df_e__bytes__total counter',
    'U__gr_f6__df_e__bytes__total{U__a_2e_b="1",a_b="2",job="jobs",otel_scope_name="test"} 3',
    'U__h_2e_x_bucket{job="jobs",otel_scope_name="test",le="1"} 1',
    'U__h_2e_x_bucket{job="jobs",otel_scope_name="test",le="+Inf"} 1'
  )
})

test('a gauge of which nobody knows what it is has no type, in any format (CONFORMANCE D15)', async () => {
  const metadata = keyValues({ 'prometheus.type': 'unknown', other: 1 })
  const store = new SimStore()
  const shown = open(store)
  assert.equal(await post(shown, [gauge(3, time, 'known')]), '')
  assert.match(textOf(shown, 'text-0.0.4'), /^# TYPE known gauge$/m)
  const told = [
    { ...gauge(4, time + 1n, 'known'), metadata },
    { ...gauge(5, time, 'born'), metadata },
    { ...gauge(6, time, 'info'), metadata: keyValues({ 'prometheus.type': 'info' }) },
    { ...sum({ asInt: 7 }, 1, true, 'work'), metadata },
  ]
  assert.equal(await post(shown, told), '')
  const typesOf = (text: string): string[] => text.match(/(?<=^# TYPE ).*/gm) ?? []
  assert.deepEqual(typesOf(textOf(shown, 'text-0.0.4')), [
    'known untyped',
    'born untyped',
    'info gauge',
    'work_total counter',
  ])
  assert.deepEqual(typesOf(openMetricsOf(shown)), [
    'known unknown',
    'born unknown',
    'info gauge',
    'work counter',
  ])
  // It is not stored: until it is told again it is a gauge.
  const again = open(store.restarted())
  assert.match(textOf(again, 'text-0.0.4'), /^# TYPE known gauge$/m)
  assert.equal(await post(again, told.slice(0, 1)), '')
  assert.match(textOf(again, 'text-0.0.4'), /^# TYPE known untyped$/m)
})
