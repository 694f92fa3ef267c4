import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Exemplar, Metric } from '@swansong/otlp'
import type { Escaping } from '../../src/out/negotiation.ts'
import { messagesOf } from '../../src/out/protobuf-text.ts'
import { exponentialPoint, gauge, histogram, labels, post, second, sum, time } from '../support/kinds.ts'
import { committed, open, postBatch, shown, type Opened, type OpenOptions } from '../support/ledgers.ts'
import {
  bucketsOf,
  familiesOf,
  linesOf,
  type ReadFamily,
  type ReadHistogram,
} from '../support/metric-families.ts'
import { mulberry32 } from '../support/random.ts'
import { deltas, keyValues } from '../support/requests.ts'
import { Turned } from '../support/scrapers.ts'
import { SimStore } from '../support/sim-store.ts'

async function opened(metrics: readonly Metric[], options: OpenOptions = {}): Promise<Opened> {
  const gateway = open(new SimStore(), options)
  assert.equal(await post(gateway, metrics), '')
  return gateway
}

function read({ exposition }: Opened, escaping: Escaping = 'underscores', forScraper = true): ReadFamily[] {
  const steps = exposition.steps({ format: 'protobuf', escaping, room: 0, bytesMax: Infinity, forScraper })
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return familiesOf(value.finish())
  }
}

function exponential(
  values: readonly number[],
  scale: number,
  name = 'spread',
  more: Partial<ReturnType<typeof exponentialPoint>> = {}
): Metric {
  const dataPoints = [{ timeUnixNano: time, ...exponentialPoint(values, scale), ...more }]
  return { name, exponentialHistogram: { aggregationTemporality: 1, dataPoints } }
}

function histogramOf(families: readonly ReadFamily[], name: string): ReadHistogram {
  const family = families.find((one) => one.name === name) ?? assert.fail(`no ${name}`)
  assert.equal(family.type, 'HISTOGRAM')
  return family.metric[0]?.histogram ?? assert.fail(`no histogram in ${name}`)
}

test('every kind says what text says, with name, help, type and unit', async () => {
  const counts = { count: 5, sum: -1.5, bucketCounts: [1, 0, 2, 2] }
  const shows = await opened([
    { ...sum({ asInt: 3 }, 1, true, 'io'), unit: 'By', description: 'Bytes "read"\nand \\ written.' },
    sum({ asDouble: 0.1, attributes: keyValues({ 'a.b': 'q"uo\\te\nd', c: 'é漢🙂' }) }, 1, true, 'io'),
    sum({ asInt: -4 }, 1, false, 'level'),
    gauge(-1e-7, time, 'temperature'),
    gauge(1e300, time, 'large'),
    histogram({ ...counts, explicitBounds: [-1, 0.00001, 1_000_000] }),
    histogram({ count: 3, sum: 2, bucketCounts: [3], explicitBounds: [] }, 1, 'unbounded'),
    histogram({ count: 3, bucketCounts: [1, 2], explicitBounds: [1] }, 1, 'sumless'),
    sum(
      { asInt: 1, attributes: keyValues({ long: 'x'.repeat(4000), longer: 'y'.repeat(130) }) },
      1,
      true,
      'l'
    ),
    sum({ asInt: 1 }, 1, true, 'jobs.done'),
    sum({ asInt: 2 }, 1, true, 'jobs_done'),
    exponential([0.001, 0, -3, 5, 5, 1e6], 3),
  ])
  const families = read(shows)
  const lines = linesOf(families)
  for (const [line, value] of shown(shows)) assert.equal(lines.get(line), value, line)
  assert.equal(lines.size, shown(shows).size)
  const [io] = families
  assert.deepEqual(
    [io?.name, io?.type, io?.unit, io?.help],
    ['io_bytes_total', 'COUNTER', 'bytes', 'Bytes "read"\nand \\ written.']
  )
  assert.equal(families.find(({ name }) => name === 'level')?.type, 'GAUGE')
  assert.equal(histogramOf(families, 'sumless').sampleSum, Number.NaN)
})

