import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { RetryAfter } from '../src/in/retry-after.ts'
import { startGateway, type TestGateway } from './support/gateways.ts'
import { deltas } from './support/requests.ts'
import { eventually } from './support/spools.ts'

// CONFORMANCE A4, A10, A19.

const type = 'content-type: application/x-protobuf\r\n'
const head = `POST /v1/metrics HTTP/1.1\r\nhost: x\r\n${type}`
const one = deltas([{ value: 1 }])

interface Talk {
  socket: Socket
  /** All that came so far. */
  text: () => string
  /** Milliseconds until the other side closed. */
  closed: Promise<number>
}

function talk(context: TestContext, port: number, first: string = ''): Talk {
  const socket = connect(port, '127.0.0.1')
  const begun = performance.now()
  let text = ''
  socket.setEncoding('latin1').on('data', (piece: string) => (text += piece))
  socket.on('error', () => undefined)
  const closed = new Promise<number>((resolve) =>
    socket.on('close', () => resolve(performance.now() - begun))
  )
  context.after(() => socket.destroy())
  if (first !== '') socket.write(first)
  return { socket, text: () => text, closed }
}

function portOf(gateway: TestGateway): number {
  return gateway.gateway.addresses.otlpHttp.port
}

/** Sends a byte every 20 ms for as long as it is listened to. */
function drip(context: TestContext, { socket }: Talk, byte: string): void {
  const timer = setInterval(() => socket.write(byte), 20)
  context.after(() => clearInterval(timer))
  socket.on('close', () => clearInterval(timer))
}

async function assertServes(gateway: TestGateway): Promise<void> {
  assert.equal((await gateway.post(one)).http, 200)
}

const quick = { headersMs: 400, requestMs: 800, stallMs: 2000 }

test('headers that come byte by byte are cut off, and so is a connection that says nothing', async (context) => {
  const gateway = await startGateway(context, { limits: quick })
  const slow = talk(context, portOf(gateway), 'POST /v1/metrics HTTP/1.1\r\nhost: x\r\nx: ')
  drip(context, slow, 'x')
  const silent = talk(context, portOf(gateway))
  assert.ok((await slow.closed) < 10_000)
  assert.match(slow.text(), /^HTTP\/1.1 408 /)
  assert.ok((await silent.closed) < 10_000)
  await assertServes(gateway)
  assert.equal((await gateway.scrape()).get('swansong_connections_cut_total{reason="request"}'), 2)
})

test('a body that comes byte by byte is cut off, by its length or in chunks, and counts nothing', async (context) => {
  const gateway = await startGateway(context, { limits: quick })
  const byLength = talk(context, portOf(gateway), `${head}content-length: 100000\r\n\r\n`)
  drip(context, byLength, 'x')
  const chunked = talk(context, portOf(gateway), `${head}transfer-encoding: chunked\r\n\r\n`)
  drip(context, chunked, '1\r\nx\r\n')
  for (const { closed, text } of [byLength, chunked]) {
    assert.ok((await closed) < 10_000)
    assert.match(text(), /^HTTP\/1.1 408 /)
  }
  assert.equal((await gateway.scrape()).get('swansong_in_flight_bytes'), 0)
  await assertServes(gateway)
  assert.equal(await gateway.work(), 1)
})

test('a body that stops is cut off when nothing has moved for long', async (context) => {
  const gateway = await startGateway(context, { limits: { stallMs: 300 } })
  const stalled = talk(context, portOf(gateway), `${head}content-length: 1000\r\n\r\nxxx`)
  assert.ok((await stalled.closed) < 10_000)
  assert.equal((await gateway.scrape()).get('swansong_connections_cut_total{reason="stalled"}'), 1)
  await assertServes(gateway)
})

test('a connection that is idle between two requests is kept for longer than one may stall', async (context) => {
  const gateway = await startGateway(context, { limits: { ...quick, stallMs: 200 } })
  const kept = talk(context, portOf(gateway))
  const request = Buffer.concat([Buffer.from(`${head}content-length: ${one.length}\r\n\r\n`), one])
  kept.socket.write(request)
  await wait(1500)
  kept.socket.write(request)
  await eventually(() => assert.equal(kept.text().split('HTTP/1.1 200').length, 3))
  assert.equal(await gateway.work(), 2)
})

