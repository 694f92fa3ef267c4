import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LoadSink, SeriesRow, StoreIdentity } from '../../src/ledger/store.ts'
import { exponentialPoint, gauge, histogram, labels, post, sum, time } from '../support/kinds.ts'
import { committed, open, postBatch, rendered, type Opened } from '../support/ledgers.ts'
import { mulberry32 } from '../support/random.ts'
import { deltas, type Count } from '../support/requests.ts'
import { Turned } from '../support/scrapers.ts'
import { SimStore, type Fault } from '../support/sim-store.ts'

const holdMs = 10_000

async function count(turned: Turned, name: string, value: number): Promise<void> {
  const answer = postBatch(turned.opened, deltas([{ name, value }]))
  await turned.turn()
  assert.equal((await answer).refused, undefined)
}

const lineOf = (name: string): string => `${name}_total{${labels}}`

test('a newborn counter is 0 to scrapers until the hold has passed, then what it is, for good; others see it at once', async () => {
  const turned = new Turned(holdMs)
  await count(turned, 'jobs', 7)
  assert.equal(turned.scraped().get(lineOf('jobs')), 0)
  assert.equal(turned.seen().get(lineOf('jobs')), 7)
  turned.pass(holdMs - 1000)
  await count(turned, 'jobs', 2)
  assert.equal(turned.scraped().get(lineOf('jobs')), 0)
  assert.equal(turned.seen().get(lineOf('jobs')), 9)
  turned.pass(2000)
  assert.equal(turned.scraped().get(lineOf('jobs')), 9)
  await count(turned, 'jobs', 1)
  assert.equal(turned.scraped().get(lineOf('jobs')), 10)
  assert.equal(turned.opened.stats.seriesHeld(), 0)
})

test('what is born is held for the whole hold, whatever part of a second it is born in, and whoever looks meanwhile', async () => {
  for (const part of [0, 1, 500, 999]) {
    const turned = new Turned(holdMs)
    turned.pass(part)
    await count(turned, 'jobs', 7)
    for (let ms = 0; ms < holdMs; ms += 250) {
      assert.equal(turned.scraped().get(lineOf('jobs')), 0, `${ms} ms after its birth`)
      turned.pass(250)
    }
    turned.pass(1000)
    assert.equal(turned.scraped().get(lineOf('jobs')), 7)
  }
})

test('histograms of both kinds are held whole; gauges and sums that may fall are not', async () => {
  const turned = new Turned(holdMs)
  const counts = { count: 3, sum: 9.5, bucketCounts: [1, 0, 2] }
  await post(turned.opened, [
    histogram({ ...counts, explicitBounds: [1, 2] }),
    {
      name: 'spread',
      exponentialHistogram: {
        aggregationTemporality: 1,
        dataPoints: [{ timeUnixNano: time, ...exponentialPoint([-2, 0, 1, 3], 1) }],
      },
    },
    gauge(4, time),
    sum({ asInt: 5n }, 1),
  ])
  const seen = turned.seen()
  const held = turned.scraped()
  assert.deepEqual([...held.keys()], [...seen.keys()], 'the same lines')
  for (const [line, value] of held) {
    const isHeld = /^(size|spread)/.test(line)
    assert.equal(value, isHeld ? 0 : seen.get(line), line)
  }
  assert.equal(seen.get(`size_sum{${labels}}`), 9.5)
  assert.equal(seen.get(`spread_count{${labels}}`), 4)
  turned.pass(holdMs + 1000)
  assert.deepEqual(turned.scraped(), seen)
})

test('a series that is born into a line that scrapers know adds to it at once; lines of newborns are held whole', async () => {
  const turned = new Turned(holdMs)
  await count(turned, 'jobs.done', 4)
  turned.pass(holdMs / 2)
  await count(turned, 'jobs_done', 3)
  assert.equal(turned.scraped().get(lineOf('jobs_done')), 0)
  turned.pass(holdMs / 2 + 1000)
  assert.equal(turned.scraped().get(lineOf('jobs_done')), 7, 'as soon as one of them is revealed')
  await count(turned, 'jobs/done', 2)
  assert.equal(turned.scraped().get(lineOf('jobs_done')), 9)
  turned.restart('killed')
  assert.equal(turned.scraped().get(lineOf('jobs_done')), 9)
})