test('names and labels are as the escaping has them, quotes and all', async () => {
  const translationStrategy = 'NoTranslation'
  const attributes = keyValues({ 'a "b"\\c': 'd"e', 'é.漢': 'f', plain: 'g' })
  const shows = await opened(
    [
      sum({ asInt: 3, attributes }, 1, true, 'my "name"\\ of'),
      sum({ asInt: 4 }, 1, true, 'é.漢'),
      histogram(
        { count: 1, sum: 2, bucketCounts: [1, 0], explicitBounds: [3], attributes },
        1,
        'a.histogram'
      ),
    ],
    { translationStrategy }
  )
  const families = read(shows, 'allow-utf-8')
  assert.deepEqual(
    families.map(({ name }) => name),
    ['my "name"\\ of', 'é.漢', 'a.histogram']
  )
  const want = [
    ['a "b"\\c', 'd"e'],
    ['job', 'jobs'],
    ['otel_scope_name', 'test'],
    ['plain', 'g'],
    ['é.漢', 'f'],
  ]
  const labelsOf = (at: number): string[][] =>
    (families[at]?.metric[0]?.label ?? []).map(({ name, value }) => [name, value])
  assert.deepEqual(labelsOf(0), want)
  assert.deepEqual(labelsOf(2), want)
  assert.equal(families[1]?.metric[0]?.counter?.value, 4)
  for (const { name, metric } of read(shows)) {
    assert.match(name, /^[a-z_]+$/)
    for (const label of metric[0]?.label ?? []) assert.match(label.name, /^\w+$/)
  }
})

/** How many of these are in each bucket, by the numbers that Prometheus has: bucket i is above base^(i-1), up to base^i. */
function bucketed(values: readonly number[], schema: number): Map<number, number> {
  const buckets = new Map<number, number>()
  for (const value of values) {
    let index = Math.ceil(Math.log2(value) * 2 ** schema)
    if (value <= 2 ** ((index - 1) / 2 ** schema)) index--
    buckets.set(index, (buckets.get(index) ?? 0) + 1)
  }
  return buckets
}

function filled(spans: ReadHistogram['positiveSpan'], differences: readonly number[]): Map<number, number> {
  return new Map([...bucketsOf(spans, differences)].filter(([, count]) => count !== 0))
}

const sorted = (buckets: Map<number, number>): [number, number][] =>
  [...buckets].toSorted(([one], [other]) => one - other)

test('an exponential histogram is a native one, each value in its bucket', async () => {
  const random = mulberry32(5)
  for (const scale of [-4, -1, 0, 2, 5, 8]) {
    for (const width of [0.1, 1, 4]) {
      const values = Array.from({ length: 30 }, () => {
        const value = 2 ** ((random() - 0.5) * Math.min(width, 60 / 2 ** scale))
        return random() < 0.2 ? 0 : random() < 0.3 ? -value / 64 : value // A sum that may fall is not kept
      })
      const shows = await opened([exponential(values, scale)])
      const native = histogramOf(read(shows), 'spread')
      assert.equal(native.schema, scale)
      assert.equal(native.zeroThreshold, 1e-128)
      assert.equal(native.zeroCount, values.filter((value) => value === 0).length)
      assert.equal(native.sampleCount, values.length)
      const positive = values.filter((value) => value > 0)
      const negative = values.filter((value) => value < 0).map((value) => -value)
      const where = `scale ${scale}, width ${width}`
      const { positiveSpan, positiveDelta, negativeSpan, negativeDelta } = native
      assert.deepEqual(sorted(filled(positiveSpan, positiveDelta)), sorted(bucketed(positive, scale)), where)
      assert.deepEqual(sorted(filled(negativeSpan, negativeDelta)), sorted(bucketed(negative, scale)), where)
      assert.ok(negativeSpan.length + positiveSpan.length <= values.length, 'no span is empty')
    }
  }
})

test('buckets that are far apart are in spans of their own', async () => {
  const shows = await opened([exponential([1.5, 1.5, 3, 100_000, 1e9], 0)])
  const { positiveSpan, positiveDelta } = histogramOf(read(shows), 'spread')
  assert.deepEqual(positiveSpan, [
    { offset: 1, length: 2 },
    { offset: 14, length: 1 },
    { offset: 12, length: 1 },
  ])
  assert.deepEqual(positiveDelta, [2, -1, 0, 0])
})

test('scales that Prometheus has no schema for: finer ones are merged, coarser ones are classic alone', async () => {
  const values = [1.001, 1.002, 1.003, 1.0035]
  const fine = histogramOf(read(await opened([exponential(values, 12)])), 'spread')
  assert.equal(fine.schema, 8)
  assert.deepEqual(sorted(filled(fine.positiveSpan, fine.positiveDelta)), sorted(bucketed(values, 8)))
  const coarse = await opened([exponential([1e-90, 1, 1e80], -6)])
  const classic = histogramOf(read(coarse), 'spread')
  assert.deepEqual([classic.schema, classic.positiveSpan, classic.sampleCount], [undefined, [], 3])
  assert.deepEqual(linesOf(read(coarse)), shown(coarse))
})

