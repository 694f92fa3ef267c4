import assert from 'node:assert/strict'
import fs, { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  type CollectionResult,
  type IMetricReader,
  MeterProvider,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import { attributeText } from '@swansong/otlp'
import { batchSuffix, heartbeatName } from '@swansong/otlp/spool'
import fc from 'fast-check'
import type { Batch } from '../src/encode/batch.ts'
import { StockSource } from '../src/reader/stock-source.ts'
import { StockState, temporalityOf } from '../src/reader/stock-state.ts'
import { readBatches, readMetrics, totals } from './support/read-metrics.ts'
import { makeSpool, run } from './support/run.ts'

/** A body up to this length is never divided. */
const bodyBytesMin = 4000

test('what the stock SDK counted and is too long for a body is taken in parts, and their sum is the whole', () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 40, maxLength: 120 })
  const limit = fc.oneof(fc.constant(1), fc.integer({ min: bodyBytesMin, max: 20_000 }))
  let divided = 0
  fc.assert(
    fc.property(lengths, limit, (attributeLengths, bodyBytesMax) => {
      const { provider, source } = openSource(bodyBytesMax)
      const record = (value: number): void => {
        for (const [each, length] of attributeLengths.entries()) {
          const meter = provider.getMeter(`scope ${each % 2}`)
          const attributes = { name: `${each} ${'x'.repeat(length)}` }
          if (each % 3 === 0) meter.createHistogram('histogram').record(value, attributes)
          else if (each % 3 === 1) meter.createUpDownCounter('open').add(value, attributes)
          else meter.createCounter('counter').add(value, attributes)
        }
      }
      const takings: Batch[][] = [[]]
      record(1)
      void source.collect('interval')
      for (let batch = source.take(); batch !== undefined; batch = source.take()) {
        if (takings.length === 1 && takings[0]?.length === 0) {
          record(2) // While the parts of the first taking are on their way.
          void source.collect('interval')
        }
        takings.at(-1)?.push(batch)
        if (batch.more !== true) takings.push([])
        assert.ok(takings.flat().length < 1000, 'there are parts without end')
      }
      assert.equal(new Set(takings.flat().map(({ id }) => id)).size, takings.flat().length)
      const all = attributeLengths.map((_, each) => each)
      const [first, second, ...others] = takings.map((parts) => checkTaking(parts, bodyBytesMax))
      assert.deepEqual([first, others], [all.map(() => 1), [[]]])
      // An up-down counter tells its running total, the others what was never told.
      assert.deepEqual(
        second,
        all.map((each) => (each % 3 === 1 ? 3 : 2))
      )
      if ((takings[0]?.length ?? 0) > 1) divided++
    })
  )
  assert.ok(divided > 20, `${divided} were divided`)
})

test('what cannot be encoded is said with its points, once, in whatever parts they stand', async (t) => {
  const said: string[] = []
  t.mock.method(fs, 'writeSync', (_: number, text: string) => said.push(text))
  const { provider, source } = openSource(bodyBytesMin, [{ collect: () => Promise.resolve(nonsense(151)) }])
  const many = provider.getMeter('many').createCounter('many')
  for (let each = 0; each < 150; each++) many.add(1, { name: `number ${each} ${'x'.repeat(200)}` })
  await source.collect('flush')
  const parts: Batch[] = []
  for (let batch = source.take(); batch !== undefined; batch = source.take()) parts.push(batch)
  const points = parts.map((part) => part.points)
  assert.ok(parts.length > 5)
  assert.equal(
    points.reduce((sum, each) => sum + each, 0),
    150
  )
  const lost = said.map((line) => Number(/^swansong: (\d+) points? of .* lost, .* wrong: /.exec(line)?.[1]))
  assert.equal(
    lost.reduce((sum, each) => sum + each, 0),
    151,
    said.join('')
  )
})

