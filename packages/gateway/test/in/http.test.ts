import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { decodeStatus } from '@swansong/otlp'
import { startGateway, type TestGateway } from '../support/gateways.ts'
import { deltas } from '../support/requests.ts'
import { eventually } from '../support/spools.ts'

// CONFORMANCE A1 to A10, A13, A14, A19.

const one = deltas([{ value: 1 }])
const accepted = { rejected: 0, message: '' }
const json = JSON.stringify({
  resourceMetrics: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'jobs' } }] },
      scopeMetrics: [
        {
          scope: { name: 'test' },
          metrics: [
            {
              name: 'work',
              sum: {
                aggregationTemporality: 1,
                isMonotonic: true,
                dataPoints: [{ timeUnixNano: '1700000001000000000', asInt: '1', unknownKey: {} }],
              },
            },
          ],
        },
      ],
    },
  ],
})

/** Sends bytes as they are and resolves with all that comes until the other side closes, or `enough` says so. */
async function raw(
  gateway: TestGateway,
  parts: readonly (string | Uint8Array)[],
  enough: (text: string) => boolean = () => false
): Promise<string> {
  const socket = connect(gateway.gateway.addresses.otlpHttp.port, '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1')
  const done = new Promise<void>((resolve) => {
    socket.on('data', (piece: string) => {
      text += piece
      if (enough(text)) resolve()
    })
    socket.on('close', resolve)
    socket.on('error', () => resolve())
  })
  for (const part of parts) socket.write(part)
  await done
  socket.destroy()
  return text
}

test('protobuf and JSON, plain and gzipped, with parameters, count and are answered in kind', async (context) => {
  const gateway = await startGateway(context)
  let want = 0
  const check = async (
    body: string | Uint8Array,
    headers: Record<string, string>,
    type: string
  ): Promise<void> => {
    const answer = await gateway.post(body, headers)
    assert.equal(answer.http, 200)
    assert.equal(answer.headers.get('content-type'), type)
    assert.deepEqual(answer.said, accepted)
    assert.equal(await gateway.work(), ++want)
  }
  const protobufType = 'application/x-protobuf'
  const jsonType = 'application/json'
  await check(one, {}, protobufType)
  await check(one, { 'content-type': 'application/x-protobuf; charset=x; a="b;c"' }, protobufType)
  await check(one, { 'content-type': 'Application/X-Protobuf' }, protobufType)
  await check(one, { 'content-encoding': 'identity' }, protobufType)
  await check(gzipSync(one), { 'content-encoding': 'gzip' }, protobufType)
  await check(gzipSync(one), { 'content-encoding': 'GZIP' }, protobufType)
  await check(json, { 'content-type': 'application/json' }, jsonType)
  await check(json, { 'content-type': 'application/json; charset=utf-8' }, jsonType)
  await check(gzipSync(json), { 'content-type': 'application/json', 'content-encoding': 'gzip' }, jsonType)
  const large = deltas(
    Array.from({ length: 3000 }, (_, n) => ({
      name: 'large',
      value: 1,
      attributes: { n, x: String(Math.sin(n)) },
    }))
  )
  assert.ok(gzipSync(large).length > 16 * 1024, 'inflated elsewhere than small ones')
  const zipped = await gateway.post(gzipSync(large), { 'content-encoding': 'gzip' })
  assert.deepEqual([zipped.http, zipped.said], [200, accepted])
  assert.equal(gateway.gateway.status().series, 3001)
})

test('full success has an empty body, or {}; so has a request without anything in it', async (context) => {
  const gateway = await startGateway(context)
  const check = async (body: string | Uint8Array, type: string, want: string): Promise<void> => {
    const headers = { 'content-type': type }
    const response = await fetch(gateway.url, {
      method: 'POST',
      body: typeof body === 'string' ? body : new Uint8Array(body),
      headers,
    })
    assert.equal(response.status, 200)
    assert.equal(await response.text(), want)
  }
  await check(one, 'application/x-protobuf', '')
  await check(new Uint8Array(0), 'application/x-protobuf', '')
  await check(json, 'application/json', '{}')
  await check('{}', 'application/json', '{}')
  await check('{"resourceMetrics":[]}', 'application/json', '{}')
})

