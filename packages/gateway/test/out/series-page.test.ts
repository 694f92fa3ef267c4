import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { encodeExportRequest, type Metric } from '@swansong/otlp'
import type { SeriesPage } from '../../src/out/series-page.ts'
import { startGateway, type TestGateway } from '../support/gateways.ts'
import { deltas, metricsOf } from '../support/requests.ts'

const startTimeUnixNano = 1_700_000_000_000_000_000n
const timeUnixNano = 1_700_000_001_000_000_000n
const point = { attributes: [], startTimeUnixNano, timeUnixNano }

async function ask(gateway: TestGateway, query: string): Promise<SeriesPage> {
  const response = await fetch(`${gateway.adminUrl}/api/v1/series${query}`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'application/json')
  return (await response.json()) as SeriesPage
}

async function startWith(context: TestContext, metrics: readonly Metric[]): Promise<TestGateway> {
  const gateway = await startGateway(context)
  const { said } = await gateway.post(encodeExportRequest(metricsOf(metrics)))
  assert.deepEqual(said, { rejected: 0, message: '' })
  return gateway
}

test('a series is shown with its names, labels, type and value', async (context) => {
  const gateway = await startGateway(context)
  await gateway.post(
    deltas([{ name: 'jobs.done', unit: '{job}', value: 2.5, attributes: { 'a.b': 'x', n: 7 } }])
  )
  assert.deepEqual(await ask(gateway, ''), {
    series: [
      {
        id: 0,
        name: 'jobs_done_total',
        metric: 'jobs.done',
        unit: '{job}',
        type: 'counter',
        labels: { a_b: 'x', job: 'jobs', n: '7', otel_scope_name: 'test' },
        value: 2.5,
      },
    ],
  })
})

test('every kind has its values; what JSON has no number for is a string', async (context) => {
  const explicit = { ...point, count: 3, sum: 8, explicitBounds: [1, 10], bucketCounts: [1, 2, 0] }
  const exponential = {
    ...point,
    count: 4,
    sum: 7,
    scale: 1,
    zeroCount: 1,
    zeroThreshold: 0.5,
    positive: { offset: 2, bucketCounts: [1, 2] },
  }
  const gateway = await startWith(context, [
    { name: 'took', histogram: { aggregationTemporality: 1, dataPoints: [explicit] } },
    { name: 'size', exponentialHistogram: { aggregationTemporality: 1, dataPoints: [exponential] } },
    { name: 'load', gauge: { dataPoints: [{ ...point, asDouble: 0.5 }] } },
    { name: 'gone', gauge: { dataPoints: [{ ...point, asDouble: 1 }] } },
    { name: 'gone', gauge: { dataPoints: [{ ...point, timeUnixNano: timeUnixNano + 1n, flags: 1 }] } },
  ])
  const { series } = await ask(gateway, '')
  const shown = series.map(({ type, value, histogram, exponentialHistogram }) => ({
    type,
    value,
    histogram,
    exponentialHistogram,
  }))
  const none = { value: undefined, histogram: undefined, exponentialHistogram: undefined }
  const buckets = [
    { le: 1, count: 1 },
    { le: 10, count: 2 },
    { le: 'Infinity', count: 0 },
  ]
  assert.deepEqual(shown, [
    { ...none, type: 'histogram', histogram: { count: 3, sum: 8, buckets } },
    {
      ...none,
      type: 'exponential histogram',
      exponentialHistogram: {
        count: 4,
        sum: 7,
        scale: 1,
        zeroThreshold: 0.5,
        zeroCount: 1,
        positive: { offset: 2, counts: [1, 2] },
        negative: { offset: 0, counts: [] },
      },
    },
    { ...none, type: 'gauge', value: 0.5 },
    { ...none, type: 'gauge' },
  ])
})

test('pages follow each other, all series once, of one metric by either of its names', async (context) => {
  const gateway = await startGateway(context)
  const counts = Array.from({ length: 250 }, (_, n) => ({
    name: n % 2 === 0 ? 'even.ones' : 'odd.ones',
    value: 1,
    attributes: { n },
  }))
  await gateway.post(deltas(counts))
  const walk = async (query: string): Promise<{ ids: number[]; pages: number }> => {
    const ids: number[] = []
    let pages = 0
    let after = ''
    for (;;) {
      const { series, next } = await ask(gateway, `?${query}${after}`)
      pages++
      ids.push(...series.map(({ id }) => id))
      if (next === undefined) return { ids, pages }
      after = `&after=${next}`
    }
  }
  const numbers = Array.from({ length: 250 }, (_, n) => n)
  assert.deepEqual(await walk(''), { ids: numbers, pages: 3 })
  assert.deepEqual(await walk('limit=125'), { ids: numbers, pages: 2 })
  assert.deepEqual(await walk('limit=1000'), { ids: numbers, pages: 1 })
  const odd = numbers.filter((n) => n % 2 === 1)
  assert.deepEqual(await walk('metric=odd.ones&limit=50'), { ids: odd, pages: 3 })
  assert.deepEqual(await walk('metric=odd_ones_total&limit=1000'), { ids: odd, pages: 1 })
  assert.deepEqual(await walk('metric=none'), { ids: [], pages: 1 })
  assert.deepEqual(await ask(gateway, '?after=999999'), { series: [] })
})

test('what cannot be asked is refused in JSON, with what to write; HEAD is answered, other methods are not', async (context) => {
  const gateway = await startGateway(context)
  const check = async (path: string, want: number, says: RegExp, method = 'GET'): Promise<Response> => {
    const response = await fetch(`${gateway.adminUrl}${path}`, { method })
    assert.equal(response.status, want, `${method} ${path}`)
    assert.equal(response.headers.get('content-type'), 'application/json')
    const text = await response.text()
    if (method === 'HEAD') assert.equal(text, '')
    else assert.match((JSON.parse(text) as { error: string }).error, says)
    return response
  }
  for (const limit of ['0', '1001', '-1', 'x', '', '1e2'])
    await check(`/api/v1/series?limit=${limit}`, 400, /limit is ".*"; write an integer from 1 to 1000/)
  await check('/api/v1/series?after=-1', 400, /after is "-1"; write an integer from 0/)
  await check(
    '/api/v1/series?metrics=x',
    400,
    /metrics cannot be asked for; there are metric, limit and after/
  )
  await check('/api/v1/nothing', 404, /there is GET \/api\/v1\/status, \/api\/v1\/series/)
  await check('/constructor', 404, /there is GET/)
  await check('/api/v1/series', 200, /./, 'HEAD')
  await check('/api/v1/status', 200, /./, 'HEAD')
  for (const method of ['POST', 'DELETE', 'OPTIONS']) {
    const response = await check('/api/v1/series', 405, /does nothing here; GET \/api\/v1\/series/, method)
    assert.equal(response.headers.get('allow'), 'GET, HEAD')
  }
})

test('no door lets the pages of other sites in: no CORS headers, and OPTIONS is refused', async (context) => {
  const gateway = await startGateway(context)
  const headers = { origin: 'http://evil.example', 'access-control-request-method': 'POST' }
  for (const url of [gateway.url, `${gateway.metricsUrl}/metrics`, `${gateway.adminUrl}/api/v1/status`]) {
    const preflight = await fetch(url, { method: 'OPTIONS', headers })
    assert.equal(preflight.status, 405, url)
    const asked = await fetch(url, { headers })
    for (const response of [preflight, asked])
      for (const [name] of response.headers) assert.doesNotMatch(name, /^access-control-/, url)
  }
})
