import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeConfig } from '../../src/config/config.ts'
import { parseAddress } from '../../src/config/values.ts'

test('an address is a host and a port, the host loopback unless told', () => {
  const check = (text: string, host: string, port: number): void => {
    assert.deepEqual(parseAddress(text), { host, port })
  }
  check('127.0.0.1:4318', '127.0.0.1', 4318)
  check('localhost:0', 'localhost', 0)
  check('0.0.0.0:65535', '0.0.0.0', 65_535)
  check(':4318', '127.0.0.1', 4318)
  check('[::1]:4318', '::1', 4318)
})

test('what is no address is refused with what to write', () => {
  for (const text of [
    '',
    '4318',
    'host',
    'host:',
    'host:port',
    'host:65536',
    '::1:4318',
    '[::1]',
    'host:-1',
    'a:1:2',
  ]) {
    assert.throws(() => parseAddress(text), /is no address: write HOST:PORT/, text)
  }
})

test('what is not told has its default; the spool stands in the data directory', () => {
  assert.equal(completeConfig({ dataDir: '/data' }).spoolDir, '/data/spool')
  assert.equal(completeConfig({ dataDir: '/data', spoolDir: '/spool' }).spoolDir, '/spool')
  const config = completeConfig({ limits: { seriesCountMax: 5 } })
  assert.equal(config.limits.seriesCountMax, 5)
  assert.equal(config.limits.retryWindowMs, 600_000)
  assert.deepEqual(config.otlpHttp, { host: '127.0.0.1', port: 4318 })
})
