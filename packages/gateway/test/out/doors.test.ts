import assert from 'node:assert/strict'
import { get, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { Status } from '../../src/out/admin.ts'
import { startGateway } from '../support/gateways.ts'
import { valuesOf } from '../support/ledgers.ts'
import { familiesOf, linesOf } from '../support/metric-families.ts'
import { deltas } from '../support/requests.ts'

interface Got {
  status: number
  type: string
  encoding: string
  body: Buffer
}

/** GET without what `fetch` would add or take away. */
function got(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = get(url, { headers, method }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const { 'content-type': type = '', 'content-encoding': encoding = '' } = response.headers
        resolve({ status: response.statusCode ?? 0, type, encoding, body: Buffer.concat(chunks) })
      })
    })
    request.on('error', reject)
  })
}

const contentType = 'text/plain; version=0.0.4; charset=utf-8'

test('a scrape is text 0.0.4, gzipped when that is asked for', async (context) => {
  const gateway = await startGateway(context)
  await gateway.post(deltas([{ value: 3, attributes: { long: 'x'.repeat(1000) } }]))
  const url = `${gateway.metricsUrl}/metrics`
  const plain = await got(url)
  assert.deepEqual([plain.status, plain.type, plain.encoding], [200, contentType, ''])
  const text = plain.body.toString()
  assert.ok(text.endsWith('\n'))
  const name = `work_total{job="jobs",long="${'x'.repeat(1000)}",otel_scope_name="test"}`
  assert.equal(valuesOf(text).get(name), 3)
  const zipped = await got(url, { 'accept-encoding': 'deflate, gzip' })
  assert.deepEqual([zipped.status, zipped.type, zipped.encoding], [200, contentType, 'gzip'])
  assert.ok(zipped.body.length < plain.body.length / 2)
  assert.equal(valuesOf(gunzipSync(zipped.body).toString()).get(name), 3)
  const refused = await got(url, { 'accept-encoding': 'gzip;q=0' })
  assert.equal(refused.encoding, '')
  const accepted = await got(url, {
    accept: 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5',
  })
  const openMetrics = 'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores'
  assert.deepEqual([accepted.status, accepted.type], [200, openMetrics])
  assert.ok(accepted.body.toString().endsWith('\n# EOF\n'))
  const head = await got(url, {}, 'HEAD')
  assert.deepEqual([head.status, head.type, head.body.length], [200, contentType, 0])
})

test('scrapers are shown newborn counters at 0, others as they are, with how many those are', async (context) => {
  const gateway = await startGateway(context)
  await gateway.post(deltas([{ value: 3 }, { name: 'b', value: 1 }]))
  const textOf = async (accept: string): Promise<string> =>
    (await got(`${gateway.metricsUrl}/metrics`, { accept })).body.toString()
  const line = 'work_total{job="jobs",otel_scope_name="test"}'
  const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  const scrapers = [
    'text/plain',
    'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited',
  ]
  for (const accept of scrapers) {
    const text = await textOf(accept)
    if (!accept.startsWith('application/vnd')) assert.equal(valuesOf(text).get(line), 0, accept)
    assert.doesNotMatch(text, /Scrapers are/)
  }
  for (const accept of ['*/*', browser, '']) {
    const text = await textOf(accept)
    assert.equal(valuesOf(text).get(line), 3, accept)
    assert.match(
      text,
      /^# Scrapers are still shown 2 newborn series at 0, for [\d.]+ s: first_increment_hold\.$/m
    )
    assert.equal(valuesOf(text).get('swansong_series_held'), 2)
  }
  assert.equal(gateway.gateway.status().seriesHeld, 2)
})

