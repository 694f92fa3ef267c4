import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGzip, gzipSync } from 'node:zlib'
import { decodeExportResponse, decodeStatus, type Encoding } from '@swansong/otlp'
import { deltas, exportRequest, lineOf, type Point } from './support/deltas.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { type Answer, ask } from './support/http.ts'
import { askRaw } from './support/raw.ts'

const megabyte = 1024 * 1024
const bodyBytesMax = 64 * megabyte
const memoryBytesMax = 400 * megabyte
const contentTypes = { protobuf: 'application/x-protobuf', json: 'application/json' }
const invalidArgument = 3
const resourceExhausted = 8
const unimplemented = 12
const good = lineOf('good')

test('what is no OTLP is refused with a status, and a google.rpc.Status in its own encoding', async () => {
  const gateway = await startGateway()
  const body = deltas([{ name: 'good', value: 1 }])
  const json = JSON.stringify(jsonRequest([{ name: 'good', value: 1 }]))
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)
  const check = async (
    sent: Uint8Array,
    headers: Record<string, string>,
    want: { status: number; says: RegExp; encoding?: Encoding; code?: number }
  ): Promise<void> => {
    const answer = await ask(gateway.urls.otlp, { method: 'POST', headers, body: sent })
    assert.equal(answer.status, want.status, JSON.stringify(headers))
    const encoding = want.encoding ?? 'protobuf'
    assert.equal(answer.headers['content-type'], contentTypes[encoding])
    const { code, message } = decodeStatus(encoding, answer.body)
    assert.equal(code, want.code ?? invalidArgument)
    assert.match(message, want.says)
  }
  const protobuf = { 'content-type': contentTypes.protobuf }
  const asJson = { 'content-type': 'application/json; charset=utf-8' }
  const gzip = { 'content-encoding': 'gzip' }

  await check(body, {}, { status: 415, says: /Content-Type/ })
  await check(body, { 'content-type': 'text/plain' }, { status: 415, says: /text\/plain.*x-protobuf/ })
  await check(
    body,
    { ...protobuf, 'content-encoding': 'br' },
    { status: 415, code: unimplemented, says: /br; send gzip/ }
  )
  await check(body.subarray(0, -1), protobuf, { status: 400, says: /not OTLP/ })
  await check(text('{"resourceMetrics":[]}'), protobuf, { status: 400, says: /not OTLP/ })
  await check(body, { ...protobuf, ...gzip }, { status: 400, says: /gzip/ })
  await check(gzipSync(body).subarray(0, -4), { ...protobuf, ...gzip }, { status: 400, says: /gzip/ })
  await check(gzipSync(body.subarray(0, 30)), { ...protobuf, ...gzip }, { status: 400, says: /not OTLP/ })
  await check(body, asJson, { status: 400, says: /JSON/, encoding: 'json' })
  await check(text(json.slice(0, -2)), asJson, { status: 400, says: /JSON/, encoding: 'json' })
  await check(text(json), { ...asJson, ...gzip }, { status: 400, says: /gzip/, encoding: 'json' })

  assert.equal(await gateway.metric(good), 0)
  for (const [sent, headers] of [
    [body, protobuf],
    [gzipSync(body), { ...protobuf, ...gzip }],
    [text(json), asJson],
    [gzipSync(json), { ...asJson, ...gzip }],
  ] as const) {
    const { status } = await ask(gateway.urls.otlp, { method: 'POST', headers, body: sent })
    assert.equal(status, 200)
  }
  assert.equal(await gateway.metric(good), 4)
  const rejected = await gateway.metrics()
  assert.equal(rejected.get('swansong_requests_total{code="415"}'), 3)
  assert.equal(rejected.get('swansong_requests_rejected_total{reason="not_gzip"}'), 3)
})

test('a body over the limit is refused: by its length before it is read, or else when it has grown past it', async () => {
  const gateway = await startGateway()
  const port = gateway.ports.otlpHttp
  const head = `POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: ${contentTypes.protobuf}\r\n`
  const announced = await askRaw(port, `${head}content-length: ${bodyBytesMax + 1}\r\n\r\n`) // And nothing more.
  assert.equal(announced.status, 413)
  const { code, message } = decodeStatus('protobuf', announced.body)
  assert.equal(code, resourceExhausted)
  assert.match(message, new RegExp(`${bodyBytesMax + 1} bytes .* ${bodyBytesMax}`))

  const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(megabyte), Buffer.from('\r\n')])
  let sentBytes = 0
  const more = (): Uint8Array | undefined => {
    sentBytes += megabyte
    return sentBytes > 4 * bodyBytesMax ? undefined : chunk
  }
  const endless = await askRaw(port, `${head}transfer-encoding: chunked\r\n\r\n`, more)
  assert.equal(endless.status, 413)
  assert.equal(decodeStatus('protobuf', endless.body).code, resourceExhausted)

  await assertCountsOn(gateway)
  assert.equal(await gateway.metric('swansong_requests_rejected_total{reason="body_too_large"}'), 2)
})

test('a gzip bomb is refused, one after the other, in less than 400 MB', async (t) => {
  const gateway = await startGateway()
  const bomb = await zerosZipped(512)
  assert.ok(bomb.length < 2 * megabyte)
  const headers = { 'content-type': contentTypes.protobuf, 'content-encoding': 'gzip' }
  for (let times = 0; times < 8; times++) {
    const answer = await ask(gateway.urls.otlp, { method: 'POST', headers, body: bomb })
    assert.equal(answer.status, 413)
    assert.match(decodeStatus('protobuf', answer.body).message, /inflates to more than/)
  }
  await assertCountsOn(gateway)
  const highest = await gateway.memory('VmHWM')
  t.diagnostic(`at most ${Math.round(highest / megabyte)} MiB`)
  assert.ok(highest < memoryBytesMax, `${highest} bytes`)
})

