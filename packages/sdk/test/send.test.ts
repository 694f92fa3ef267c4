import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplyParser } from '../src/post/reply.ts'
import { version } from '../src/encode/resource.ts'
import { requestsOf, startGateway } from './support/gateway.ts'
import { sums } from './support/read-request.ts'
import { makeSpool, run, start } from './support/run.ts'

const truth = { 'done{kind="a"}': 250, 'done{kind="b"}': 750 }

test('what may be tried again is tried again: the same bytes under the same id', async () => {
  for (const first of [429, 502, 503, 504, 'reset', 'count and reset'] as const) {
    const gateway = await startGateway(first, 200)
    const ended = await run('ending', ['natural'], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
    assert.deepEqual([ended.code, ended.stderr], [0, ''], String(first))
    assert.equal(gateway.requests.length, 2)
    assert.equal(gateway.requests[0]?.id, gateway.requests[1]?.id)
    assert.ok(gateway.requests[0]?.body.equals(gateway.requests[1]?.body ?? Buffer.of()))
    assert.deepEqual(sums(requestsOf(gateway.counted.values())), truth)
    const waited = (gateway.requests[1]?.at ?? 0) - (gateway.requests[0]?.at ?? 0)
    assert.ok(waited >= (first === 429 ? 990 : 40), `Retry-After and backoff hold: ${waited} ms`)
    await gateway.close()
  }
})

test('any other answer is final, and is said in one line with its reason', async () => {
  for (const status of [400, 401, 404, 413, 422, 500]) {
    const gateway = await startGateway(status)
    const ended = await run('ending', ['natural'], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
    assert.equal(gateway.requests.length, 1)
    assert.match(
      ended.stderr,
      new RegExp(`^swansong: 2 points .* answered ${status}: because of the test\n$`)
    )
    await gateway.close()
  }
})

test('points that the gateway left out are said, and not sent again', async () => {
  const gateway = await startGateway('partial')
  const ended = await run('ending', ['natural'], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
  assert.equal(gateway.requests.length, 1)
  assert.match(ended.stderr, /^swansong: 1 point of unknown_service:node lost: .* rejected them: too old\n$/)
  await gateway.close()
})

test('the headers are those of OTLP, and those that were asked for', async () => {
  const gateway = await startGateway(200)
  await run('ending', ['natural'], {
    OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc',
  })
  const [request] = gateway.requests
  assert.equal(request?.headers['content-type'], 'application/x-protobuf')
  assert.equal(request?.headers.authorization, 'Bearer abc')
  assert.equal(request?.headers['user-agent'], `swansong-sdk/${version}`)
  assert.match(request?.id ?? '', /^[0-9a-f]{8}-[0-9a-f-]{27}$/)
  await gateway.close()
})

test('a living job posts on its interval, each time what is new', async () => {
  const gateway = await startGateway(200)
  const job = start('living', [], {
    OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url,
    OTEL_METRIC_EXPORT_INTERVAL: '50',
  })
  await job.saw('ready')
  await gateway.asked
  job.kill('SIGUSR2')
  await job.saw('counted')
  while (gateway.counted.size < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  job.kill('SIGTERM')
  assert.equal((await job.ended).signal, 'SIGTERM')
  assert.deepEqual(
    requestsOf(gateway.counted.values()).map(({ points }) => points[0]?.value),
    [1, 1]
  )
  await gateway.close()
})

test('flush resolves when it is delivered, and rejects when it cannot be', async () => {
  const gateway = await startGateway(200, 400)
  const job = start('living', ['flush'], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
  await job.saw('ready')
  job.kill('SIGUSR2')
  await job.saw('flushed')
  assert.deepEqual(sums(requestsOf(gateway.counted.values())), { seen: 2 })
  job.kill('SIGUSR2')
  await job.saw('swansong: not delivered: ')
  job.kill('SIGTERM')
  await job.ended
  await gateway.close()
})

test('a batch that is on its way when a signal comes goes to the spool under the id of its request', async () => {
  const gateway = await startGateway('hang')
  const spool = makeSpool()
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url,
    SWANSONG_SPOOL_DIR: spool.directory,
    SWANSONG_EXIT_BUDGET_MS: '300',
  }
  const job = start('living', ['flush'], env)
  await job.saw('ready')
  job.kill('SIGUSR2')
  await gateway.asked
  job.kill('SIGTERM')
  assert.equal((await job.ended).signal, 'SIGTERM')
  const [batch, ...others] = spool.read()
  assert.deepEqual(others, [])
  assert.equal(batch?.name, `${gateway.requests[0]?.id}.batch`)
  assert.deepEqual(sums([batch.request]), { seen: 2 })
  await gateway.close()
  spool.remove()
})

test('nobody asked for and nobody there: nothing is said, and the end is not held up', async () => {
  const ended = await run('ending', ['natural'], { OTEL_METRICS_EXPORTER: '' })
  assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, '', ''])
})

test('replies are read in whatever pieces they come, with a length, in chunks, or up to the end', () => {
  const check = (text: string, want: [number, string] | undefined, closed = false): void => {
    for (const size of [1, 3, text.length]) {
      const parser = new ReplyParser()
      let reply = undefined as ReturnType<ReplyParser['take']>
      for (let at = 0; at < text.length && reply === undefined; at += size) {
        reply = parser.take(Buffer.from(text.slice(at, at + size), 'latin1'))
      }
      if (closed) reply ??= parser.finished()
      const got =
        reply === undefined
          ? undefined
          : [reply.status, 'body' in reply ? Buffer.from(reply.body).toString() : '']
      assert.deepEqual(got, want, text)
    }
  }
  check('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab', [200, 'ab'])
  check('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', [200, ''])
  check('HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n', [
    503,
    'abc',
  ])
  check('HTTP/1.1 200 OK\r\n\r\nab', [200, 'ab'], true)
  check('HTTP/1.1 200 OK\r\n\r\nab', undefined)
  check('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab', [200, ''], true) // The status is the answer; its message is lost.
  check('SSH-2.0-x\r\n\r\n', [undefined as unknown as number, ''])
})
