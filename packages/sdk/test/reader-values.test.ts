import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from './support/gateway.ts'
import { type MetricPoint, readBatches, readMetrics, type Stream } from './support/read-metrics.ts'
import { makeSpool, run } from './support/run.ts'

/** One run of the job: what its two flushes and its end brought. */
const gateway = await startGateway(200)
const ended = await run('reader-views', [], {
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${gateway.url}/v1/metrics`,
})
await gateway.close()
const requests = [...gateway.counted.values()].map((body) => readMetrics(body))
const [first = [], second = [], last = []] = requests

test('the job ends as it should, having said what could not be encoded', () => {
  assert.equal(ended.code, 0, ended.stderr)
  assert.equal(requests.length, 3)
  const lines = ended.stderr.trim().split('\n')
  assert.equal(lines.length, 3, ended.stderr) // One a collection: the producer brings it each time.
  for (const line of lines)
    assert.match(line, /^swansong: 1 points of views lost, .* wrong: its kind 77 is not known$/)
})

test('the resource is the provider’s, once detectors are done, but for a fresh service.instance.id', () => {
  const { 'service.instance.id': instance, ...others } = of(first, 'kinds').resource
  assert.match(instance as string, /^[0-9a-f]{8}-[0-9a-f-]{27}$/)
  const want = {
    'service.name': 'views',
    port: 8080n,
    ratio: 0.5,
    on: true,
    list: ['a', 'b'],
    later: 'settled',
  }
  assert.deepEqual(others, want)
  assert.equal(of(first, 'kinds').resourceSchemaUrl, 'https://resource')
  assert.deepEqual(of(second, 'produced').resource, of(first, 'kinds').resource)
})

test('nothing is written to a spool before the resource is known whole', async (t) => {
  const spool = makeSpool()
  t.after(spool.remove)
  await run('reader-views', [], { SWANSONG_SPOOL_DIR: spool.directory })
  const streams = readBatches(spool.directory).flatMap((batch) => batch.streams)
  assert.ok(streams.length > 10)
  for (const { resource } of streams) assert.equal(resource['later'], 'settled')
})

test('scopes, units, descriptions and attributes of every kind arrive', () => {
  const { scope, points } = of(first, 'kinds')
  assert.deepEqual(scope, { name: 'views', version: '1.2', schemaUrl: 'https://meter', attributes: {} })
  const kinds = { text: 'ü', one: 1n, half: 1.5, yes: true, many: ['a', 'b'], numbers: [1n, 2.5] }
  assert.deepEqual(points[0]?.attributes, kinds)
  assert.equal(of(first, 'open').description, 'open ones')
})

test('Views rename, filter attributes, drop, and choose aggregations', () => {
  assert.equal(find(first, 'old'), undefined)
  assert.deepEqual([of(first, 'new').description, of(first, 'new').unit], ['renamed', 'By'])
  assert.equal(point(first, 'new').value, 5)
  assert.deepEqual(values(first, 'allowed'), [[{ keep: 'k' }, 2]])
  assert.deepEqual(values(first, 'denied'), [[{ keep: 'k' }, 3]])
  assert.equal(find(first, 'dropped'), undefined)
})

test('histograms: bounds are inclusive, a missing sum or extent stays missing', () => {
  assert.equal(of(first, 'bounded').temporality, 1)
  assert.equal(of(first, 'bounded').unit, 's')
  const { bounds, buckets, count, sum, min, max } = point(first, 'bounded')
  assert.deepEqual([bounds, buckets, count, sum, min, max], [[1, 2.5, 10], [1, 2, 0, 1], 4, 16.5, 1, 11])
  const bare = point(first, 'bare')
  assert.deepEqual([bare.bounds ?? [], bare.buckets, bare.count, bare.sum], [[], [1], 1, 3])
  assert.deepEqual([bare.min, bare.max], [undefined, undefined])
})

test('exponential histograms: both zero and buckets, an empty side is absent', () => {
  const { count, sum, min, max, zeroCount, scale, positive, negative } = point(first, 'exponential.both')
  assert.deepEqual([count, sum, min, max, zeroCount, negative], [5, 1007, 0, 1000, 1, undefined])
  // A value stands in the bucket (base^index, base^(index + 1)] with base 2^(2^-scale).
  const wanted = [1, 2, 4, 1000].map((value) => Math.ceil(Math.log2(value) * 2 ** (scale ?? 0)) - 1)
  const filled = positive?.counts.flatMap((each, at) => (each > 0 ? [at + positive.offset] : []))
  assert.deepEqual(filled, wanted)
  const empty = point(first, 'exponential.empty.sides')
  assert.deepEqual([empty.zeroCount, empty.positive, empty.negative], [1, undefined, undefined])
})

test('cardinality limits, of a View and of the reader, keep the sum', () => {
  for (const [name, limit] of [
    ['limited', 3],
    ['limited.by.reader', 4],
  ] as const) {
    const points = of(first, name).points
    assert.equal(points.length, limit)
    assert.equal(
      points.reduce((sum, each) => sum + (each.value ?? 0), 0),
      10
    )
    assert.ok(points.some(({ attributes }) => attributes['otel.metric.overflow'] === true))
  }
})

test('integers come as integers, and times are those of the counting', () => {
  const { value, isInt, start, time } = point(first, 'integers')
  assert.deepEqual([value, isInt], [2 ** 40, true])
  assert.equal(point(first, 'new').isInt, false)
  const nowNanos = BigInt(Date.now()) * 1_000_000n
  assert.ok(start <= time && time <= nowNanos && time > nowNanos - 120_000_000_000n)
})

test('a metric producer’s points arrive with their exemplars and the attributes of their scope', () => {
  const { scope, points } = of(first, 'produced')
  assert.deepEqual(scope, {
    name: 'producer',
    version: '2',
    schemaUrl: 'https://scope',
    attributes: { tier: 'gold' },
  })
  assert.deepEqual([points[0]?.start, points[0]?.time, points[0]?.value], [1_000_000_002n, 3_000_000_004n, 9])
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const exemplar = {
    attributes: { user: 'u' },
    time: 5_000_000_006n,
    value: 2.5,
    span: 'b7ad6b7169203331',
    trace,
  }
  assert.deepEqual(points[0]?.exemplars, [exemplar])
})

test('deltas are told once; an up-down counter as a running total, and at the end without a value', () => {
  assert.equal(find(second, 'new'), undefined)
  assert.equal(of(first, 'new').temporality, 1)
  assert.deepEqual([of(first, 'open').temporality, of(first, 'open').monotonic], [2, false])
  const [two, none, gone] = [point(first, 'open'), point(second, 'open'), point(last, 'open')]
  assert.deepEqual([two.value, none.value, gone.value], [2, 0, undefined])
  assert.deepEqual([two.flags, none.flags, gone.flags], [0, 0, 1])
  assert.ok(two.start === none.start && none.start === gone.start)
  assert.ok(two.time < none.time && none.time < gone.time)
})

function find(streams: readonly Stream[], name: string): Stream | undefined {
  const found = streams.filter((stream) => stream.name === name)
  assert.ok(found.length < 2, `${name} came ${found.length} times`)
  return found[0]
}

function of(streams: readonly Stream[], name: string): Stream {
  const stream = find(streams, name)
  assert.ok(stream, `${name} did not come`)
  return stream
}

function point(streams: readonly Stream[], name: string): MetricPoint {
  const [only, ...others] = of(streams, name).points
  assert.ok(only !== undefined && others.length === 0, `${name} has not one point`)
  return only
}

function values(streams: readonly Stream[], name: string): unknown[] {
  return of(streams, name).points.map(({ attributes, value }) => [attributes, value])
}