test('by protobuf a scrape is the same, with what the gateway says of itself', async (context) => {
  const gateway = await startGateway(context)
  await gateway.post(deltas([{ value: 3 }, { name: 'b', value: 1 }]))
  const body =
    '# TYPE work_total counter\nwork_total 5\n# TYPE took summary\ntook{quantile="0.5"} 2\ntook_count 1\n'
  const pushed = await fetch(`${gateway.pushUrl}/metrics/job/pushing`, { method: 'PUT', body })
  assert.equal(pushed.status, 200)
  const type = 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited'
  const accept = `${type};q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2`
  const answer = await got(`${gateway.metricsUrl}/metrics`, { accept, 'accept-encoding': 'gzip' })
  assert.deepEqual([answer.encoding, answer.type], ['gzip', `${type}; escaping=underscores`])
  const families = familiesOf(gunzipSync(answer.body))
  const lines = linesOf(families)
  const text = await got(`${gateway.metricsUrl}/metrics`, { accept: 'text/plain' })
  const want = valuesOf(text.body.toString())
  const moves = /^swansong_(scrape|commit|connections|limit_used|first_increment_hold)/
  for (const [line, value] of want) if (!moves.test(line)) assert.equal(lines.get(line), value, line)
  assert.equal(lines.size, want.size)
  const work = families.find(({ name }) => name === 'work_total')
  assert.deepEqual(
    work?.metric.map(({ counter }) => counter?.value),
    [0, 5],
    'in one family'
  )
  const held = families.find(({ name }) => name === 'swansong_series_held')
  assert.deepEqual([held?.type, held?.help], ['GAUGE', 'Those of them that scrapers are shown at 0 still.'])
  assert.equal(families.find(({ name }) => name === 'swansong_commits_total')?.type, 'COUNTER')
})

test('every family of a scrape has one type, its own metrics included, and stands in one piece', async (context) => {
  const gateway = await startGateway(context)
  await gateway.post(
    deltas([{ value: 3 }, { value: -1 }, { name: 'b', value: 1 }, { value: 2, attributes: { n: 1 } }])
  )
  await gateway.post('x')
  const { body } = await got(`${gateway.metricsUrl}/metrics`)
  const seen = new Set<string>()
  let family = ''
  for (const line of body.toString().split('\n').slice(0, -1)) {
    const [, kind, name = ''] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? []
    if (kind === undefined && line.startsWith('#')) continue
    if (kind === undefined) {
      assert.equal(/^[^ {]+/.exec(line)?.[0], family, line)
      continue
    }
    if (name !== family) assert.ok(!seen.has(name), `${name} stands twice`)
    if (kind === 'TYPE') assert.ok(!seen.has(name), `${name} has two types`)
    if (kind === 'TYPE') seen.add(name)
    family = name
  }
  for (const name of [
    'work_total',
    'swansong_points_total',
    'swansong_requests_total',
    'swansong_build_info',
  ]) {
    assert.ok(seen.has(name), name)
  }
})

test('the gateway counts itself', async (context) => {
  const gateway = await startGateway(context)
  await gateway.post(deltas([{ value: 3 }, { name: 'b', value: 1 }]), { 'idempotency-key': 'a' })
  await gateway.post('x')
  await gateway.scrape()
  const values = await gateway.scrape()
  const check = (name: string, want: number): void => assert.equal(values.get(`swansong_${name}`), want, name)
  check('requests_total{code="200"}', 1)
  check('requests_total{code="400"}', 1)
  check('requests_rejected_total{reason="not_otlp"}', 1)
  check('points_total', 2)
  check('series', 2)
  check('batch_ids', 1)
  check('writers', 0)
  check('commits_total', 1)
  check('scrapes_total', 1)
  check('bugs_total', 0)
  assert.ok((values.get('swansong_received_bytes_total') ?? 0) > 50)
  assert.ok((values.get('swansong_commit_seconds_total') ?? 0) > 0)
})

test('what else the metrics port answers', async (context) => {
  const gateway = await startGateway(context)
  const check = async (path: string, method: string, want: number): Promise<void> => {
    assert.equal((await got(`${gateway.metricsUrl}${path}`, {}, method)).status, want, `${method} ${path}`)
  }
  await check('/metrics?name=x', 'GET', 200)
  await check('/-/ready', 'GET', 200)
  await check('/-/healthy', 'GET', 200)
  await check('/-/healthy', 'HEAD', 200)
  await check('/', 'GET', 404)
  await check('/metrics/x', 'GET', 404)
  await check('/metrics', 'POST', 405)
  await check('/-/ready', 'DELETE', 405)
})

test('the admin port tells the status', async (context) => {
  const gateway = await startGateway(context)
  await gateway.post(deltas([{ value: 3 }, { value: -3 }]), { 'idempotency-key': 'a' })
  const { status, type, body } = await got(`${gateway.adminUrl}/api/v1/status`)
  assert.deepEqual([status, type], [200, 'application/json'])
  const told = JSON.parse(body.toString()) as Status
  assert.deepEqual(told, JSON.parse(JSON.stringify(gateway.gateway.status())))
  assert.equal(told.pid, process.pid)
  assert.equal(told.ready, true)
  assert.equal(told.series, 1)
  assert.deepEqual(told.requests, { 200: 1 })
  assert.deepEqual(told.pointsRejected, { NEGATIVE_DELTA: 1 })
  assert.equal((await got(`${gateway.adminUrl}/`)).status, 404)
  assert.equal((await got(`${gateway.adminUrl}/api/v1/status`, {}, 'POST')).status, 405)
})

test('a hundred scrapes at once all show the same', async (context) => {
  const gateway = await startGateway(context)
  await gateway.post(deltas(Array.from({ length: 500 }, (_, n) => ({ value: n, attributes: { n } }))))
  const answers = await Promise.all(Array.from({ length: 100 }, () => gateway.scrape()))
  const workersOf = (values: Map<string, number>): unknown[] =>
    [...values].filter(([name]) => name.startsWith('work'))
  for (const values of answers)
    assert.deepEqual(workersOf(values), workersOf(answers[0] ?? new Map<string, number>()))
  assert.equal(workersOf(answers[0] ?? new Map<string, number>()).length, 500)
})

test('a scraper that reads slowly gets the text of its own moment, whoever scrapes meanwhile', async (context) => {
  const gateway = await startGateway(context)
  const points = Array.from({ length: 10_000 }, (_, at) => ({
    value: 1,
    attributes: { at, pad: 'x'.repeat(500) },
  }))
  const body = deltas(points)
  await gateway.post(body)
  await gateway.scrape()
  const url = `${gateway.metricsUrl}/metrics`
  const slow = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, resolve).on('error', reject) // Nothing is read: five megabytes are more than sockets hold.
  })
  await gateway.post(body)
  for (let round = 0; round < 3; round++) {
    const values = [...(await gateway.scrape())].filter(([line]) => line.startsWith('work_total'))
    for (const [line, value] of values) assert.equal(value, 2, line)
  }
  let text = ''
  for await (const chunk of slow.setEncoding('utf8')) text += String(chunk)
  const values = [...valuesOf(text)].filter(([line]) => line.startsWith('work_total'))
  assert.equal(values.length, 10_000)
  for (const [line, value] of values) assert.equal(value, 1, line)
})