test('a hold goes on after a stop and after kill -9, by uptime', async () => {
  for (const how of ['stopped', 'killed'] as const) {
    const turned = new Turned(holdMs)
    await count(turned, 'jobs', 7)
    turned.pass(4000)
    turned.restart(how)
    assert.equal(turned.scraped().get(lineOf('jobs')), 0)
    assert.equal(turned.opened.stats.seriesHeld(), 1)
    turned.pass(5000)
    assert.equal(turned.scraped().get(lineOf('jobs')), 0)
    turned.pass(7000)
    assert.equal(turned.scraped().get(lineOf('jobs')), 7)
    turned.restart(how)
    turned.holdMs = 130_000
    assert.equal(turned.scraped().get(lineOf('jobs')), 7, 'a longer hold hides nothing again')
  }
})

test('how seldom scrapers come is known after kill -9, also where nothing was revealed since it is', async () => {
  let scrapeIntervalMs = 3000
  const turned = new Turned(holdMs, { scrapeIntervalMs: () => scrapeIntervalMs })
  await count(turned, 'jobs', 7)
  turned.restart('killed')
  assert.equal(turned.opened.ledger.identity.revealed?.scrapeIntervalMs, 3000)
  assert.equal(turned.scraped().get(lineOf('jobs')), 0)
  turned.pass(holdMs + 2000)
  assert.equal(turned.scraped().get(lineOf('jobs')), 7)
  scrapeIntervalMs = 5000
  await count(turned, 'others', 7)
  turned.restart('killed')
  assert.equal(turned.opened.ledger.identity.revealed?.scrapeIntervalMs, 5000)
  assert.equal(turned.scraped().get(lineOf('jobs')), 7, 'what was revealed stays so')
  assert.equal(turned.scraped().get(lineOf('others')), 0)
})

test('no crash around a reveal hides again what a scraper has seen', async () => {
  for (const fault of ['crash before', 'crash within', 'crash after', 'full'] as const) {
    for (let step = 0; step < 12; step++) {
      const turned = new Turned(holdMs, {}, new Map([[step, fault]]))
      const born = postBatch(turned.opened, deltas([{ name: 'jobs', value: 7 }]))
      await turned.turn()
      if (fault === 'full') await born
      let shown = 0
      for (let ms = 0; ms < 3 * holdMs; ms += 2000) {
        const now = turned.scraped().get(lineOf('jobs')) ?? 0
        assert.ok(now >= shown, `${fault} at commit ${step}: ${shown} was seen, then ${now}`)
        shown = now
        turned.pass(2000)
      }
      if (step > 0) assert.equal(shown, 7, `${fault} at commit ${step}`)
    }
  }
})

test('off holds nothing, and what was born then is shown for good; turned off, all is shown', async () => {
  const turned = new Turned(0)
  await count(turned, 'first', 7)
  assert.equal(turned.scraped().get(lineOf('first')), 7)
  turned.holdMs = holdMs
  turned.pass(1000)
  await count(turned, 'second', 8)
  assert.equal(turned.scraped().get(lineOf('first')), 7)
  assert.equal(turned.scraped().get(lineOf('second')), 0)
  turned.restart('killed')
  assert.equal(turned.scraped().get(lineOf('first')), 7)
  assert.equal(turned.scraped().get(lineOf('second')), 0)
  turned.holdMs = 0
  assert.equal(turned.scraped().get(lineOf('second')), 8)
})

test('what is held does not end, and lives on for its time once it is shown; what returns is held anew', async () => {
  const seriesTtlMs = 60_000
  const turned = new Turned(130_000, { ttl: { seriesTtlMs } })
  await count(turned, 'jobs', 7)
  turned.pass(125_000)
  assert.equal(turned.scraped().get(lineOf('jobs')), 0)
  turned.pass(10_000)
  assert.equal(turned.scraped().get(lineOf('jobs')), 7)
  turned.pass(45_000)
  assert.equal(turned.scraped().get(lineOf('jobs')), 7)
  turned.pass(60_000)
  assert.equal(turned.scraped().get(lineOf('jobs')), undefined)
  await count(turned, 'others', 5)
  assert.equal(turned.scraped().get(lineOf('others')), 0, 'under the id of one that was revealed')
  turned.pass(132_000)
  assert.equal(turned.scraped().get(lineOf('others')), 5)
})

