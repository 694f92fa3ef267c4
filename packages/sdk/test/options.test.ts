import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readAllOptions } from '../src/options/all-options.ts'
import { encodeResource, version } from '../src/encode/resource.ts'
import { exitBudgetMsDefault, intervalMsDefault, timeoutMsDefault } from '../src/options/options.ts'
import { readOptions } from '../src/options/read-options.ts'
import { SwansongMeter } from '../src/record/meter.ts'
import { Observers } from '../src/record/observers.ts'
import { Recorder } from '../src/record/recorder.ts'
import { isLiving, readStartTicks } from '../src/spool/spool.ts'
import { Template } from '../src/encode/template.ts'
import { readRequest } from './support/read-request.ts'

test('what is read without the reader of all is what that reads', () => {
  const values = { SWANSONG_SPOOL_DIR: ' /s ', OTEL_SERVICE_NAME: 'svc', NODE_ENV: 'test', HOME: '/root' }
  const names = Object.keys(values) as (keyof typeof values)[]
  for (let chosen = 0; chosen < 2 ** names.length; chosen++) {
    const env: Record<string, string> = {}
    for (const [at, name] of names.entries()) if ((chosen & (1 << at)) !== 0) env[name] = values[name]
    assert.deepEqual(readOptions(env), readAllOptions(env), JSON.stringify(env))
  }
  assert.equal(readOptions({ OTEL_SDK_DISABLED: 'true' }).exports, false)
  assert.equal(readOptions({ SWANSONG_EXPORT: '0' }).exports, false)
})

test('with nothing set every default holds and nothing is complained of', () => {
  const options = readOptions({})
  assert.deepEqual(options.complaints, [])
  assert.equal(options.exports, true)
  assert.equal(options.endpoint, undefined)
  assert.equal(options.timeoutMs, timeoutMsDefault)
  assert.equal(options.intervalMs, intervalMsDefault)
  assert.equal(options.exitBudgetMs, exitBudgetMsDefault)
  assert.equal(options.serviceName, 'unknown_service:node')
})

test('the general endpoint gets v1/metrics appended, the one for metrics is taken as it is', () => {
  const check = (variables: Record<string, string>, want: string | undefined): void =>
    assert.equal(readOptions(variables).endpoint?.href, want)
  check({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://host:4318' }, 'http://host:4318/v1/metrics')
  check({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://host:4318/' }, 'http://host:4318/v1/metrics')
  check({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://host/otlp' }, 'https://host/otlp/v1/metrics')
  check({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://host:4318' }, 'http://host:4318/')
  check(
    { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://a/x', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://b' },
    'http://a/x'
  )
  check({ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, undefined)
})

test('a wrong value is named, and the default used', () => {
  const check = (name: string, value: string): void => {
    const options = readOptions({ [name]: value })
    assert.equal(options.complaints.length, 1, name)
    assert.match(options.complaints[0] ?? '', new RegExp(name))
    assert.deepEqual({ ...options, complaints: [] }, readOptions({}))
  }
  check('OTEL_EXPORTER_OTLP_ENDPOINT', 'host:4318')
  check('OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc')
  check('OTEL_EXPORTER_OTLP_TIMEOUT', '10s')
  check('OTEL_METRIC_EXPORT_INTERVAL', '-1')
  check('OTEL_METRICS_EXPORTER', 'prometheus')
  check('OTEL_RESOURCE_ATTRIBUTES', 'novalue')
  check('OTEL_EXPORTER_OTLP_HEADERS', 'a=%0d%0ab')
  check('SWANSONG_EXIT_BUDGET_MS', 'soon')
  check('SWANSONG_SPOOL_SYNC', 'maybe')
})

test('in a test run nothing leaves, unless it is asked for', () => {
  const check = (variables: Record<string, string>, want: boolean): void =>
    assert.equal(readOptions(variables).exports, want, JSON.stringify(variables))
  check({ NODE_ENV: 'production' }, true)
  check({ NODE_ENV: 'test' }, false)
  check({ VITEST: 'true' }, false)
  check({ JEST_WORKER_ID: '1' }, false)
  check({ NODE_ENV: 'test', SWANSONG_EXPORT: '1' }, true)
  check({ OTEL_SDK_DISABLED: 'true', SWANSONG_EXPORT: '1' }, false)
  check({ OTEL_METRICS_EXPORTER: 'none' }, false)
})

test('headers and resource attributes are percent-decoded; those of metrics win', () => {
  const options = readOptions({
    OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20a, x=1',
    OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'x=2',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=from-list,team=a%2Cb,service.instance.id=pod',
  })
  assert.deepEqual(options.headers, { authorization: 'Bearer a', x: '2' })
  assert.equal(options.serviceName, 'from-list')
  assert.deepEqual(options.resourceAttributes, { team: 'a,b' })
  assert.equal(options.instanceIdIgnored, 'pod')
})

test('the resource says who counts, under the instance id of this process alone', () => {
  const options = readOptions({
    OTEL_SERVICE_NAME: 'svc',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,team=t,service.instance.id=pod',
  })
  const recorder = new Recorder(1, () => {})
  new SwansongMeter(recorder, new Observers(() => {}), '').createCounter('c').add(1)
  const shape = { temporality: 1, start: 1n, reserved: 0, includes: () => true } as const
  assert.deepEqual(
    readRequest(new Template(recorder, encodeResource(options, 'fresh'), shape).body).resource,
    {
      team: 't',
      'service.name': 'svc',
      'service.instance.id': 'fresh',
      'telemetry.sdk.name': 'swansong',
      'telemetry.sdk.language': 'nodejs',
      'telemetry.sdk.version': version,
    }
  )
})

test('the version that is told is the version of the package', () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  assert.equal((manifest as { version: string }).version, version)
})

test('the start of a process is found behind a name with spaces and brackets', () => {
  const fields = Array.from({ length: 50 }, (_, index) => index + 3)
  assert.equal(readStartTicks(`1 (a) b (c)) S ${fields.slice(1).join(' ')}`), 22)
})

test('a directory without a fresh heartbeat is nobody’s spool', () => {
  assert.equal(isLiving('/nowhere/at/all', Date.now()), false)
})
