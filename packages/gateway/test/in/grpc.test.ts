import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, constants, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { refusalTrailers } from '../../src/in/grpc-status.ts'
import { Refusal } from '../../src/refusal.ts'
import { startGateway, type TestGateway } from '../support/gateways.ts'
import { exportPath, grpcClient, type GrpcClient } from '../support/grpc.ts'
import { deltas } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'
import { eventually } from '../support/spools.ts'

// CONFORMANCE A1, A3, A4, A6 to A11. What all doors do alike is in doors/ways.test.ts.

const one = deltas([{ value: 1 }])

function clientOf(context: TestContext, gateway: TestGateway): GrpcClient {
  return grpcClient(context, gateway.grpcPort)
}

interface RawCall {
  stream: ClientHttp2Stream
  headers: Promise<IncomingHttpHeaders>
  trailers: Promise<IncomingHttpHeaders>
  closed: Promise<number>
}

/** A call by hand: whatever a client could send. */
function rawCall(context: TestContext, gateway: TestGateway, headers: Record<string, string> = {}): RawCall {
  const session = connect(`http://127.0.0.1:${gateway.grpcPort}`)
  session.on('error', () => {})
  context.after(() => session.destroy())
  const stream = session.request({
    ':method': 'POST',
    ':path': exportPath,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  })
  stream.on('error', () => {})
  stream.resume()
  const told = (event: 'response' | 'trailers'): Promise<IncomingHttpHeaders> =>
    new Promise((resolve) => stream.once(event, (got: IncomingHttpHeaders) => resolve(got)))
  const closed = new Promise<number>((resolve) => stream.once('close', () => resolve(stream.rstCode)))
  return { stream, headers: told('response'), trailers: told('trailers'), closed }
}

function framed(message: Uint8Array, flag = 0, length: number = message.length): Buffer {
  const frame = Buffer.alloc(5 + message.length)
  frame[0] = flag
  frame.writeUInt32BE(length, 1)
  frame.set(message, 5)
  return frame
}

test('an unknown service or method is UNIMPLEMENTED, a call without an id that can be INVALID_ARGUMENT', async (context) => {
  const gateway = await startGateway(context)
  const client = clientOf(context, gateway)
  const check = async (path: string): Promise<void> => {
    const { code, message } = await client.call(one, { path })
    assert.equal(code, 12)
    assert.match(message, /there is nothing at .*MetricsService\/Export$/)
  }
  await check('/opentelemetry.proto.collector.trace.v1.TraceService/Export')
  await check('/opentelemetry.proto.collector.metrics.v1.MetricsService/export')
  await check('/v1/metrics')
  const long = await client.call(one, { metadata: { 'idempotency-key': 'x'.repeat(257) } })
  assert.equal(long.code, 3)
  assert.match(long.message, /1 to 256 characters/)
  assert.equal(gateway.gateway.status().series, 0)
})

test('what is not gRPC gets a status of HTTP', async (context) => {
  const gateway = await startGateway(context)
  const check = async (headers: Record<string, string>, want: number): Promise<void> => {
    const call = rawCall(context, gateway, headers)
    call.stream.end()
    assert.equal((await call.headers)[':status'], want)
  }
  await check({ 'content-type': 'application/x-protobuf' }, 415)
  await check({ 'content-type': 'application/grpc+json' }, 415)
  await check({ 'content-type': 'application/grpcx' }, 415)
  await check({ ':method': 'GET' }, 405)
  const parametered = rawCall(context, gateway, { 'content-type': 'application/grpc+proto; v=1' })
  parametered.stream.end(framed(one))
  assert.equal((await parametered.trailers)['grpc-status'], '0')
})

test('a call takes exactly one whole message', async (context) => {
  const gateway = await startGateway(context)
  const check = async (bytes: Uint8Array, says: RegExp): Promise<void> => {
    const call = rawCall(context, gateway)
    call.stream.end(bytes)
    const headers = await call.headers
    assert.equal(headers['grpc-status'], '13')
    assert.match(decodeURIComponent(String(headers['grpc-message'])), says)
  }
  await check(new Uint8Array(0), /0 of its 5 bytes came/)
  await check(framed(one).subarray(0, 3), /3 of its 5 bytes came/)
  await check(framed(one).subarray(0, -1), /one message, and \d+ of its \d+ bytes came/)
  await check(Buffer.concat([framed(one), framed(one)]), /one message, and more came/)
  await check(framed(gzipSync(one), 1), /no grpc-encoding says how/)
  assert.equal(gateway.gateway.status().series, 0)

  const slow = rawCall(context, gateway) // A byte a frame: the length comes in pieces too.
  for (const byte of framed(one)) slow.stream.write(Uint8Array.of(byte))
  slow.stream.end()
  assert.equal((await slow.trailers)['grpc-status'], '0')
  assert.equal(await gateway.work(), 1)
})