test('whatever is sent at once, memory stays below 400 MB, and who finds no room is told to try again', async (t) => {
  const gateway = await startGateway()
  const bomb = await zerosZipped(512)
  const large = Buffer.alloc(60 * megabyte)
  const headers = { 'content-type': contentTypes.protobuf }
  const statuses = new Set<number>()
  const send = async (body: Uint8Array, encoding: Record<string, string>): Promise<void> => {
    // A sender of a large body that is refused early may see its connection end instead of the answer.
    const answer = await ask(gateway.urls.otlp, {
      method: 'POST',
      headers: { ...headers, ...encoding },
      body,
    }).catch(() => undefined)
    if (answer !== undefined) statuses.add(answer.status)
  }
  await Promise.all(Array.from({ length: 32 }, () => send(bomb, { 'content-encoding': 'gzip' })))
  await Promise.all(Array.from({ length: 32 }, () => send(large, {})))
  await assertCountsOn(gateway)
  const highest = await gateway.memory('VmHWM')
  t.diagnostic(`at most ${Math.round(highest / megabyte)} MiB, answers ${[...statuses].join(' ')}`)
  assert.ok(highest < memoryBytesMax, `${highest} bytes`)
  assert.ok(statuses.has(413) || statuses.has(429))
})

test('so it does where several JSONs come at once that are four times as long as protobuf', async (t) => {
  const gateway = await startGateway()
  const point = `{"timeUnixNano":"1","count":"0","bucketCounts":[${'0,'.repeat(9999)}0]}`
  const points = Array.from({ length: Math.floor((15 * megabyte) / point.length) }, () => point).join()
  const metric = `{"name":"x","histogram":{"aggregationTemporality":1,"dataPoints":[${points}]}}`
  const body = Buffer.from(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[${metric}]}]}]}`)
  const send = async (): Promise<number> => {
    const headers = { 'content-type': contentTypes.json }
    return (await ask(gateway.urls.otlp, { method: 'POST', headers, body })).status
  }
  for (let times = 0; times < 2; times++) {
    const statuses = await Promise.all(Array.from({ length: 4 }, send))
    assert.ok(statuses.includes(200) && statuses.every((status) => status === 200 || status === 429))
  }
  await assertCountsOn(gateway)
  const highest = await gateway.memory('VmHWM')
  t.diagnostic(`at most ${Math.round(highest / megabyte)} MiB`)
  assert.ok(highest < memoryBytesMax, `${highest} bytes`)
})

test('points that cannot count are named with their number and reason, and the good ones beside them count', async () => {
  const gateway = await startGateway()
  const points: Point[] = [
    { name: 'good', value: 3 },
    { name: 'down', value: -1 },
    { name: 'good', value: 4, attributes: { type: 'other' } },
    { name: 'vague', value: 1, temporality: 0 },
    { name: 'vague', value: 2, temporality: 0 },
  ]
  const check = (answer: Answer, encoding: Encoding): void => {
    assert.deepEqual([answer.status, answer.headers['content-type']], [200, contentTypes[encoding]])
    const { rejectedDataPoints, errorMessage } = decodeExportResponse(encoding, answer.body)
    assert.equal(rejectedDataPoints, 3)
    assert.match(errorMessage, /1 × NEGATIVE_DELTA \(first in "down"\): .*never goes down/)
    assert.match(errorMessage, /2 × TEMPORALITY_MISSING \(first in "vague"\): .*set delta/)
  }
  check(await gateway.post(deltas(points)), 'protobuf')
  const body = new TextEncoder().encode(JSON.stringify(jsonRequest(points)))
  const headers = { 'content-type': contentTypes.json }
  check(await ask(gateway.urls.otlp, { method: 'POST', headers, body }), 'json')

  const lines = await gateway.metrics()
  assert.deepEqual([lines.get(good), lines.get(lineOf('good', { type: 'other' }))], [6, 8])
  assert.deepEqual([lines.get(lineOf('down')), lines.get(lineOf('vague'))], [undefined, undefined])
  assert.equal(lines.get('swansong_points_rejected_total{reason="negative_delta"}'), 2)
  assert.equal(lines.get('swansong_points_rejected_total{reason="temporality_missing"}'), 4)
})

async function assertCountsOn(gateway: Gateway): Promise<void> {
  const before = await gateway.metric(good)
  assert.equal((await gateway.post(deltas([{ name: 'good', value: 1 }]))).status, 200)
  assert.equal(await gateway.metric(good), before + 1)
}

/** As OTLP/JSON has it: 64-bit integers are strings. */
function jsonRequest(points: readonly Point[]): unknown {
  const text = JSON.stringify(exportRequest(points), (_key, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value
  )
  return JSON.parse(text)
}

/** So many megabytes of zeros, as gzip. */
async function zerosZipped(megabytes: number): Promise<Buffer> {
  const gzip = createGzip({ level: 9 })
  const zeros = Buffer.alloc(megabyte)
  const write = async (): Promise<void> => {
    for (let written = 0; written < megabytes; written++) {
      if (!gzip.write(zeros)) await new Promise((resolve) => gzip.once('drain', resolve))
    }
    gzip.end()
  }
  const writing = write()
  const parts: Buffer[] = []
  for await (const part of gzip) parts.push(part as Buffer)
  await writing
  return Buffer.concat(parts)
}
