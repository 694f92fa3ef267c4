import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { completeConfig, type ConfigInput } from '../../src/config/config.ts'
import { ConfigError } from '../../src/config/read.ts'
import type { Reloaded } from '../../src/config/reload.ts'
import { openGateway, type Gateway } from '../../src/gateway.ts'
import { openLog } from '../../src/log.ts'
import { dataDirectory, temporaryDirectory } from '../support/directories.ts'
import { valuesOf } from '../support/ledgers.ts'
import { deltas } from '../support/requests.ts'

const anyPort = { host: '127.0.0.1', port: 0 }
const series = (value: string): string => `work_total{at="${value}",job="jobs",otel_scope_name="test"}`

test('a reload changes limits, rules and the log level of a gateway that runs, and says which keys', async (context) => {
  const gateway = await start(context, { limits: { labelValueBytesMax: 3 } })
  await gateway.post('1234')
  assert.equal((await gateway.scrape()).get(series('1234')), undefined)

  gateway.told = {
    limits: { labelValueBytesMax: 4, keepAliveMs: 5000 },
    logLevel: 'fatal',
    gaugePolicy: 'max',
  }
  const path = { changed: ['log.level', 'gauge_policy', 'limits.label_value_bytes', 'limits.keep_alive'] }
  assert.deepEqual(await gateway.reload(), { status: 200, body: path })
  await gateway.post('1234')
  assert.equal((await gateway.scrape()).get(series('1234')), 1)
  assert.equal(gateway.log.level, 'fatal')

  gateway.told = { ...gateway.told, rules: [{ metrics: ['work'], drop: true }] }
  assert.deepEqual(gateway.gateway.reload(), { changed: ['rules'] })
  await gateway.post('1234')
  assert.equal((await gateway.scrape()).get(series('1234')), 1)
  assert.deepEqual(gateway.gateway.reload(), { changed: [] })
})

test('a reload changes nothing where anything is wrong, or needs a restart, and says what', async (context) => {
  const gateway = await start(context, {})
  const reloadedAt = (await gateway.scrape()).get('swansong_config_last_reload_success_timestamp_seconds')
  const failed = async (problems: string[]): Promise<void> => {
    assert.deepEqual(await gateway.reload(), { status: 400, body: { problems } })
    await gateway.post('1234')
    const shown = await gateway.scrape()
    assert.equal(shown.get('swansong_config_last_reload_successful'), 0)
    assert.equal(shown.get('swansong_config_last_reload_success_timestamp_seconds'), reloadedAt)
  }
  gateway.told = { limits: { labelValueBytesMax: 1 }, dataDir: '/elsewhere', spoolDir: '/spool' }
  const why = 'which a reload cannot change; restart the gateway, or put it back'
  const { dataDir, spoolDir } = gateway.config
  await failed([
    `data_dir: it was ${dataDir} and is /elsewhere now, ${why}`,
    `spool_dir: it was ${spoolDir} and is /spool now, ${why}`,
  ])
  gateway.told = new ConfigError(['s.yaml:1:1: x: there is no such key'])
  await failed(['s.yaml:1:1: x: there is no such key'])
  assert.equal((await gateway.scrape()).get(series('1234')), 2)

  gateway.told = {}
  assert.equal((await gateway.reload()).status, 200)
  const shown = await gateway.scrape()
  assert.equal(shown.get('swansong_config_last_reload_successful'), 1)
  assert.ok((shown.get('swansong_config_last_reload_success_timestamp_seconds') ?? 0) > Number(reloadedAt))
})

test('a reload is asked for by POST alone', async (context) => {
  const gateway = await start(context, {})
  const response = await fetch(`${gateway.adminUrl}/-/reload`)
  assert.equal(response.status, 405)
  assert.equal(response.headers.get('allow'), 'POST')
})

async function start(context: TestContext, told: ConfigInput): Promise<Reloading> {
  const places = {
    dataDir: dataDirectory(temporaryDirectory(context)),
    otlpHttp: anyPort,
    metrics: anyPort,
    admin: anyPort,
  }
  const configOf = (input: ConfigInput): ConfigInput => ({
    ...places,
    otlpGrpc: undefined,
    logLevel: 'silent',
    ...input,
  })
  const config = completeConfig(configOf(told))
  const log = openLog('silent')
  const gateway = await openGateway(config, {
    log,
    onFailed: () => undefined,
    readSettings() {
      if (reloading.told instanceof Error) throw reloading.told
      return { config: completeConfig(configOf(reloading.told)), told: new Map() }
    },
  })
  context.after(() => gateway.close())
  const { addresses } = gateway
  const adminUrl = `http://127.0.0.1:${addresses.admin.port}`
  const reloading: Reloading = {
    told,
    gateway,
    config,
    log,
    adminUrl,
    async post(value) {
      const body = new Uint8Array(deltas([{ value: 1, attributes: { at: value } }]))
      const headers = { 'content-type': 'application/x-protobuf' }
      const url = `http://127.0.0.1:${addresses.otlpHttp.port}/v1/metrics`
      assert.equal((await fetch(url, { method: 'POST', body, headers })).status, 200)
    },
    async scrape() {
      return valuesOf(await (await fetch(`http://127.0.0.1:${addresses.metrics.port}/metrics`)).text())
    },
    async reload() {
      const response = await fetch(`${adminUrl}/-/reload`, { method: 'POST' })
      return { status: response.status, body: (await response.json()) as Reloaded }
    },
  }
  return reloading
}

interface Reloading {
  /** What is read at the next reload. */
  told: ConfigInput | ConfigError
  readonly gateway: Gateway
  readonly config: ReturnType<typeof completeConfig>
  readonly log: ReturnType<typeof openLog>
  readonly adminUrl: string
  post(value: string): Promise<void>
  scrape(): Promise<Map<string, number>>
  reload(): Promise<{ status: number; body: Reloaded }>
}
