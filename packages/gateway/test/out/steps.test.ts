import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Escaping, Format } from '../../src/out/negotiation.ts'
import { gauge, histogram, post, sum, time } from '../support/kinds.ts'
import {
  committed,
  open,
  postBatch,
  rendered,
  shown,
  valuesOf,
  type Opened,
  type OpenOptions,
} from '../support/ledgers.ts'
import { deltas, keyValues } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

type Steps = ReturnType<Opened['exposition']['steps']>

function stepsOf({ exposition }: Opened, format: Format, escaping: Escaping): Steps {
  return exposition.steps({ format, escaping, room: 0, bytesMax: Infinity, forScraper: false })
}

function finished(steps: Steps): string {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return Buffer.from(value.finish()).toString()
  }
}

const minute = 60_000
/** What passes while series are in use, and makes the end of those that were not. */
const short: number = 50 * minute
const ttl = { seriesTtlMs: 60 * minute }

/** A ledger whose clock is turned by hand: `pass` lets time go by. */
function clocked(options: OpenOptions = {}): { opened: Opened; pass: (ms: number) => void } {
  let uptimeMs = 0
  const opened = open(new SimStore(), { ttl, ...options, clock: () => uptimeMs })
  opened.ledger.holdExpiry(false)
  const pass = (ms: number): void => {
    for (const end = uptimeMs + ms; uptimeMs < end; uptimeMs += minute) opened.ledger.tick()
  }
  return { opened, pass }
}

/** Labels as long as they may be, so that some hundred series are more than one step. */
const long = 'x'.repeat(4000)

async function postMany(opened: Opened, count: number, value: number): Promise<void> {
  const counts = Array.from({ length: count }, (_, n) => ({ value, attributes: { n, long } }))
  void postBatch(opened, deltas(counts), undefined)
  await committed()
}

test('what is added between two steps is seen or not, line by line, and what is born breaks nothing', async () => {
  const opened = open(new SimStore())
  await postMany(opened, 2000, 1)
  const steps = stepsOf(opened, 'text-0.0.4', 'underscores')
  assert.equal(steps.next().done, false)
  await postMany(opened, 3000, 1)
  void postBatch(opened, deltas([{ name: 'other', value: 5 }]))
  await committed()
  const values = valuesOf(finished(steps))
  const olds = Array.from({ length: 2000 }, (_, n) => values.get(lineOf(n)))
  assert.ok(olds[0] === 1 && olds.at(-1) === 2, `${olds[0]} and ${olds.at(-1)}`)
  assert.ok(olds.every((value) => value === 1 || value === 2))
  assert.equal(values.get('other_total{job="jobs",otel_scope_name="test"}'), 5)
})

const lineOf = (n: number): string => `work_total{job="jobs",long="${long}",n="${n}",otel_scope_name="test"}`

test('where series end between two steps, the text is begun anew: no line is missed, none stands twice', async () => {
  const { opened, pass } = clocked()
  void postBatch(
    opened,
    deltas([
      { name: 'old', value: 1 },
      { value: 7, attributes: { old: 1 } },
    ])
  )
  await committed()
  pass(short)
  await postMany(opened, 2000, 1)
  const steps = stepsOf(opened, 'text-0.0.4', 'underscores')
  assert.equal(steps.next().done, false)
  pass(short)
  await committed()
  assert.equal(opened.ledger.series.count, 2000, 'what was idle has ended')
  const text = finished(steps)
  assert.equal(text, rendered(opened.exposition))
  assert.equal(valuesOf(text).size, 2000)
})

test('names for a format that nobody asked for before are made in steps, and kept up with what is born and ends', async () => {
  const { opened, pass } = clocked({ translationStrategy: 'NoTranslation' })
  const born = Array.from({ length: 5000 }, (_, n) => ({ name: 'a.b', value: 1, attributes: { n } }))
  void postBatch(opened, deltas(born))
  await committed()
  pass(short)
  const steps = stepsOf(opened, 'text-1.0.0', 'dots')
  assert.equal(steps.next().done, false) // Some have their names …
  void postBatch(opened, deltas([{ name: 'a.b', value: 2, attributes: { n: 'late' } }]))
  void postBatch(opened, deltas([{ name: 'a.b', value: 3, attributes: { n: 7 } }]))
  await committed()
  pass(short) // … and most are over before the rest have theirs.
  await committed()
  const want = new Map([
    ['a_dot_b{job="jobs",n="7",otel__scope__name="test"}', 4],
    ['a_dot_b{job="jobs",n="late",otel__scope__name="test"}', 2],
  ])
  assert.deepEqual(valuesOf(finished(steps)), want)
  const plain = finished(stepsOf(opened, 'text-1.0.0', 'allow-utf-8'))
  assert.ok(plain.includes('{"a.b",job="jobs",n="late",otel_scope_name="test"} 2\n'), plain)
})

