import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { committed, postBatch, shown } from '../../support/ledgers.ts'
import { mulberry32 } from '../../support/random.ts'
import type { Does } from '../../support/receiver.ts'
import { RemoteWriteReceiver, startRemoteWriteReceiver } from '../../support/remote-write-receiver.ts'
import { begun, RemoteWrites, speed } from '../../support/remote-writes.ts'
import { deltas } from '../../support/requests.ts'

const own = 'instance="here",job="jobs",otel_scope_name="test"'
const work: string = `work_total{${own}}`

async function count(writes: RemoteWrites, value: number, attributes = {}, name = 'work'): Promise<void> {
  const answer = postBatch(writes.opened, deltas([{ name, value, attributes }]))
  await committed()
  assert.equal((await answer).refused, undefined)
}

/** The latest of each series at the receiver is what the ledger holds, and each grew there by all of it. */
function checkTruth(writes: RemoteWrites, receiver: RemoteWriteReceiver): void {
  const truth = [...shown(writes.opened)].map(([name, value]) => [
    name.replace('{job', '{instance="here",job').replace(/\{(at="[^"]*"),job/, '{$1,instance="here",job'),
    value,
  ])
  assert.deepEqual(
    [...receiver.latest()],
    truth.toSorted(([a], [b]) => ((a as string) < (b as string) ? -1 : 1))
  )
  for (const [name, value] of receiver.latest()) assert.equal(receiver.increase(name), value, name)
  assert.deepEqual(receiver.violations, [])
}

test('what the receiver cannot take now is sent again as it was, until it is taken (F5)', async (context) => {
  const faults: (Does | 'takes and resets')[] = [
    { status: 500 },
    { status: 503, headers: { 'retry-after': '1' } },
    { status: 429, body: 'slow down' },
    'resets',
    'takes and resets',
    'hangs',
  ]
  for (const protocol of [1, 2] as const)
    for (const fault of faults) {
      const receiver = await startRemoteWriteReceiver(context, {
        does: (at) => (at < 4 && at % 2 === 0 ? fault : undefined),
      })
      const writes = new RemoteWrites(context, receiver, {
        protocol,
        timeoutMs: fault === 'hangs' ? 1000 : 60_000,
      })
      await count(writes, 5)
      await writes.interval()
      await count(writes, 2)
      await writes.interval()
      assert.deepEqual(receiver.values(work), [0, 5, 7])
      checkTruth(writes, receiver)
      assert.ok(fault === 'hangs' ? writes.stats.retried >= 2 : writes.stats.retried === 2)
      assert.deepEqual([...writes.stats.dropped], [])
      const [zeros, again] = receiver.requests
      assert.deepEqual(again?.body, zeros?.body)
      assert.ok(writes.lines.some((line) => line.includes('takes nothing now')))
    }
})

test('Retry-After is kept to; a back-off is longer each time, and drawn (F5)', async (context) => {
  const seen: number[] = []
  const does = (at: number): Does | undefined => {
    seen.push(performance.now() * speed)
    if (at === 0) return { status: 429, headers: { 'retry-after': '20' } }
    return at < 5 ? { status: 500 } : undefined
  }
  const receiver = await startRemoteWriteReceiver(context, { does })
  const writes = new RemoteWrites(context, receiver, { queue: { backoffMinMs: 2000, backoffMaxMs: 8000 } })
  await count(writes, 5)
  await writes.interval()
  const waited = seen.slice(1).map((at, before) => at - (seen[before] as number))
  // Drawn in the middle here: three quarters of 2, 4, 8 and 8 seconds.
  const least = [20_000, 1500, 3000, 6000, 6000]
  for (const [at, ms] of least.entries()) assert.ok((waited[at] as number) >= ms, `${at}: ${waited[at]}`)
  checkTruth(writes, receiver)
})

test('any other 4xx is final: counted, said with its body once, and not sent again (F5)', async (context) => {
  for (const status of [400, 401, 404, 409, 413, 422, 301]) {
    const does = (at: number): Does | undefined => (at < 2 ? { status, body: 'no\nsuch tenant' } : undefined)
    const receiver = await startRemoteWriteReceiver(context, { does })
    const writes = new RemoteWrites(context, receiver)
    writes.clock = () => 0 // Within one minute.
    await count(writes, 5)
    await writes.interval()
    await count(writes, 2)
    await writes.interval()
    assert.deepEqual(receiver.values(work), [7]) // Its zero was among what was refused.
    assert.deepEqual([...writes.stats.dropped], [['refused', 2]])
    assert.equal(writes.stats.retried, 0)
    assert.equal(writes.stats.samples, 1)
    const said = writes.lines.filter((line) => line.includes('refused samples'))
    assert.equal(said.length, 1)
    assert.match(said[0] as string, new RegExp(`${status} no such tenant`))
    assert.match(said[0] as string, /"endpoint":"test"/)
  }
})

test('a receiver that does not know 2.0 is written 1.0, and nothing is lost by that (F6)', async (context) => {
  const silent: Does = { status: 204 } // A receiver of before takes it for an empty request.
  const ways = [
    { versions: [1] as const },
    { does: (_: number, { version }: { version: 1 | 2 }) => (version === 2 ? silent : undefined) },
  ]
  for (const options of ways) {
    const receiver = await startRemoteWriteReceiver(context, options)
    const writes = new RemoteWrites(context, receiver, { protocol: 2, queue: { requestSamplesMax: 2 } })
    writes.clock = () => 0
    for (let at = 0; at < 9; at++) await count(writes, at, { at })
    await writes.interval({ sends: false })
    await count(writes, 5)
    await writes.interval()
    checkTruth(writes, receiver)
    assert.equal(writes.stats.protocol, 1)
    assert.ok(receiver.requests.filter(({ version }) => version === 2).length <= 4)
    const before = receiver.requests.length
    await count(writes, 5)
    await writes.interval()
    checkTruth(writes, receiver)
    assert.ok(receiver.requests.slice(before).every(({ version }) => version === 1))
    assert.equal(writes.lines.filter((line) => line.includes('does not know remote write 2.0')).length, 1)
  }
})

test('what a receiver of 2.0 says that it has not written is counted (F6)', async (context) => {
  const headers = { 'x-prometheus-remote-write-samples-written': '1' }
  const does = (at: number): Does | undefined =>
    at === 1 ? { status: 200, headers } : at === 2 ? { status: 400, headers } : undefined
  const receiver = await startRemoteWriteReceiver(context, { does })
  const writes = new RemoteWrites(context, receiver, { protocol: 2 })
  for (let at = 0; at < 3; at++) await count(writes, 1, { at })
  await writes.interval()
  await writes.interval()
  assert.deepEqual(
    [...writes.stats.dropped],
    [
      ['not_written', 2],
      ['refused', 2],
    ]
  )
  assert.equal(writes.stats.samples, 3 + 1 + 1)
})

test('a receiver that is away for an hour is told all of that hour, in order, and then what is true', async (context) => {
  let isAway = true
  const receiver = await startRemoteWriteReceiver(context, {
    does: () => (isAway ? { status: 503 } : undefined),
  })
  const writes = new RemoteWrites(context, receiver, { queue: { requestSamplesMax: 3 } })
  const truth = new Map<number, number[]>()
  for (let interval = 0; interval < 240; interval++) {
    const at = interval % 7
    await count(writes, 1, { at })
    await writes.interval({ sends: false })
    truth.set(at, [...(truth.get(at) ?? []), interval])
    if (interval === 100) await writes.restart(15_000)
  }
  assert.equal(receiver.requests.length, 0)
  assert.ok(writes.stats.queueBytes() > 0)
  isAway = false
  await writes.send()
  checkTruth(writes, receiver)
  for (const [at, births] of truth) {
    const values = receiver.values(`work_total{at="${at}",${own}}`)
    assert.equal(values.length, 1 + 240 - (births[0] as number))
    assert.deepEqual(values.slice(0, 3), [0, 1, 1])
  }
  assert.equal(writes.stats.queueBytes(), 0)
  assert.deepEqual([...writes.stats.dropped], [])
})

test('however sending, killing and counting fall, nothing is reordered, and all is right in the end', async (context) => {
  for (const protocol of [1, 2] as const) {
    const random = mulberry32(protocol)
    let isAway = false
    const receiver = await startRemoteWriteReceiver(context, {
      does: () =>
        isAway
          ? { status: 500 }
          : random() < 0.2
            ? 'takes and resets'
            : random() < 0.2
              ? { status: 429 }
              : undefined,
    })
    const queue = { requestSamplesMax: 4, shardCount: 3, backoffMinMs: 50, backoffMaxMs: 100 }
    const writes = new RemoteWrites(context, receiver, { protocol, queue })
    for (let step = 0; step < 60; step++) {
      await count(writes, 1 + Math.floor(random() * 9), { at: Math.floor(random() * step) })
      writes.wallMs += protocol === 1 && random() < 0.1 ? Math.floor((random() - 0.5) * 60_000) : 0 // The clock is set.
      isAway = random() < 0.5
      await writes.interval({ sends: false, ms: 1 + Math.floor(random() * 20_000) })
      const stop = AbortSignal.timeout(Math.floor(random() * 10)) // Killed in the middle of it, perhaps.
      await writes.send(random() < 0.5 ? stop : AbortSignal.abort())
      if (random() < 0.2) await writes.restart()
    }
    isAway = false
    await writes.interval()
    if (protocol === 1) checkLatest(writes, receiver)
    else checkTruth(writes, receiver) // Each has grown there by all of it, too.
  }
})

/** Where the clock is set back and the gateway is killed, a zero may be left out: too little rather than twice. */
function checkLatest(writes: RemoteWrites, receiver: RemoteWriteReceiver): void {
  const sum = (values: Iterable<number>): number => [...values].reduce((all, each) => all + each, 0)
  assert.equal(sum(receiver.latest().values()), sum(shown(writes.opened).values()))
  for (const [name, value] of receiver.latest()) assert.ok(receiver.increase(name) <= value, name)
  assert.deepEqual(receiver.violations, [])
}

test('a clock that is set back does not set back times, also over a restart', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  await count(writes, 5)
  await writes.interval()
  writes.wallMs = -3_600_000
  await count(writes, 1)
  await writes.interval()
  await writes.restart()
  await writes.interval()
  const times = receiver.kept(work).samples.map(({ unixMs }) => unixMs - begun)
  assert.deepEqual(times, [2, 15_000, 15_003, 15_006])
  checkTruth(writes, receiver)
})

test('a gateway that is killed before anything was sent goes on where it was', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  await count(writes, 5)
  await writes.interval({ sends: false })
  await writes.restart()
  await count(writes, 2)
  await writes.restart()
  await writes.interval()
  assert.deepEqual(receiver.values(work), [0, 5, 7])
  checkTruth(writes, receiver)
})