/** What Prometheus makes of the samples of a line that it scraped: their increase. */
class Increase {
  #last: number | undefined
  value = 0

  sample(value: number | undefined, line: string): void {
    if (value === undefined) return
    if (this.#last !== undefined) {
      assert.ok(value >= this.#last, `${line} fell from ${this.#last} to ${value}`)
      this.value += value - this.#last
    }
    this.#last = value
  }
}

const names = ['a', 'b.c', 'b_c', 'd', 'e', 'f', 'g', 'h'] as const

/** Counts at random times by sender that retry, and scrapers of two intervals, through these faults. */
async function checkIncreases(seed: number, faults: ReadonlyMap<number, Fault>): Promise<number> {
  const random = mulberry32(seed)
  const turned = new Turned(8000, {}, faults)
  const scrapers = [
    { everyMs: 1000, lines: new Map<string, Increase>() },
    { everyMs: 4000, lines: new Map<string, Increase>() },
  ]
  const truth = new Map<string, number>()
  for (let second = 0; second < 90; second++) {
    if (second < 60 && random() < 0.5) {
      const name = names[Math.floor(random() * names.length)] as string
      const value = 1 + Math.floor(random() * 9)
      await delivered(turned, { name, value }, `${seed} ${second}`)
      const line = lineOf(name.replace('.', '_'))
      truth.set(line, (truth.get(line) ?? 0) + value)
    }
    for (const { everyMs, lines } of scrapers) {
      if ((second * 1000) % everyMs !== 0) continue
      for (const [line, value] of turned.scraped()) {
        const increase = lines.get(line) ?? new Increase()
        increase.sample(value, `seed ${seed}, ${line}`)
        lines.set(line, increase)
      }
    }
    turned.pass(1000)
  }
  for (const { everyMs, lines } of scrapers)
    for (const [line, value] of truth)
      assert.equal(
        lines.get(line)?.value,
        value,
        `seed ${seed}, every ${everyMs} ms: the increase of ${line}`
      )
  return turned.restarts
}

/** Sends a batch until it is acknowledged. */
async function delivered(turned: Turned, one: Count, id: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const { store } = turned
    let acknowledged = false
    const opened: Opened = turned.opened
    void postBatch(opened, deltas([one]), id).then(({ refused }) => (acknowledged = refused === undefined))
    await turned.turn()
    await turned.turn()
    if (acknowledged && !store.crashed) return
  }
  assert.fail('it was never acknowledged')
}

test('the increase that scrapers of different intervals see is the truth for each line, through crashes and full disks', async () => {
  let restarts = 0
  for (let seed = 0; seed < 12; seed++) {
    const random = mulberry32(seed + 1000)
    const faults = new Map<number, Fault>()
    const kinds = ['crash before', 'crash within', 'crash after', 'full'] as const
    for (let commit = 0; commit < 300; commit++)
      if (random() < 0.2) faults.set(commit, kinds[Math.floor(random() * kinds.length)] ?? 'full')
    restarts += await checkIncreases(seed, faults)
  }
  assert.ok(restarts > 50, `${restarts} restarts`)
})

/** Its rows of series can only be read while they are handed over. */
class ForgettingStore extends SimStore {
  override load(sink: LoadSink): StoreIdentity {
    const series = (row: SeriesRow): void => {
      const { proxy, revoke } = Proxy.revocable(row, {})
      sink.series(proxy)
      revoke()
      row.attributes.fill(0)
    }
    return super.load({ ...sink, series })
  }
}

test('a start keeps no rows of series, held or not: a million of them would take as much as all the rest', async () => {
  const store = new SimStore()
  const before = open(store, { holdMs: () => holdMs })
  for (const name of ['one', 'two']) void postBatch(before, deltas([{ name, value: 7 }]))
  await committed()
  const again = open(new ForgettingStore(new Map(), 0, store), { holdMs: () => holdMs })
  assert.equal(again.ledger.series.held.count, 2)
  assert.equal(rendered(again.exposition), rendered(before.exposition))
})
