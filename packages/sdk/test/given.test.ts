import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openEndpoint } from '../src/post/endpoint.ts'
import type { SdkOptions } from '../src/options/given.ts'
import { readOptions } from '../src/options/read-options.ts'
import { makeSpool, run } from './support/run.ts'

test('what the job gives wins over the variables; headers and attributes win by name', () => {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://variable:4318',
    OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=1',
    OTEL_EXPORTER_OTLP_TIMEOUT: '1',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_METRIC_EXPORT_INTERVAL: '1',
    OTEL_SERVICE_NAME: 'variable',
    OTEL_RESOURCE_ATTRIBUTES: 'team=variable,region=x',
    SWANSONG_EXIT_BUDGET_MS: '1',
    SWANSONG_SPOOL_DIR: '/variable',
    SWANSONG_SPOOL_SYNC: '1',
    SWANSONG_EXPORT: '0',
  }
  const given: SdkOptions = {
    endpoint: new URL('http://given:1/path'),
    headers: { B: '2' },
    timeoutMs: 2,
    intervalMs: 3,
    exitBudgetMs: 0,
    compression: 'none',
    spoolDirectory: '/given',
    spoolSync: false,
    journal: 'always',
    signals: 'ignore',
    serviceName: 'given',
    resourceAttributes: { team: 'given' },
    cardinalityLimit: 7,
    export: true,
  }
  const options = readOptions(env, given)
  assert.deepEqual(options.complaints, [])
  assert.deepEqual(
    { ...options, endpoint: options.endpoint?.href, complaints: undefined },
    {
      exports: true,
      endpoint: 'http://given:1/path',
      credentials: {},
      endpointFault: undefined,
      headers: { a: '1', b: '2' },
      compression: 'none',
      timeoutMs: 2,
      intervalMs: 3,
      exitBudgetMs: 0,
      spoolDirectory: '/given',
      spoolSync: false,
      journal: 'always',
      signals: 'ignore',
      serviceName: 'given',
      instanceIdIgnored: undefined,
      resourceAttributes: { team: 'given', region: 'x' },
      cardinalityLimit: 7,
      complaints: undefined,
    }
  )
  const variables = readOptions({ ...env, SWANSONG_EXPORT: '1' }, {})
  assert.equal(variables.endpoint?.href, 'http://variable:4318/v1/metrics')
  assert.deepEqual([variables.compression, variables.spoolSync, variables.timeoutMs], ['gzip', true, 1])
})

test('the switches of the operator stand above the job', () => {
  assert.equal(readOptions({ OTEL_SDK_DISABLED: 'true' }, { export: true }).exports, false)
  assert.equal(readOptions({ OTEL_METRICS_EXPORTER: 'none' }, { export: true }).exports, false)
  assert.equal(readOptions({ NODE_ENV: 'test' }, { export: true }).exports, true)
  assert.equal(readOptions({}, { export: false }).exports, false)
})

test('what is given wrong is named, and the variable or the default used', () => {
  const check = (name: string, value: unknown): void => {
    const given: unknown = { [name]: value }
    const options = readOptions({}, given as SdkOptions)
    assert.equal(options.complaints.length, 1, name)
    assert.match(options.complaints[0] ?? '', new RegExp(`option ${name}`))
    assert.deepEqual({ ...options, complaints: [] }, readOptions({}))
  }
  check('endpoint', 'host:4318')
  check('endpoint', 4318)
  check('endpoint', 'unix:relative.sock')
  check('endpoint', 'unix://host/path')
  check('headers', 'a=1')
  check('timeoutMs', '10')
  check('timeoutMs', -1)
  check('intervalMs', Infinity)
  check('exitBudgetMs', 0.5)
  check('compression', 'br')
  check('certificate', 7)
  check('spoolDirectory', '')
  check('spoolSync', 'yes')
  check('journal', 'never')
  check('signals', 'handled')
  check('serviceName', {})
  check('resourceAttributes', ['team'])
  check('cardinalityLimit', 0)
  check('export', 1n)
  check('timeout', 5)
  for (const given of [5, [], 'x']) {
    assert.equal(readOptions({}, given as unknown as SdkOptions).complaints.length, 1)
  }
  assert.deepEqual(readOptions({}, { headers: { 'a b': '1', ok: '2' } }).headers, { ok: '2' })
  assert.match(readOptions({}, { headers: { a: 1 } as never }).complaints[0] ?? '', /headers\.a/)
})

test('the form for metrics wins over the general one, and either may be wrong', () => {
  const compression = readOptions({
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: 'zstd',
  })
  assert.match(compression.complaints.join(), /METRICS_COMPRESSION=zstd/)
  assert.equal(compression.compression, 'none')
  assert.equal(readOptions({ OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' }).compression, 'gzip')
})

test('an endpoint of unix: names a socket, whatever variable or option it stands in', () => {
  const check = (url: string, want: string): void => {
    for (const options of [
      readOptions({ OTEL_EXPORTER_OTLP_ENDPOINT: url }),
      readOptions({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: url }),
      readOptions({}, { endpoint: url }),
    ]) {
      assert.deepEqual(options.complaints, [])
      const { socketPath, target } = openEndpoint(options.endpoint as URL, {}, undefined)
      assert.deepEqual([socketPath, target], [want, '/v1/metrics'])
    }
  }
  check('unix:/run/swansong/otlp.sock', '/run/swansong/otlp.sock')
  check('unix:///run/swansong/otlp.sock', '/run/swansong/otlp.sock')
  check('unix:/run/a%20b/otlp.sock', '/run/a b/otlp.sock')
})

test('OTEL_LOG_LEVEL: warnings are heard from warn on, complaints are silenced below, a loss is always said', async () => {
  const spool = makeSpool()
  const env = { SWANSONG_SPOOL_DIR: spool.directory, OTEL_METRIC_EXPORT_INTERVAL: 'often' }
  const pod = { ...env, OTEL_RESOURCE_ATTRIBUTES: 'service.instance.id=pod' }
  const heard = async (level: string): Promise<string[]> => {
    const ended = await run('ending', ['natural'], { ...pod, OTEL_LOG_LEVEL: level })
    return ended.stderr.split('\n').filter((line) => line !== '')
  }
  const complaint = /^swansong: OTEL_METRIC_EXPORT_INTERVAL=often/
  for (const level of ['none', 'ERROR']) assert.deepEqual(await heard(level), [], level)
  for (const level of ['warn', 'INFO', 'debug', 'verbose', 'all']) {
    const [first = '', second = '', ...others] = await heard(level)
    assert.match(first, complaint)
    assert.match(second, /^swansong: service\.instance\.id pod is not used/)
    assert.deepEqual(others, [])
  }
  const [first = '', ...others] = await heard('')
  assert.match(first, complaint)
  assert.deepEqual(others, [])
  assert.match((await heard('loud')).join(), /OTEL_LOG_LEVEL=loud is no level/)
  const down = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_LOG_LEVEL: 'none',
    SWANSONG_EXIT_BUDGET_MS: '50',
  }
  assert.match((await run('ending', ['exit'], down)).stderr, /^swansong: 2 points .* lost: .*\n$/)
  spool.remove()
})
