import assert from 'node:assert/strict'
import { once, type EventEmitter } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { after, test, type TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { openLog } from '../../src/log.ts'
import { makeAuthority } from '../support/certificates.ts'
import { startGateway, type StartOptions, type TestGateway } from '../support/gateways.ts'
import { deltas } from '../support/requests.ts'
import { eventually } from '../support/spools.ts'

/*
 * A client at the wrong door cannot read what is answered there, and mostly says "socket hang up": so it is the gateway's log
 * that has to say what is wrong.
 */

const authority = makeAuthority({ after })
authority.issue('server')
const tls = {
  certFile: authority.path('server.pem'),
  keyFile: authority.path('server.key'),
  clientCaFile: undefined,
}
const head = 'POST /v1/metrics HTTP/1.1\r\nHost: here\r\nContent-Type: application/x-protobuf\r\n'
const post = `${head}Content-Length: 0\r\n\r\n`

async function started(context: TestContext, options: StartOptions = {}): Promise<[TestGateway, string[]]> {
  const said: string[] = []
  const log = openLog('silent')
  log.warn = (of: { why?: string }) => void said.push(of.why ?? '')
  return [await startGateway(context, { ...options, log }), said]
}

/** Of what ends with an error, as is to be expected here. */
function closed(connection: EventEmitter): Promise<unknown> {
  connection.on('error', () => {})
  return new Promise((resolve) => connection.once('close', resolve))
}

/** Writes to a port, and reads until the other side ends. */
async function written(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let read = ''
  socket.setEncoding('latin1').on('data', (data: string) => (read += data))
  socket.write(text)
  await closed(socket)
  return read
}

test('gRPC at the door of OTLP/HTTP is told its own', async (context) => {
  const [gateway, said] = await started(context)
  const { port } = gateway.gateway.addresses.otlpHttp
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  await closed(session)
  await eventually(() => assert.match(said[0] ?? '', /this is HTTP\/2, as gRPC speaks it: .*--otlp-grpc/))
})

test('HTTP at the door of gRPC is told its own', async (context) => {
  const [gateway, said] = await started(context)
  await written(gateway.grpcPort, post)
  await eventually(() => assert.match(said[0] ?? '', /not HTTP\/2 .*--otlp-http/))
  assert.equal((await gateway.scrape()).get('swansong_requests_rejected_total{reason="not_http"}'), 1)
})

test('https at a door without TLS, and http at one with it', async (context) => {
  const [plain, said] = await started(context)
  const client = connectTls(plain.gateway.addresses.otlpHttp.port, '127.0.0.1')
  await closed(client)
  await eventually(() => assert.match(said[0] ?? '', /this is TLS, and this door has none: write http:/))

  const [secured, saidThere] = await started(context, { tls: { otlpHttp: tls } })
  await written(secured.gateway.addresses.otlpHttp.port, post)
  await eventually(() => assert.match(saidThere[0] ?? '', /plain HTTP .*write https: instead of http:/))
  assert.equal((await secured.scrape()).get('swansong_tls_handshakes_failed_total'), 1)
})

test('a sender that dies in the middle of a request is not called one that speaks no HTTP', async (context) => {
  const [gateway, said] = await started(context)
  const socket = connect(gateway.gateway.addresses.otlpHttp.port, '127.0.0.1')
  socket.resume().end(`${head}Content-Length: 9\r\n\r\nhalf`)
  await closed(socket)
  await eventually(() => assert.match(said[0] ?? '', /ended before the request was whole: its sender died/))
})

test('a connection that breaks at the door of gRPC is not called one that speaks no HTTP/2', async (context) => {
  const [gateway, said] = await started(context)
  const session = connectHttp2(`http://127.0.0.1:${gateway.grpcPort}`)
  await once(session, 'remoteSettings')
  const call = session.request({ ':method': 'POST', 'content-type': 'application/grpc' })
  call.on('error', () => {})
  call.write('half')
  await eventually(async () =>
    assert.equal((await gateway.scrape()).get('swansong_requests_rejected_total{reason="unknown_method"}'), 1)
  )
  const { socket } = session
  const isClosed = closed(session)
  socket.resetAndDestroy()
  await isClosed
  await written(gateway.grpcPort, post)
  const notHttp = 'swansong_requests_rejected_total{reason="not_http"}'
  await eventually(async () => assert.equal((await gateway.scrape()).get(notHttp), 1))
  assert.equal(said.filter((why) => /not HTTP/.test(why)).length, 1)
  assert.doesNotMatch(said.join(), /ECONNRESET/)
})

test('what is wrong with headers, and with points, is said with what to do', async (context) => {
  const [gateway, said] = await started(context)
  const { port } = gateway.gateway.addresses.otlpHttp
  const answer = await written(port, `GET / HTTP/1.1\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`)
  assert.match(answer, /^HTTP\/1.1 431 [^]*the headers are over 16384 bytes; send fewer, or shorter ones/)
  await gateway.post(deltas([{ value: -1 }]))
  await gateway.post(deltas([{ value: -1 }]))
  assert.deepEqual(said, [
    'the headers are over 16384 bytes; send fewer, or shorter ones',
    'a monotonic sum never goes down; use an UpDownCounter',
  ])
})
