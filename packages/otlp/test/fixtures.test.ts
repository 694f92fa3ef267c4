import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { attributeText, jsonToProtobuf, metricKinds, type AttributeValue } from '@swansong/otlp'
import { collect, type CollectedMetric } from './collect.ts'

// What each program in fixtures/capture counts: the same in every language.

const delta = 1
const cumulative = 2
const nothing = 0

test('the stock JavaScript SDK is read', () => {
  checkCapture(fixture('js-delta.bin'), 'js', delta)
  checkCapture(fixture('js-cumulative.bin'), 'js', cumulative)
})

test('the stock JavaScript SDK is read in JSON as it is in protobuf', () => {
  const body = jsonToProtobuf(new TextDecoder().decode(fixture('js-delta.json')))
  checkCapture(body, 'js', delta)
  const inJson = metricsOf(body).map(withoutTimes)
  const inProtobuf = metricsOf(fixture('js-delta.bin')).map(withoutTimes)
  assert.deepEqual(inJson, inProtobuf)
})

test('the stock Python SDK is read', () => {
  checkCapture(fixture('python-delta.bin'), 'python', delta)
  checkCapture(fixture('python-cumulative.bin'), 'python', cumulative)
})

test('the stock Go SDK is read', () => {
  checkCapture(fixture('go-delta.bin'), 'go', delta)
  checkCapture(fixture('go-cumulative.bin'), 'go', cumulative)
})

function checkCapture(body: Uint8Array, language: string, temporality: number): void {
  const [resource, ...others] = collect(body)
  assert.equal(others.length, 0)
  assert.ok(resource)
  const resourceAttributes = texts(resource.attributes)
  assert.equal(resourceAttributes['service.name'], `capture-${language}`)
  assert.equal(resourceAttributes['service.instance.id'], `${language}-1`)
  assert.match(resourceAttributes['process.command_args'] ?? '', /^\["\w+","[\w.]+"\]$/)
  assert.equal(resource.scopes.length, 1)
  assert.equal(resource.scopes[0]?.name, 'capture')
  assert.equal(resource.scopes[0]?.version, '1.2.3')
  assert.deepEqual(
    texts(resource.scopes[0].attributes),
    language === 'python' ? { 'scope.kind': 'test' } : {}
  )

  const { sum, gauge, histogram, exponentialHistogram } = metricKinds
  const metrics = metricsOf(body)
  check('tokens', sum, temporality, '{token}', { 'a,input': 10, 'a,output': 35 })
  check('cost', sum, temporality, 'USD', { 'true,a,0.5,200,["x","y"]': 0.25 })
  check('jobs.active', sum, cumulative, '{job}', { größe: -2 })
  check('temperature', gauge, nothing, 'Cel', { lab: 21.5 })
  assert.equal(metrics.find(({ name }) => name === 'tokens')?.monotonic, true)
  assert.equal(metrics.find(({ name }) => name === 'tokens')?.description, 'Tokens, in and out')
  assert.equal(metrics.find(({ name }) => name === 'jobs.active')?.monotonic, false)
  const duration = metrics.find(({ name }) => name === 'job.duration')
  const size = metrics.find(({ name }) => name === 'job.size')
  assert.deepEqual([duration?.kind, duration?.temporality], [histogram, temporality])
  assert.deepEqual([size?.kind, size?.temporality], [exponentialHistogram, temporality])
  checkHistogram(duration)
  checkExponential(size)

  function check(
    name: string,
    kind: number,
    wanted: number,
    unit: string,
    values: Record<string, number>
  ): void {
    const metric = metrics.find((each) => each.name === name)
    assert.ok(metric, name)
    assert.deepEqual([metric.kind, metric.temporality, metric.unit], [kind, wanted, unit], name)
    const read = metric.points.map(({ attributes, value }) => {
      const byKey = attributes.toSorted((one, other) => (one.key < other.key ? -1 : 1))
      return [byKey.map((attribute) => attributeText(attribute.value)).join(','), value]
    })
    assert.deepEqual(Object.fromEntries(read), values, name)
    for (const point of metric.points) {
      // All were captured in November 2026.
      assert.equal(new Date(point.time / 1e6).toISOString().slice(0, 7), '2026-11')
      if (kind !== gauge) assert.ok(point.start > 0 && point.start <= point.time, name)
    }
  }
}

/** Nobody but the program knows what it recorded; but all of it is in one bucket or another, and min and max are there. */
function checkHistogram(metric: CollectedMetric | undefined): void {
  const [point, ...others] = metric?.histograms ?? []
  assert.ok(point)
  assert.equal(others.length, 0)
  assert.ok(point.count > 0 && point.sum !== undefined && point.min !== undefined && point.max !== undefined)
  assert.equal(point.counts.length, point.bounds.length + 1)
  assert.equal(total(point.counts), point.count)
  assert.deepEqual(
    point.bounds.toSorted((a, b) => a - b),
    point.bounds
  )
  assert.ok(point.min <= point.max && point.sum >= point.min)
}

function checkExponential(metric: CollectedMetric | undefined): void {
  const [point, ...others] = metric?.exponentials ?? []
  assert.ok(point)
  assert.equal(others.length, 0)
  const { count, scale, zeroCount, positive, negative } = point
  assert.ok(count > 0)
  assert.equal(zeroCount + total(positive.slice(1)) + total(negative.slice(1)), count)
  const base = 2 ** (2 ** -scale)
  const [offset = 0, ...counts] = positive
  const lowest = counts.findIndex((each) => each > 0)
  const highest = counts.findLastIndex((each) => each > 0)
  assert.ok(zeroCount > 0 || (point.min ?? 0) > base ** (offset + lowest) * 0.999_999)
  assert.ok((point.max ?? 0) <= base ** (offset + highest + 1) * 1.000_001)
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

function metricsOf(body: Uint8Array): CollectedMetric[] {
  return collect(body).flatMap(({ scopes }) => scopes.flatMap(({ metrics }) => metrics))
}

function withoutTimes(metric: CollectedMetric): object {
  const timeless = (points: readonly object[]): object[] =>
    points.map((point) => ({ ...point, start: 0, time: 0 }))
  const { points, histograms, exponentials } = metric
  return {
    ...metric,
    points: timeless(points),
    histograms: timeless(histograms),
    exponentials: timeless(exponentials),
  }
}

function texts(attributes: { key: string; value: AttributeValue }[]): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, attributeText(value)]))
}

function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`fixtures/${name}`, import.meta.url)))
}
