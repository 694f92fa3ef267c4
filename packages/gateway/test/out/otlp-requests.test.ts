import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExportRequest, type Metric } from '@swansong/otlp'
import type { Ledger } from '../../src/ledger/ledger.ts'
import {
  OtlpRequests,
  pointsPerTurnMax,
  requestBytesMax,
  requestPointsMax,
} from '../../src/out/otlp-requests.ts'
import { exponentialPoint, gauge, histogram, post, second, sum, time, worker } from '../support/kinds.ts'
import { committed, open, postBatch, shown, type Opened } from '../support/ledgers.ts'
import { decodedPoints, type DecodedPoint } from '../support/otlp-decoded.ts'
import { keyValues } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

const traceId = '5b8efff798038103d269b633813fc60c'
const spanId = 'eee19b7ec3c1b174'
/** A time to be told of: later than any start. */
const later = (): number => Date.now() + 1000

/** All requests of one telling. */
function told(ledger: Ledger, now: () => number = later): Uint8Array[] {
  const requests = new OtlpRequests(ledger, now)
  const bodies: Uint8Array[] = []
  for (let steps = 0; steps < 100_000; steps++) {
    const step = requests.step()
    if (step === undefined) return bodies
    if (step === 'more') continue
    assert.equal(step.points, decodedPoints(step.body).length)
    bodies.push(step.body)
  }
  throw new Error('it does not end')
}

function pointsOf(ledger: Ledger, now?: () => number): DecodedPoint[] {
  return told(ledger, now).flatMap(decodedPoints)
}

function named(points: readonly DecodedPoint[], name: string): DecodedPoint {
  const found = points.filter((point) => point.name === name)
  assert.equal(found.length, 1, name)
  return found[0] as DecodedPoint
}

/** What a gateway would show that had nothing but these requests. */
async function shownBehind(bodies: readonly Uint8Array[], behind = open(new SimStore())): Promise<Opened> {
  for (const body of bodies) {
    const answer = postBatch(behind, body)
    await committed()
    assert.deepEqual((await answer).receipt.message, '')
    assert.equal((await answer).refused, undefined)
  }
  return behind
}

const everyKind: Metric[] = [
  {
    name: 'jobs',
    unit: '{job}',
    description: 'Jobs that are done.',
    sum: {
      aggregationTemporality: 1,
      isMonotonic: true,
      dataPoints: [
        {
          timeUnixNano: time,
          asInt: 7,
          attributes: keyValues({ queue: 'a', shard: 3 }),
          exemplars: [
            {
              asDouble: 2,
              timeUnixNano: time,
              traceId,
              spanId,
              filteredAttributes: keyValues({ who: 'me' }),
            },
          ],
        },
      ],
    },
  },
  sum({ asDouble: -2.5 }),
  gauge(21.5, time, 'temperature'),
  histogram({ count: 4, sum: 9.5, min: 0.5, max: 6, explicitBounds: [1, 5], bucketCounts: [2, 1, 1] }),
  {
    name: 'weights',
    exponentialHistogram: {
      aggregationTemporality: 1,
      dataPoints: [{ timeUnixNano: time, ...exponentialPoint([-8, 0.001, 0.5, 2, 300], 3, 0.01) }],
    },
  },
]

test('every kind goes out as a cumulative point of all that the ledger has (F11, B7)', async () => {
  const opened = open(new SimStore())
  await post(opened, everyKind, worker('a'))
  await post(opened, everyKind, worker('b'))
  const points = pointsOf(opened.ledger)

  const jobs = named(points, 'jobs')
  assert.deepEqual(
    [jobs.unit, jobs.description, jobs.kind, jobs.temporality, jobs.monotonic],
    ['{job}', 'Jobs that are done.', 'sum', 2, true]
  )
  assert.deepEqual(jobs.attributes, { queue: 'a', shard: 3n })
  assert.equal(jobs.value, 14)
  assert.deepEqual(jobs.exemplars, [
    { value: 2, timeUnixNano: Number(time), traceId, spanId, attributes: [{ key: 'who', value: 'me' }] },
  ])
  const active = named(points, 'active')
  assert.deepEqual([active.kind, active.temporality, active.monotonic, active.value], ['sum', 2, false, -5])
  const temperature = named(points, 'temperature')
  assert.deepEqual([temperature.kind, temperature.value, temperature.flags], ['gauge', 21.5, 0])
  const size = named(points, 'size')
  assert.deepEqual([size.count, size.sum, size.min, size.max], [8, 19, 0.5, 6])
  assert.deepEqual(
    [size.explicitBounds, size.bucketCounts],
    [
      [1, 5],
      [4, 2, 2],
    ]
  )
  const weights = named(points, 'weights')
  assert.deepEqual([weights.count, weights.min, weights.max, weights.sum], [10, -8, 300, 2 * 294.501])
  assert.deepEqual([weights.scale, weights.zeroCount, weights.zeroThreshold], [3, 2, 0.01])
  const sent = exponentialPoint([-8, 0.001, 0.5, 2, 300], 3, 0.01)
  const twice = (counts: readonly unknown[] = []): number[] => counts.map((count) => Number(count) * 2)
  assert.deepEqual(weights.positive, {
    offset: sent.positive?.offset,
    counts: twice(sent.positive?.bucketCounts),
  })
  assert.deepEqual(weights.negative, { offset: sent.negative?.offset, counts: [2] })
})