test('a scraper that will not wait for compression gets plain text, one that waits for nothing is cut', async (context) => {
  const gateway = await startGateway(context)
  await gateway.post(deltas([{ value: 3 }]))
  const url = `${gateway.metricsUrl}/metrics`
  const impatient = { 'accept-encoding': 'gzip', 'x-prometheus-scrape-timeout-seconds': '0.000001' }
  const patient = { ...impatient, 'x-prometheus-scrape-timeout-seconds': '30' }
  assert.equal((await got(url, patient)).encoding, 'gzip')
  const { status, encoding, body } = await got(url, impatient)
  assert.deepEqual([status, encoding], [200, ''])
  assert.equal(valuesOf(body.toString()).get('work_total{job="jobs",otel_scope_name="test"}'), 3)

  // What takes more than one turn is over before it is there.
  const long = 'x'.repeat(4000)
  await gateway.post(deltas(Array.from({ length: 3000 }, (_, n) => ({ value: 1, attributes: { n, long } }))))
  await assert.rejects(got(url, impatient), /socket hang up|ECONNRESET/)
  const own = (await got(url)).body.toString()
  assert.match(own, /^swansong_connections_cut_total\{reason="answer"\} [1-9]/m)
  const whole = await got(url, patient)
  const unzipped = whole.encoding === 'gzip' ? gunzipSync(whole.body) : whole.body
  assert.ok(valuesOf(unzipped.toString()).size > 3000)
})