for (const [way, env] of Object.entries({
  'by the spool': {},
  'with a gateway that is away': { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }, // Nobody listens there.
})) {
  for (const [ending, code] of [
    ['natural', 0],
    ['exit', 7],
  ] as const) {
    test(`${ending}: a gateway that takes small files finds all of the stock SDK’s in the spool, ${way}`, async (t) => {
      const spool = makeSpool()
      t.after(spool.remove)
      const fileBytesMax = 5000
      const heartbeat = { ledger: 'x', at: Date.now(), pid: 1, host: 'h', stopped: false, fileBytesMax }
      writeFileSync(join(spool.directory, heartbeatName), JSON.stringify(heartbeat))
      const job = await run('reader-many', ['300', ending], { SWANSONG_SPOOL_DIR: spool.directory, ...env })
      assert.deepEqual([job.stderr, job.code], ['', code])
      rmSync(join(spool.directory, heartbeatName))
      const batches = readBatches(spool.directory)
      assert.ok(batches.length > 2, `${batches.length} files`)
      for (const { id } of batches) {
        assert.ok(readFileSync(join(spool.directory, `${id}${batchSuffix}`)).length <= fileBytesMax)
      }
      const values = totals(batches.flatMap(({ streams }) => streams))
      const want = Array.from({ length: 300 }, (_, each) => [`many{name=number ${each}}`, 1])
      assert.deepEqual(values, Object.fromEntries(want))
    })
  }
}

/** The stock SDK, and what takes batches out of it. */
function openSource(
  bodyBytesMax: number,
  producers: MetricProducer[] = []
): { provider: MeterProvider; source: StockSource } {
  let producer: MetricProducer | undefined
  const reader: IMetricReader = {
    setMetricProducer: (given) => void (producer = given),
    selectAggregation: () => ({ type: 0 }),
    selectAggregationTemporality: temporalityOf,
    selectCardinalityLimit: () => 2000,
    collect: () => Promise.reject(new Error('nobody asks')),
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  }
  const provider = new MeterProvider({ readers: [reader] })
  assert.ok(producer)
  const source = new StockSource(producer, StockState.behind(producer), {
    observeMsMax: 100,
    instanceId: 'one',
    producers,
    bodyBytesMax: () => bodyBytesMax,
  })
  return { provider, source }
}

/** What a metric producer brings that the SDK knows nothing of. */
function nonsense(count: number): CollectionResult {
  const dataPoints = Array.from({ length: count }, () => ({}))
  const metric = { descriptor: { name: 'wrong' }, dataPointType: 77, dataPoints } as unknown as MetricData
  const scopeMetrics = [{ scope: { name: 'nonsense' }, metrics: [metric] }]
  return { resourceMetrics: { resource: resourceFromAttributes({}), scopeMetrics }, errors: [] }
}

/** What the points of a taking say, one of each series, in the order of their names; its parts are no longer than they may be. */
function checkTaking(parts: Batch[], bodyBytesMax: number): (number | undefined)[] {
  const found = new Map<number, number | undefined>()
  for (const { body, points } of parts) {
    const streams = readMetrics(body)
    const own = streams.flatMap((stream) => stream.points.map((point) => ({ stream, point })))
    assert.equal(own.length, points)
    assert.ok(body.length <= Math.max(bodyBytesMin, bodyBytesMax) || points === 1, `${body.length} bytes`)
    for (const { stream, point } of own) {
      const each = Number.parseInt(attributeText(point.attributes['name']))
      assert.ok(!found.has(each), `${each} comes twice`)
      assert.equal(stream.scope.name, `scope ${each % 2}`)
      assert.equal(stream.name, ['histogram', 'open', 'counter'][each % 3])
      assert.equal(stream.resource['service.instance.id'], 'one')
      found.set(each, each % 3 === 0 ? point.sum : point.value)
    }
  }
  return [...found].toSorted(([a], [b]) => a - b).map(([, value]) => value)
}
