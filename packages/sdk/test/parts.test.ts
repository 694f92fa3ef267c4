import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { heartbeatName } from '@swansong/otlp/spool'
import fc from 'fast-check'
import { type Batch, Deltas } from '../src/encode/batch.ts'
import { encodeResource } from '../src/encode/resource.ts'
import { readOptions } from '../src/options/read-options.ts'
import { type Point, readRequest, sums } from './support/read-request.ts'
import { recorded } from './support/recorded.ts'
import { makeSpool, run } from './support/run.ts'

/** A body up to this length is never divided. */
const bodyBytesMin = 4000

test('what is too long for a body is taken in parts, and their sum is the whole', () => {
  const resource = encodeResource(readOptions({}), 'instance')
  const lengths = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 40, maxLength: 80 })
  const limit = fc.oneof(fc.constant(1), fc.integer({ min: bodyBytesMin, max: 20_000 }))
  let divided = 0
  fc.assert(
    fc.property(lengths, limit, (attributeLengths, bodyBytesMax) => {
      const { recorder, meter } = recorded()
      let ids = 0
      const makeId = (): string => String(ids++)
      const deltas = new Deltas(recorder, resource, makeId, undefined, () => bodyBytesMax)
      const counter = meter.createCounter('counter')
      const histogram = meter.createHistogram('histogram')
      const names = attributeLengths.map((length, each) => `${each} ${'x'.repeat(length)}`)
      const record = (value: number): void => {
        for (const [each, name] of names.entries()) {
          if (each % 3 === 0) histogram.record(value, { name })
          else counter.add(value, { name })
        }
      }

      record(1)
      const takings: Batch[][] = [[]]
      for (let batch = deltas.take(); batch !== undefined; batch = deltas.take()) {
        assert.ok(ids < 200, 'there are parts without end')
        if (ids === 1) record(2) // While the parts of the first taking are on their way.
        takings.at(-1)?.push(batch)
        if (batch.more !== true) takings.push([])
      }
      assert.equal(new Set(takings.flat().map(({ id }) => id)).size, takings.flat().length)
      assert.deepEqual(
        takings.map((parts) => checkTaking(parts, bodyBytesMax)),
        [names.map(() => 1), names.map(() => 2), []]
      )
      if ((takings[0]?.length ?? 0) > 1) divided++
    })
  )
  assert.ok(divided > 20, `${divided} were divided`)
})

/** What the points of a taking say, one of each series and all of one time; its parts are full, and no longer than they may be. */
function checkTaking(parts: Batch[], bodyBytesMax: number): number[] {
  const points: Point[] = []
  for (const [at, { body, points: count }] of parts.entries()) {
    const own = readRequest(body).points
    assert.equal(own.length, count)
    assert.ok(body.length <= Math.max(bodyBytesMin, bodyBytesMax) || count === 1, `${body.length} bytes`)
    // The longest point has 800 bytes; the metrics are named again in each part.
    const isFull = body.length > bodyBytesMax - 1000
    assert.ok(at === parts.length - 1 || isFull, `${body.length} bytes of ${bodyBytesMax}`)
    points.push(...own)
  }
  assert.equal(new Set(points.map(({ metric, attributes }) => metric + attributes)).size, points.length)
  assert.ok(new Set(points.map(({ start, time }) => `${start} ${time}`)).size <= 1, 'one time')
  const numberOf = ({ attributes }: Point): number => Number.parseInt(attributes.slice('name="'.length))
  return points.toSorted((a, b) => numberOf(a) - numberOf(b)).map(({ value }) => value)
}

test('a gateway that is away and takes small files finds all of it in the spool, as several', async () => {
  const spool = makeSpool()
  const fileBytesMax = 5000
  const heartbeat = { ledger: 'x', at: Date.now(), pid: 1, host: 'h', stopped: false, fileBytesMax }
  writeFileSync(join(spool.directory, heartbeatName), JSON.stringify(heartbeat))
  const { stderr, code } = await run('many-series', ['interval', '300'], {
    SWANSONG_SPOOL_DIR: spool.directory,
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', // Nobody listens there.
  })
  assert.deepEqual([stderr, code], ['', 0])
  rmSync(join(spool.directory, heartbeatName))
  const files = spool.read()
  assert.ok(files.length > 2, `${files.length} files`)
  for (const { name } of files) assert.ok(readFileSync(join(spool.directory, name)).length <= fileBytesMax)
  const values = sums(files.map(({ request }) => request))
  assert.equal(Object.keys(values).length, 300)
  assert.equal(
    Object.values(values).reduce((sum, value) => sum + value, 0),
    301
  )
  spool.remove()
})
