import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { connect } from 'node:http2'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Gateway, startGateway } from './support/gateway.ts'
import { ask } from './support/http.ts'
import { until } from './support/wait.ts'
import { doubleField, field, fixedField, requestOf, textField, varintField } from './support/wire.ts'

/*
 * Bodies of nearly the largest size, again and again and several at once. The bound of all is 400 MB; without series it is
 * this one here, as what is done with is given back at once: left to V8's collector, 360 MiB were seen.
 */

const megabyte = 1024 * 1024
const bodyBytes = 63 * megabyte
const memoryBytesMax = 320 * megabyte
const serialCount = 3
const parallelCount = 3

const counted = requestOf([
  Buffer.concat([
    textField(1, 'large'),
    field(
      7,
      field(1, fixedField(3, 1_700_000_001_000_000_000n), doubleField(4, 1)),
      varintField(2, 1),
      varintField(3, 1)
    ),
  ]),
])
/** One point, and a field that nobody knows: it cannot be compressed, or to nearly nothing. */
const noise = Buffer.concat([counted, field(15, randomBytes(bodyBytes))])
const zeros = Buffer.concat([counted, field(15, Buffer.alloc(bodyBytes))])
const zipped = gzipSync(noise, { level: 1 })
const point = '{"timeUnixNano":"1700000001000000000","asDouble":1,"attributes":[]},'
const points = Math.floor((bodyBytes - 3 * megabyte) / point.length)
/** A list that nobody knows, and points as many as a body may have. */
const json = Buffer.from(
  `{"é":[${'1,'.repeat(megabyte)}0],"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"large","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[${point.repeat(points).slice(0, -1)}]}}]}]}]}`
)

/** Answers are statuses of HTTP. */
type Send = (gateway: Gateway) => Promise<number>

const protobuf = { 'content-type': 'application/x-protobuf' }
const gzipped = { ...protobuf, 'content-encoding': 'gzip' }
const byHttp =
  (body: Uint8Array, headers: Record<string, string>): Send =>
  async ({ urls }) =>
    (await ask(urls.otlp, { method: 'POST', headers, body })).status

const ways: Record<string, Send> = {
  'HTTP/protobuf': byHttp(noise, protobuf),
  'gzip that saves nothing': byHttp(zipped, gzipped),
  'gzip that is nearly nothing': byHttp(gzipSync(zeros, { level: 1 }), gzipped),
  'gzip of two members': byHttp(Buffer.concat([gzipSync(zeros, { level: 1 }), gzipSync(counted)]), gzipped),
  JSON: byHttp(json, { 'content-type': 'application/json' }),
  'chunks of unknown number': chunked,
  gRPC: (gateway) => byGrpc(gateway, noise, false),
  'gRPC with gzip': (gateway) => byGrpc(gateway, zipped, true),
  'senders that break off': brokenOff,
}

for (const [name, send] of Object.entries(ways)) {
  test(
    `${name}: 63 MiB at a time and several at once stay within bounds`,
    { timeout: 240_000 },
    async (t) => {
      const gateway = await startGateway()
      const taken: number[] = []
      for (let at = 0; at < serialCount; at++) taken.push(await send(gateway))
      await report(t, gateway, 'one after the other')
      taken.push(...(await Promise.all(Array.from({ length: parallelCount }, () => send(gateway)))))
      await report(t, gateway, 'at once')
      t.diagnostic(`statuses ${taken.join(' ')}`)
      for (const status of taken) assert.ok([200, 413, 429].includes(status), String(status))
      await until(
        'nothing is under way',
        async () => (await gateway.metric('swansong_in_flight_bytes')) === 0
      )
    }
  )
}

async function report(t: TestContext, gateway: Gateway, how: string): Promise<void> {
  const bytes = await gateway.memory('VmHWM')
  t.diagnostic(`${how}: ${Math.round(bytes / megabyte)} MiB`)
  assert.ok(bytes < memoryBytesMax, `${how}: ${Math.round(bytes / megabyte)} MiB`)
}

function chunked({ urls }: Gateway): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(urls.otlp, { method: 'POST', headers: protobuf, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    outgoing.on('error', reject)
    outgoing.flushHeaders() // Without a length, then.
    outgoing.end(noise)
  })
}

/** Half of a body comes, and its sender goes. */
async function brokenOff(gateway: Gateway): Promise<number> {
  const status = await breakOff(gateway)
  await settled(gateway)
  return status
}

function settled(gateway: Gateway): Promise<boolean> {
  return until('nothing is under way', async () => (await gateway.metric('swansong_in_flight_bytes')) === 0)
}

function breakOff(gateway: Gateway): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { ...protobuf, 'content-length': noise.length }
    const outgoing = request(gateway.urls.otlp, { method: 'POST', headers, agent: false })
    outgoing.on('error', () => resolve(200))
    outgoing.on('response', ({ statusCode }) => resolve(statusCode ?? 0))
    outgoing.write(noise.subarray(0, bodyBytes / 2))
    until('some of it came', async () => (await gateway.metric('swansong_in_flight_bytes')) > 0).then(
      () => outgoing.destroy(),
      reject
    )
  })
}

function byGrpc({ ports }: Gateway, message: Uint8Array, isGzip: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${ports.otlpGrpc}`, { maxSessionMemory: 1000 })
    session.on('error', reject)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(isGzip ? { 'grpc-encoding': 'gzip' } : {}),
    })
    const prefix = Buffer.alloc(5)
    prefix[0] = isGzip ? 1 : 0
    prefix.writeUInt32BE(message.length, 1)
    let status = 0
    const told = (headers: Record<string, unknown>): void => {
      const code = headers['grpc-status']
      if (code !== undefined) status = code === '0' ? 200 : code === '14' ? 429 : 413
    }
    stream.on('response', told)
    stream.on('trailers', told)
    stream.on('error', () => {})
    stream.on('close', () => {
      session.close()
      resolve(status)
    })
    stream.resume()
    stream.write(prefix)
    stream.end(message)
  })
}
