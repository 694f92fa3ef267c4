import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  encodeExportRequest,
  type HistogramDataPoint,
  type KeyValue,
  type Metric,
  type NumberDataPoint,
} from '@swansong/otlp'
import type { ConfigInput } from '../../src/config/config.ts'
import { startGateway } from '../support/gateways.ts'
import { keyValues, metricsOf } from '../support/requests.ts'

// CONFORMANCE A7, A15, A16: a bad point is rejected alone, with its reason, and those beside it count.

const time = 1_700_000_001_000_000_000n
const good: Metric = sumOf({ asInt: 1 })

function sumOf(point: NumberDataPoint, sum: Partial<NonNullable<Metric['sum']>> = {}): Metric {
  const dataPoints = [{ timeUnixNano: time, ...point }]
  return { name: 'work', sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints, ...sum } }
}

function nameless(metric: Metric, name: string): Metric {
  return { ...metric, name }
}

const limits: NonNullable<ConfigInput['limits']> = { nameBytesMax: 100, attributesBytesMax: 10_000 }

test('a point that cannot count is rejected with its reason, those beside it count', async (context) => {
  const gateway = await startGateway(context, { limits })
  let posted = 0
  const check = async (bad: Metric, want: string, rejected = 1): Promise<void> => {
    const body = encodeExportRequest(metricsOf([good, bad, good]))
    const { http, said } = await gateway.post(body)
    assert.equal(http, 200, want)
    posted++
    assert.deepEqual('rejected' in said && said.rejected, rejected, want)
    assert.match(said.message, new RegExp(`^${rejected} × ${want} \\(first in "[^"]*"\\): \\S`))
    const values = await gateway.scrape()
    assert.equal(values.get('work_total{job="jobs",otel_scope_name="test"}'), posted * 2, want)
    const counted = values.get(`swansong_points_rejected_total{reason="${want.toLowerCase()}"}`) ?? 0
    assert.ok(counted >= rejected, want)
  }
  await check(sumOf({ asInt: -1 }), 'NEGATIVE_DELTA')
  await check(sumOf({ asDouble: -0.5 }), 'NEGATIVE_DELTA')
  await check(sumOf({ asDouble: -Infinity }), 'NEGATIVE_DELTA')
  await check(sumOf({ asDouble: Number.NaN }), 'NOT_FINITE')
  await check(sumOf({ asDouble: Infinity }), 'NOT_FINITE')
  await check(sumOf({ asInt: 1 }, { aggregationTemporality: 0 }), 'TEMPORALITY_MISSING')
  await check(sumOf({ asInt: 1 }, { aggregationTemporality: 7 }), 'TEMPORALITY_MISSING')
  await check(sumOf({ asInt: 1, timeUnixNano: 0n }), 'TIME_MISSING')
  await check(sumOf({}), 'VALUE_MISSING')
  await check({ ...sumOf({ asInt: 1 }, { isMonotonic: false }) }, 'NAME_CONFLICT')
  const gauge = { dataPoints: [1, 2, 3].map((asInt) => ({ asInt, timeUnixNano: time })) }
  await check({ name: 'work', gauge }, 'NAME_CONFLICT', 3)
  await check({ name: 'work_total', gauge }, 'NAME_CONFLICT', 3)
  const up = (point: NumberDataPoint): Metric => ({ ...sumOf(point, { isMonotonic: false }), name: 'up' })
  await check(up({ asDouble: Infinity }), 'NOT_FINITE')
  await check(up({ asDouble: Number.NaN }), 'NOT_FINITE')
  await check(up({}), 'VALUE_MISSING')
  await check(up({ asInt: 1, timeUnixNano: 0n }), 'TIME_MISSING')
  const summary = { dataPoints: [{ timeUnixNano: time }] }
  await check({ name: 'size', summary }, 'SUMMARY_NOT_SUPPORTED')
  await check(nameless(good, ''), 'NAME_INVALID')
  await check(nameless(good, 'x'.repeat(101)), 'NAME_INVALID')
  await check({ ...good, name: 'y', unit: 'x'.repeat(101) }, 'NAME_INVALID')
  const attributes = (values: Record<string, string>): KeyValue[] => keyValues(values)
  await check(sumOf({ asInt: 1, attributes: attributes({ a: 'x'.repeat(4097) }) }), 'LABEL_VALUE_TOO_LONG')
  await check(sumOf({ asInt: 1, attributes: attributes({ a: 'é'.repeat(2049) }) }), 'LABEL_VALUE_TOO_LONG')
  const long = { arrayValue: { values: [{ stringValue: 'x'.repeat(4094) }] } }
  await check(sumOf({ asInt: 1, attributes: [{ key: 'a', value: long }] }), 'LABEL_VALUE_TOO_LONG')
  await check(sumOf({ asInt: 1, attributes: attributes({ '': 'x' }) }), 'ATTRIBUTES_INVALID')
  const wide = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, 'v']))
  await check(sumOf({ asInt: 1, attributes: attributes(wide) }), 'ATTRIBUTES_TOO_LARGE')
  await check(
    sumOf({ asInt: 1, attributes: attributes({ ['k'.repeat(10_000)]: 'v' }) }),
    'ATTRIBUTES_TOO_LARGE'
  )
  assert.equal((await gateway.scrape()).get('swansong_points_total'), posted * 2)
})

