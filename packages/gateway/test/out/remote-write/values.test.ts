import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExportRequest, type Exemplar, type Metric } from '@swansong/otlp'
import { exponentialPoint, gauge, histogram, post, second, sum, time } from '../../support/kinds.ts'
import { committed, postBatch, shown } from '../../support/ledgers.ts'
import { type RemoteWriteReceiver, startRemoteWriteReceiver } from '../../support/remote-write-receiver.ts'
import { begun, RemoteWrites } from '../../support/remote-writes.ts'
import { deltas, keyValues, metricsOf } from '../../support/requests.ts'

const own = 'instance="here",job="jobs",otel_scope_name="test"'

async function count(writes: RemoteWrites, name: string, value: number, attributes = {}): Promise<void> {
  const answer = postBatch(writes.opened, deltas([{ name, value, attributes }]))
  await committed()
  assert.equal((await answer).refused, undefined)
}

for (const protocol of [1, 2] as const) {
  test(`a counter is told as 0 before its first value, then every interval, by version ${protocol} (F10)`, async (context) => {
    const receiver = await startRemoteWriteReceiver(context)
    const writes = new RemoteWrites(context, receiver, { protocol })
    await writes.interval()
    assert.deepEqual(receiver.names, [])
    await count(writes, 'work', 5)
    await writes.interval()
    await writes.interval()
    await count(writes, 'work', 2)
    await writes.interval()
    const name = `work_total{${own}}`
    assert.deepEqual(receiver.names, [name])
    assert.deepEqual(receiver.values(name), [0, 5, 5, 7])
    assert.equal(receiver.increase(name), 7)
    const times = receiver.kept(name).samples.map(({ unixMs }) => unixMs - begun)
    assert.deepEqual(times, [15_002, 30_000, 45_000, 60_000])
    const starts = receiver.kept(name).samples.map(({ startUnixMs }) => startUnixMs - begun)
    if (protocol === 2) assert.deepEqual(starts, [-begun, 14_999, 14_999, 14_999])
    assert.deepEqual(receiver.violations, [])
  })
}

test('a histogram is all of its lines, each 0 at first; a bucket that is gone is told to be stale, once (F9)', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  const point = { count: 6, sum: 20, bucketCounts: [1, 2, 3], explicitBounds: [1, 5] }
  await post(writes.opened, [histogram(point)])
  await writes.interval()
  await post(writes.opened, [histogram({ count: 4, sum: 9, bucketCounts: [3, 1], explicitBounds: [5] })])
  await writes.interval()
  await writes.interval()
  const bucket = (le: string): string =>
    `size_bucket{instance="here",job="jobs",le="${le}",otel_scope_name="test"}`
  assert.deepEqual(receiver.values(bucket('1.0')), [0, 1, 'stale'])
  assert.deepEqual(receiver.values(bucket('5.0')), [0, 3, 6, 6])
  assert.deepEqual(receiver.values(bucket('+Inf')), [0, 6, 10, 10])
  assert.deepEqual(receiver.values(`size_sum{${own}}`), [0, 20, 29, 29])
  assert.deepEqual(receiver.values(`size_count{${own}}`), [0, 6, 10, 10])
  assert.deepEqual(receiver.violations, [])
})

function exponential(values: readonly number[], scale: number, exemplars: readonly Exemplar[] = []): Metric {
  const times = { timeUnixNano: time, startTimeUnixNano: time - second }
  const dataPoints = [{ ...exponentialPoint(values, scale), ...times, exemplars }]
  return { name: 'took', exponentialHistogram: { aggregationTemporality: 1, dataPoints } }
}