test('series that are one line in some scraper’s names end together, so that no line loses a part', async () => {
  const { opened, pass } = clocked({ translationStrategy: 'NoTranslation' })
  void postBatch(
    opened,
    deltas([
      { name: 'a.b', value: 5 },
      { name: 'a_b', value: 7 },
    ])
  )
  await committed()
  assert.deepEqual([...shown(opened).values()], [12])
  assert.match(finished(stepsOf(opened, 'text-1.0.0', 'allow-utf-8')), /^\{"a.b".* 5$/m)
  pass(short)
  void postBatch(opened, deltas([{ name: 'a_b', value: 1 }]))
  await committed()
  pass(short)
  await committed()
  assert.deepEqual([...shown(opened).values()], [13], 'a.b was idle, and is a part of what is not')
  pass(2 * short)
  await committed()
  assert.equal(opened.ledger.series.count, 0)
  for (const escaping of ['allow-utf-8', 'underscores', 'dots', 'values'] as const)
    assert.equal(finished(stepsOf(opened, 'text-1.0.0', escaping)), '')
})

test('a store is shown by another strategy after a restart; what then has the name of another kind is not shown, and said', async () => {
  const store = new SimStore()
  const before = open(store)
  const attributes = keyValues({ k: 'v' })
  await post(before, [
    { ...sum({ asInt: 3, attributes }, 1, true, 'io'), unit: 'By' },
    { ...gauge(9, time, 'io'), unit: 's' },
    sum({ asInt: 4 }, 1, true, 'calls'),
  ])
  assert.equal(shown(before).size, 3)
  const after = open(store.restarted(), { translationStrategy: 'UnderscoreEscapingWithoutSuffixes' })
  assert.deepEqual(
    [...shown(after)],
    [
      ['io{job="jobs",k="v",otel_scope_name="test"}', 3],
      ['calls{job="jobs",otel_scope_name="test"}', 4],
    ]
  )
  assert.deepEqual(after.hidden, ['io'])
  // A point of what is new is refused by the names of now, and its sender told.
  const answer = postBatch(after, deltas([{ name: 'io', unit: 'By', value: 1 }]))
  await committed()
  assert.equal((await answer).receipt.message, '')
  assert.match(await post(after, [gauge(1, time, 'calls')]), /another kind of metric has this name/)
  assert.equal(after.stats.pointsRejected.get('NAME_CONFLICT'), 1)
})

test('target_info has what all resources of a job have in common, while they have series', async () => {
  const rules = {
    resourceAttributes: { keep: ['service.*', 'deployment.*', 'k8s.*'], drop: [] },
  }
  const { opened, pass } = clocked({ rules })
  const of = (pod: string, name = 'jobs'): Record<string, string> => ({
    'service.name': name,
    'k8s.pod': pod,
    'k8s.cluster': 'c',
  })
  const infos = (): string[] => rendered(opened.exposition).match(/^target_info.*$/gm) ?? []
  void postBatch(opened, deltas([{ value: 1 }], of('one')))
  await committed()
  assert.deepEqual(infos(), ['target_info{job="jobs",k8s_cluster="c",k8s_pod="one"} 1'])
  pass(short)
  void postBatch(opened, deltas([{ value: 1 }], of('two')))
  void postBatch(opened, deltas([{ value: 1 }], { 'service.name': 'bare' }))
  void postBatch(opened, deltas([{ value: 1 }], { 'k8s.cluster': 'nobody' }))
  await committed()
  assert.deepEqual(infos(), ['target_info{job="jobs",k8s_cluster="c"} 1'])
  pass(short)
  await committed()
  assert.deepEqual(infos(), ['target_info{job="jobs",k8s_cluster="c",k8s_pod="two"} 1'])
  const info = finished(stepsOf(opened, 'openmetrics-1.0', 'underscores'))
  assert.match(info, /^# TYPE target info\ntarget_info\{/m)
})

test('histograms of many buckets are written in steps too, and what they will take is known beforehand', async () => {
  const opened = open(new SimStore())
  const explicitBounds = Array.from({ length: 399 }, (_, n) => n)
  const bucketCounts = Array<number>(400).fill(1)
  const point = { explicitBounds, bucketCounts, count: 400, sum: 1 }
  const points = Array.from({ length: 200 }, (_, n) => histogram({ ...point, attributes: keyValues({ n }) }))
  assert.equal(await post(opened, points), '')
  for (const format of ['text-0.0.4', 'openmetrics-1.0', 'protobuf'] as const) {
    const steps = stepsOf(opened, format, 'underscores')
    let count = 0
    for (;;) {
      const { done, value } = steps.next()
      count++
      if (done !== true) continue
      const { length } = value
      const { length: taken } = value.buffer
      assert.ok(count > length / (3 * 1024 * 1024), `${format}: ${length} bytes in ${count} steps`)
      assert.ok(taken < length * 1.6, `${format}: ${taken} bytes for ${length}`)
      break
    }
  }
})
