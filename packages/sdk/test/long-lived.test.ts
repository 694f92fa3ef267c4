import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { openEndpoint } from '../src/post/endpoint.ts'
import type { Exchange } from '../src/post/http.ts'
import type { Reply } from '../src/post/reply.ts'
import { type BatchSource, Sender, type SenderOptions } from '../src/post/send.ts'

/*
 * Hours in the life of a worker, by a clock of the test's: it counts once a second and posts once a minute. What lies in
 * a batch is its number of counts, so that the gateway's sum can be held against the truth.
 */
type Mood = 'up' | 'refuses' | 'hangs' | 'counts and dies' | 'overloaded' | 'asks for a day'

const minuteMs = 60_000
const windowMs = 9 * minuteMs

interface Life {
  mood: Mood
  /** What each batch that was counted holds, by id. */
  counted: Map<string, number>
  /** When each id was asked for, or refused, by the simulated clock; `reached`: whether a byte came to the gateway. */
  requests: { id: string; at: number; reached: boolean }[]
  moments: string[]
  added: number
  lost: number
  /** How many counts a batch holds at most: what is more becomes several. */
  partCountMax: number
  sleptMs: number
  sender: Sender
  live: (ms: number) => Promise<void>
  sum: () => number
}

async function inLife(play: (life: Life) => Promise<void>): Promise<void> {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const api = Symbol.for('opentelemetry.js.api.1')
  const before = (globalThis as Record<symbol, unknown>)[api]
  const life = makeLife()
  const warn = (message: string): void => {
    life.lost += Number(/(\d+) points are lost/.exec(message)?.[1] ?? 0)
  }
  Object.assign(globalThis, { [api]: { diag: { warn } } })
  try {
    await play(life)
  } finally {
    Object.assign(globalThis, { [api]: before })
    mock.timers.reset()
  }
}

function makeLife(): Life {
  let waiting = 0
  let batches = 0
  const source: BatchSource = {
    collect: (moment) => void life.moments.push(moment),
    take() {
      if (waiting === 0) return undefined
      const points = Math.min(waiting, life.partCountMax)
      waiting -= points
      return { id: `batch-${++batches}`, body: Buffer.from(String(points)), points, more: waiting > 0 }
    },
  }
  const options: SenderOptions = {
    endpoint: openEndpoint(new URL('http://127.0.0.1:4318/v1/metrics'), {}, undefined),
    headers: {},
    compression: 'none',
    timeoutMs: 10_000,
    exitBudgetMs: 2000,
    serviceName: 'svc',
    spool: undefined,
    quiet: true,
  }
  const life: Life = {
    mood: 'up',
    counted: new Map(),
    requests: [],
    moments: [],
    added: 0,
    lost: 0,
    partCountMax: Infinity,
    sleptMs: 0,
    sender: new Sender(source, options, undefined, {
      nowMs: () => Date.now(),
      unixMs: () => Date.now() + life.sleptMs,
      post: (_, request) => exchange(life, request),
      postNow(_, request, deadline) {
        const reply = answer(life, request)
        if (reply !== undefined) return reply
        mock.timers.tick(deadline - Date.now())
        return { status: undefined, why: 'late', sent: true, late: true }
      },
      sleepNow(ms) {
        mock.timers.tick(ms)
      },
    }),
    async live(ms) {
      for (let second = 0; second < ms / 1000; second++) {
        waiting++
        life.added++
        if (second % 60 === 0) life.sender.tick()
        mock.timers.tick(1000)
        await new Promise((resolve) => setImmediate(resolve)) // What was settled goes on.
      }
    },
    sum: () => [...life.counted.values()].reduce((sum, each) => sum + each, 0),
  }
  return life
}

function exchange(life: Life, request: Uint8Array): Exchange {
  let settle: (reply: Reply) => void = () => {}
  const reply = new Promise<Reply>((resolve) => (settle = resolve))
  const now = answer(life, request)
  if (now !== undefined) settle(now)
  return { reply, abort: (why) => settle({ status: undefined, why, sent: true, late: true }) }
}

/** `undefined`: none comes. */
function answer(life: Life, request: Uint8Array): Reply | undefined {
  const text = Buffer.from(request).toString()
  const id = /idempotency-key: (\S+)/.exec(text)?.[1] ?? ''
  const count = Number(text.split('\r\n\r\n')[1])
  const { mood } = life
  life.requests.push({ id, at: Date.now() + life.sleptMs, reached: mood !== 'refuses' })
  if (mood === 'up' || mood === 'counts and dies') life.counted.set(id, count) // Once, whatever comes again.
  const body = new Uint8Array(0)
  if (mood === 'up') return { status: 200, headers: new Map(), body }
  if (mood === 'overloaded') return { status: 503, headers: new Map(), body }
  if (mood === 'asks for a day') return { status: 429, headers: new Map([['retry-after', '86400']]), body }
  return mood === 'hangs' ? undefined : { status: undefined, why: mood, sent: mood !== 'refuses' }
}

