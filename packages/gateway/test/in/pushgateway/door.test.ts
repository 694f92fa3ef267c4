import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { createConnection } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { pino } from 'pino'
import { startGateway, type StartOptions, type TestGateway } from '../../support/gateways.ts'
import { eventually } from '../../support/spools.ts'

interface Answer {
  status: number
  text: string
}

/** By a connection of its own, as processes do that push once: it ends in order when the answer was read. */
function send(
  gateway: TestGateway,
  path: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
  method = 'POST'
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const told = { ...headers, 'content-length': Buffer.byteLength(body) }
    const asked = request(gateway.pushUrl + path, { method, headers: told, agent: false }, (response) => {
      void buffer(response).then((said) =>
        resolve({ status: response.statusCode ?? 0, text: said.toString() })
      )
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

function start(context: TestContext, options: StartOptions = {}): Promise<TestGateway> {
  return startGateway(context, options)
}

const work = '# TYPE work_total counter\nwork_total{kind="a"} 2\n'
const line = 'work_total{job="nightly",kind="a"}'

test('where a pattern or ?mode=add says so, what is pushed adds up; elsewhere it replaces', async (context) => {
  const gateway = await start(context, { pushgatewayGroups: { add: ['job/night*'] } })
  for (let run = 0; run < 3; run++)
    assert.equal((await send(gateway, '/metrics/job/nightly', work)).status, 200)
  assert.equal((await gateway.scrape()).get(line), 6)
  await send(gateway, '/metrics/job/nightly?mode=replace', '# TYPE level gauge\nlevel 5\n')
  for (let run = 0; run < 2; run++) await send(gateway, '/metrics/job/daily?mode=add', work)
  await send(gateway, '/metrics/job/hourly', work)
  await send(gateway, '/metrics/job/hourly', work)
  const shown = await gateway.scrape()
  assert.equal(shown.get('work_total{job="daily",kind="a"}'), 4)
  assert.equal(shown.get('work_total{instance="",job="hourly",kind="a"}'), 2)
  assert.equal(shown.get('level{instance="",job="nightly"}'), 5)
  assert.ok((shown.get('push_time_seconds{instance="",job="daily"}') ?? 0) > 1.7e9)
  assert.equal((await send(gateway, '/metrics/job/nightly?mode=sum', work)).status, 400)
})

test('histograms and the sums of summaries add up; quantiles and times of creation are left out', async (context) => {
  const gateway = await start(context)
  const body =
    '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="2"} 3\nh_bucket{le="+Inf"} 4\nh_sum 9\nh_count 4\n' +
    '# TYPE s summary\ns{quantile="0.5"} 7\ns_sum 3\ns_count 2\n# TYPE g gauge\ng 1\n' +
    '# TYPE c_total counter\nc_total 1\n# TYPE c_created gauge\nc_created 1.7e9\n'
  for (let run = 0; run < 2; run++)
    assert.deepEqual(await send(gateway, '/metrics/job/j/shard/1?mode=add', body), { status: 200, text: '' })
  const shown = await gateway.scrape()
  const labels = '{job="j",shard="1"}'
  const of = (name: string, more = labels): number | undefined => shown.get(name + more)
  assert.deepEqual(
    ['1', '2', '+Inf'].map((le) => of('h_bucket', `{job="j",shard="1",le="${le}"}`)),
    [2, 6, 8]
  )
  assert.deepEqual(
    [of('h_sum'), of('h_count'), of('s_sum'), of('s_count'), of('g'), of('c_total')],
    [18, 8, 6, 4, 1, 2]
  )
  assert.equal(of('c_created'), undefined)
  assert.equal(of('swansong_points_rejected_total', '{reason="summary_not_supported"}'), 2)
})

test('a push under an Idempotency-Key adds once, over restarts, in its own group', async (context) => {
  const first = await start(context)
  const headers = { 'idempotency-key': 'run-7' }
  for (let tries = 0; tries < 3; tries++)
    assert.equal((await send(first, '/metrics/job/nightly?mode=add', work, headers)).status, 200)
  assert.equal((await first.scrape()).get(line), 2)
  assert.equal((await send(first, '/metrics/job/nightly?mode=add', 'other 1\n', headers)).status, 422)
  assert.equal((await send(first, '/metrics/job/other?mode=add', work, headers)).status, 422)
  await first.close()
  const again = await start(context, { dataDir: first.dataDir })
  assert.equal((await send(again, '/metrics/job/nightly?mode=add', work, headers)).status, 200)
  assert.equal((await again.scrape()).get(line), 2)
})

test('without a key the same push is a retry only if its answer may have been lost', async (context) => {
  const gateway = await start(context)
  const { port } = new URL(gateway.pushUrl)
  const pushed = `POST /metrics/job/nightly?mode=add HTTP/1.1\r\nhost: x\r\ncontent-length: ${work.length}\r\n\r\n${work}`
  const lost = createConnection(Number(port), '127.0.0.1')
  lost.write(pushed)
  await eventually(async () => assert.equal((await gateway.scrape()).get(line), 2))
  lost.resetAndDestroy() // It never read the answer, and tries again.
  await once(lost, 'close')
  assert.equal((await send(gateway, '/metrics/job/nightly?mode=add', work)).status, 200)
  assert.equal((await gateway.scrape()).get(line), 2)
  assert.equal((await send(gateway, '/metrics/job/nightly?mode=add', work)).status, 200)
  assert.equal((await gateway.scrape()).get(line), 4, 'another process that counted the same')
})

test('groups are there after a restart, and DELETE takes them away for good', async (context) => {
  const first = await start(context)
  const body = '# HELP up_to Help.\n# TYPE up_to gauge\nup_to{a="b"} 7\n'
  await send(first, '/metrics/job/x', body, {}, 'PUT')
  await send(first, '/metrics/job/y', body, {}, 'PUT')
  const before = await (await fetch(`${first.pushUrl}/metrics`)).text()
  const own = (text: string): string => text.slice(0, text.indexOf('# HELP swansong'))
  await first.close()
  const second = await start(context, { dataDir: first.dataDir })
  assert.equal(own(await (await fetch(`${second.metricsUrl}/metrics`)).text()), own(before))
  assert.match(own(before), /up_to\{a="b",instance="",job="x"\} 7/)
  assert.equal((await send(second, '/metrics/job/x', '', {}, 'DELETE')).status, 202)
  await second.close()
  const third = await start(context, { dataDir: first.dataDir })
  const shown = await third.scrape()
  assert.deepEqual(
    [...shown.keys()].filter((key) => key.includes('"x"')),
    []
  )
  assert.equal(shown.get('up_to{a="b",instance="",job="y"}'), 7)
})

test('a push says how long its group lives, and bodies come in framed snappy', async (context) => {
  const gateway = await start(context, { pushgatewayGroups: { ttlMs: 3_600_000 } })
  assert.equal((await send(gateway, '/metrics/job/x?ttl=1x', 'a 1\n')).status, 400)
  await send(gateway, '/metrics/job/brief?ttl=1s', 'a 1\n')
  const framed = Buffer.concat([
    Buffer.from([0xff, 6, 0, 0]),
    Buffer.from('sNaPpY'),
    // Thirteen bytes: an `a`, nine copies of what stands one before, three bytes as they are.
    Buffer.from([
      0x00,
      4 + 9,
      0,
      0,
      0,
      0,
      0,
      0,
      13,
      0,
      0x61,
      ((9 - 4) << 2) | 1,
      1,
      2 << 2,
      0x20,
      0x31,
      0x0a,
    ]),
    Buffer.from([0x01, 4 + 4, 0, 0, 0, 0, 0, 0, 0x62, 0x20, 0x32, 0x0a]),
  ])
  const headers = { 'content-encoding': 'snappy' }
  assert.equal((await send(gateway, '/metrics/job/z', framed, headers)).status, 200)
  const shown = await gateway.scrape()
  assert.equal(shown.get('aaaaaaaaaa{instance="",job="z"}'), 1)
  assert.equal(shown.get('b{instance="",job="z"}'), 2)
  for (let end = 1; end < framed.length; end++) {
    if (end === 10 || end === 27) continue // There a chunk ends, too.
    assert.equal(
      (await send(gateway, '/metrics/job/z', framed.subarray(0, end), headers)).status,
      400,
      `${end}`
    )
  }
  await eventually(async () =>
    assert.equal((await gateway.scrape()).get('a{instance="",job="brief"}'), undefined)
  )
})

test('a body over its limit is refused, also where it is so only once it is inflated', async (context) => {
  const gateway = await start(context, { limits: { pushBodyBytesMax: 1000 } })
  const fits = `# ${'x'.repeat(993)}\na 1\n`
  const zips = { 'content-encoding': 'gzip' }
  assert.equal((await send(gateway, '/metrics/job/x', fits)).status, 200)
  assert.equal((await send(gateway, '/metrics/job/x', gzipSync(fits), zips)).status, 200)
  assert.equal((await send(gateway, '/metrics/job/x', `${fits}\n`)).status, 413)
  assert.equal((await send(gateway, '/metrics/job/x', gzipSync(`${fits}\n`), zips)).status, 413)
})

test('the door has health, and answers what it does not know', async (context) => {
  const gateway = await start(context)
  const get = async (path: string): Promise<number> => (await fetch(gateway.pushUrl + path)).status
  assert.deepEqual(
    [await get('/-/healthy'), await get('/-/ready'), await get('/metrics'), await get('/none')],
    [200, 200, 200, 404]
  )
  assert.equal((await send(gateway, '/elsewhere', 'a 1\n')).status, 404)
  assert.equal((await send(gateway, '/metrics/job/x', 'a 1\n', {}, 'PATCH')).status, 405)
  assert.equal((await send(gateway, '/metrics/job/x', 'a 1\n', { 'content-encoding': 'br' })).status, 415)
  const shown = await gateway.scrape()
  assert.equal(shown.get('swansong_pushgateway_requests_total{code="405"}'), 1)
  assert.equal(shown.get('swansong_requests_rejected_total{reason="unsupported_encoding"}'), 1)
})

test('a group that was pushed before it adds is not shown where its sums are: counted, and said with what to do', async (context) => {
  const said: string[] = []
  const log = pino({ level: 'warn' }, { write: (text: string) => void said.push(text) })
  const gateway = await start(context, { log })
  const hidden = async (): Promise<number | undefined> =>
    (await gateway.scrape()).get('swansong_pushed_lines_hidden')
  await send(gateway, '/metrics/job/nightly', work)
  assert.equal(await hidden(), 0)
  await send(gateway, '/metrics/job/nightly?mode=add', work)
  assert.equal(await hidden(), 1)
  const shown = await gateway.scrape()
  assert.equal(shown.get(line), 2)
  assert.equal(shown.get('work_total{instance="",job="nightly",kind="a"}'), undefined)
  await eventually(() => {
    const hints = said.filter((text) => text.includes('is not shown where series of the same name'))
    assert.equal(hints.length, 1)
    assert.match(hints[0] ?? '', /work_total.*job.*nightly.*delete the group/)
  })
  const again = await send(gateway, '/metrics/job/nightly', work)
  assert.equal(again.status, 400)
  assert.match(again.text, /work_total\{job="nightly",kind="a"\} is a sum already/)
  assert.equal((await send(gateway, '/metrics/job/nightly', '', {}, 'DELETE')).status, 202)
  assert.equal(await hidden(), 0)
})
