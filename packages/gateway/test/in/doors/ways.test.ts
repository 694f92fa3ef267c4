import assert from 'node:assert/strict'
import { request as httpRequest, type ClientRequest } from 'node:http'
import { test, type TestContext } from 'node:test'
import type { ExportRequest, Metric } from '@swansong/otlp'
import { startGateway, type StartOptions, type TestGateway } from '../../support/gateways.ts'
import { temporaryDirectory } from '../../support/directories.ts'
import { metricsOf } from '../../support/requests.ts'
import { eventually } from '../../support/spools.ts'
import { waysIn, type Way } from '../../support/ways.ts'

// One body of tests for every way in: what counts does not depend on how it came (CONFORMANCE A1 to A10).

const startTimeUnixNano = 1_700_000_000_000_000_000n
const timeUnixNano = 1_700_000_001_000_000_000n

function counterOf(value: number, name = 'work'): Metric {
  const point = { attributes: [], startTimeUnixNano, timeUnixNano, asDouble: value }
  return { name, sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: [point] } }
}

function histogramOf(value: number): Metric {
  const observed = { count: 1, sum: value, explicitBounds: [1, 10], bucketCounts: [0, 1, 0] }
  const point = { attributes: [], startTimeUnixNano, timeUnixNano, ...observed }
  return { name: 'took', histogram: { aggregationTemporality: 1, dataPoints: [point] } }
}

function work(...values: number[]): ExportRequest {
  return metricsOf(values.map((value) => counterOf(value)))
}

const megabyte = 1024 * 1024

