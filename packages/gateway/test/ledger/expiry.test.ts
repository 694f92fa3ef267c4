import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from '@swansong/otlp'
import {
  exponentialPoint,
  gauge,
  histogram,
  labels,
  post,
  second,
  sum,
  tell,
  time,
  worker,
} from '../support/kinds.ts'
import { committed, open, postBatch, shown, type OpenOptions, type Opened } from '../support/ledgers.ts'
import { deltas } from '../support/requests.ts'
import { SimStore, type Fault } from '../support/sim-store.ts'

const minute = 60_000
const seriesTtlMs: number = 60 * minute
const begun = 1_700_000_000_000

/** A ledger whose clocks are turned by hand, and what the next process would have. */
class Turned {
  store: SimStore
  opened: Opened
  #ms = 0
  readonly #options: OpenOptions

  constructor(options: OpenOptions = {}, faults?: ReadonlyMap<number, Fault>) {
    this.#options = { ttl: { seriesTtlMs }, ...options, clock: () => this.#ms, now: () => begun + this.#ms }
    this.store = new SimStore(faults)
    this.opened = this.#open()
  }

  get unixMs(): number {
    return begun + this.#ms
  }

  /** Lets time pass, as a gateway sees it: it looks every minute. */
  pass(ms: number): void {
    for (const end = this.#ms + ms; this.#ms < end;) {
      this.#ms = Math.min(end, this.#ms + minute)
      this.opened.ledger.tick()
    }
  }

  async count(name: string, value = 1, attributes: Record<string, string> = {}): Promise<void> {
    const answer = postBatch(this.opened, deltas([{ name, value, attributes }]))
    await committed()
    assert.equal((await answer).refused, undefined)
  }

