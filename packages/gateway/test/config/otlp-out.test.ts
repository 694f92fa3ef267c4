import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfigFile } from '../../src/config/file.ts'
import { ConfigError, readSettings } from '../../src/config/read.ts'

function complains(yaml: string, why: RegExp): void {
  assert.throws(
    () => readSettings({ file: readConfigFile('s.yaml', yaml) }),
    (error) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, why)
      return true
    }
  )
}

test('OTLP out is off unless an endpoint is told, and then has its defaults', () => {
  const { endpoint, ...rest } = readSettings({}).config.otlpOut
  assert.equal(endpoint, undefined)
  const flags = { 'otlp_out.endpoint': 'http://collector:4318/v1/metrics' }
  const told = readSettings({ flags }).config.otlpOut
  assert.deepEqual(told, { ...rest, endpoint: 'http://collector:4318/v1/metrics' })
  assert.deepEqual([told.intervalMs, told.timeoutMs, told.compression], [15_000, 10_000, 'gzip'])
})

test('an endpoint is a whole URL, without secrets', () => {
  complains('otlp_out: { endpoint: "collector:4318" }', /is no URL; write one, as http:/)
  complains('otlp_out: { endpoint: "ftp://collector/x" }', /is no URL; write one, as http:/)
  complains(
    'otlp_out: { endpoint: "http://collector:4318" }',
    /has no path; write http:\/\/collector:4318\/v1\/metrics/
  )
  complains(
    'otlp_out: { endpoint: "https://u:p@collector/x" }',
    /^(?!.*u:p).*put the header Authorization into/
  )
  const at = (endpoint: string): string | undefined =>
    readSettings({ flags: { 'otlp_out.endpoint': endpoint } }).config.otlpOut.endpoint
  assert.equal(at('https://x/'), 'https://x/')
  assert.equal(at('https://x/api/v1/otlp/v1/metrics?tenant=a'), 'https://x/api/v1/otlp/v1/metrics?tenant=a')
})

test('what belongs to an endpoint needs one', () => {
  complains('otlp_out: { interval: 5s }', /s.yaml:1:23: otlp_out.interval: it needs otlp_out.endpoint too/)
  complains(
    'otlp_out: { endpoint: "https://x/v", tls: { cert_file: a } }',
    /tls\.cert_file: it needs otlp_out\.tls\.key_file too/
  )
  complains('otlp_out: { endpoint: "http://x/v", interval: 5 }', /is no duration/)
  complains('otlp_out: { endpoint: "http://x/v", interval: 999ms }', /write 1s to/)
  complains('otlp_out: { endpoint: "http://x/v", compression: gzp }', /did you mean gzip/)
})

test("the gateway's own door is no endpoint: all would be counted again", () => {
  const own = /own door otlp.http, which would count everything again/
  complains('otlp_out: { endpoint: "http://127.0.0.1:4318/v1/metrics" }', own)
  complains('otlp_out: { endpoint: "http://localhost:4318/v1/metrics" }', own)
  const open = 'otlp: { http: { listen: "[::]:80" } }\n'
  complains(`${open}otlp_out: { endpoint: "http://[::1]/v1/metrics" }`, own)
  const elsewhere = { 'otlp_out.endpoint': 'http://127.0.0.1:14318/v1/metrics' }
  assert.equal(readSettings({ flags: elsewhere }).told.size, 1)
})