for (const { name, open, answers, cannot } of waysIn) {
  const start = async (
    context: TestContext,
    options: StartOptions = {}
  ): Promise<{ gateway: TestGateway; way: Way }> => {
    const path = `${temporaryDirectory(context)}/otlp.sock`
    const gateway = await startGateway(context, { otlpSocket: { path }, ...options })
    return { gateway, way: open(context, gateway) }
  }

  test(`by ${name}: many senders at once are added up exactly, counters and histograms`, async (context) => {
    const { gateway, way } = await start(context)
    const sent = Array.from({ length: 60 }, (_, at) =>
      way.send(metricsOf([counterOf(at + 0.25), histogramOf(2)]), at % 2 === 0 ? { id: `batch-${at}` } : {})
    )
    for (const told of await Promise.all(sent))
      assert.deepEqual(told, { code: answers.taken, rejected: 0, message: '', again: undefined })
    const scraped = await gateway.scrape()
    assert.equal(await gateway.work(), (59 * 60) / 2 + 15)
    const labels = 'job="jobs",otel_scope_name="test"'
    assert.equal(scraped.get(`took_bucket{${labels},le="1"}`), 0)
    assert.equal(scraped.get(`took_bucket{${labels},le="10"}`), 60)
    assert.equal(scraped.get(`took_sum{${labels}}`), 120)
    assert.equal(scraped.get('swansong_points_total'), 120)
  })

  test(`by ${name}: a batch that comes again under its id counts once, also after a restart`, async (context) => {
    const { gateway, way } = await start(context)
    const request = work(5, -1)
    const first = await way.send(request, { id: 'the-batch' })
    for (let round = 0; round < 3; round++)
      assert.deepEqual(await way.send(request, { id: 'the-batch' }), first)
    assert.equal(await gateway.work(), 5)
    assert.equal(gateway.gateway.status().duplicates, 3)
    await gateway.close()
    const after = await startGateway(context, {
      dataDir: gateway.dataDir,
      otlpSocket: { path: `${temporaryDirectory(context)}/otlp.sock` },
    })
    assert.deepEqual(await open(context, after).send(request, { id: 'the-batch' }), first)
    assert.equal(await after.work(), 5)
  })

  test(`by ${name}: another body under a known id is refused`, async (context) => {
    const { gateway, way } = await start(context)
    await way.send(work(5), { id: 'the-batch' })
    const told = await way.send(work(6), { id: 'the-batch' })
    assert.equal(told.code, answers.idReused)
    assert.match(told.message, /the-batch|another body|id/i)
    assert.equal(told.again, undefined)
    assert.equal(await gateway.work(), 5)
  })

  test(`by ${name}: of two attempts at a unit of work the first counts, also with what it sends later`, async (context) => {
    const { gateway, way } = await start(context)
    for (const [attempt, value] of [
      ['1', 1],
      ['2', 10],
      ['1', 100],
    ] as const) {
      const unit = { 'swansong.once': 'stage 1', 'swansong.attempt': attempt }
      const told = await way.send(metricsOf([counterOf(value)], { 'service.name': 'jobs', ...unit }))
      assert.deepEqual([told.code, told.rejected, told.message], [answers.taken, 0, ''])
    }
    assert.equal(await gateway.work(), 101)
    assert.equal((await gateway.scrape()).get('swansong_points_superseded_total'), 1)
  })

  test(`by ${name}: good points count, bad ones beside them are rejected with the reason`, async (context) => {
    const { gateway, way } = await start(context)
    const told = await way.send(work(5, -1, -2, 3))
    assert.equal(told.code, answers.taken)
    if (cannot.answer === undefined) {
      assert.equal(told.rejected, 2)
      assert.match(told.message, /NEGATIVE_DELTA/)
    } else assert.deepEqual([told.rejected, told.message], [0, ''], cannot.answer)
    assert.equal(told.again, undefined)
    assert.equal(await gateway.work(), 8)
    const counted = (await gateway.scrape()).get('swansong_points_rejected_total{reason="negative_delta"}')
    assert.equal(counted, 2)
  })

  test(`by ${name}: what is not OTLP is refused for good, and the next one counts`, async (context) => {
    const { gateway, way } = await start(context)
    const told = await way.send(Buffer.from('no OTLP at all'))
    assert.equal(told.code, answers.notOtlp)
    assert.match(told.message, /not OTLP/)
    assert.equal(told.again, undefined)
    assert.equal((await way.send(work(1))).code, answers.taken)
    assert.equal(await gateway.work(), 1)
  })

  test(`by ${name}: a body over the limit is refused for good, and the next one counts`, async (context) => {
    const limits = { bodyBytesMax: 100_000, bodyBytesInflatedMax: 100_000, spoolFileBytesMax: 100_000 }
    const { gateway, way } = await start(context, { limits })
    const long = metricsOf([{ ...counterOf(1), description: 'x'.repeat(100_000) }])
    const told = await way.send(long)
    assert.equal(told.code, answers.tooLarge)
    assert.match(told.message, /over the limit of 100000/)
    assert.equal(told.again, undefined)
    assert.equal((await way.send(work(1))).code, answers.taken)
    assert.equal(await gateway.work(), 1)
  })

  test(`by ${name}: a request with nothing in it is taken`, async (context) => {
    const { gateway, way } = await start(context)
    const told = await way.send({ resourceMetrics: [] })
    assert.deepEqual(told, { code: answers.taken, rejected: 0, message: '', again: undefined })
    assert.equal(gateway.gateway.status().series, 0)
  })

  if (cannot.gzip === undefined) {
    test(`by ${name}: gzip counts, small and large`, async (context) => {
      const { gateway, way } = await start(context)
      assert.equal((await way.send(work(5), { gzip: true })).code, answers.taken)
      const many = Array.from({ length: 3000 }, (_, at) => counterOf(1, `work.${Math.sin(at)}`))
      assert.equal((await way.send(metricsOf(many), { gzip: true })).code, answers.taken)
      assert.equal(await gateway.work(), 5)
      assert.equal((await gateway.scrape()).get('swansong_points_total'), 3001)
    })

    test(`by ${name}: a gzip bomb is refused for good where it passes the limit`, async (context) => {
      const { gateway, way } = await start(context, { limits: { bodyBytesInflatedMax: megabyte } })
      for (const bytes of [2 * megabyte, 40 * megabyte]) {
        const told = await way.send(Buffer.alloc(bytes), { gzip: true })
        assert.equal(told.code, answers.tooLarge)
        assert.match(told.message, /inflates to more than the limit of 1048576/)
        assert.equal(told.again, undefined)
      }
      assert.equal((await way.send(work(1), { gzip: true })).code, answers.taken)
      assert.equal(await gateway.work(), 1)
    })
  }

  if (cannot.overload === undefined) {
    test(`by ${name}: where there is no room it is told to try again, and then counts`, async (context) => {
      const { gateway, way } = await start(context, { limits: { bytesInFlightMax: megabyte } })
      const slow = await fill(gateway, megabyte)
      const told = await way.send(work(5))
      assert.equal(told.code, answers.overloaded)
      assert.match(told.message, /nothing of this was applied, try again/)
      assert.ok((told.again ?? 0) > 0, 'a hint how long to wait')
      assert.equal(await gateway.work(), undefined)
      slow.destroy()
      await eventually(async () => assert.equal((await way.send(work(5), { id: 'x' })).code, answers.taken))
      assert.equal(await gateway.work(), 5)
    })
  }
}

test('what a way cannot do is said, and is no more than this', () => {
  const said = waysIn.flatMap(({ name, cannot }) => Object.keys(cannot).map((what) => `${name}: ${what}`))
  assert.deepEqual(said, ['the spool: answer', 'the spool: gzip', 'the spool: overload'])
})

/** A sender that takes all the room there is, and does not end. */
async function fill(gateway: TestGateway, bytes: number): Promise<ClientRequest> {
  const headers = { 'content-type': 'application/x-protobuf', 'content-length': bytes + 1 }
  const slow = httpRequest(gateway.url, { method: 'POST', headers })
  slow.on('error', () => {})
  slow.write(Buffer.alloc(bytes))
  await eventually(async () => assert.equal((await gateway.scrape()).get('swansong_in_flight_bytes'), bytes))
  return slow
}