  /** What is shown, and would be after a restart. */
  get values(): Map<string, number> {
    const values = shown(this.opened)
    assert.deepEqual(shown(open(this.store.restarted(), this.#options)), values)
    return values
  }

  value(name: string): number | undefined {
    return this.values.get(`${name}{${labels}}`)
  }

  /** Begins again from what the disk holds: after a stop, or after kill -9. */
  restart(how: 'stopped' | 'killed'): void {
    if (how === 'stopped') this.opened.ledger.close()
    this.store = this.store.restarted(new Map())
    this.opened = this.#open()
  }

  #open(): Opened {
    const opened = open(this.store, this.#options)
    opened.ledger.holdExpiry(false)
    return opened
  }
}

function startOf({ opened }: Turned, name: string): number {
  const { series } = opened.ledger
  for (let id = 0; id < series.idEnd; id++) {
    if (!series.isLive(id) || series.metrics.metrics[series.metricOf(id)]?.name !== name) continue
    return series.startOf(id)
  }
  return assert.fail(`${name} is not there`)
}

test('a line of which nothing was told for its time to live ends, and comes back from 0 with a later start', async () => {
  const turned = new Turned()
  await turned.count('idle', 5)
  const first = startOf(turned, 'idle')
  assert.ok(first < turned.unixMs, 'B7: start before time, in whole milliseconds')
  await turned.count('busy', 1)
  for (const [passed, want] of [
    [59 * minute, 5],
    [3 * minute, undefined],
  ] as const) {
    turned.pass(passed)
    assert.equal(turned.value('idle_total'), want)
    await turned.count('busy', 1)
  }
  assert.equal(turned.value('busy_total'), 3)
  assert.equal(turned.opened.stats.series, 1)
  assert.equal(turned.opened.stats.seriesEnded, 1)
  const ended = turned.unixMs
  await turned.count('idle', 2)
  assert.equal(turned.value('idle_total'), 2)
  assert.ok(startOf(turned, 'idle') >= ended - 4 * minute && startOf(turned, 'idle') > first, 'B8')
  turned.restart('killed')
  assert.equal(turned.value('idle_total'), 2)
  assert.ok(startOf(turned, 'idle') > first)
})

test('B8, trap 5: what comes back in the very millisecond of its end starts later than that', async () => {
  const turned = new Turned()
  await turned.count('a')
  const ends: number[] = []
  turned.opened.ledger.onEnd(() => ends.push(turned.unixMs))
  while (ends.length === 0) turned.pass(minute)
  await turned.count('a')
  assert.ok(startOf(turned, 'a') > (ends[0] as number), `${startOf(turned, 'a')} is later than ${ends[0]}`)
})

test('gauges stay for ever, unless they have a time to live of their own; sums that go down are no gauges', async () => {
  const check = async (gaugeTtlMs: number, want: number | undefined): Promise<void> => {
    const turned = new Turned({ ttl: { seriesTtlMs, gaugeTtlMs } })
    await post(turned.opened, [gauge(7, time, 'level')])
    await post(turned.opened, [sum({ asInt: 3n }, 1)])
    turned.pass(3 * seriesTtlMs)
    assert.equal(turned.value('level'), want)
    assert.equal(turned.value('active'), undefined)
  }
  await check(Infinity, 7)
  await check(2 * seriesTtlMs, undefined)
  await check(4 * seriesTtlMs, 7)
})

test('with no time to live nothing ends', async () => {
  const turned = new Turned({ ttl: { seriesTtlMs: Infinity } })
  await turned.count('a')
  turned.pass(1000 * minute)
  assert.equal(turned.value('a_total'), 1)
})

test('series that are one line end together, when all of them are idle', async () => {
  const turned = new Turned()
  await turned.count('jobs.done', 4)
  await turned.count('jobs_done', 3)
  assert.equal(turned.value('jobs_done_total'), 7)
  turned.pass(seriesTtlMs - minute)
  await turned.count('jobs_done', 1)
  turned.pass(30 * minute)
  assert.equal(turned.value('jobs_done_total'), 8, 'one of them is busy')
  turned.pass(31 * minute)
  assert.equal(turned.value('jobs_done_total'), undefined)
  assert.equal(turned.opened.stats.series, 0)
  await turned.count('jobs.done', 1)
  assert.equal(turned.value('jobs_done_total'), 1)
})

test('what a living journal or a sender has told stays as long as it is followed', async () => {
  const turned = new Turned()
  const told = (value: bigint): Metric =>
    sum({ asInt: value, startTimeUnixNano: BigInt(begun) * 1_000_000n }, 2, true, 'told')
  await tell(turned.opened, 'journal', 1, [told(5n)])
  turned.pass(10 * seriesTtlMs)
  assert.equal(turned.value('told_total'), 5)
  await tell(turned.opened, 'journal', 2, [told(6n)])
  assert.equal(turned.value('told_total'), 6, 'and its total goes on')
  await tell(turned.opened, 'journal', 3, [told(6n)], true)
  turned.pass(seriesTtlMs + 2 * minute)
  assert.equal(turned.value('told_total'), undefined)
  await tell(turned.opened, 'another', 1, [told(2n)])
  assert.equal(turned.value('told_total'), 2)

  const total = (asInt: bigint, at: bigint): Promise<string> => {
    const point = { startTimeUnixNano: BigInt(begun) * 1_000_000n, timeUnixNano: time + at * second, asInt }
    return post(turned.opened, [sum(point, 2, true, 'sent')], worker('sender'))
  }
  await total(40n, 1n)
  turned.pass(50 * minute)
  await total(40n, 2n) // No more than before, and yet it was told.
  turned.pass(50 * minute)
  assert.equal(turned.value('sent_total'), 40)
  turned.pass(20 * minute)
  assert.equal(turned.value('sent_total'), undefined, 'its sender was forgotten after an hour')
  await total(41n, 3n)
  assert.equal(turned.value('sent_total'), 0, 'B9: one that was forgotten begins at what it has')
  await total(43n, 4n)
  assert.equal(turned.value('sent_total'), 2)
})

test('while something in the spool may come again nothing ends', async () => {
  const turned = new Turned()
  await turned.count('a')
  turned.opened.ledger.holdExpiry(true)
  turned.pass(2 * seriesTtlMs)
  assert.equal(turned.value('a_total'), 1)
  turned.opened.ledger.holdExpiry(false)
  turned.pass(minute)
  assert.equal(turned.value('a_total'), undefined)
})

test('it is uptime that counts: time that a gateway was not there, or that a clock was set by, ends nothing', async () => {
  let unixMs = begun
  let ms = 0
  const options = { ttl: { seriesTtlMs }, clock: () => ms, now: () => unixMs }
  const store = new SimStore()
  const first = open(store, options)
  void postBatch(first, deltas([{ value: 1 }]))
  await committed()
  first.ledger.close()
  unixMs += 100 * seriesTtlMs
  ms = 0
  const again = open(store.restarted(), options)
  again.ledger.holdExpiry(false)
  for (let at = 0; at < 10; at++) {
    ms += minute
    again.ledger.tick()
  }
  assert.equal(shown(again).size, 1)
})

test('when series were told of is stored every ten minutes and at the end, and a birth with its series', async () => {
  for (const how of ['stopped', 'killed'] as const) {
    const turned = new Turned()
    await turned.count('a')
    turned.pass(50 * minute)
    await turned.count('a')
    turned.pass(how === 'stopped' ? minute : 11 * minute)
    turned.restart(how)
    turned.pass(40 * minute)
    assert.equal(turned.value('a_total'), 2, `${how}: it was told of 51 minutes ago`)
    turned.pass(30 * minute)
    assert.equal(turned.value('a_total'), undefined)
    await turned.count('b') // In its place.
    turned.restart('killed')
    turned.pass(55 * minute)
    assert.equal(turned.value('b_total'), 1, `${how}: what is stored of the other is not of this one`)
  }
})

test('of a line that was idle for long it is stored at once that it was told of: a kill never ends one early', async () => {
  const turned = new Turned()
  await turned.count('a')
  for (const at of [1, 2, 3]) {
    turned.pass(59 * minute)
    await turned.count('a')
    turned.restart('killed')
    turned.pass(minute)
    assert.equal(turned.value('a_total'), 1 + at)
  }
  turned.pass(50 * minute)
  turned.restart('killed')
  turned.pass(8 * minute)
  assert.equal(turned.value('a_total'), 4, 'it was told of 59 minutes ago')
  turned.pass(23 * minute)
  assert.equal(turned.value('a_total'), undefined, 'it ends twenty minutes late at most')
})

test('a commit that fails ends nothing, and the next look does', async () => {
  const faults = new Map<number, Fault>()
  const turned = new Turned({}, faults)
  await turned.count('a', 3)
  turned.pass(seriesTtlMs)
  const { commits } = turned.store
  for (let at = 0; at < 3; at++) faults.set(commits + at, 'full')
  turned.pass(minute)
  assert.equal(turned.value('a_total'), 3)
  turned.pass(5 * minute)
  assert.equal(turned.value('a_total'), undefined)
})

test('every kind ends, and what is born in its place is its own', async () => {
  const turned = new Turned()
  const exponential = (values: readonly number[], name: string): Metric => ({
    name,
    exponentialHistogram: {
      aggregationTemporality: 1,
      dataPoints: [{ timeUnixNano: time, startTimeUnixNano: time - second, ...exponentialPoint(values, 3) }],
    },
  })
  const bounds = { count: 3, sum: 4, explicitBounds: [1, 2, 3], bucketCounts: [1, 1, 0, 1] }
  let want: Map<string, number> | undefined
  let slots = 0
  for (let generation = 0; generation < 6; generation++) {
    for (let at = 0; at < 8; at++) {
      const own = `g${generation % 2}.${(at * (generation + 1)) % 9}`
      await post(turned.opened, [
        histogram(bounds, 1, `${own}.h`),
        exponential([1, 2, 500, -3], `${own}.e`),
        sum({ asDouble: 0.5 }, 1, true, `${own}.c`),
      ])
    }
    await post(turned.opened, [
      histogram(bounds, 1, 'h'),
      exponential([1, 2, 500, -3], 'e'),
      sum({ asDouble: 0.5 }, 1, true, 'c'),
    ])
    const values = new Map([...turned.values].filter(([name]) => /^(h|e|c)_/.test(name)))
    want ??= values
    assert.deepEqual(values, want, `generation ${generation}`)
    if (generation === 1) slots = turned.opened.ledger.series.pages.next
    turned.pass(seriesTtlMs + 2 * minute)
    assert.equal(turned.values.size, 0)
  }
  assert.ok(turned.opened.ledger.series.pages.next <= slots * 1.1, 'in the slots of those before')
})

test('past the limit of series, those that ended make room for others', async () => {
  const turned = new Turned({ limits: { seriesCountMax: 3 } })
  for (let at = 0; at < 5; at++) await turned.count('a', 1, { n: `${at}` })
  assert.equal(turned.opened.ledger.series.overflows.size, 1)
  turned.pass(seriesTtlMs + 2 * minute)
  assert.equal(turned.opened.ledger.series.overflows.size, 0)
  for (let at = 5; at < 8; at++) await turned.count('a', 1, { n: `${at}` })
  assert.deepEqual([...turned.values.values()], [1, 1, 1])
})