test('a point of a histogram that cannot count is rejected with its reason', async (context) => {
  const gateway = await startGateway(context, { limits: { bucketCountMax: 4, boundsCountMax: 2 } })
  let posted = 0
  const size = (point: HistogramDataPoint, aggregationTemporality = 1): Metric => ({
    name: 'size',
    histogram: { aggregationTemporality, dataPoints: [{ timeUnixNano: time, ...point }] },
  })
  const whole: HistogramDataPoint = { count: 3, sum: 9, bucketCounts: [1, 2], explicitBounds: [5] }
  const check = async (bad: Metric, want: string | undefined): Promise<void> => {
    const { said } = await gateway.post(encodeExportRequest(metricsOf([size(whole), bad, size(whole)])))
    posted += 2
    if (want === undefined) assert.equal(said.message, '')
    else assert.match(said.message, new RegExp(`^1 × ${want} \\(first in "size[a-z_]*"\\): \\S`))
    const values = await gateway.scrape()
    const labels = 'job="jobs",otel_scope_name="test"'
    assert.equal(values.get(`size_count{${labels}}`), posted * 3, want)
    assert.equal(values.get(`size_bucket{${labels},le="5"}`), posted, want)
  }
  await check(size(whole, 0), 'TEMPORALITY_MISSING')
  await check(size({ ...whole, timeUnixNano: 0n }), 'TIME_MISSING')
  await check(size({ ...whole, explicitBounds: [] }), 'BOUNDS_INVALID')
  await check(size({ ...whole, explicitBounds: [1, 2] }), 'BOUNDS_INVALID')
  await check(size({ ...whole, bucketCounts: [] }), 'BOUNDS_INVALID')
  await check(size({ count: 3, bucketCounts: [1, 1, 1], explicitBounds: [2, 1] }), 'BOUNDS_INVALID')
  await check(size({ count: 3, bucketCounts: [1, 1, 1], explicitBounds: [2, 2] }), 'BOUNDS_INVALID')
  await check(size({ ...whole, explicitBounds: [Number.NaN] }), 'BOUNDS_INVALID')
  await check(size({ ...whole, explicitBounds: [Infinity] }), 'BOUNDS_INVALID')
  await check(size({ ...whole, count: 4 }), 'BUCKETS_INVALID')
  const huge = { count: 2n ** 60n, bucketCounts: [2n ** 60n, 0], explicitBounds: [5] }
  await check(size(huge), 'BUCKETS_INVALID')
  await check(size({ ...whole, sum: Number.NaN }), 'NOT_FINITE')
  await check(size({ ...whole, sum: Infinity }), 'NOT_FINITE')
  await check(size({ ...whole, min: -Infinity }), 'NOT_FINITE')
  await check(size({ ...whole, max: Number.NaN }), 'NOT_FINITE')
  await check(
    size({ count: 5, bucketCounts: [1, 1, 1, 1, 1], explicitBounds: [1, 2, 3, 4] }),
    'BUCKETS_TOO_MANY'
  )
  await check(size({ ...whole, explicitBounds: [6] }), 'BOUNDS_DIFFER')
  await check(size({ ...whole, explicitBounds: [7] }), 'BOUNDS_FULL')
  await check({ ...size(whole), name: 'size_bucket' }, 'NAME_CONFLICT')
  await check(size({ ...whole, flags: 1 }), undefined)
  await check(size({ count: 0, sum: Number.NaN, bucketCounts: [0, 0], explicitBounds: [5] }), undefined)
})

