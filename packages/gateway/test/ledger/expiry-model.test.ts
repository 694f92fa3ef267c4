import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { completeConfig } from '../../src/config/config.ts'
import type { RuleSettings } from '../../src/config/rules.ts'
import { committed, open, postBatch, shown, type Opened } from '../support/ledgers.ts'
import { deltas } from '../support/requests.ts'
import { SimStore, type Fault } from '../support/sim-store.ts'

// Lines are born, end and come back, while rules change and the process dies: against sums in BigInt by line and life.

const ttlMs = 3_600_000
/** Idle for so much longer than its time to live a line is gone: looks are a minute apart, and a start forgets twenty. */
const lateMs = 1_300_000
/** When series were told of is kept in whole seconds. */
const grainMs = 1000
const minuteMs = 60_000

const settings: readonly Partial<RuleSettings>[] = [
  {},
  { rules: [{ attributes: { drop: ['session'] } }] },
  { rules: [{ attributes: { drop: ['k*'] } }] },
]
const streamCount = 8

/** Two keys that are one label: so a line may be of two series, and lives as long as either. */
function attributesOf(stream: number): Record<string, string> {
  return { [(stream & 1) === 0 ? 'k.x' : 'k_x']: `v${(stream >> 1) & 1}`, session: `s${stream >> 2}` }
}

function lineOf(stream: number, rules: number): string {
  const kept = [
    'job="jobs"',
    ...(rules === 2 ? [] : [`k_x="v${(stream >> 1) & 1}"`]),
    'otel_scope_name="test"',
    ...(rules === 1 ? [] : [`session="s${stream >> 2}"`]),
  ]
  return `work_total{${kept.join(',')}}`
}

/** A line since it was born, or born again. */
interface Life {
  sum: bigint
  /** The uptime when it was last told of. */
  toldUptimeMs: number
}

class Run {
  ends = 0
  returns = 0
  crashes = 0
  readonly #faults = new Map<number, Fault>()
  readonly #lives = new Map<string, Life>()
  readonly #ended = new Set<string>()
  #store = new SimStore(this.#faults)
  #rules = 0
  #ms = 0
  #posts = 0
  #opened: Opened = this.#open()

  #open(): Opened {
    const opened = open(this.#store, {
      rules: settings[this.#rules] ?? {},
      ttl: { seriesTtlMs: ttlMs },
      clock: () => this.#ms,
      now: () => 1_700_000_000_000 + this.#ms,
    })
    opened.ledger.holdExpiry(false)
    return opened
  }

  async post(streams: readonly number[], value: number, fault: Fault | undefined): Promise<void> {
    const id = `batch ${this.#posts++}`
    const body = deltas(streams.map((stream) => ({ value, attributes: attributesOf(stream) })))
    this.#meets(fault)
    let isAdded = false
    for (let tries = 0; ; tries++) {
      assert.ok(tries < 3, 'it is not taken')
      const rules = this.#rules
      const { uptimeMs } = this.#opened.ledger
      const answer = postBatch(this.#opened, body, id)
      await committed()
      const { refused, receipt } = await answer
      assert.equal(receipt.message, '')
      const isDurable = refused === undefined || (fault === 'crash after' && tries === 0)
      if (isDurable && !isAdded) {
        this.#add(streams, value, rules, uptimeMs)
        isAdded = true
      }
      if (refused === undefined) break
      if (this.#store.crashed) this.restart()
    }
    this.#check()
    void postBatch(this.#opened, body, id) // Its retry.
    await committed()
    this.#check()
  }

  /** Time goes by, and the ledger is asked what is over; the process may die of that. */
  async wait(ms: number, fault: Fault | undefined): Promise<void> {
    this.#ms += ms
    this.#meets(fault)
    for (let look = 0; look < 2; look++) {
      this.#opened.ledger.tick()
      await committed()
      if (this.#store.crashed) this.restart()
      this.#ms += minuteMs + 1
    }
    this.#opened.ledger.tick()
    await committed()
    if (this.#store.crashed) this.restart()
    else if (fault === undefined) this.#checkEnds()
    this.#check()
  }

  reload(rules: number): void {
    this.#rules = rules
    this.#opened.receiver.useRules(completeConfig(settings[rules]))
    this.#check()
  }

  restart(rules: number = this.#rules): void {
    if (this.#store.crashed) this.crashes++
    this.#rules = rules
    this.#faults.clear()
    this.#store = this.#store.restarted()
    this.#opened = this.#open()
    this.#check()
  }

  #meets(fault: Fault | undefined): void {
    this.#faults.clear()
    if (fault !== undefined) this.#faults.set(this.#store.commits, fault)
  }

  #add(streams: readonly number[], value: number, rules: number, toldUptimeMs: number): void {
    for (const stream of streams) {
      const line = lineOf(stream, rules)
      if (this.#ended.delete(line)) this.returns++
      this.#lives.set(line, { sum: (this.#lives.get(line)?.sum ?? 0n) + BigInt(value), toldUptimeMs })
    }
  }

  /** What is shown is what was added since each line began; what is gone had its time. */
  #check(): void {
    const values = shown(this.#opened)
    const { uptimeMs } = this.#opened.ledger
    for (const [line, { sum, toldUptimeMs }] of this.#lives) {
      if (values.has(line)) {
        assert.equal(values.get(line), Number(sum), line)
        continue
      }
      assert.ok(
        uptimeMs - toldUptimeMs >= ttlMs - grainMs,
        `${line} ended after ${uptimeMs - toldUptimeMs} ms`
      )
      this.ends++
      this.#ended.add(line)
      this.#lives.delete(line)
    }
    for (const line of values.keys()) assert.ok(this.#lives.has(line), `${line} was never told of`)
    assert.equal(this.#opened.stats.bugs, 0)
  }

  #checkEnds(): void {
    const values = shown(this.#opened)
    const { uptimeMs } = this.#opened.ledger
    for (const [line, { toldUptimeMs }] of this.#lives)
      if (uptimeMs - toldUptimeMs > ttlMs + lateMs) assert.ok(!values.has(line), `${line} does not end`)
  }
}

const fault = fc.option(fc.constantFrom<Fault>('crash before', 'crash within', 'crash after', 'full'), {
  nil: undefined,
  freq: 2,
})
const rulesAt = fc.nat(settings.length - 1)
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('post' as const),
      streams: fc.array(fc.nat(streamCount - 1), { minLength: 1, maxLength: 4 }),
      value: fc.nat(2 ** 40),
      fault,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(minuteMs, ttlMs / 3, ttlMs / 2, ttlMs, ttlMs * 2),
      fault,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reload' as const), rules: rulesAt }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), rules: rulesAt }) }
)

test('lines end when all of them is idle, and come back at 0, through crashes, restarts and other rules', async () => {
  const met = { ends: 0, returns: 0, crashes: 0 }
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
    const run = new Run()
    for (const each of steps) {
      if (each.do === 'post') await run.post(each.streams, each.value, each.fault)
      else if (each.do === 'wait') await run.wait(each.ms, each.fault)
      else if (each.do === 'reload') run.reload(each.rules)
      else run.restart(each.rules)
    }
    met.ends += run.ends
    met.returns += run.returns
    met.crashes += run.crashes
  })
  await fc.assert(property, { numRuns: 150 })
  assert.ok(met.ends > 40 && met.returns > 5 && met.crashes > 50, JSON.stringify(met))
})
