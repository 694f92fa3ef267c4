import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sayRefusals } from '../../src/doors/refusal-log.ts'
import type { Log } from '../../src/log.ts'
import { countRefusal, newStats } from '../../src/stats.ts'

test('what is refused is said once a minute of each reason and port, with who sent it', () => {
  const said: object[] = []
  let now = 0
  const log = { warn: (fields: object, text: string) => said.push({ ...fields, text }) } as unknown as Log
  const stats = newStats()
  sayRefusals(stats, log, { labelValueBytesMax: 4096 }, () => now)

  const peer = { localAddress: '127.0.0.1', localPort: 4318, remoteAddress: '10.0.0.7' }
  for (let times = 0; times < 3; times++) countRefusal(stats, 'NOT_OTLP', 'not OTLP metrics', peer)
  countRefusal(stats, 'NOT_OTLP', 'not OTLP metrics', { ...peer, localPort: 9091 })
  countRefusal(stats, 'NOT_GZIP', 'the body is not', undefined)
  const text = 'a request was refused'
  const first = { reason: 'not_otlp', at: '127.0.0.1:4318', from: '10.0.0.7', why: 'not OTLP metrics', text }
  assert.deepEqual(said, [
    first,
    { ...first, at: '127.0.0.1:9091' },
    { reason: 'not_gzip', why: 'the body is not', text },
  ])
  assert.equal(stats.refusals.get('NOT_OTLP'), 4)

  said.length = 0
  for (now = 59_999; now <= 60_000; now++) countRefusal(stats, 'NOT_OTLP', 'not OTLP metrics', peer)
  assert.deepEqual(said, [first], 'again, a minute later')

  said.length = 0
  for (let times = 0; times < 3; times++) stats.onRejected('LABEL_VALUE_TOO_LONG', 2, 'jobs')
  const why = 'a label value is over the limit of 4,096 bytes'
  assert.deepEqual(said, [
    { reason: 'label_value_too_long', points: 2, metric: 'jobs', why, text: 'points were not counted' },
  ])
})