test('an exponential histogram of more buckets than any SDK sends is refused by its scale', async (context) => {
  const gateway = await startGateway(context)
  const fine = (length: number): Metric => {
    const positive = { offset: 0, bucketCounts: Array.from({ length }, () => 1) }
    const point = { timeUnixNano: 1n, count: length, sum: 1, scale: 11, positive }
    return { name: 'size', exponentialHistogram: { aggregationTemporality: 1, dataPoints: [point] } }
  }
  const { said } = await gateway.post(encodeExportRequest(metricsOf([good, fine(65_537)])))
  assert.match(said.message, /^1 × SCALE_TOO_FINE .*65,536 buckets a side; send it at a lower scale/)
  const within = await gateway.post(encodeExportRequest(metricsOf([good, fine(65_536)])))
  assert.equal(within.said.message, '')
})

test('strings that are not UTF-8 cost only the points that have them', async (context) => {
  const gateway = await startGateway(context)
  const check = async (metric: Metric, want: string): Promise<void> => {
    const body = Buffer.from(encodeExportRequest(metricsOf([good, metric])))
    for (let at = body.indexOf('%%'); at >= 0; at = body.indexOf('%%')) body.set([0xc3, 0x28], at)
    const { said } = await gateway.post(body)
    assert.match(said.message, new RegExp(`^1 × ${want}`))
  }
  await check(sumOf({ asInt: 1, attributes: keyValues({ a: '%%' }) }), 'ATTRIBUTES_INVALID')
  await check(sumOf({ asInt: 1, attributes: keyValues({ '%%': 'a' }) }), 'ATTRIBUTES_INVALID')
  await check(nameless(good, '%%'), 'NAME_INVALID')
  await check({ ...good, name: 'z', unit: '%%' }, 'NAME_INVALID')
  assert.equal(await gateway.work(), 4)
})