test('a message that says it is not compressed is taken as it is, whatever grpc-encoding says', async (context) => {
  const gateway = await startGateway(context)
  const plain = rawCall(context, gateway, { 'grpc-encoding': 'gzip' })
  plain.stream.end(framed(one))
  assert.equal((await plain.trailers)['grpc-status'], '0')
  const other = rawCall(context, gateway, { 'grpc-encoding': 'zstd' })
  other.stream.end(framed(one, 1))
  const headers = await other.headers
  assert.deepEqual([headers['grpc-status'], headers['grpc-accept-encoding']], ['12', 'identity,gzip'])
  assert.match(decodeURIComponent(String(headers['grpc-message'])), /send gzip or none/)
})

test('a message over the limit is refused when its length is known, not when it is there', async (context) => {
  const gateway = await startGateway(context, { limits: { bodyBytesMax: 10_000 } })
  const call = rawCall(context, gateway)
  call.stream.write(framed(new Uint8Array(10), 0, 10_001)) // It never sends the rest.
  const headers = await call.headers
  assert.equal(headers['grpc-status'], '8')
  assert.match(decodeURIComponent(String(headers['grpc-message'])), /10001 bytes is over the limit of 10000/)
  assert.equal(await call.closed, constants.NGHTTP2_NO_ERROR)
  assert.equal((await gateway.scrape()).get('swansong_in_flight_bytes'), 0)
})

test('a call that is cancelled before it is whole counts nothing, and gives back its room', async (context) => {
  const gateway = await startGateway(context)
  const call = rawCall(context, gateway)
  call.stream.write(framed(new Uint8Array(1000), 0, 5000))
  await eventually(async () => assert.equal((await gateway.scrape()).get('swansong_in_flight_bytes'), 1005))
  call.stream.close(constants.NGHTTP2_CANCEL)
  await eventually(async () => assert.equal((await gateway.scrape()).get('swansong_in_flight_bytes'), 0))
  assert.equal((await gateway.scrape()).get('swansong_points_total'), 0)
})

test('a call that stalls is cut, and gives back its room; one that only goes on and on too', async (context) => {
  const gateway = await startGateway(context, { limits: { stallMs: 300, requestMs: 1500 } })
  const stalled = rawCall(context, gateway)
  stalled.stream.write(framed(new Uint8Array(1000), 0, 5000))
  assert.equal(await stalled.closed, constants.NGHTTP2_CANCEL)
  const dripping = rawCall(context, gateway)
  dripping.stream.write(framed(new Uint8Array(10), 0, 5000))
  const drip = setInterval(() => dripping.stream.write('x'), 50)
  assert.equal(await dripping.closed, constants.NGHTTP2_CANCEL)
  clearInterval(drip)
  await eventually(async () => assert.equal((await gateway.scrape()).get('swansong_in_flight_bytes'), 0))
  assert.deepEqual(gateway.gateway.status().connectionsCut, { stalled: 1, request: 1 })
})

test('without an id, the same body again is a retry: gRPC does not tell what arrived (CONFORMANCE C5)', async (context) => {
  const gateway = await startGateway(context)
  const client = clientOf(context, gateway)
  for (let round = 0; round < 3; round++) assert.equal((await client.call(one)).code, 0)
  assert.equal(await gateway.work(), 1)
  assert.equal((await client.call(deltas([{ value: 2 }]))).code, 0)
  assert.equal(await gateway.work(), 3)
})

test('a store that fails is UNAVAILABLE with RetryInfo, and nothing was applied', async (context) => {
  const store = new SimStore()
  const gateway = await startGateway(context, { store })
  const client = clientOf(context, gateway)
  assert.equal((await client.call(one)).code, 0)
  store.commit = () => {
    throw new Error('the disk is gone')
  }
  const { code, details } = await client.call(one, { metadata: { 'idempotency-key': 'b' } })
  assert.equal(code, 14)
  assert.equal(details?.code, 14)
  assert.equal(details?.retrySeconds, 1)
})