test('a ledger that was there before its first receiver is not told as an increase', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const before = new RemoteWrites(context, receiver, { name: 'before' })
  await count(before, 1000)
  await before.interval({ sends: false })
  const writes = new RemoteWrites(context, receiver, {}, {}, before)
  await writes.interval()
  await count(writes, 2)
  await writes.interval()
  assert.deepEqual(receiver.values(work), [1000, 1002])
})

function filesOf(writes: RemoteWrites): string[] {
  return readdirSync(join(writes.directory, 'test'))
    .filter((name) => name.endsWith('.requests'))
    .toSorted()
}

test('a queue that is full takes nothing more until there is room, and what was left out is told with its zeros then', async (context) => {
  let isAway = true
  const receiver = await startRemoteWriteReceiver(context, {
    does: () => (isAway ? { status: 503 } : undefined),
  })
  const writes = new RemoteWrites(context, receiver, { queue: { bytesMax: 1500 } })
  writes.clock = () => 0
  for (let interval = 0; interval < 20; interval++) {
    await count(writes, 1, { at: interval })
    await writes.interval({ sends: false })
  }
  assert.ok(writes.stats.queueBytes() <= 1500)
  assert.ok((writes.stats.dropped.get('queue_full') ?? 0) > 100)
  assert.equal(writes.lines.filter((line) => line.includes('raise queue_config.max_bytes')).length, 1)
  isAway = false
  await writes.send()
  await writes.interval()
  checkTruth(writes, receiver)
})

