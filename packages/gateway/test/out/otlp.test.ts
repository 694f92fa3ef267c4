import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import type { RequestListener, Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'

import { after, test, type TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { encodeExportResponse, encodeStatus } from '@swansong/otlp'
import { pino } from 'pino'
import { DoorFileError } from '../../src/index.ts'
import { retryAfterMsOf } from '../../src/out/otlp-sender.ts'
import { makeAuthority } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/directories.ts'
import { startGateway, type StartOptions, type TestGateway } from '../support/gateways.ts'
import { startReceiver, type Does, type OtlpReceiver } from '../support/receiver.ts'
import { deltas } from '../support/requests.ts'
import type { DecodedPoint } from '../support/otlp-decoded.ts'
import { eventually } from '../support/spools.ts'

const protobuf = { 'content-type': 'application/x-protobuf' }

interface Told {
  gateway: TestGateway
  /** What it logged, a line each. */
  lines: string[]
}

/** A gateway with a counter `work` of 5 that tells it to the receiver often. */
async function startTelling(
  context: TestContext,
  receiver: OtlpReceiver,
  otlpOut: StartOptions['otlpOut'] = {}
): Promise<Told> {
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
  const endpoint = `http://127.0.0.1:${receiver.port}/here?key=secret`
  const told = { endpoint, intervalMs: 150, timeoutMs: 5000, ...otlpOut }
  const gateway = await startGateway(context, { log, otlpOut: told })
  await gateway.post(deltas([{ value: 5 }]))
  return { gateway, lines }
}

/** Of the gateway's own metrics. */
async function own(gateway: TestGateway, name: string): Promise<number | undefined> {
  return (await gateway.scrape()).get(`swansong_otlp_out_${name}`)
}

test('all series go out every interval, gzipped, by one connection, to the URL as it is written', async (context) => {
  const receiver = await startReceiver(context)
  const { gateway } = await startTelling(context, receiver)
  await eventually(() => assert.ok(receiver.works().includes(5)))
  await gateway.post(deltas([{ value: 2 }]))
  await eventually(() => assert.ok(receiver.works().includes(7)))
  const { url, headers } = receiver.received[0]!
  assert.equal(url, '/here?key=secret')
  assert.equal(headers['content-type'], 'application/x-protobuf')
  assert.equal(headers['content-encoding'], 'gzip')
  assert.match(headers['user-agent'] ?? '', /^swansong\//)
  assert.ok(((await own(gateway, 'points_total')) ?? 0) >= 2)
  const since = (await own(gateway, 'last_success_timestamp_seconds')) ?? 0
  assert.ok(Math.abs(since - Date.now() / 1000) < 30)
  const { otlpOut } = gateway.gateway.status()
  assert.ok(otlpOut !== undefined && otlpOut.points >= 2 && (otlpOut.lastSuccessSecondsAgo ?? 99) < 30)
  assert.deepEqual(otlpOut.dropped, {})
})

test('a gateway that is told of no receiver has nothing to say of one', async (context) => {
  const gateway = await startGateway(context)
  assert.equal(await own(gateway, 'points_total'), undefined)
  assert.equal(gateway.gateway.status().otlpOut, undefined)
})

test('what is not taken now is sent again as it was, and newer values in the next interval (A10)', async (context) => {
  const check = async (does: Does): Promise<void> => {
    const receiver = await startReceiver(context, (request) => (request === 0 ? does : { status: 200 }))
    const { gateway } = await startTelling(context, receiver, { intervalMs: 5000 })
    await eventually(() => assert.ok(receiver.received.length >= 2))
    const [first, again] = receiver.received
    assert.deepEqual(again!.body, first!.body)
    assert.deepEqual(gateway.gateway.status().otlpOut?.dropped, {})
  }
  const statuses = [429, 502, 503, 504].map((status) => ({ status }))
  await Promise.all([...statuses, 'resets' as const].map(check))
})

test('a receiver that hangs is given up after the timeout, and told again', async (context) => {
  const receiver = await startReceiver(context, (request) => (request === 0 ? 'hangs' : { status: 200 }))
  await startTelling(context, receiver, { intervalMs: 5000, timeoutMs: 200 })
  await eventually(() => assert.ok(receiver.received.length >= 2))
  const [first, again] = receiver.received
  assert.ok(again!.atMs - first!.atMs >= 195)
  assert.deepEqual(again!.body, first!.body)
})

test('a receiver that wants a certificate is shown one, and another where the files change', async (context) => {
  authority.issue('gateway')
  const ca = authority.text('ca.pem')
  const wanting = { requestCert: true, rejectUnauthorized: true, ca }
  const certificate = { cert: authority.text('receiver.pem'), key: authority.text('receiver.key') }
  const seen: string[] = []
  const secure = (listener: RequestListener): Server =>
    createTlsServer({ ...certificate, ...wanting }, (request, response) => {
      seen.push(String((request.socket as TLSSocket).getPeerCertificate().subject.CN))
      listener(request, response)
    })
  const receiver = await startReceiver(context, () => ({ status: 200 }), secure)
  const endpoint = `https://127.0.0.1:${receiver.port}/v1/metrics`
  const caFile = authority.path('ca.pem')

  const nameless = await startTelling(context, receiver, { endpoint, caFile })
  await eventually(() => assert.ok(nameless.lines.some((line) => /took no points/.test(line))))
  await nameless.gateway.close()
  assert.equal(receiver.received.length, 0)

  const [certFile, keyFile] = [authority.path('gateway.pem'), authority.path('gateway.key')]
  await startTelling(context, receiver, { endpoint, caFile, certFile, keyFile })
  await eventually(() => assert.ok(receiver.works().includes(5)))
  assert.deepEqual([...new Set(seen)], ['gateway'])
  authority.issue('renamed')
  renameSync(authority.path('renamed.key'), keyFile)
  renameSync(authority.path('renamed.pem'), certFile)
  await eventually(() => assert.equal(seen.at(-1), 'renamed'))

  const other = { certFile: authority.path('receiver.pem'), keyFile }
  await assert.rejects(startTelling(context, receiver, { endpoint, ...other }), (error) => {
    assert.ok(error instanceof DoorFileError)
    assert.match(error.message, /cannot use .*receiver\.pem.*mismatch/)
    return true
  })
})

test('Retry-After is kept to, though the interval passes: then values are new ones (A10)', async (context) => {
  const receiver = await startReceiver(context, (request) =>
    request === 0 ? { status: 429, headers: { 'retry-after': '1' } } : { status: 200 }
  )
  const { gateway } = await startTelling(context, receiver)
  await eventually(() => assert.equal(receiver.received.length, 1))
  await gateway.post(deltas([{ value: 1 }]))
  await eventually(() => assert.ok(receiver.received.length >= 2))
  const [first, again] = receiver.received
  assert.ok(again!.atMs - first!.atMs >= 990, `after ${again!.atMs - first!.atMs} ms`)
  assert.equal(receiver.works()[1], 6)
  assert.ok((gateway.gateway.status().otlpOut?.dropped['unavailable'] ?? 0) >= 1)
})

test('what is refused is dropped, counted, and said with its reason, once a minute; nothing is sent again (F11)', async (context) => {
  for (const status of [400, 404, 413, 500]) {
    const body = encodeStatus('protobuf', 3, 'no such tenant')
    const receiver = await startReceiver(context, () => ({ status, headers: protobuf, body }))
    const { gateway, lines } = await startTelling(context, receiver)
    await eventually(() => assert.ok(receiver.works().filter((work) => work === 5).length >= 3))
    const times = new Set(
      receiver.received.flatMap(({ points }) => points.map((point) => point.timeUnixNano))
    )
    assert.equal(times.size, receiver.works().length, 'each is told as of its own time')
    assert.ok(((await own(gateway, 'points_dropped_total{reason="refused"}')) ?? 0) >= 2)
    assert.equal(await own(gateway, 'points_total'), 0)
    const said = lines.filter((line) => line.includes('refused points'))
    assert.equal(said.length, 1)
    assert.match(said[0]!, new RegExp(`${status} no such tenant`))
    assert.match(said[0]!, /"endpoint":"http:\/\/127\.0\.0\.1:\d+\/here"/) // What follows may be a secret.
    await gateway.close()
  }
})

test('where a receiver refuses all for one of it, that one is told alone, and what stands beside it arrives', async (context) => {
  let refused = new Set(['metric 3', 'metric 230'])
  const body = 'normalization resulted in empty name' // As Prometheus says it of 日本.
  const receiver = await startReceiver(context, (_, points) =>
    points.some(({ name }) => refused.has(name)) ? { status: 500, body } : { status: 200 }
  )
  const { gateway, lines } = await startTelling(context, receiver)
  const names = Array.from({ length: 250 }, (_, at) => `metric ${at}`)
  await gateway.post(deltas(names.map((name) => ({ name, value: 1 }))))
  /** Each request, by how many points it has, and whether it has one of those. */
  const shape = (): string =>
    receiver.received
      .map(({ points }) => points.length + (points.some(({ name }) => refused.has(name)) ? '!' : ''))
      .join(' ')
  await eventually(() => assert.match(shape(), /(?:4 1! 226 1! 19 ?){3}$/))
  assert.equal(lines.filter((line) => line.includes('refused points: 500 normalization')).length, 1)
  const dropped = await own(gateway, 'points_dropped_total{reason="refused"}')
  assert.ok(dropped !== undefined && dropped < 3000)
  refused = new Set()
  await eventually(() => assert.match(shape(), /(?: 251){2}$/))
})

test('a metric of several requests of which one is refused stays alone, and harms nobody each other interval', async (context) => {
  const bad = (points: readonly DecodedPoint[]): boolean =>
    points.some(({ name, attributes }) => name === 'wide' && attributes['n'] === 0n)
  const receiver = await startReceiver(context, (_, points) => ({ status: bad(points) ? 400 : 200 }))
  const { gateway } = await startTelling(context, receiver)
  const pad = 'x'.repeat(4000) // So that 300 points are more than a request takes.
  const points = Array.from({ length: 300 }, (_, n) => ({ name: 'wide', value: 1, attributes: { n, pad } }))
  await gateway.post(deltas(points))
  const refused = (): boolean[] =>
    receiver.received
      .filter((request) => bad(request.points))
      .map((request) => request.points.every(({ name }) => name === 'wide'))
  await eventually(() => assert.ok(refused().length >= 6))
  assert.deepEqual(refused().slice(0, 6), [false, true, true, true, true, true])
})

test('what was told alone and has ended gives its place to others that are refused', async (context) => {
  const isBad = ({ name }: DecodedPoint): boolean => name.startsWith('bad')
  const receiver = await startReceiver(context, (_, points) => ({ status: points.some(isBad) ? 400 : 200 }))
  const otlpOut = { endpoint: `http://127.0.0.1:${receiver.port}/`, intervalMs: 150 }
  const gateway = await startGateway(context, { otlpOut, seriesTtlMs: 4000, firstIncrementHoldMs: 0 })
  const names = Array.from({ length: 100 }, (_, at) => `bad ${at}`) // As many as are told alone.
  await gateway.post(deltas(names.map((name) => ({ name, value: 1 }))))
  await eventually(() =>
    assert.ok(receiver.received.filter(({ points }) => points.length === 1).length >= 100)
  )
  await eventually(async () => {
    assert.ok(![...(await gateway.scrape()).keys()].some((line) => line.startsWith('bad')), 'they end')
  })
  await eventually(async () => {
    await gateway.post(deltas(['bad late', 'good'].map((name) => ({ name, value: 1 }))))
    assert.ok(
      receiver.received.some(
        ({ points }) => points.some(({ name }) => name === 'good') && !points.some(isBad)
      )
    )
  })
})

test('partial success is success but for the points that it rejects, which are not sent again (A7)', async (context) => {
  const body = encodeExportResponse('protobuf', 1, 'too old')
  const receiver = await startReceiver(context, () => ({ status: 200, headers: protobuf, body }))
  const { gateway, lines } = await startTelling(context, receiver, { intervalMs: 3_600_000 })
  await gateway.post(deltas([{ name: 'other', value: 1 }]))
  await gateway.close()
  assert.equal(receiver.received.length, 1)
  assert.deepEqual(gateway.gateway.status().otlpOut?.dropped, { partial_success: 1 })
  assert.equal(gateway.gateway.status().otlpOut?.points, 1)
  assert.match(lines.find((line) => line.includes('rejected points')) ?? '', /too old/)
})

test('a receiver that is away for some intervals is told what is true when it is back, and both are said', async (context) => {
  let isAway = true
  const receiver = await startReceiver(context, () =>
    isAway ? { status: 503, body: 'full' } : { status: 200 }
  )
  const { gateway, lines } = await startTelling(context, receiver)
  await eventually(() => assert.ok((gateway.gateway.status().otlpOut?.dropped['unavailable'] ?? 0) >= 2))
  await gateway.post(deltas([{ value: 20 }]))
  isAway = false
  await eventually(() => assert.ok((gateway.gateway.status().otlpOut?.points ?? 0) >= 1))
  assert.equal(receiver.works().at(-1), 25)
  assert.equal(lines.filter((line) => line.includes('took no points') && line.includes('503 full')).length, 1)
  assert.equal(lines.filter((line) => line.includes('takes points again')).length, 1)
})

test('a stop tells a last time, with what the doors took in before', async (context) => {
  const receiver = await startReceiver(context)
  const { gateway } = await startTelling(context, receiver, { intervalMs: 3_600_000 })
  await gateway.post(deltas([{ value: 30 }]))
  await gateway.close()
  assert.deepEqual(receiver.works(), [35])
})

test('a stop does not wait for a receiver that hangs, nor long for one that is away', async (context) => {
  for (const does of ['hangs', { status: 503 }] as const) {
    const receiver = await startReceiver(context, () => does)
    const { gateway } = await startTelling(context, receiver, { intervalMs: 100, timeoutMs: 500 })
    await eventually(() => assert.ok(receiver.received.length >= 1))
    const begun = performance.now()
    await gateway.close()
    const tookMs = performance.now() - begun
    assert.ok(tookMs < 5000, `${tookMs} ms`)
  }
})

test('headers of a file go along, and follow the file; those of the request itself cannot be set', async (context) => {
  const file = join(temporaryDirectory(context), 'headers')
  writeFileSync(file, 'Authorization: Bearer one\nX-Scope-OrgID:  tenant \n\n')
  const receiver = await startReceiver(context)
  await startTelling(context, receiver, { headersFile: file, compression: 'none' })
  await eventually(() => assert.ok(receiver.received.length >= 1))
  const { headers } = receiver.received[0]!
  assert.deepEqual([headers.authorization, headers['x-scope-orgid']], ['Bearer one', 'tenant'])
  assert.equal(headers['content-encoding'], undefined)
  writeFileSync(`${file}.new`, 'Authorization: Bearer two')
  renameSync(`${file}.new`, file)
  await eventually(() => assert.equal(receiver.received.at(-1)!.headers.authorization, 'Bearer two'))
})

test('a headers file that says something else is refused at the start, without what may be a secret', async (context) => {
  const file = join(temporaryDirectory(context), 'headers')
  const receiver = await startReceiver(context)
  for (const [text, why] of [
    ['Bearer hidden', /headers:1: no header; write one a line/],
    ['A: b\nContent-Type: hidden', /headers:2: Content-Type is set by the gateway itself/],
    ['A: hid\u0001den', /headers:1: no header/],
  ] as const) {
    writeFileSync(file, text)
    await assert.rejects(startTelling(context, receiver, { headersFile: file }), (error) => {
      assert.ok(error instanceof DoorFileError)
      assert.match(error.message, why)
      assert.doesNotMatch(error.message, /hid/)
      return true
    })
  }
})

const authority = makeAuthority({ after })
authority.issue('receiver')

test("https is spoken with a certificate of the file's authority, and with no other", async (context) => {
  const certificate = { cert: authority.text('receiver.pem'), key: authority.text('receiver.key') }
  const secure = (listener: RequestListener): Server => createTlsServer(certificate, listener)
  const receiver = await startReceiver(context, () => ({ status: 200 }), secure)
  const endpoint = `https://127.0.0.1:${receiver.port}/v1/metrics`

  const distrusting = await startTelling(context, receiver, { endpoint })
  await eventually(() =>
    assert.ok(distrusting.lines.some((line) => /took no points.*certificate/.test(line)))
  )
  await distrusting.gateway.close()
  assert.equal(receiver.received.length, 0)

  await startTelling(context, receiver, { endpoint, caFile: authority.path('ca.pem') })
  await eventually(() => assert.ok(receiver.works().includes(5)))
})

test('Retry-After is seconds or a date', () => {
  assert.equal(retryAfterMsOf(' 30 ', 0), 30_000)
  assert.equal(retryAfterMsOf('Thu, 01 Jan 1970 00:00:10 GMT', 4000), 6000)
  assert.equal(retryAfterMsOf('Thu, 01 Jan 1970 00:00:10 GMT', 20_000), 0)
  assert.equal(retryAfterMsOf('soon', 0), undefined)
  assert.equal(retryAfterMsOf(undefined, 0), undefined)
})