test('the answer comes after the commit, and not before', async (context) => {
  const store = new SimStore()
  const gateway = await startGateway(context, { store })
  const commit = store.commit.bind(store)
  let committed = 0
  store.commit = (group) => {
    commit(group)
    committed++
  }
  const { code } = await clientOf(context, gateway).call(one)
  assert.deepEqual([code, committed], [0, 1])
})

test('a message arrives as it was, whatever is in it', async (context) => {
  const gateway = await startGateway(context)
  const { message } = await clientOf(context, gateway).call(one, { path: '/a%20b/100%' })
  assert.match(message, /nothing at \/a%20b\/100%:/)

  const odd = 'ä € 😀 \n ~ %41 ' + '\u{1F600}'.repeat(600) // Cut in the middle of a pair.
  const trailers = refusalTrailers(new Refusal('NOT_OTLP', odd), 1)
  const encoded = String(trailers['grpc-message'])
  assert.match(encoded, /^[\u0020-\u007e]*$/)
  const said = decodeURIComponent(encoded)
  assert.ok(said.length === 600 && said.slice(0, -1) === odd.slice(0, 599), said)
  assert.ok(JSON.stringify(trailers).length < 8192)
})

test('a thousand calls at once on one connection, and on many, are exact', async (context) => {
  const gateway = await startGateway(context)
  const clients = Array.from({ length: 5 }, () => clientOf(context, gateway))
  const calls = Array.from({ length: 1000 }, (_, at) =>
    (clients[at % 5] as GrpcClient).call(deltas([{ value: at }]), { gzip: at % 3 === 0 })
  )
  for (const { code } of await Promise.all(calls)) assert.equal(code, 0)
  assert.equal(await gateway.work(), (999 * 1000) / 2)
  assert.equal((await gateway.scrape()).get('swansong_grpc_calls_total{code="0"}'), 1000)
})

test('pings as often as a client likes do not end its connection', async (context) => {
  const gateway = await startGateway(context)
  const session = connect(`http://127.0.0.1:${gateway.grpcPort}`)
  context.after(() => session.destroy())
  await once(session, 'connect')
  let goneAway = false
  session.on('goaway', () => (goneAway = true))
  for (let round = 0; round < 200; round++) {
    await new Promise<void>((resolve, reject) => {
      session.ping((error) => (error === null ? resolve() : reject(error)))
    })
  }
  assert.equal(goneAway, false)
})

test('a stop answers the calls under way, tells idle clients to go, and ends soon', async (context) => {
  const gateway = await startGateway(context)
  const client = clientOf(context, gateway)
  const idle = clientOf(context, gateway)
  assert.equal((await idle.call(one)).code, 0)
  const answers: number[] = []
  const calls = Array.from({ length: 300 }, async (_, at) => {
    answers.push((await client.call(one, { metadata: { 'idempotency-key': `${at}` } })).code)
  })
  await eventually(() => assert.ok(answers.length > 20))
  const begun = performance.now()
  await gateway.close()
  assert.ok(performance.now() - begun < 3000)
  await Promise.all(calls)
  const accepted = answers.filter((code) => code === 0).length
  assert.deepEqual(
    answers.filter((code) => code !== 0 && code !== 14),
    []
  )
  const again = await startGateway(context, { dataDir: gateway.dataDir })
  assert.equal(await again.work(), accepted + 1)
})

test('a stop waits for a call that never ends for no longer than it should', async (context) => {
  const gateway = await startGateway(context, { limits: { stopMs: 300 } })
  const call = rawCall(context, gateway)
  call.stream.write(framed(one).subarray(0, 6))
  await eventually(async () => assert.equal((await gateway.scrape()).get('swansong_in_flight_bytes'), 6))
  const begun = performance.now()
  await gateway.close()
  const ms = performance.now() - begun
  assert.ok(ms >= 250 && ms < 3000, `${ms} ms`)
  await call.closed
})

test('gRPC may be shut: then nobody listens there', async (context) => {
  const gateway = await startGateway(context, { otlpGrpc: undefined })
  assert.equal(gateway.gateway.addresses.otlpGrpc, undefined)
  assert.equal((await gateway.post(one)).http, 200)
})