test('a disk that is nearly full is left to the ledger; a small one that is not is used', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  writeFileSync(join(writes.directory, 'test', 'lost+found.requests'), 'of somebody else')
  writes.space = { free: 200e6, total: 1e12 }
  await count(writes, 5)
  await writes.interval()
  assert.deepEqual(receiver.names, [])
  assert.equal(writes.stats.dropped.get('disk_full'), 1)
  assert.equal(writes.lines.filter((line) => line.includes('the disk is nearly full')).length, 1)
  await writes.restart()
  writes.space = { free: 20e6, total: 300e6 }
  await writes.interval()
  checkTruth(writes, receiver)
})

test('what could not be queued is told the next time, with its zeros', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  await count(writes, 5)
  const path = join(writes.directory, 'test', `${String(begun + 15_000).padStart(15, '0')}.requests`)
  mkdirSync(join(path, 'in the way'), { recursive: true })
  await writes.interval()
  assert.equal(writes.stats.dropped.get('not_queued'), 2)
  assert.equal(writes.lines.filter((line) => line.includes('lines could not be queued')).length, 1)
  await writes.interval()
  assert.deepEqual(receiver.values(work), [0, 5])
  checkTruth(writes, receiver)
  assert.ok(filesOf(writes).every((name) => !name.endsWith('.new')))
})