test('without a sum there is no native histogram; a threshold is that of the sender, where it is larger', async () => {
  const { sum: _, ...sumless } = exponentialPoint([1, 2], 2)
  const shows = await opened([
    {
      name: 'sumless',
      exponentialHistogram: { aggregationTemporality: 1, dataPoints: [{ timeUnixNano: time, ...sumless }] },
    },
    exponential([0.25, 0.1, 0, 7], 0, 'wide', exponentialPoint([0.25, 0.1, 0, 7], 0, 0.25)),
    exponential([1e-200, 1e-130, 7], 0, 'tiny'),
  ])
  const families = read(shows)
  assert.equal(histogramOf(families, 'sumless').schema, undefined)
  const wide = histogramOf(families, 'wide')
  assert.deepEqual([wide.zeroThreshold, wide.zeroCount], [0.25, 3])
  const tiny = histogramOf(families, 'tiny')
  assert.equal(tiny.zeroCount, 2, 'what is next to nothing is in the bucket of zero')
})

test('what is held is at 0: a native histogram is empty, with a span that says that it is one (E15)', async () => {
  const turned = new Turned(10_000)
  await post(turned.opened, [
    sum({ asInt: 3 }, 1, true, 'work'),
    exponential([-1, 0, 2, 3], 3),
    histogram({ count: 3, sum: 2, bucketCounts: [1, 2], explicitBounds: [1] }),
    sum({ asInt: 3 }, 1, false, 'level'),
  ])
  const held = read(turned.opened)
  for (const [line, value] of linesOf(held)) assert.equal(value, line.startsWith('level') ? 3 : 0, line)
  assert.deepEqual(linesOf(held), turned.scraped())
  const native = histogramOf(held, 'spread')
  assert.deepEqual([native.schema, native.sampleSum, native.zeroCount], [3, 0, 0])
  assert.deepEqual(native.positiveSpan, [{ offset: 0, length: 0 }])
  assert.deepEqual([native.positiveDelta, native.negativeSpan], [[], []])
  turned.pass(12_000)
  const revealed = read(turned.opened)
  assert.deepEqual(linesOf(revealed), turned.seen())
  assert.equal(histogramOf(revealed, 'spread').sampleCount, 4)
})

test('counters and histograms say when they began (E11), a line of several when the first did', async () => {
  const unixMs = 1_700_000_000_123
  let ms = 0
  const shows = open(new SimStore(), { now: () => unixMs + ms })
  await post(shows, [sum({ asInt: 3 }, 1, true, 'jobs.done'), exponential([1], 0)])
  ms = 60_000
  await post(shows, [sum({ asInt: 3 }, 1, true, 'jobs_done'), sum({ asInt: 1 }, 1, true, 'late')])
  const families = read(shows)
  const began = { seconds: 1_700_000_000, nanos: 122_000_000 }
  const counterOf = (name: string) => families.find((one) => one.name === name)?.metric[0]?.counter
  assert.deepEqual(counterOf('jobs_done_total'), { value: 6, createdTimestamp: began })
  assert.deepEqual(histogramOf(families, 'spread').createdTimestamp, began)
  assert.equal(counterOf('late_total')?.createdTimestamp?.seconds, 1_700_000_060)
})

test('exemplars: the latest of a counter and of each bucket; of a native histogram those with a time', async () => {
  const traceId = new Uint8Array(16).fill(0xab)
  const exemplar = (asDouble: number, seconds: number): Exemplar => {
    const timeUnixNano = BigInt(seconds) * second + (seconds > 0 ? 500_000_000n : 0n)
    return { asDouble, timeUnixNano, traceId, filteredAttributes: keyValues({ 'a.b': 'x"y' }) }
  }
  const shows = await opened([
    sum({ asInt: 3, exemplars: [exemplar(1, 1), exemplar(2, 2)] }, 1, true, 'work'),
    histogram({
      explicitBounds: [1, 10],
      bucketCounts: [2, 0, 1],
      count: 3,
      sum: 20,
      exemplars: [exemplar(0.5, 5), exemplar(0.25, 6), exemplar(1000, 0)],
    }),
    {
      name: 'fine',
      exponentialHistogram: {
        aggregationTemporality: 1,
        dataPoints: [
          { ...exponentialPoint([1, 3], 2), timeUnixNano: time, exemplars: [exemplar(3, 7), exemplar(1, 0)] },
        ],
      },
    },
  ])
  const families = read(shows)
  const label = [
    { name: 'trace_id', value: 'ab'.repeat(16) },
    { name: 'a_b', value: 'x"y' },
  ]
  const at = (seconds: number) => ({ seconds, nanos: 500_000_000 })
  const counter = families.find(({ name }) => name === 'work_total')?.metric[0]?.counter
  assert.deepEqual(counter?.exemplar, { label, value: 2, timestamp: at(2) })
  assert.deepEqual(
    histogramOf(families, 'size').bucket.map((bucket) => bucket.exemplar),
    [{ label, value: 0.25, timestamp: at(6) }, undefined, { label, value: 1000 }]
  )
  const fine = histogramOf(families, 'fine')
  assert.deepEqual(fine.exemplars, [{ label, value: 3, timestamp: at(7) }])
  assert.ok(fine.bucket.every((bucket) => bucket.exemplar === undefined))
})

