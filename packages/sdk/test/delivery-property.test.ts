import assert from 'node:assert/strict'
import fs, { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import fc from 'fast-check'
import { type Batch, Deltas } from '../src/encode/batch.ts'
import { openEndpoint } from '../src/post/endpoint.ts'
import { readOptions } from '../src/options/read-options.ts'
import { encodeResource } from '../src/encode/resource.ts'
import { type BatchSource, Sender } from '../src/post/send.ts'
import { amountsOf, ModelGateway, together } from './support/model-gateway.ts'
import { ModelJob, type Recording, recording } from './support/model-job.ts'
import { type Fate, fates, ModelNetwork, ModelTime } from './support/model-network.ts'

/*
 * The SDK's recorder, deltas and sender, in a model of time and of the network, against a model of the gateway: whatever is
 * recorded, posted, refused, not answered, tried again, spooled, and killed, in any order, what the gateway has and what was said
 * to be lost are the truth together.
 */

type Step = Recording | { do: 'interval' | 'flush' } | { passMs: number }
type End = 'natural' | 'exit' | 'killed'

interface Life {
  steps: Step[]
  fates: Fate[]
  end: End
  hasSpool: boolean
  /** What is longer is posted, or spooled, in parts. */
  bodyBytesMax: number
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: recording },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('interval' as const, 'flush' as const) }) },
  { weight: 2, arbitrary: fc.record({ passMs: fc.constantFrom(1, 50, 600, 3000) }) }
)
const life: fc.Arbitrary<Life> = fc.record({
  steps: fc.array(step, { maxLength: 30 }),
  fates: fc.array(fc.constantFrom(...fates), { minLength: 1, maxLength: 12 }),
  end: fc.constantFrom('natural', 'exit', 'killed'),
  hasSpool: fc.boolean(),
  bodyBytesMax: fc.constantFrom(Infinity, 6000, 1),
})
const runs = { numRuns: 250 }
/** More than a job of so few steps can have. */
const batchCountMax = 300
/** No flush and no end takes longer, in the model's time. */
const waitMsMax = 30_000

test(
  'POST: what the gateway has and what was said to be lost are the truth',
  { timeout: 90_000 },
  async () => {
    let saidPoints = 0
    const { writeSync } = fs
    mock.method(process.getBuiltinModule('node:fs'), 'writeSync', (fd: number, ...rest: unknown[]) => {
      if (fd !== 2) return (writeSync as (...all: unknown[]) => number)(fd, ...rest)
      saidPoints += Number(/^swansong: (\d+) points? of svc lost: /.exec(String(rest[0]))?.[1])
      return 0
    })
    const set = mock.method(globalThis, 'setTimeout')
    const clear = mock.method(globalThis, 'clearTimeout')
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 3 }), async (lives) => {
          const gateway = new ModelGateway()
          const directory = mkdtempSync(join(tmpdir(), 'swansong-model-'))
          for (const each of lives) {
            saidPoints = 0
            const time = new ModelTime() // What the one before waited for has died with it.
            set.mock.mockImplementation(time.setTimeout.bind(time) as never)
            clear.mock.mockImplementation(time.clearTimeout.bind(time) as never)
            await live(each, time, gateway, directory, () => saidPoints)
            await turn() // Of what was still in its queues nothing comes any more.
          }
          rmSync(directory, { recursive: true })
        }),
        runs
      )
    } finally {
      mock.restoreAll()
    }
  }
)

let instances = 0