test('what is too old is not sent any more, and counted', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver, { queue: { ageMaxMs: 60_000 } })
  await count(writes, 1)
  await writes.interval({ sends: false })
  await count(writes, 1)
  await writes.interval({ ms: 61_000 })
  assert.deepEqual(receiver.values(work), [2])
  assert.deepEqual([...writes.stats.dropped], [['too_old', 2]])
})

test('damage of a file of the queue costs what is behind it there, and no more', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  await count(writes, 1)
  await writes.interval({ sends: false })
  await count(writes, 1)
  await writes.interval({ sends: false })
  const [, , first] = ['', '', ...filesOf(writes)]
  const path = join(writes.directory, 'test', first as string)
  const bytes = readFileSync(path)
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
  writeFileSync(path, bytes)
  await writes.send()
  assert.deepEqual(receiver.values(work), [0, 2])
  assert.equal(writes.stats.dropped.get('damaged'), 1)
  await writes.interval({ sends: false })
  const newest = join(writes.directory, 'test', filesOf(writes).at(-1) as string)
  truncateSync(newest, statSync(newest).size - 3)
  await writes.send()
  await writes.interval()
  assert.deepEqual(receiver.values(work), [0, 2, 2])
  assert.deepEqual(receiver.violations, [])
})

test("another ledger's queue is not sent, and times go on behind it", async (context: TestContext) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  await count(writes, 1)
  await writes.interval({ sends: false })
  writeFileSync(join(writes.directory, 'test', 'ledger'), 'other')
  await writes.restart()
  await writes.interval()
  assert.deepEqual(receiver.values(work), [1])
  assert.ok(writes.lines.some((line) => line.includes('queue was of another ledger')))
  assert.equal(filesOf(writes).length, 1)
})

test('of a ledger that was adopted all lines are told from 0 on, as they began anew', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  await count(writes, 2)
  await writes.interval()
  const adopted = new RemoteWrites(context, receiver, { name: 'adopted' })
  adopted.ms = writes.ms + 1000
  await count(adopted, 3)
  writes.store = adopted.store
  writeFileSync(join(writes.directory, 'test', 'ledger'), 'the one that it was a copy of')
  await writes.restart(5000)
  await writes.restart() // As if it was killed before it told anything.
  await writes.interval()
  assert.deepEqual(receiver.values(work), [0, 2, 0, 3])
  assert.deepEqual(receiver.violations, [])
})