test('the path may have a query; another one, another method is refused', async (context) => {
  const gateway = await startGateway(context)
  const origin = new URL(gateway.url).origin
  const check = async (path: string, method: string, want: number): Promise<Response> => {
    const body = method === 'GET' || method === 'HEAD' ? {} : { body: new Uint8Array(one) }
    const headers = { 'content-type': 'application/x-protobuf' }
    const response = await fetch(`${origin}${path}`, { method, headers, ...body })
    assert.equal(response.status, want, `${method} ${path}`)
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (want === 200 || method === 'HEAD') return response
    const { message } = decodeStatus('protobuf', bytes)
    assert.notEqual(message, '')
    assert.doesNotMatch(message, /secret/) // As it is logged.
    return response
  }
  await check('/v1/metrics?x=y', 'POST', 200)
  await check('/v1/metrics/', 'POST', 404)
  await check('/v1/traces', 'POST', 404)
  await check('/v2/metrics?key=secret', 'POST', 404)
  await check('/', 'POST', 404)
  await check('/metrics', 'GET', 404)
  const response = await check('/v1/metrics', 'GET', 405)
  assert.equal(response.headers.get('allow'), 'POST')
  await check('/v1/metrics', 'PUT', 405)
  await check('/v1/metrics', 'HEAD', 405)
  assert.equal(await gateway.work(), 1)
})

interface Want {
  http: number
  code: number
  says: RegExp
  counted: string
}

async function refuses(
  gateway: TestGateway,
  body: Uint8Array | string,
  headers: Record<string, string>,
  want: Want
): Promise<void> {
  const name = `swansong_requests_rejected_total{reason="${want.counted}"}`
  const before = (await gateway.scrape()).get(name) ?? 0
  const { http, said, headers: answered } = await gateway.post(body, headers)
  assert.equal(http, want.http)
  const type = headers['content-type'] ?? ''
  assert.equal(
    answered.get('content-type'),
    /json/.test(type) ? 'application/json' : 'application/x-protobuf'
  )
  assert.equal('code' in said ? said.code : 0, want.code)
  assert.match(said.message, want.says)
  assert.equal((await gateway.scrape()).get(name), before + 1)
}

test('what cannot be read is refused with a google.rpc.Status in the encoding of the request', async (context) => {
  const gateway = await startGateway(context)
  const asJson = { 'content-type': 'application/json' }
  const gzip = { 'content-encoding': 'gzip' }
  const notOtlp = { http: 400, code: 3, counted: 'not_otlp' }
  const notGzip = {
    http: 400,
    code: 3,
    counted: 'not_gzip',
    says: /Content-Encoding is gzip, but the body is not/,
  }

  await refuses(gateway, one.subarray(0, -3), {}, { ...notOtlp, says: /not OTLP metrics: .*\(at \d+\)/ })
  await refuses(gateway, 'hello', {}, { ...notOtlp, says: /not OTLP metrics/ })
  await refuses(gateway, json.slice(0, -1), asJson, { ...notOtlp, says: /not OTLP\/JSON/ })
  await refuses(gateway, '[]', asJson, { ...notOtlp, says: /not OTLP\/JSON/ })
  await refuses(gateway, '', asJson, { ...notOtlp, says: /not OTLP\/JSON/ })
  await refuses(gateway, json.replace('"1"', '"x"'), asJson, { ...notOtlp, says: /asInt/ })
  const latin1 = Buffer.from(json.replace('jobs', 'jöbs'), 'latin1')
  await refuses(gateway, latin1, asJson, { ...notOtlp, says: /a string is not UTF-8/ })
  await refuses(gateway, one, gzip, notGzip)
  await refuses(gateway, gzipSync(one).subarray(0, -9), gzip, notGzip)
  await refuses(gateway, json, { ...asJson, ...gzip }, notGzip)
  await refuses(gateway, Buffer.alloc(20_000), gzip, notGzip)
  await refuses(gateway, new Uint8Array(0), gzip, notGzip)
  assert.equal(gateway.gateway.status().series, 0)
  assert.equal((await gateway.scrape()).get('swansong_bugs_total'), 0)
})

test('what is of another type, or encoded otherwise, is refused with what to send', async (context) => {
  const gateway = await startGateway(context)
  const type = {
    http: 415,
    code: 3,
    counted: 'unsupported_media_type',
    says: /send application\/x-protobuf or/,
  }
  const encoding = { http: 415, code: 12, counted: 'unsupported_encoding', says: /send gzip or none/ }
  for (const sent of ['text/plain', 'application/protobuf', 'application/x-protobuf2', '']) {
    await refuses(gateway, one, { 'content-type': sent }, type)
  }
  for (const sent of ['br', 'deflate', 'gzip, gzip', 'zstd']) {
    await refuses(gateway, one, { 'content-encoding': sent }, encoding)
  }
  await refuses(gateway, json, { 'content-type': 'application/json', 'content-encoding': 'br' }, encoding)
  const typeless = ['POST /v1/metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n']
  assert.match(await raw(gateway, typeless), /^HTTP\/1.1 415 /)
})

