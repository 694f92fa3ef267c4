import assert from 'node:assert/strict'
import { test } from 'node:test'
import { postBatch, committed } from '../../support/ledgers.ts'
import { startRemoteWriteReceiver } from '../../support/remote-write-receiver.ts'
import { RemoteWrites } from '../../support/remote-writes.ts'
import { deltas } from '../../support/requests.ts'

test('while a receiver is away what is too old makes room in a full queue, so that it is told what is newest when it is back', async (context) => {
  let stop: AbortController | undefined = new AbortController()
  const receiver = await startRemoteWriteReceiver(context, {
    does() {
      stop?.abort() // Tried once an interval.
      return stop === undefined ? undefined : { status: 503 }
    },
  })
  const writes = new RemoteWrites(context, receiver, { queue: { bytesMax: 1500, ageMaxMs: 60_000 } })
  writes.clock = () => performance.now() * 1e6 // All back-offs are over.
  const line = 'work_total{instance="here",job="jobs",otel_scope_name="test"}'
  for (let interval = 1; interval <= 40; interval++) {
    const answer = postBatch(writes.opened, deltas([{ value: 1 }, { name: `of_${interval}`, value: 1 }]))
    await committed()
    await answer
    await writes.interval({ sends: false })
    stop = new AbortController()
    await writes.send(stop.signal)
  }
  const { dropped, oldestQueuedUnixMs, queueBytes } = writes.stats
  assert.ok((dropped.get('queue_full') ?? 0) > 0 && (dropped.get('too_old') ?? 0) > 0, 'both were met')
  assert.ok(queueBytes() <= 1500)
  assert.ok((oldestQueuedUnixMs() ?? 0) >= writes.unixMs - 60_000)
  stop = undefined
  await writes.send()
  const before = receiver.values(line).at(-1)
  assert.ok(typeof before === 'number' && before > 30, `${before} was queued of late`)
  await writes.interval()
  assert.equal(receiver.values(line).at(-1), 40)
  assert.equal(receiver.latest().size, 41, 'all that began meanwhile is told')
  assert.deepEqual(receiver.violations, [])
})