test('a gateway behind shows what this one shows, told once or ten times, while it grows', async () => {
  const opened = open(new SimStore())
  const behind = open(new SimStore())
  for (let round = 1; round <= 10; round++) {
    await post(opened, everyKind, worker(`w${round}`))
    await shownBehind(
      told(opened.ledger, () => later() + round),
      behind
    )
    assert.deepEqual(shown(behind), shown(opened))
  }
  assert.equal(shown(behind).get('jobs_total{job="jobs",otel_scope_name="test",queue="a",shard="3"}'), 70)
})

test('the resource is what is kept and this ledger as the instance; the scope is as it came (trap 10)', async () => {
  const opened = open(new SimStore())
  const scope = { name: 'lib', version: '1.2', attributes: keyValues({ tier: 'x' }) }
  const metrics = [sum({ asInt: 1 }, 1, true, 'calls')]
  const resource = { attributes: keyValues({ 'service.name': 'jobs', 'service.instance.id': 'w', pid: 7 }) }
  const scopeMetrics = [{ scope, metrics, schemaUrl: 'https://example.org/1' }]
  void postBatch(opened, encodeExportRequest({ resourceMetrics: [{ resource, scopeMetrics }] }))
  await committed()
  const calls = named(pointsOf(opened.ledger), 'calls')
  assert.deepEqual(calls.resource, { 'service.name': 'jobs', 'service.instance.id': 'simulated' })
  assert.deepEqual(calls.scope, {
    name: 'lib',
    version: '1.2',
    attributes: [{ key: 'tier', value: 'x' }],
    schemaUrl: 'https://example.org/1',
  })
})

test('a start stays, a time advances and is later than it, also where the clock was set back (B7)', async () => {
  let unixMs = 1_800_000_000_000
  const opened = open(new SimStore(), { now: () => unixMs })
  await post(opened, [sum({ asInt: 1 }, 1, true, 'calls')])
  unixMs += 60_000
  await post(opened, [sum({ asInt: 1 }, 1, true, 'later')])
  const first = pointsOf(opened.ledger, () => unixMs)
  const next = pointsOf(opened.ledger, () => unixMs + 15_000)
  const back = pointsOf(opened.ledger, () => unixMs - 3_600_000)
  assert.equal(named(first, 'calls').startTimeUnixNano, 1_799_999_999_999e6)
  for (const name of ['calls', 'later']) {
    const starts = [first, next, back].map((points) => named(points, name).startTimeUnixNano)
    assert.equal(new Set(starts).size, 1)
    assert.ok(named(first, name).timeUnixNano < named(next, name).timeUnixNano)
    for (const points of [first, next, back])
      assert.ok(named(points, name).startTimeUnixNano < named(points, name).timeUnixNano)
  }
})

test('a histogram of which a part had no sum goes out without; without bounds it has one bucket (B11)', async () => {
  const opened = open(new SimStore())
  await post(opened, [histogram({ count: 2, bucketCounts: [2], explicitBounds: [] })])
  const size = named(pointsOf(opened.ledger), 'size')
  assert.deepEqual([size.count, size.sum, size.min, size.max], [2, undefined, undefined, undefined])
  assert.deepEqual([size.bucketCounts, size.explicitBounds], [[2], []])
})

