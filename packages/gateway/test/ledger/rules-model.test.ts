import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeExportRequest, type Metric, type NumberDataPoint } from '@swansong/otlp'
import { completeConfig } from '../../src/config/config.ts'
import type { RuleSettings } from '../../src/config/rules.ts'
import { histogram, second, time } from '../support/kinds.ts'
import { committed, open, postBatch, postJournal, shown, type Opened } from '../support/ledgers.ts'
import { keyValues, metricsOf } from '../support/requests.ts'
import { SimStore, type Fault } from '../support/sim-store.ts'

// Workers of every door while rules change, between a send and its repetition too, against sums in BigInt by line.

type Door = 'journal' | 'delta' | 'cumulative'

const settings: readonly Partial<RuleSettings>[] = [
  {},
  { rules: [{ attributes: { drop: ['session'] } }] },
  { rules: [{ metrics: ['done', 'size'], attributes: { keep: [] } }] },
  { rules: [{ metrics: ['do*'], drop: true }, { attributes: { drop: ['k*'] } }] },
  { resourceAttributes: { keep: ['service.name', 'te*'], drop: [] } },
  {
    resourceAttributes: { keep: ['*'], drop: ['service.name'] },
    rules: [{ metrics: ['size'], histogramBounds: [2] }, { attributes: { drop: ['session'] } }],
  },
  { rules: [{ metrics: ['size'], histogramBounds: [1, 3] }] },
]
const rulesAt = fc.nat(settings.length - 1)

/** What a worker keeps of one set of attributes. */
interface Stream {
  count: bigint
  level: bigint
  seen: number[]
}

interface Worker {
  name: string
  door: Door
  streams: Stream[]
  /** What of it was added. */
  counted: { count: bigint; seen: number }[]
  /** What is told, of deltas. */
  sent: { count: bigint; seen: number }[]
  /** The lines that its levels stand in. */
  levels: Map<number, { line: string; value: bigint }>
  sends: number
  dead: boolean
}

const streamCount = 4
const bounds = [1, 2, 3]

class Run {
  faultsMet = 0
  readonly #faults = new Map<number, Fault>()
  readonly #workers: Worker[]
  readonly #counts = new Map<string, bigint>()
  readonly #seen = new Map<string, number[]>()
  #store = new SimStore(this.#faults)
  #rules: Partial<RuleSettings> = {}
  #opened: Opened = open(this.#store)

