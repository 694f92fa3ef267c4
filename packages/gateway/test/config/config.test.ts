import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeConfig } from '../../src/config/config.ts'

test('what is not told has its default; the spool stands in the data directory', () => {
  assert.equal(completeConfig({ dataDir: '/data' }).spoolDir, '/data/spool')
  assert.equal(completeConfig({ dataDir: '/data', spoolDir: '/spool' }).spoolDir, '/spool')
  const config = completeConfig({ limits: { seriesCountMax: 5 } })
  assert.equal(config.limits.seriesCountMax, 5)
  assert.equal(config.limits.retryWindowMs, 600_000)
  assert.deepEqual(config.otlpHttp, { host: '127.0.0.1', port: 4318 })
})