/** Bounds are written as in OpenMetrics, which is what Prometheus 3 makes of those in text. */
function withPoint(line: string): string {
  return line.replace(/(\ble="\d+)"/, '$1.0"')
}

test('an exponential histogram is native in version 2, and has buckets as /metrics has them in version 1 (D14)', async (context) => {
  let lines = new Map<string, number>()
  const [one, two] = [await startRemoteWriteReceiver(context), await startRemoteWriteReceiver(context)]
  for (const [receiver, protocol] of [
    [one, 1],
    [two, 2],
  ] as const) {
    const writes = new RemoteWrites(context, receiver, { protocol })
    await post(writes.opened, [exponential([0, 1.5, 3, 3, 100], 3)])
    await writes.interval()
    await post(writes.opened, [exponential([7], 0)])
    await writes.interval()
    assert.deepEqual(receiver.violations, [])
    if (protocol === 1) lines = shown(writes.opened)
  }
  for (const [line, value] of lines) {
    const sorted = withPoint(line).replace(/,(otel_scope_name="test"),(le="[^"]+")/, ',$2,$1')
    assert.equal(one.latest().get(sorted.replace('{', '{instance="here",')), value, line)
  }
  const { histograms } = two.kept(`took{${own}}`)
  const [zero, first, second_] = histograms
  assert.deepEqual([zero?.count, zero?.sum, zero?.startUnixMs, zero?.schema], [0, 0, 0, 3])
  assert.deepEqual([first?.count, first?.sum, first?.schema, first?.zeroCount], [5, 107.5, 3, 1])
  assert.equal(first?.startUnixMs, begun - 1)
  // The bucket above 2^(i/8) and at most 2^((i+1)/8) is the one of number i + 1.
  const above = first?.positive[0] as { offset: number; counts: number[] }
  const counted = above.counts.flatMap((each, at) => (each > 0 ? [[above.offset + at, each]] : []))
  assert.deepEqual(counted, [
    [5, 1],
    [13, 2],
    [54, 1],
  ])
  assert.deepEqual([second_?.schema, second_?.count], [0, 6])
  assert.deepEqual(second_?.positive, [{ offset: 1, counts: [1, 2, 1, 0, 0, 0, 1] }])
  const infinite = 'took_bucket{instance="here",job="jobs",le="+Inf",otel_scope_name="test"}'
  assert.deepEqual(one.values(infinite), [0, 5, 6])
  const eight = 'took_bucket{instance="here",job="jobs",le="8.0",otel_scope_name="test"}'
  assert.deepEqual(one.values(eight), [0, 4, 5])
})

test('where send_native_histograms is false, version 2 has the buckets of version 1, and no exemplars of finer ones', async (context) => {
  const receivers: RemoteWriteReceiver[] = []
  for (const input of [{ protocol: 1 }, { protocol: 2, sendsNativeHistograms: false }] as const) {
    const receiver = await startRemoteWriteReceiver(context)
    receivers.push(receiver)
    const writes = new RemoteWrites(context, receiver, input)
    await post(writes.opened, [exponential([0, 1.5, 3, 100], 3, [{ asDouble: 0, timeUnixNano: time }])])
    await writes.interval()
    await writes.interval()
    assert.deepEqual(receiver.violations, [])
  }
  const [one, two] = receivers
  assert.ok((one?.names.length ?? 0) > 6)
  assert.deepEqual(two?.latest(), one?.latest())
  assert.ok(two?.requests.every(({ version }) => version === 2))
  const series = two?.requests.flatMap((request) => request.series) ?? []
  assert.ok(series.every(({ histograms, exemplars }) => histograms.length + exemplars.length === 0))
})

test('one that has no sum, or is too coarse, has no native form: it is left out, and counted (D14)', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver, { protocol: 2 })
  await post(writes.opened, [exponential([1, 2 ** 900], -8)])
  await writes.interval()
  assert.deepEqual(receiver.names, [])
  assert.deepEqual([...writes.stats.dropped], [['no_native_form', 1]])
})

test('gauges have no zero; one that its sender ends is stale once, and live again with its next value (B16)', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  const none = { name: 'depth', gauge: { dataPoints: [{ timeUnixNano: time + 2n, flags: 1 }] } }
  await post(writes.opened, [gauge(3, time + 1n), sum({ asDouble: 4 }, 1)])
  await writes.interval()
  await post(writes.opened, [none])
  await writes.interval()
  await writes.interval()
  await post(writes.opened, [gauge(8, time + 3n)])
  await writes.interval()
  assert.deepEqual(receiver.values(`depth{${own}}`), [3, 'stale', 8])
  assert.deepEqual(receiver.values(`active{${own}}`), [4, 4, 4, 4])
  await post(writes.opened, [gauge(Number.NaN, time + 4n)])
  await writes.interval()
  assert.equal(receiver.kept(`depth{${own}}`).samples.at(-1)?.bits, 0x7ff8000000000001n)
  assert.deepEqual(receiver.violations, [])
})