test('where there is no room the answer comes while the sender still sends, and the body is not read', async (context) => {
  const megabyte = 1024 * 1024
  const gateway = await startGateway(context, { limits: { bytesInFlightMax: megabyte } })
  const holder = talk(context, portOf(gateway), `${head}content-length: ${megabyte}\r\n\r\n`)
  holder.socket.write(Buffer.alloc(megabyte - 10))
  await eventually(async () =>
    assert.equal((await gateway.scrape()).get('swansong_in_flight_bytes'), megabyte - 10)
  )
  const length = 60 * megabyte
  const endless = talk(context, portOf(gateway), `${head}content-length: ${length}\r\n\r\n`)
  endless.socket.write(Buffer.alloc(megabyte))
  const chunked = talk(
    context,
    portOf(gateway),
    `${head}transfer-encoding: chunked\r\n\r\n10\r\n${'x'.repeat(16)}\r\n`
  )
  for (const { text } of [endless, chunked]) {
    await eventually(() => assert.match(text(), /^HTTP\/1.1 429 .*\r\nretry-after: [1-9]/is))
  }
  assert.equal((await gateway.scrape()).get('swansong_in_flight_bytes'), megabyte - 10)
  holder.socket.destroy()
  await eventually(async () => assert.equal((await gateway.post(one)).http, 200))
})

test('who asks first (Expect: 100-continue) is told to go on, or is refused without a byte of the body', async (context) => {
  const gateway = await startGateway(context, { limits: { bodyBytesMax: 1000 } })
  const expect = `${head}expect: 100-continue\r\n`
  const good = talk(context, portOf(gateway), `${expect}content-length: ${one.length}\r\n\r\n`)
  await eventually(() => assert.match(good.text(), /^HTTP\/1.1 100 /))
  good.socket.write(one)
  await eventually(() => assert.match(good.text(), /HTTP\/1.1 200 /))
  const large = talk(context, portOf(gateway), `${expect}content-length: 1001\r\n\r\n`)
  await eventually(() => assert.match(large.text(), /^HTTP\/1.1 413 /))
  assert.equal(await gateway.work(), 1)
})

test('connections past the limit are closed and counted, those within it are served, and there is room again later', async (context) => {
  const gateway = await startGateway(context, { limits: { connectionCountMax: 10 } })
  const talks = Array.from({ length: 10 }, () => talk(context, portOf(gateway)))
  const metric = async (name: string): Promise<number | undefined> => (await gateway.scrape()).get(name)
  const open = 'swansong_connections{door="otlp-http"}'
  await eventually(async () => assert.equal(await metric(open), 10))
  assert.equal(await metric('swansong_limit{limit="connection_count"}'), 10)
  assert.equal(await metric('swansong_limit_used{limit="connection_count"}'), 10)
  const further = talk(context, portOf(gateway))
  await further.closed
  await eventually(async () => {
    assert.equal(await metric('swansong_connections_rejected_total{door="otlp-http"}'), 1)
  })
  const [first] = talks
  first?.socket.write(Buffer.concat([Buffer.from(`${head}content-length: ${one.length}\r\n\r\n`), one]))
  await eventually(() => assert.match(first?.text() ?? '', /^HTTP\/1.1 200 /))
  for (const { socket } of talks) socket.destroy()
  await eventually(() => assertServes(gateway))
})

test('readers that never read hold no more than their room, others are told to come back, and in the end they are cut', async (context) => {
  const megabyte = 1024 * 1024
  const limits = { scrapeBytesInFlightMax: 20 * megabyte, answerMs: 3000, labelValueBytesMax: 30_000 }
  const gateway = await startGateway(context, { limits })
  const pad = 'x'.repeat(20_000)
  const points = Array.from({ length: 400 }, (_, n) => ({ value: 1, attributes: { n, pad } }))
  assert.equal((await gateway.post(deltas(points))).http, 200)
  const readers = Array.from({ length: 30 }, () => {
    const reader = httpRequest(`${gateway.metricsUrl}/metrics`, { agent: false })
    reader.on('response', (response) => response.on('error', () => undefined)) // And never reads it.
    reader.on('error', () => undefined)
    reader.end()
    context.after(() => reader.destroy())
    return new Promise((resolve) => reader.on('close', resolve))
  })
  await eventually(() => {
    const { scrape_bytes_in_flight: room } = gateway.gateway.status().limits
    assert.ok((room?.used ?? 0) > 7 * megabyte)
  })
  const refused = await fetch(`${gateway.metricsUrl}/metrics`)
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1'])
  assert.match(await refused.text(), /answers of \d+ bytes are not read yet; try again/)
  assert.ok((gateway.gateway.status().limits['scrape_bytes_in_flight']?.used ?? 0) <= 30 * megabyte)
  await eventually(async () => assert.equal((await fetch(`${gateway.metricsUrl}/metrics`)).status, 200))
  const scraped = await gateway.scrape()
  assert.ok((scraped.get('swansong_connections_cut_total{reason="answer"}') ?? 0) > 0)
  assert.ok((scraped.get('swansong_scrapes_rejected_total') ?? 0) > 20)
  assert.equal(readers.length, 30)
})