test('a gauge that its sender has ended is told as ended, and then as its next value (B16)', async () => {
  const opened = open(new SimStore())
  const at = (seconds: bigint): bigint => time + seconds * second
  await post(opened, [gauge(5, at(1n))])
  await post(opened, [{ name: 'depth', gauge: { dataPoints: [{ flags: 1, timeUnixNano: at(2n) }] } }])
  const ended = named(pointsOf(opened.ledger), 'depth')
  assert.deepEqual([ended.flags, ended.value], [1, undefined])
  await post(opened, [gauge(6, at(3n))])
  const again = named(pointsOf(opened.ledger), 'depth')
  assert.deepEqual([again.flags, again.value], [0, 6])
})

test('what is past the limit of series goes out under its own attribute, whatever its kind', async () => {
  const opened = open(new SimStore(), { limits: { seriesCountMax: 1 } })
  const overflow = { count: 1, sum: 1, bucketCounts: [1], explicitBounds: [] }
  await post(opened, [sum({ asInt: 1 }, 1, true, 'calls')])
  await post(opened, [histogram({ ...overflow, attributes: keyValues({ a: 'b' }) })])
  assert.deepEqual(named(pointsOf(opened.ledger), 'size').attributes, { 'otel.metric.overflow': true })
})

test('requests are bounded in points and bytes, turns in points, and nothing is left out or twice', async () => {
  const opened = open(new SimStore())
  const wide = 'x'.repeat(2000)
  for (let first = 0; first < 12_000; first += 4000) {
    const dataPoints = Array.from({ length: 4000 }, (_, at) => ({
      asInt: first + at + 1,
      timeUnixNano: time,
      attributes: keyValues({ id: first + at, ...(first + at < 1500 ? { wide } : {}) }),
    }))
    const data = { aggregationTemporality: 1, isMonotonic: true, dataPoints }
    const odd = dataPoints.map(({ asInt, ...point }) => Object.assign(point, { asInt: asInt * 2 }))
    // Two metrics whose series are born in turns.
    await post(opened, [
      { name: 'calls', sum: data },
      { name: 'bytes', sum: { ...data, dataPoints: odd } },
    ])
  }
  const bodies = told(opened.ledger)
  const points = bodies.map(decodedPoints)
  for (const [at, body] of bodies.entries()) {
    assert.ok(body.length < requestBytesMax + 5000, `${body.length} bytes`)
    assert.ok((points[at]?.length ?? 0) <= requestPointsMax, `${points[at]?.length} points`)
  }
  assert.ok(points.some(({ length }) => length < requestPointsMax / 5) && bodies.length > 4)
  const all = points.flat()
  const values = (name: string): number[] =>
    all
      .filter((point) => point.name === name)
      .map(({ value = 0 }) => value)
      .toSorted((a, b) => a - b)
  assert.deepEqual(
    values('calls'),
    Array.from({ length: 12_000 }, (_, at) => at + 1)
  )
  assert.deepEqual(
    values('bytes'),
    Array.from({ length: 12_000 }, (_, at) => 2 * (at + 1))
  )

  const requests = new OtlpRequests(opened.ledger, later)
  let turns = 0
  for (let step = requests.step(); step !== undefined; step = requests.step()) turns++
  assert.ok(turns >= 24_000 / pointsPerTurnMax, `${turns} turns`)
})

test('series that end or are born between two turns are left out, and told the next time', async () => {
  let unixMs = Date.now()
  let uptimeMs = 0
  const ttl = { seriesTtlMs: 60_000, gaugeTtlMs: 60_000 }
  const opened = open(new SimStore(), { now: () => unixMs, clock: () => uptimeMs, ttl })
  await post(opened, [sum({ asInt: 1 }, 1, true, 'old')])
  unixMs += 50_000
  uptimeMs = 50_000
  await post(opened, [sum({ asInt: 1 }, 1, true, 'calls')])
  const requests = new OtlpRequests(opened.ledger, () => unixMs + 1000)
  assert.equal(requests.step(), 'more')
  assert.equal(requests.step(), 'more')
  uptimeMs = 70_000
  opened.ledger.holdExpiry(false)
  opened.ledger.tick() // `old` ends …
  await post(opened, [sum({ asInt: 5 }, 1, true, 'new')]) // … and this takes its id.
  const step = requests.step()
  assert.ok(step !== undefined && step !== 'more')
  assert.deepEqual(
    decodedPoints(step.body).map(({ name }) => name),
    ['calls']
  )
  assert.equal(requests.step(), undefined)
  const names = pointsOf(opened.ledger).map(({ name }) => name)
  assert.deepEqual(names.toSorted(), ['calls', 'new'])
})

test('a ledger without series has nothing to tell', () => {
  assert.deepEqual(told(open(new SimStore()).ledger), [])
})