test('a series that ends is stale; one that comes again begins at 0, later than its end (F9, B8, trap 5)', async (context) => {
  const minute = 60_000
  for (const protocol of [1, 2] as const) {
    const receiver = await startRemoteWriteReceiver(context)
    const writes = new RemoteWrites(context, receiver, { protocol }, { ttl: { seriesTtlMs: 10 * minute } })
    await count(writes, 'work', 5)
    await post(writes.opened, [histogram({ count: 1, sum: 2, bucketCounts: [1, 0], explicitBounds: [5] })])
    await post(writes.opened, [exponential([1, 2], 0)])
    await writes.interval()
    for (let minutes = 0; minutes < 12; minutes++) writes.pass(minute)
    await count(writes, 'work', 3) // Before its end is told.
    await writes.interval()
    assert.deepEqual(receiver.values(`work_total{${own}}`), [0, 5, 'stale', 0, 3])
    assert.equal(receiver.increase(`work_total{${own}}`), 8)
    for (const name of receiver.names.filter((each) => each.startsWith('size')))
      assert.equal(receiver.values(name).at(-1), 'stale', name)
    if (protocol === 2) {
      const { histograms } = receiver.kept(`took{${own}}`)
      assert.equal(histograms.at(-1)?.sumBits, 0x7ff0000000000002n)
      assert.equal(histograms.at(-1)?.count, 0)
      const [, , ended, zero, value] = receiver.kept(`work_total{${own}}`).samples
      assert.ok((value?.startUnixMs as number) > 0 && (zero?.unixMs as number) > (ended?.unixMs as number))
    } else assert.ok(receiver.names.some((each) => each.startsWith('took_bucket')))
    for (let minutes = 0; minutes < 12; minutes++) writes.pass(minute)
    await writes.interval()
    await writes.interval()
    assert.deepEqual(receiver.values(`work_total{${own}}`), [0, 5, 'stale', 0, 3, 'stale'])
    assert.equal(receiver.latest().size, 0)
    assert.deepEqual(receiver.violations, [])
  }
})

test('many lives of many series end in memory that is given to others', async (context) => {
  const minute = 60_000
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver, {}, { ttl: { seriesTtlMs: 2 * minute } })
  for (let life = 0; life < 6; life++) {
    const points = Array.from({ length: 700 }, (_, at) => ({
      name: 'work',
      value: at + 1,
      attributes: { at: `${(life % 3) * 1000 + at}`, life: `${life % 3}` },
    }))
    const answer = postBatch(writes.opened, deltas(points))
    await committed()
    assert.equal((await answer).refused, undefined)
    await writes.interval()
    const latest = receiver.latest()
    assert.equal(latest.size, 700)
    for (const { value, attributes } of points)
      assert.equal(
        latest.get(
          `work_total{at="${attributes.at}",instance="here",job="jobs",life="${attributes.life}",otel_scope_name="test"}`
        ),
        value
      )
    for (let minutes = 0; minutes < 4; minutes++) writes.pass(minute)
    await writes.interval()
    assert.equal(receiver.latest().size, 0)
  }
  assert.deepEqual(receiver.violations, [])
})

test('labels are sorted with __name__ and le among them; external ones do not overwrite (F3)', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const externalLabels = { instance: 'node', zone: 'eu', Az: 'b', m: 'outer' }
  const writes = new RemoteWrites(context, receiver, { externalLabels })
  const attributes = keyValues({
    Upper: 'u',
    _under: 'x',
    m: 'inner',
    'le.x': 'l',
    le: 'taken',
    z: 'Größe "∞"',
    instance: 'mine',
  })
  const dataPoints = [
    { attributes, timeUnixNano: time, count: 1, sum: 1, bucketCounts: [1, 0], explicitBounds: [5] },
  ]
  const metric = { name: 'größe.size', histogram: { aggregationTemporality: 1, dataPoints } }
  const answer = postBatch(writes.opened, encodeExportRequest(metricsOf([metric])))
  await committed()
  assert.equal((await answer).refused, undefined)
  await writes.interval()
  assert.deepEqual(receiver.violations, [])
  const series = receiver.requests.at(-1)?.series.find(({ name }) => name.includes('_bucket'))
  assert.deepEqual(series?.labels, [
    ['Az', 'b'],
    ['Upper', 'u'],
    ['__name__', 'gr_e_size_bucket'],
    ['_under', 'x'],
    ['exported_instance', 'mine'],
    ['exported_le', 'taken'],
    ['instance', 'node'],
    ['job', 'jobs'],
    ['le', '5.0'],
    ['le_x', 'l'],
    ['m', 'inner'],
    ['otel_scope_name', 'test'],
    ['z', 'Größe "∞"'],
    ['zone', 'eu'],
  ])
})

test('series that are one line after translation are told once, as their sum (D8)', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  await count(writes, 'work.done', 2, { 'a.b': 'x' })
  await writes.interval()
  await count(writes, 'work.done', 3, { a_b: 'x' })
  await count(writes, 'work_done', 4, { 'a.b': 'x' })
  await writes.interval()
  const name = `work_done_total{a_b="x",${own}}`
  assert.deepEqual(receiver.names, [name])
  assert.deepEqual(receiver.values(name), [0, 2, 9])
  assert.deepEqual(receiver.violations, [])
})