test('batch ids that cannot be are refused', async (context) => {
  const gateway = await startGateway(context)
  const bad = { http: 400, code: 3, counted: 'bad_batch_id', says: /1 to 256 characters/ }
  await refuses(gateway, one, { 'idempotency-key': '' }, bad)
  await refuses(gateway, one, { 'idempotency-key': 'x'.repeat(257) }, bad)
  assert.equal((await gateway.post(one, { 'idempotency-key': 'x'.repeat(256) })).http, 200)
})

const limits = { bodyBytesMax: 10_000, bodyBytesInflatedMax: 20_000 }
const tooLarge = {
  http: 413,
  code: 8,
  counted: 'body_too_large',
  says: /over the limit of 10000|more than the limit of 20000/,
}

test('bodies up to the limit are taken, longer ones refused: sent, inflated small, inflated elsewhere', async (context) => {
  const gateway = await startGateway(context, { limits })
  const padded = (bytes: number): Uint8Array =>
    Buffer.concat([
      one,
      Buffer.from([0x7a, ((bytes - one.length - 3) & 0x7f) | 0x80, (bytes - one.length - 3) >> 7]),
      Buffer.alloc(bytes - one.length - 3),
    ])
  assert.equal((await gateway.post(padded(10_000))).http, 200)
  await refuses(gateway, new Uint8Array(10_001), {}, tooLarge)
  const gzip = { 'content-encoding': 'gzip' }
  assert.equal((await gateway.post(gzipSync(padded(16_000)), gzip)).http, 200)
  await refuses(gateway, gzipSync(new Uint8Array(20_001)), gzip, tooLarge)
  assert.equal(await gateway.work(), 2)
})

test('a bomb of gzip ends at the limit, small or large', async (context) => {
  const gateway = await startGateway(context)
  const gzip = { 'content-encoding': 'gzip' }
  const bomb = gzipSync(Buffer.alloc(100 * 1024 * 1024))
  assert.ok(bomb.length < 200_000 && bomb.length > 16 * 1024)
  const says = { ...tooLarge, says: /inflates to more than the limit of 67108864/ }
  await refuses(gateway, bomb, gzip, says)
  const small = await startGateway(context, { limits: { bodyBytesInflatedMax: 1_000_000 } })
  const smallBomb = gzipSync(Buffer.alloc(4_000_000))
  assert.ok(smallBomb.length < 16 * 1024)
  await refuses(small, smallBomb, gzip, { ...tooLarge, says: /inflates to more than the limit of 1000000/ })
})

const head = 'POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n'

test('a length over the limit is answered before the body is there', async (context) => {
  const gateway = await startGateway(context, { limits })
  const text = await raw(gateway, [`${head}content-length: 10001\r\n\r\n`, 'only this'], isWhole)
  assert.match(text, /^HTTP\/1.1 413 /)
  assert.match(text, /over the limit of 10000/)
  const text2 = await raw(gateway, [`${head}content-length: 99999999999\r\n\r\n`], isWhole)
  assert.match(text2, /^HTTP\/1.1 413 /)
})

test('a body without a length is refused as soon as it is over the limit', async (context) => {
  const gateway = await startGateway(context, { limits })
  const chunk = `fa0\r\n${'x'.repeat(4000)}\r\n`
  const text = await raw(gateway, [`${head}transfer-encoding: chunked\r\n\r\n`, chunk, chunk, chunk], isWhole)
  assert.match(text, /^HTTP\/1.1 413 /)
  assert.match(text, /over the limit of 10000/)
})

test('a sender whose body is not wanted is cut off when it does not stop', async (context) => {
  const gateway = await startGateway(context, { limits })
  const begun = performance.now()
  const text = await raw(gateway, [`${head}content-length: 20000\r\n\r\n`, 'x'.repeat(100)])
  assert.match(text, /^HTTP\/1.1 413 /)
  assert.ok(performance.now() - begun < 20_000, 'long before an idle connection is')
})

