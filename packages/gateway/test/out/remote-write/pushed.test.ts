import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeConfig } from '../../../src/config/config.ts'
import { PushDesk } from '../../../src/in/pushgateway/desk.ts'
import { groupOf } from '../../../src/in/pushgateway/group-path.ts'
import type { Family } from '../../../src/ledger/pushed/family.ts'
import { post, sum } from '../../support/kinds.ts'
import { startRemoteWriteReceiver } from '../../support/remote-write-receiver.ts'
import { RemoteWrites } from '../../support/remote-writes.ts'

test('a line that was pushed and then is a sum, too, is told once: as the sum, until that is over', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver, { protocol: 1 }, { ttl: { seriesTtlMs: 60_000 } })
  const { ledger } = writes.opened
  const desk = new PushDesk(ledger, { limits: completeConfig().limits, now: () => writes.unixMs })
  const families = [
    pushedFamily('jobs_total', 'counter', [{ otel_scope_name: 'test' }, { otel_scope_name: 'test', b: '1' }]),
  ]
  const refusal = await new Promise((settle) => {
    desk.push(groupOf('/metrics/job/jobs', 4096), () => families, 'group', Infinity, settle)
  })
  assert.equal(refusal, undefined)
  const external = 'instance="here",job="jobs",otel_scope_name="test"'
  const [line, other] = [`jobs_total{${external}}`, `jobs_total{b="1",${external}}`]
  await writes.interval()
  assert.deepEqual(receiver.values(line), [7])
  assert.equal(await post(writes.opened, [sum({ asInt: 5 }, 1, true, 'jobs')]), '')
  await writes.interval()
  assert.deepEqual(receiver.values(line), [7, 'stale', 0, 5])
  for (let at = 0; at < 6; at++) await writes.interval()
  const told = receiver.values(line).filter((value, at, all) => value !== all[at - 1])
  assert.deepEqual(told, [7, 'stale', 0, 5, 'stale', 7])
  assert.deepEqual(new Set(receiver.values(other)), new Set([7]))
  assert.deepEqual(receiver.violations, [])
})

/** A family of which each line is 7. */
function pushedFamily(name: string, type: Family['type'], lines: readonly Record<string, string>[]): Family {
  const samples = lines.map((labels) => ({
    labels: Object.entries(labels).map(([label, value]) => ({ name: label, value })),
    value: 7,
    count: 0,
    parts: [],
    hasTimestamp: false,
  }))
  return { name, help: '', type, samples }
}