test('families of megabytes are read whole, also by two at once, and where series are born meanwhile', async () => {
  const shows = open(new SimStore())
  const many = (first: number, count: number): Uint8Array =>
    deltas(
      Array.from({ length: count }, (_, at) => ({
        name: at % 2 === 0 ? 'even' : 'odd',
        value: 1 + at,
        attributes: { at: String(first + at), filler: 'x'.repeat(200) },
      }))
    )
  for (let first = 0; first < 8000; first += 4000) {
    void postBatch(shows, many(first, 4000), `batch ${first}`)
    await committed()
  }
  const { exposition } = shows
  const begin = () =>
    exposition.steps({
      format: 'protobuf',
      escaping: 'underscores',
      room: 0,
      bytesMax: Infinity,
      forScraper: true,
    })
  const [one, other] = [begin(), begin()]
  const ended: Uint8Array[] = []
  for (let step = 0; ended.length < 2; step++) {
    for (const steps of [one, other]) {
      const { done, value } = steps.next()
      if (done === true && value !== undefined) ended.push(value.finish().slice())
    }
    if (step !== 1) continue
    void postBatch(shows, many(100_000, 100), 'meanwhile')
    await committed()
  }
  const want = shown(shows)
  for (const bytes of ended) {
    assert.ok(bytes.length > 2 * 1024 * 1024, `${bytes.length} bytes, in several steps`)
    const lines = linesOf(familiesOf(bytes))
    assert.ok(lines.size >= 8000)
    for (const [line, value] of lines) assert.equal(value, want.get(line), line)
  }
  assert.ok(want.has(`even_total{at="100000",filler="${'x'.repeat(200)}",${labels}}`))
})

test('what there is a text of becomes messages of every kind: what the gateway says of itself, and what was pushed', () => {
  const text = String.raw`# HELP ours Says "\\" and\nmore.
# TYPE ours counter
ours 3
ours{a="b\"} ",c="d\\"} 4.5e+06
# TYPE took summary
took{a="b",quantile="0.5"} 1.5
took{a="b",quantile="0.99"} NaN
took_sum{a="b"} 12
took_count{a="b"} 7
# TYPE untold untyped
untold{a="b"} -Inf
# TYPE size histogram
size_bucket{a="b",le="1e+06"} 2
size_bucket{a="b",le="+Inf"} 3
size_sum{a="b"} +Inf
size_count{a="b"} 3
size_bucket{le="1"} 0.5
size_bucket{le="+Inf"} 1.5
size_sum 1
size_count 1.5
`
  const families = familiesOf(messagesOf(text))
  const told = families.map(({ name, type, help }) => [name, type, help])
  assert.deepEqual(told, [
    ['ours', 'COUNTER', 'Says "\\" and\nmore.'],
    ['took', 'SUMMARY', undefined],
    ['untold', 'UNTYPED', undefined],
    ['size', 'HISTOGRAM', undefined],
  ])
  const label = [{ name: 'a', value: 'b' }]
  const [ours, took, untold, size] = families.map(({ metric }) => metric)
  assert.deepEqual(ours, [
    { label: [], counter: { value: 3 } },
    {
      label: [
        { name: 'a', value: 'b"} ' },
        { name: 'c', value: 'd\\' },
      ],
      counter: { value: 4.5e6 },
    },
  ])
  const quantile = [
    { quantile: 0.5, value: 1.5 },
    { quantile: 0.99, value: Number.NaN },
  ]
  assert.deepEqual(took, [{ label, summary: { quantile, sampleCount: 7, sampleSum: 12 } }])
  assert.deepEqual(untold, [{ label, untyped: { value: -Infinity } }])
  const [whole, fractions] = size?.map((metric) => metric.histogram) ?? []
  assert.deepEqual([whole?.sampleCount, whole?.sampleSum], [3, Infinity])
  assert.deepEqual(whole?.bucket, [
    { cumulativeCount: 2, upperBound: 1e6 },
    { cumulativeCount: 3, upperBound: Infinity },
  ])
  assert.deepEqual(fractions?.sampleCountFloat, 1.5)
  assert.deepEqual(fractions?.bucket, [
    { cumulativeCountFloat: 0.5, upperBound: 1 },
    { cumulativeCountFloat: 1.5, upperBound: Infinity },
  ])
})