/** One process from its first record to its end, and what must be true then. */
async function live(
  each: Life,
  time: ModelTime,
  shared: ModelGateway,
  directory: string,
  said: () => number
): Promise<void> {
  const before = together(shared.counted, shared.rejected)
  const network = new ModelNetwork(time, each.fates, shared)
  const job = new ModelJob(() => sender.look())
  const instance = `instance-${instances++}`
  const taken: Batch[] = []
  const source = remembering(job, instance, each.bodyBytesMax, taken)
  const spool = { directory, sync: false, owner: { bootId: 'b', pidNamespace: 1, pid: 1, startTicks: 1 } }
  const options = {
    endpoint: openEndpoint(new URL('http://127.0.0.1:1/v1/metrics'), {}, undefined),
    headers: {},
    compression: 'none' as const,
    timeoutMs: 5000,
    exitBudgetMs: 2000,
    serviceName: 'svc',
    spool: each.hasSpool ? spool : undefined,
    quiet: false,
  }
  const sender = new Sender(source, options, job.recorder, network.outside)

  /** The truth, less what was refused for good: so much is at the gateway, or on its way into it from the spool. */
  const checkDelivered = (): void => {
    if (each.hasSpool) shared.readSpool(directory)
    const refused = taken.filter(({ id }) => network.refused.has(id)).map(({ body }) => amountsOf(body))
    assert.deepEqual(together(shared.counted, shared.rejected, ...refused), together(before, job.truth))
  }
  for (const now of each.steps) {
    if ('what' in now) job.record(now)
    else if ('passMs' in now) await time.pass(now.passMs, turn)
    else if (now.do === 'interval') sender.tick()
    else {
      const isDelivered = await settled(time, sender.flush())
      if (isDelivered) checkDelivered()
      if (isDelivered && network.refused.size === 0) checkLevels(job, instance, shared, 'living')
    }
  }
  if (each.end === 'natural') {
    const startedAt = time.nowMs
    assert.ok(await settled(time, Promise.resolve(sender.drain())))
    assert.ok(time.nowMs - startedAt <= 2000 + 100, `its end was held up ${time.nowMs - startedAt} ms`)
  }
  if (each.end !== 'killed') sender.end()
  network.die()
  if (each.hasSpool) shared.readSpool(directory)

  const uncounted = taken.filter(({ id }) => !shared.batches.has(id))
  const missing = uncounted.map(({ body }) => amountsOf(body))
  if (each.end !== 'killed') {
    // What was taken is all there is; each batch of it is counted, once, or lost.
    assert.deepEqual(together(shared.counted, shared.rejected, ...missing), together(before, job.truth))
    if (each.hasSpool) for (const { id } of uncounted) assert.ok(network.refused.has(id), 'the spool has it')
    checkSaid(taken, shared, network, said())
    const isWhole = uncounted.length === 0 && shared.rejected.size === 0
    if (isWhole) checkLevels(job, instance, shared, 'gone')
  } else {
    const upTo = together(before, job.truth)
    for (const [series, amount] of together(shared.counted, shared.rejected, ...missing)) {
      assert.ok(amount <= (upTo.get(series) ?? 0), `${series}: ${amount} of ${upTo.get(series)}`)
    }
  }
}

/** What the lines on stderr add up to: all that did not count. What counted may be among it, as long as its job has not heard that. */
function checkSaid(taken: Batch[], gateway: ModelGateway, network: ModelNetwork, said: number): void {
  let least = 0
  let most = 0
  for (const { id, points } of taken) {
    const batch = gateway.batches.get(id)
    const lost = batch === undefined ? points : batch.rejected
    if (batch === undefined || network.heard.has(id)) least += lost
    most += network.heard.has(id) ? lost : points
  }
  assert.ok(said >= least, `${said} points said to be lost, at least ${least} are`)
  assert.ok(said <= most, `${said} points said to be lost, at most ${most} are`)
}

/** While a job lives the gateway has its level; when it is gone, that of its up-down counter is taken back. */
function checkLevels(job: ModelJob, instance: string, { levels }: ModelGateway, is: 'living' | 'gone'): void {
  assert.equal(levels.get(`${instance} open`), is === 'living' ? job.upDown : undefined)
  assert.equal(levels.get(`${instance} level`), job.last)
}

function remembering(job: ModelJob, instance: string, bodyBytesMax: number, taken: Batch[]): BatchSource {
  let ids = 0
  const resource = encodeResource(readOptions({}), instance)
  const deltas = new Deltas(
    job.recorder,
    resource,
    () => `${instance}-${ids++}`,
    () => undefined,
    () => bodyBytesMax
  )
  return {
    collect: (moment) => deltas.collect(moment),
    take: () => {
      const batch = deltas.take()
      if (batch !== undefined) taken.push(batch)
      const bytesMax = Math.max(4000, bodyBytesMax) // Everybody takes so much.
      if (batch !== undefined && batch.body.length > bytesMax) assert.equal(batch.points, 1)
      assert.ok(taken.length < batchCountMax, 'there are batches without end')
      return batch
    },
  }
}

/** Whether it resolves. */
async function settled(time: ModelTime, promise: Promise<void>): Promise<boolean> {
  const pending = Symbol('pending')
  const result = promise.then(
    () => true,
    () => false
  )
  await turn()
  for (let waitedMs = 0; waitedMs < waitMsMax; waitedMs += 25) {
    const now = await Promise.race([result, Promise.resolve(pending)])
    if (typeof now === 'boolean') return now
    await time.pass(25, turn)
  }
  throw new Error(`not within ${waitMsMax} ms of the model's time`)
}

/** Lets everything run that waits for no time. */
async function turn(): Promise<void> {
  for (let each = 0; each < 3; each++) await new Promise((resolve) => setImmediate(resolve))
}