  constructor(doors: readonly Door[]) {
    const nothing = (): { count: bigint; seen: number }[] =>
      Array.from({ length: streamCount }, () => ({ count: 0n, seen: 0 }))
    this.#workers = doors.map((door, at) => ({
      name: `worker-${at}`,
      door,
      streams: Array.from({ length: streamCount }, () => ({ count: 0n, level: 0n, seen: [] })),
      counted: nothing(),
      sent: nothing(),
      levels: new Map(),
      sends: 0,
      dead: false,
    }))
  }

  record(at: number, stream: number, by: number): void {
    const into = this.#workers[at]?.streams[stream]
    if (into === undefined || this.#workers[at]?.dead === true) return
    into.count += BigInt(by)
    into.level += BigInt((by % 7) - 3)
    into.seen.push((by % 40) / 8)
  }

  reload(rules: number): void {
    this.#rules = settings[rules] ?? {}
    this.#opened.receiver.useRules(completeConfig(this.#rules))
    this.#check()
  }

  restart(rules: number): void {
    this.#rules = settings[rules] ?? {}
    this.#store = this.#store.restarted()
    this.#opened = open(this.#store, { rules: this.#rules })
    this.#check()
  }

  /** Sends what a worker has until it is told. After a crash the rules may be others. */
  async send(at: number, fault: Fault | undefined, next: number, dies: boolean): Promise<void> {
    const each = this.#workers[at] as Worker
    if (each.dead) return
    each.sends++
    const body = encodeExportRequest(
      metricsOf(metricsOfWorker(each, dies), {
        'service.name': 'jobs',
        team: `t${at % 2}`,
        'service.instance.id': each.name,
      })
    )
    const sent = each.streams.map(({ count, seen }) => ({ count, seen: seen.length }))
    if (fault !== undefined) this.#faults.set(this.#store.commits, fault)
    let added = false
    for (let tries = 0; ; tries++) {
      assert.ok(tries < 4, 'it is not told')
      const refused = await this.#post(each, body, dies)
      if (refused === undefined) break
      this.faultsMet++
      // What a crash leaves behind was added under the rules that were in force then.
      if (fault === 'crash after' && tries === 0) {
        this.#add(each, dies)
        added = true
      }
      if (this.#store.crashed) this.restart(next)
    }
    if (!added) this.#add(each, dies)
    each.sent = sent
    each.dead = dies
    this.#check()
    assert.equal(await this.#post(each, body, dies), undefined)
    this.#check()
  }

  async #post(each: Worker, body: Uint8Array, dies: boolean): Promise<string | undefined> {
    if (each.door === 'journal') {
      const told = postJournal(this.#opened, { writer: each.name, sequence: each.sends, final: dies, body })
      await committed()
      return told
    }
    const id = each.door === 'delta' ? `${each.name} ${each.sends}` : undefined
    const answer = postBatch(this.#opened, body, id)
    await committed()
    const { refused, receipt } = await answer
    assert.equal(receipt.message, '')
    return refused
  }

  /** What is added when a send commits: of each stream what is more than was added before. */
  #add(each: Worker, dies: boolean): void {
    for (const [at, { count, seen }] of each.streams.entries()) {
      const from = (each.door === 'delta' ? each.sent : each.counted)[at] ?? { count: 0n, seen: 0 }
      const done = this.#line(each, 'done', at)
      const size = this.#line(each, 'size', at)
      if (done !== undefined) {
        this.#counts.set(done, (this.#counts.get(done) ?? 0n) + count - from.count)
        each.counted[at] = { ...(each.counted[at] ?? from), count }
      }
      if (size !== undefined) {
        this.#seen.set(size, [...(this.#seen.get(size) ?? []), ...seen.slice(from.seen)])
        each.counted[at] = { ...(each.counted[at] ?? from), seen: seen.length }
      }
    }
    this.#level(each, dies)
  }

  #level(each: Worker, dies: boolean): void {
    each.levels.clear()
    for (const [at, { level }] of each.streams.entries()) {
      const line = this.#line(each, 'active', at)
      if (line !== undefined && !dies) each.levels.set(at, { line, value: level })
    }
  }

  /** The line that a stream is added to under the rules as they are; undefined where it is dropped. */
  #line({ name }: Worker, metric: string, stream: number): string | undefined {
    const index = settings.indexOf(this.#rules)
    const team = `team="t${Number(name.at(-1)) % 2}"`
    const hasKind = index !== 3 && !(index === 2 && metric !== 'active')
    const hasSession = ![1, 5].includes(index) && !(index === 2 && metric !== 'active')
    if (index === 3 && metric === 'done') return undefined
    const labels = [
      ...(index === 5 ? [] : ['job="jobs"']),
      ...(hasKind ? [`kind="k${stream >> 1}"`] : []),
      'otel_scope_name="test"',
      ...(hasSession ? [`session="s${stream & 1}"`] : []),
      ...(index === 4 || index === 5 ? [team] : []),
    ]
    return labels.join(',')
  }

  #check(): void {
    const values = shown(this.#opened)
    assert.equal(this.#opened.stats.bugs, 0)
    const of = (name: string): Map<string, number> => {
      const lines = [...values].filter(([line]) => line.startsWith(`${name}{`))
      return new Map(lines.map(([line, value]) => [line.slice(name.length + 1, -1), value]))
    }
    const levels = new Map<string, bigint>()
    for (const each of this.#workers)
      for (const { line, value } of each.levels.values()) levels.set(line, (levels.get(line) ?? 0n) + value)
    same(of('done_total'), this.#counts)
    same(of('active'), levels)
    const sums = [...this.#seen].map(([line, seen]) => [line, seen.reduce((a, b) => a + b, 0)] as const)
    same(of('size_sum'), new Map(sums))
    const buckets = [...of('size_bucket')]
    for (const [line, seen] of this.#seen) {
      const own = buckets.filter(([bucket]) => bucket.startsWith(`${line},le=`))
      for (const [bucket, value] of own) {
        const le = Number(/le="([^"]+)"$/.exec(bucket)?.[1]?.replace('+Inf', 'Infinity'))
        assert.equal(value, seen.filter((each) => each <= le).length, bucket)
      }
      assert.ok(own.length > 0, line)
    }
  }
}

/** Lines of nothing are as good as none. */
function same(lines: ReadonlyMap<string, number>, want: ReadonlyMap<string, bigint | number>): void {
  for (const [line, value] of lines) assert.equal(value, Number(want.get(line) ?? 0), line)
  for (const [line, value] of want) assert.equal(lines.get(line) ?? 0, Number(value), line)
}

function metricsOfWorker({ door, streams, sent, sends }: Worker, dies: boolean): Metric[] {
  const temporality = door === 'delta' ? 1 : 2
  const stamp = { timeUnixNano: time + BigInt(sends) * second, startTimeUnixNano: time }
  const points = (valueOf: (stream: Stream, at: number) => NumberDataPoint): NumberDataPoint[] =>
    streams.map((stream, at) => ({ ...stamp, attributes: attributesOf(at), ...valueOf(stream, at) }))
  const since = (at: number): { count: bigint; seen: number } =>
    door === 'delta' ? (sent[at] ?? { count: 0n, seen: 0 }) : { count: 0n, seen: 0 }
  const isGone = dies && door !== 'journal'
  const done = points(({ count }, at) => ({ asInt: count - since(at).count }))
  const active = points(({ level }) => (isGone ? { flags: 1 } : { asInt: level }))
  const size = streams.map(({ seen }, at) => {
    const values = seen.slice(since(at).seen)
    const counts = [...bounds, Infinity].map(
      (bound, index) => values.filter((v) => v <= bound && v > (bounds[index - 1] ?? -1)).length
    )
    const total = values.reduce((a, b) => a + b, 0)
    return { ...stamp, attributes: attributesOf(at), count: values.length, sum: total, bucketCounts: counts }
  })
  return [
    { name: 'done', sum: { aggregationTemporality: temporality, isMonotonic: true, dataPoints: done } },
    { name: 'active', sum: { aggregationTemporality: 2, isMonotonic: false, dataPoints: active } },
    ...size.map((point) => histogram({ ...point, explicitBounds: bounds }, temporality)),
  ]
}

function attributesOf(stream: number): ReturnType<typeof keyValues> {
  return keyValues({ session: `s${stream & 1}`, kind: `k${stream >> 1}` })
}

const doors = fc.array(fc.constantFrom<Door>('journal', 'delta', 'cumulative'), {
  minLength: 4,
  maxLength: 4,
})
const fault = fc.constantFrom<Fault | undefined>(
  undefined,
  undefined,
  undefined,
  'crash before',
  'crash within',
  'crash after',
  'full'
)
const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('record' as const),
      at: fc.nat(3),
      stream: fc.nat(3),
      by: fc.nat(2 ** 40),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('send' as const), at: fc.nat(3), fault, next: rulesAt }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('reload' as const), rules: rulesAt }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), rules: rulesAt }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), at: fc.nat(3), next: rulesAt }) }
)

test('rules may change at any time: what was counted stays, what is told beyond it goes where they say', async () => {
  let faultsMet = 0
  const property = fc.asyncProperty(
    doors,
    fc.array(step, { minLength: 1, maxLength: 40 }),
    async (given, steps) => {
      const run = new Run(given)
      for (const each of steps) {
        if (each.do === 'record') run.record(each.at, each.stream, each.by)
        else if (each.do === 'reload') run.reload(each.rules)
        else if (each.do === 'restart') run.restart(each.rules)
        else if (each.do === 'send') await run.send(each.at, each.fault, each.next, false)
        else await run.send(each.at, undefined, each.next, true)
      }
      faultsMet += run.faultsMet
    }
  )
  await fc.assert(property, { numRuns: 100 })
  assert.ok(faultsMet > 20, `${faultsMet} faults were met`)
})