test('a resource or a scope that cannot give labels costs all of its points, and no other', async (context) => {
  const gateway = await startGateway(context)
  const check = async (
    bad: NonNullable<Parameters<typeof encodeExportRequest>[0]['resourceMetrics']>[number],
    want: string
  ): Promise<void> => {
    const { resourceMetrics = [] } = metricsOf([good])
    const body = Buffer.from(
      encodeExportRequest({ resourceMetrics: [...resourceMetrics, bad, ...resourceMetrics] })
    )
    for (let at = body.indexOf('%%'); at >= 0; at = body.indexOf('%%')) body.set([0xc3, 0x28], at)
    const { said } = await gateway.post(body)
    assert.match(said.message, new RegExp(`^2 × ${want}`))
  }
  const metrics = [good, good]
  const resource = (attributes: Record<string, string>): { attributes: KeyValue[] } => ({
    attributes: keyValues(attributes),
  })
  await check(
    { resource: resource({ 'service.name': '%%' }), scopeMetrics: [{ metrics }] },
    'ATTRIBUTES_INVALID'
  )
  await check({ scopeMetrics: [{ scope: { name: '%%' }, metrics }] }, 'ATTRIBUTES_INVALID')
  await check({ scopeMetrics: [{ schemaUrl: '%%', metrics }] }, 'ATTRIBUTES_INVALID')
  const long = 'x'.repeat(4097)
  await check(
    { resource: resource({ 'service.name': long }), scopeMetrics: [{ metrics }] },
    'LABEL_VALUE_TOO_LONG'
  )
  await check({ scopeMetrics: [{ scope: { name: long }, metrics }] }, 'LABEL_VALUE_TOO_LONG')
  await check(
    { scopeMetrics: [{ scope: { attributes: keyValues({ a: long }) }, metrics }] },
    'LABEL_VALUE_TOO_LONG'
  )
  const large = keyValues(
    Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${n}`, 'x'.repeat(4000)]))
  )
  await check({ scopeMetrics: [{ scope: { attributes: large }, metrics }] }, 'ATTRIBUTES_TOO_LARGE')
  assert.equal(await gateway.work(), 14)
  assert.equal(
    (
      await gateway.post(
        encodeExportRequest(metricsOf([good], { 'process.command': long, 'service.name': 'jobs' }))
      )
    ).http,
    200
  )
  assert.equal(await gateway.work(), 15, 'what is dropped of a resource may be of any length')
})

test('every kind of attribute counts', async (context) => {
  const gateway = await startGateway(context)
  const values: KeyValue[] = [
    { key: 'empty' },
    { key: 'none', value: {} },
    { key: 'bytes', value: { bytesValue: new Uint8Array([1, 2]) } },
    { key: 'list', value: { arrayValue: { values: [{ intValue: 1 }, { boolValue: true }] } } },
    { key: 'map', value: { kvlistValue: { values: [{ key: 'k', value: { doubleValue: 1.5 } }] } } },
  ]
  const { said } = await gateway.post(
    encodeExportRequest(metricsOf([sumOf({ asInt: 1, attributes: values })]))
  )
  assert.deepEqual(said, { rejected: 0, message: '' })
  const labels = String.raw`bytes="AQI=",job="jobs",list="[1,true]",map="{\"k\":1.5}",otel_scope_name="test"`
  assert.equal((await gateway.scrape()).get(`work_total{${labels}}`), 1)
})

test('a point that says it has no value is ignored, and not rejected', async (context) => {
  const gateway = await startGateway(context)
  const { said } = await gateway.post(
    encodeExportRequest(metricsOf([sumOf({ flags: 1 }), sumOf({ flags: 1, asInt: 5 }), good]))
  )
  assert.deepEqual(said, { rejected: 0, message: '' })
  assert.equal(await gateway.work(), 1)
})

test('a start equal to the end, a start of 0 and starts that overlap are added all the same', async (context) => {
  const gateway = await startGateway(context)
  for (const startTimeUnixNano of [time, 0n, time - 5n, time - 6n, time + 5n]) {
    assert.equal(
      (await gateway.post(encodeExportRequest(metricsOf([sumOf({ asInt: 1, startTimeUnixNano })])))).http,
      200
    )
  }
  assert.equal(await gateway.work(), 5)
})

test('several reasons are all named, each with how many points it cost', async (context) => {
  const gateway = await startGateway(context)
  const bad = sumOf({ asInt: -1 })
  const { said } = await gateway.post(encodeExportRequest(metricsOf([bad, sumOf({}), bad, good])))
  assert.equal('rejected' in said && said.rejected, 3)
  assert.match(said.message, /^2 × NEGATIVE_DELTA .*; 1 × VALUE_MISSING /)
})

test('past the limits of series and metrics totals stay right, or the points are rejected', async (context) => {
  const gateway = await startGateway(context, { limits: { seriesCountMax: 10, metricCountMax: 3 } })
  const metrics = Array.from({ length: 100 }, (_, n) => sumOf({ asInt: 1, attributes: keyValues({ n }) }))
  const { said } = await gateway.post(encodeExportRequest(metricsOf(metrics)))
  assert.deepEqual(said, { rejected: 0, message: '' })
  const values = await gateway.scrape()
  assert.equal(values.get('work_total{job="jobs",otel_metric_overflow="true",otel_scope_name="test"}'), 90)
  const others = ['a', 'b', 'c'].map((name) => nameless(good, name))
  const { said: later } = await gateway.post(encodeExportRequest(metricsOf(others)))
  assert.match(later.message, /^1 × METRICS_FULL \(first in "c"\)/)
})