test('exemplars go with version 2, each once, with its time; what metrics are called goes with them (F7)', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver, { protocol: 2 })
  const exemplar = (asDouble: number): object => ({
    asDouble,
    timeUnixNano: time,
    spanId: 'eee19b7ec3c1b174',
  })
  const point = { timeUnixNano: time, count: 2, sum: 7, bucketCounts: [1, 1], explicitBounds: [5] }
  const dataPoints = [{ ...point, exemplars: [exemplar(1), exemplar(6)] }]
  const metric = {
    name: 'took',
    unit: 's',
    description: 'How long "it" took',
    histogram: { aggregationTemporality: 1, dataPoints },
  }
  await post(writes.opened, [metric])
  await writes.interval()
  await writes.interval()
  assert.deepEqual(receiver.violations, [])
  const told = receiver.requests.flatMap(({ series }) => series)
  const exemplars = told.flatMap(({ name, exemplars: each }) =>
    each.map(({ value, labels, unixMs }) => [/le="([^"]*)"/.exec(name)?.[1], value, labels, unixMs])
  )
  const labels = { span_id: 'eee19b7ec3c1b174' }
  const unixMs = Number(time / 1_000_000n)
  assert.deepEqual(exemplars, [
    ['5.0', 1, labels, unixMs],
    ['+Inf', 6, labels, unixMs],
  ])
  for (const { metadata } of told)
    assert.deepEqual(metadata, { type: 3, help: 'How long "it" took', unit: 's' })
  assert.equal(writes.stats.exemplars, 2)
})

test('what began in the very millisecond of a collection waits for the next: a restart could not tell it from what was told', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  await writes.interval()
  writes.ms += 15_000
  await count(writes, 'work', 5)
  await writes.interval({ ms: 0 })
  assert.deepEqual(receiver.names, [])
  await writes.restart(1)
  await writes.interval()
  assert.deepEqual(receiver.values(`work_total{${own}}`), [0, 5])
  await writes.restart(1)
  await writes.interval()
  assert.deepEqual(receiver.values(`work_total{${own}}`), [0, 5, 5])
  assert.deepEqual(receiver.violations, [])
})

test('many lines are named and written in slices: a door that waits is served between them', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver)
  for (let first = 0; first < 10_000; first += 1000) {
    const points = Array.from({ length: 1000 }, (_, at) => ({
      value: 1,
      attributes: { at: `${first + at}` },
    }))
    void postBatch(writes.opened, deltas(points))
    await committed()
  }
  let turns = 0
  let isDone = false
  const turn = (): void => {
    turns++
    if (!isDone) setImmediate(turn)
  }
  turn()
  await writes.interval({ sends: false })
  isDone = true
  assert.ok(turns >= 10_000 / 300 + 2 * 10, `${turns} turns`) // Each is named, and written twice: its zero, its value.
})

test('what is written is what /metrics shows, line by line, also where several series are one (D8)', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const writes = new RemoteWrites(context, receiver, {}, { gaugePolicy: 'max' })
  const of = (key: string, metrics: Metric[]): Metric[] => {
    for (const { sum: one, gauge: two, histogram: three, exponentialHistogram: four } of metrics)
      for (const point of (one ?? two ?? three ?? four)?.dataPoints ?? [])
        (point as { attributes?: unknown }).attributes = keyValues({ [key]: 'x' })
    return metrics
  }
  const kinds = (bounds: number[], depth: number): Metric[] => [
    histogram({
      count: 3,
      sum: 4.5,
      bucketCounts: [1, 1, 1].slice(0, bounds.length + 1),
      explicitBounds: bounds,
    }),
    exponential([0.1, 5, 5, depth], 2),
    gauge(depth, time + 1n),
    sum({ asDouble: depth }, 1),
    sum({ asDouble: depth }, 1, true, 'work'),
  ]
  await post(writes.opened, [...of('a.b', kinds([1, 5], 7)), ...of('c', kinds([2, 3], 1))])
  await post(writes.opened, of('a_b', kinds([5, 9], 3)))
  await writes.interval()
  const sorted = (line: string): string => {
    const [, name = '', labels = ''] = /^([^{]*)\{(.*)\}$/.exec(line) ?? []
    return withPoint(`${name}{${labels.split(',').toSorted().join(',')}}`)
  }
  const written = [...receiver.latest()].map(([line, value]) => [
    sorted(line.replace('instance="here",', '')),
    value,
  ])
  const scraped = [...shown(writes.opened)].map(([line, value]) => [sorted(line), value])
  const byLine = ([one]: unknown[], [other]: unknown[]): number =>
    (one as string) < (other as string) ? -1 : 1
  assert.deepEqual(written.toSorted(byLine), scraped.toSorted(byLine))
  assert.ok(
    written.some(
      ([line, value]) => line === 'depth{a_b="x",job="jobs",otel_scope_name="test"}' && value === 7
    )
  )
  assert.deepEqual(receiver.violations, [])
})
