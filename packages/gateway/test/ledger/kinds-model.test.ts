import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeExportRequest, type Metric } from '@swansong/otlp'
import { exponentialPoint, gauge, histogram, labels, second, sum, time, worker } from '../support/kinds.ts'
import { committed, open, postBatch, postJournal, shown, type Opened } from '../support/ledgers.ts'
import { metricsOf } from '../support/requests.ts'
import { SimStore, type Fault } from '../support/sim-store.ts'

// Workers of every door, against sums in BigInt; their sends meet crashes and full disks, and are tried again until told.

type Door = 'journal' | 'delta' | 'cumulative'
const doors: readonly Door[] = ['journal', 'delta', 'cumulative']
const boundsOf = { fine: [1, 2, 3], coarse: [2], finest: [0.5, 1, 2, 3, 4] }

interface Recorded {
  count: bigint
  level: bigint
  /** Histogram and exponential histogram: every value that was seen. */
  seen: number[]
  depth: { value: number; at: bigint } | undefined
}

interface Worker {
  name: string
  door: Door
  bounds: keyof typeof boundsOf
  now: Recorded
  told: Recorded
  /** Points get later with each send. */
  sends: number
  dead: boolean
}

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('count' as const), by: fc.nat(2 ** 40) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('level' as const), by: fc.integer() }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('see' as const), by: fc.nat(39) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('gauge' as const), by: fc.integer() }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      by: fc.constantFrom<Fault | undefined>(
        undefined,
        undefined,
        undefined,
        'crash before',
        'crash within',
        'crash after',
        'full'
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('die' as const), by: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), by: fc.constant(0) }) }
)
const steps = fc.array(fc.tuple(fc.nat(5), step), { minLength: 1, maxLength: 40 })
const workers = fc.array(
  fc.record({
    door: fc.constantFrom(...doors),
    bounds: fc.constantFrom<keyof typeof boundsOf>('fine', 'fine', 'coarse', 'finest'),
  }),
  { minLength: 6, maxLength: 6 }
)

class Run {
  readonly #faults = new Map<number, Fault>()
  readonly #workers: Worker[]
  #store = new SimStore(this.#faults)
  #opened: Opened = open(this.#store)
  #clock = 0n
  faultsMet = 0

