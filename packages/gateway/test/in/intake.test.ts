import { randomUUID } from 'node:crypto'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { startGateway } from '../support/gateways.ts'
import { deltas } from '../support/requests.ts'

const megabyte = 1024 * 1024
const type = { 'content-type': 'application/x-protobuf' }

test(
  'a request for which there is no room is told to try again before its body is read, and then counts',
  { timeout: 20_000 },
  async (context) => {
    const gateway = await startGateway(context, { limits: { bytesInFlightMax: megabyte } })
    const slow = httpRequest(gateway.url, {
      method: 'POST',
      headers: { ...type, 'content-length': megabyte },
    })
    slow.on('error', () => undefined)
    slow.write(Buffer.alloc(megabyte - 1000)) // It never sends the rest.
    const small = deltas([{ value: 3, attributes: { pad: 'x'.repeat(2000) } }])
    let answered = await gateway.post(small, { 'idempotency-key': randomUUID() })
    while (answered.http === 200) answered = await gateway.post(small, { 'idempotency-key': randomUUID() }) // Until the slow one's bytes have come.
    assert.equal(answered.http, 429)
    assert.equal(answered.headers.get('retry-after'), '1')
    assert.match(answered.said.message, /under way, and 1048576 is the limit; nothing of this was applied/)
    const before = (await gateway.scrape()).get('swansong_points_total') as number

    assert.equal((await gateway.scrape()).get('swansong_in_flight_bytes'), megabyte - 1000)

    slow.destroy()
    while ((await gateway.post(small, { 'idempotency-key': randomUUID() })).http === 429); // Until the gateway has seen that it is gone.
    const scraped = await gateway.scrape()
    assert.equal(scraped.get('swansong_points_total'), before + 1)
    assert.ok((scraped.get('swansong_requests_rejected_total{reason="overloaded"}') as number) > 0)
  }
)

test('what is announced and not sent keeps nobody out', async (context) => {
  const gateway = await startGateway(context, { limits: { bytesInFlightMax: megabyte } })
  const silent = httpRequest(gateway.url, {
    method: 'POST',
    headers: { ...type, 'content-length': megabyte },
  })
  silent.on('error', () => undefined)
  silent.flushHeaders()
  await once(silent, 'socket')
  for (let round = 0; round < 20; round++)
    assert.equal((await gateway.post(deltas([{ value: 1 }]))).http, 200)
  silent.destroy()
})

test('alone, a body of the largest size has room, also when it is inflated', async (context) => {
  const limits = { bodyBytesMax: megabyte, bodyBytesInflatedMax: megabyte, bytesInFlightMax: 10_000 }
  const gateway = await startGateway(context, { limits })
  const points = Array.from({ length: 15_000 }, (_, at) => ({ value: 1, attributes: { at } }))
  const body = deltas(points)
  assert.ok(body.length > 0.5 * megabyte && body.length < megabyte)
  assert.equal((await gateway.post(body)).http, 200)
  assert.equal((await gateway.post(gzipSync(body), { 'content-encoding': 'gzip' })).http, 200)
  assert.equal((await gateway.post(deltas([{ value: 1 }]))).http, 200)
})