/** No id is sent again when the gateway may have forgotten it. */
function assertWithinWindow({ requests }: Life): void {
  const firsts = new Map<string, number>()
  for (const { id, at, reached } of requests) {
    const first = firsts.get(id)
    if (first !== undefined) assert.ok(at - first <= windowMs + 1000, `${id} again after ${at - first} ms`)
    else if (reached) firsts.set(id, at)
  }
}

test('a gateway that is away for hours costs nothing but time: never sent is never lost', async () => {
  await inLife(async (life) => {
    await life.live(5 * minuteMs)
    life.mood = 'refuses'
    const asked = life.requests.length
    await life.live(180 * minuteMs)
    const tries = life.requests.length - asked
    assert.ok(
      tries > 180 * 2 && tries < 180 * 4 + 20,
      `backs off to 30 s at the most: ${tries} tries in 3 hours`
    )
    const ids = new Set(life.requests.slice(asked).map(({ id }) => id))
    assert.equal(ids.size, 1, 'one batch is held, whatever is counted meanwhile')
    life.mood = 'up'
    await life.live(5 * minuteMs)
    life.sender.end()
    assert.equal(life.sum(), life.added)
    assert.equal(life.lost, 0)
  })
})

test('an interval sends all the parts of what waits, one after the other, and no more than that', async () => {
  await inLife(async (life) => {
    life.partCountMax = 25
    await life.live(minuteMs)
    assert.equal(life.requests.length, 1)
    await life.live(1000)
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual([...life.counted.values()], [1, 25, 25, 10])
  })
})

test('what may have been counted is not sent again after nine minutes, and is given up', async () => {
  for (const mood of ['hangs', 'counts and dies', 'overloaded', 'asks for a day'] as const) {
    await inLife(async (life) => {
      await life.live(3 * minuteMs)
      life.mood = mood
      await life.live(60 * minuteMs)
      assertWithinWindow(life)
      assert.ok(life.lost > 0)
      assert.ok(life.requests.length < 250, `${mood}: ${life.requests.length} requests in an hour`)
      life.mood = 'up'
      await life.live(20 * minuteMs)
      life.sender.end()
      assertWithinWindow(life)
      if (mood === 'counts and dies') assert.ok(life.sum() === life.added, 'given up, but it was there')
      else assert.equal(life.sum() + life.lost, life.added)
    })
  }
})

test('a machine that sleeps does not make a batch young again', async () => {
  await inLife(async (life) => {
    life.mood = 'counts and dies'
    await life.live(5000)
    life.sleptMs = 60 * minuteMs // The clock that only grows stood still meanwhile.
    life.mood = 'up'
    await life.live(5 * minuteMs)
    assertWithinWindow(life)
    life.sender.end()
    assert.equal(life.sum(), life.added)
  })
})

test('through moods of any order all that was not given up is there once', async () => {
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((seed / 2 ** 31) * below)
  }
  for (let round = 0; round < 4; round++) {
    await inLife(async (life) => {
      const moods: Mood[] = ['up', 'refuses', 'hangs', 'overloaded', 'up']
      for (let change = 0; change < 20; change++) {
        life.mood = moods[random(moods.length)] ?? 'up'
        await life.live((1 + random(12)) * minuteMs)
        if (random(3) === 0) {
          const flushed = life.sender.flush().catch(() => {})
          await life.live(15_000)
          await flushed
        }
      }
      life.mood = 'up'
      await life.live(2 * minuteMs)
      life.sender.end()
      assertWithinWindow(life)
      assert.equal(life.sum() + life.lost, life.added)
      assert.deepEqual([...new Set(life.moments)].sort(), ['end', 'flush', 'interval'])
    })
  }
})

test('each moment is collected for, once: interval, flush, and an end that comes as several events', async () => {
  await inLife(async (life) => {
    await life.live(2 * minuteMs)
    assert.deepEqual(life.moments, ['interval', 'interval'])
    const flushed = life.sender.flush()
    await life.live(2000)
    await flushed
    assert.equal(life.moments.at(2), 'flush')
    life.moments.length = 0
    assert.equal(life.sender.drain(), undefined, 'it blocks, and is done')
    life.sender.end()
    assert.deepEqual(life.moments, ['end'])
    assert.equal(life.sum(), life.added)
  })
})

test('the end is held up by the budget at the most, in all: beforeExit, exit, and what is counted after', async () => {
  for (const mood of ['hangs', 'overloaded', 'asks for a day'] as const) {
    await inLife(async (life) => {
      await life.live(2000) // The count of the second is not on its way yet.
      life.mood = mood
      const startedAt = Date.now()
      assert.equal(life.sender.drain(), undefined)
      life.sender.end()
      life.sender.end()
      assert.ok(life.lost > 0)
      assert.ok(Date.now() - startedAt <= 2000, `${mood}: ${Date.now() - startedAt} ms`)
    })
  }
})