  constructor(given: readonly Pick<Worker, 'door' | 'bounds'>[]) {
    this.#workers = given.map((each, at) => ({
      ...each,
      name: `worker-${at}`,
      now: nothing(),
      told: nothing(),
      sends: 0,
      dead: false,
    }))
  }

  async step(at: number, { do: what, by }: { do: string; by: number | Fault | undefined }): Promise<void> {
    const each = this.#workers[at] as Worker
    this.#clock++
    if (what === 'restart') this.#restart()
    else if (!each.dead) {
      const { now } = each
      const amount = Number(by)
      if (what === 'count') now.count += BigInt(amount)
      else if (what === 'level') now.level += BigInt(amount)
      else if (what === 'see') now.seen.push(amount / 8)
      else if (what === 'gauge') now.depth = { value: amount, at: this.#clock }
      else await this.#send(each, what === 'die', what === 'send' ? (by as Fault | undefined) : undefined)
    }
    this.#check()
  }

  /** Sends what a worker has, again and again until it is told that it is durable; then once more, as after a lost answer. */
  async #send(each: Worker, dies: boolean, fault: Fault | undefined): Promise<void> {
    each.sends++
    const body = encodeExportRequest(metricsOf(this.#metricsOf(each, dies), worker(each.name)))
    if (fault !== undefined) this.#faults.set(this.#store.commits, fault)
    for (let tries = 0; ; tries++) {
      assert.ok(tries < 4, 'it is not told')
      const refused = await this.#post(each, body, dies)
      if (refused === undefined) break
      this.faultsMet++
      if (this.#store.crashed) this.#restart()
    }
    each.told = { ...each.now, seen: [...each.now.seen] }
    each.dead = dies
    this.#check()
    assert.equal(await this.#post(each, body, dies), undefined)
  }

  async #post(each: Worker, body: Uint8Array, dies: boolean): Promise<string | undefined> {
    if (each.door === 'journal') {
      const told = postJournal(this.#opened, { writer: each.name, sequence: each.sends, final: dies, body })
      await committed()
      return told
    }
    const answer = postBatch(
      this.#opened,
      body,
      each.door === 'delta' ? `${each.name} ${each.sends}` : undefined
    )
    await committed()
    const { refused, receipt } = await answer
    assert.equal(receipt.message, '')
    return refused
  }

  #metricsOf({ door, bounds, now, told, sends }: Worker, dies: boolean): Metric[] {
    const temporality = door === 'delta' ? 1 : 2
    const stamp = { timeUnixNano: time + BigInt(sends) * second, startTimeUnixNano: time }
    const seen = door === 'delta' ? now.seen.slice(told.seen.length) : now.seen
    const count = door === 'delta' ? now.count - told.count : now.count
    const explicitBounds = boundsOf[bounds]
    const bucketCounts = bucketsIn(seen, explicitBounds)
    const total = seen.reduce((before, each) => before + each, 0)
    const distribution = { ...stamp, count: seen.length, sum: total, explicitBounds, bucketCounts }
    const gone = dies && door !== 'journal' ? { flags: 1 } : { asInt: now.level }
    const metrics = [
      sum({ ...stamp, asInt: count }, temporality, true, 'done'),
      sum({ ...stamp, ...gone }, 2, false, 'active'),
      histogram(distribution, temporality),
      gauge(now.depth?.value ?? 0, now.depth?.at ?? 0n),
      {
        name: 'width',
        exponentialHistogram: {
          aggregationTemporality: temporality,
          dataPoints: [{ ...exponentialPoint(seen, 2), ...stamp, min: 0, max: 5 }],
        },
      },
    ]
    return metrics.filter(({ name }) => name !== 'depth' || now.depth !== undefined)
  }

  #restart(): void {
    this.#store = this.#store.restarted()
    this.#opened = open(this.#store)
  }

  #check(): void {
    const values = shown(this.#opened)
    const sent = this.#workers.filter(({ sends, told }) => sends > 0 && told !== undefined)
    const told = sent.map((each) => each.told)
    assert.equal(this.#opened.stats.bugs, 0)
    if (told.length === 0) return
    const expect = (name: string, want: number | undefined): void =>
      assert.equal(values.get(name.includes('{') ? name : `${name}{${labels}}`), want, name)
    expect('done_total', Number(told.reduce((before, { count }) => before + count, 0n)))
    const living = sent.filter(({ dead }) => !dead)
    expect('active', Number(living.reduce((before, each) => before + each.told.level, 0n)))
    const latest = told.flatMap(({ depth }) => depth ?? []).toSorted((a, b) => Number(b.at - a.at))[0]
    expect('depth', latest?.value)
    const seen = told.flatMap((each) => each.seen)
    const sets = sent.map(({ bounds }) => boundsOf[bounds])
    for (const le of boundsOf.finest) {
      const isShown = sets.every((set) => set.includes(le))
      const below = seen.filter((value) => value <= le).length
      expect(`size_bucket{${labels},le="${le}"}`, isShown ? below : undefined)
    }
    expect('size_count', seen.length)
    expect(
      'size_sum',
      seen.reduce((before, each) => before + each, 0)
    )
    expect('width_count', seen.length)
  }
}

function nothing(): Recorded {
  return { count: 0n, level: 0n, seen: [], depth: undefined }
}

function bucketsIn(values: readonly number[], bounds: readonly number[]): number[] {
  const counts = Array<number>(bounds.length + 1).fill(0)
  for (const value of values) {
    const at = bounds.findIndex((bound) => value <= bound)
    counts[at < 0 ? bounds.length : at] = (counts[at < 0 ? bounds.length : at] ?? 0) + 1
  }
  return counts
}

test('every kind through every door is what its workers say, through crashes, full disks, restarts and copies', async () => {
  let faultsMet = 0
  const property = fc.asyncProperty(workers, steps, async (given, actions) => {
    const run = new Run(given)
    for (const [at, action] of actions) await run.step(at, action)
    faultsMet += run.faultsMet
  })
  await fc.assert(property, { numRuns: 60 })
  assert.ok(faultsMet > 10, `${faultsMet} faults were met`)
})