test('a text over its limit is refused, and one at it is shown', async (context) => {
  const gateway = await startGateway(context, { limits: { scrapeBytesMax: 40_000 } })
  assert.equal((await fetch(`${gateway.metricsUrl}/metrics`)).status, 200)
  await gateway.post(
    deltas([...Array(200).keys()].map((n) => ({ value: 1, attributes: { n, pad: 'x'.repeat(200) } })))
  )
  const refused = await fetch(`${gateway.metricsUrl}/metrics`)
  assert.equal(refused.status, 503)
  assert.match(await refused.text(), /more than the limit of 40000 bytes/)
  await assertServes(gateway)
})

test('one that is refused alone comes back in a second, ten thousand are spread over many', () => {
  let now = 0
  const alone = new RetryAfter(
    () => 30,
    () => (now += 1000)
  )
  assert.deepEqual([alone.next(), alone.next(), alone.next()], [1, 1, 1])
  let draw = 0
  const crowd = new RetryAfter(
    () => 30,
    () => now,
    () => (draw = (draw + 0.618) % 1)
  )
  const seconds = Array.from({ length: 10_000 }, () => crowd.next())
  const within = seconds.slice(-5000)
  const most = Math.max(
    ...Array.from({ length: 30 }, (_, at) => within.filter((each) => each === at + 1).length)
  )
  assert.ok(most < 1000, `${most} of 5000 would come back in one second`)
  assert.ok(Math.max(...seconds) <= 30)
  now += 60_000
  assert.equal(crowd.next(), 1)
})

test('what is no HTTP is refused by the reason, and counted', async (context) => {
  const gateway = await startGateway(context)
  const rejected = async (reason: string): Promise<number> =>
    (await gateway.scrape()).get(`swansong_requests_rejected_total{reason="${reason.toLowerCase()}"}`) ?? 0
  const check = async (first: string, status: number, saying: RegExp, reason: string): Promise<void> => {
    const before = await rejected(reason)
    const { closed, text } = talk(context, portOf(gateway), first)
    await closed
    assert.match(text(), new RegExp(`^HTTP/1.1 ${status} `), first.slice(0, 100))
    assert.match(text(), saying)
    assert.equal(await rejected(reason), before + 1, first.slice(-100))
  }
  const both = `${head}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`
  await check(both, 400, /not HTTP\/1.1: .*Content-Length/i, 'NOT_HTTP')
  await check(`${head}content-length: 1\r\ncontent-length: 2\r\n\r\n`, 400, /not HTTP/, 'NOT_HTTP')
  await check(`${head}bad header\r\n\r\n`, 400, /header/i, 'NOT_HTTP')
  await check(`${head}transfer-encoding: chunked\r\n\r\nno length\r\n`, 400, /chunk/i, 'NOT_HTTP')
  await check('hello\r\n\r\n', 400, /not HTTP/, 'NOT_HTTP')
  await check(`${head}x: ${'y'.repeat(20_000)}\r\n\r\n`, 431, /headers/, 'HEADERS_TOO_LARGE')
  await check(
    `${head}expect: a miracle\r\ncontent-length: 0\r\n\r\n`,
    417,
    /100-continue/,
    'EXPECTATION_UNKNOWN'
  )
  await check('CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n', 405, /proxies/, 'METHOD_NOT_ALLOWED')
  const beforeH2 = await rejected('NOT_HTTP')
  await talk(context, gateway.grpcPort, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n').closed
  assert.equal(await rejected('NOT_HTTP'), beforeH2 + 1)
  await assertServes(gateway)
})

test('a request without Host is one like any other', async (context) => {
  const gateway = await startGateway(context)
  const { text, closed } = talk(context, portOf(gateway), `GET /x HTTP/1.1\r\nconnection: close\r\n\r\n`)
  await closed
  assert.match(text(), /^HTTP\/1.1 404 /)
})