test('a request that breaks off counts nothing, and the next one is served', async (context) => {
  const gateway = await startGateway(context)
  const socket = connect(gateway.gateway.addresses.otlpHttp.port, '127.0.0.1')
  socket.write(`${head}content-length: ${one.length + 1}\r\n\r\n`)
  socket.end(one)
  socket.resume()
  await once(socket, 'close')
  assert.equal((await gateway.post(one)).http, 200)
  assert.equal(await gateway.work(), 1)
})

test('an idle connection is kept for longer than the minute between two exports', async (context) => {
  const gateway = await startGateway(context)
  const request = Buffer.concat([Buffer.from(`${head}content-length: ${one.length}\r\n\r\n`), one])
  const text = await raw(gateway, [request, request], (seen) => seen.split('HTTP/1.1 200').length === 3)
  const seconds = Number(/keep-alive: timeout=(\d+)/i.exec(text)?.[1])
  assert.ok(seconds > 60, text)
  assert.equal(await gateway.work(), 2)
})

test('JSON numbers of 64 bits are exact, and values come as numbers or strings', async (context) => {
  const gateway = await startGateway(context)
  const headers = { 'content-type': 'application/json' }
  const post = async (value: string): Promise<void> => {
    assert.equal((await gateway.post(json.replace('"asInt":"1"', value), headers)).http, 200)
  }
  await post('"asInt":9007199254740991')
  await post('"asInt":"1"')
  await post('"asDouble":"0"')
  await post('"asDouble":0')
  assert.equal(await gateway.work(), 2 ** 53)
  const { said } = await gateway.post(json.replace('"asInt":"1"', '"asDouble":"NaN"'), headers)
  assert.match(said.message, /NOT_FINITE/)
})

function isWhole(text: string): boolean {
  const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN)
  return text.length >= text.indexOf('\r\n\r\n') + 4 + length
}

test('a long JSON holds up nobody: while it is read others are answered', async (context) => {
  const gateway = await startGateway(context)
  const { body, count } = longJson()
  const answered: unknown[] = []
  const answer = gateway.post(body, { 'content-type': 'application/json' }).finally(() => answered.push(1))
  let meanwhile = 0
  while (answered.length === 0) {
    const received = (await gateway.scrape()).get('swansong_received_bytes_total') ?? 0
    if (received >= body.length && answered.length === 0) meanwhile++
  }
  assert.equal((await answer).http, 200)
  assert.equal(await gateway.work(), count)
  assert.ok(meanwhile >= 2, `${meanwhile} scrapes were answered while it was read`)
})

test('a long JSON whose sender is gone while it is read counts all the same, and leaves no room taken', async (context) => {
  const gateway = await startGateway(context)
  const { body, count } = longJson()
  const socket = connect(gateway.gateway.addresses.otlpHttp.port, '127.0.0.1')
  const begin = `POST /v1/metrics HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
  socket.write(begin)
  socket.write(body)
  const own = async (name: string): Promise<number> =>
    (await gateway.scrape()).get(`swansong_${name}`) ?? Number.NaN
  await eventually(async () => assert.ok((await own('received_bytes_total')) >= body.length))
  socket.destroy()
  await eventually(async () => assert.equal(await gateway.work(), count))
  assert.equal(await own('in_flight_bytes'), 0)
})

test('long JSONs are read one after the other, as each takes more room than it was counted for', async (context) => {
  const gateway = await startGateway(context)
  const long = longJson()
  const short = longJson(1)
  const answered: string[] = []
  const post = async (what: string, body: string): Promise<void> => {
    assert.equal((await gateway.post(body, { 'content-type': 'application/json' })).http, 200)
    answered.push(what)
  }
  const received = async (): Promise<number> =>
    (await gateway.scrape()).get('swansong_received_bytes_total') ?? Number.NaN
  const first = post('the first', long.body)
  await eventually(async () => assert.ok((await received()) >= long.body.length))
  await Promise.all([first, post('the second', short.body)])
  assert.deepEqual(answered, ['the first', 'the second'])
  assert.equal(await gateway.work(), long.count + short.count)
})

/** As many points as so many MiB have, each 1. */
function longJson(mebibytes = 24): { body: string; count: number } {
  const [before, , after] = json.split(/(\{"timeUnixNano.*?\{\}\})/) as [string, string, string]
  const point = '{"timeUnixNano":"1700000001000000000","asInt":"1"},'
  const count = Math.ceil((mebibytes * 1024 * 1024) / point.length)
  return { body: before + point.repeat(count).slice(0, -1) + after, count }
}
