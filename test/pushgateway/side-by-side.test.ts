import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { debianPeer } from '../peers/debian.ts'
import { ended, spawnThatDiesWithUs } from '../support/child.ts'
import { startGateway } from '../support/gateway.ts'
import { ask } from '../support/http.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/wait.ts'
import { delimited } from './delimited.ts'

/* The same requests to a real Pushgateway and to ours: the same answers, and the same lines of /metrics. */

const program = await debianPeer('prometheus-pushgateway')
const [stockPort, ourPort] = await freePorts(2)
const stockUrl = `http://127.0.0.1:${stockPort}`
const ourUrl = `http://127.0.0.1:${ourPort}`
const listening = `--web.listen-address=127.0.0.1:${stockPort}`
const stock = spawnThatDiesWithUs(program, [listening, '--persistence.file='])
after(() => ended(stock, 'SIGKILL', 0))
const gateway = await startGateway({ flags: ['--pushgateway', `127.0.0.1:${ourPort}`] })
await until('the Pushgateway listens', () =>
  ask(`${stockUrl}/-/ready`).then(
    ({ status }) => status === 200,
    () => false
  )
)

interface Request {
  method: 'POST' | 'PUT' | 'DELETE'
  path: string
  body?: string | Uint8Array
  headers?: Record<string, string>
}

/** What was pushed, line by line and sorted: without what each says of itself, and with the times of pushes as 0 or 1. */
async function shown(url: string): Promise<string[]> {
  const { status, body } = await ask(`${url}/metrics`)
  assert.equal(status, 200)
  const own = /^(# (HELP|TYPE) )?(go_|process_|promhttp_|pushgateway_|swansong_)/
  const lines = body.toString().split('\n')
  return lines
    .filter((line) => line !== '' && !own.test(line))
    .map((line) => line.replace(/^(push(?:_failure)?_time_seconds\{.*\}) (?!0$).*$/, '$1 1'))
    .map((line) => line.replace(/^(# HELP push\w* ).*$/, '$1'))
    .toSorted()
}

let groups = 0

/** Sends the same to both, and holds one against the other. In a group of its own where the path says GROUP. */
async function same(...requests: Request[]): Promise<string[]> {
  const group = `group${++groups}`
  for (const { method, path, body, headers } of requests) {
    const url = path.replace('GROUP', group)
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    const send = async (base: string): Promise<number> => {
      const sent = { method, ...(headers && { headers }), ...(bytes && { body: bytes }) }
      return (await ask(base + url, sent)).status
    }
    const what = `${method} ${url} ${typeof body === 'string' ? body : ''}`
    const [stockStatus, ourStatus] = await Promise.all([send(stockUrl), send(ourUrl)])
    assert.equal(ourStatus, stockStatus, what)
    assert.deepEqual(await shown(ourUrl), await shown(stockUrl), what)
  }
  const lines = (await shown(ourUrl)).filter((line) => line.includes(`"${group}"`))
  for (const path of new Set(requests.map((request) => request.path.replace('GROUP', group)))) {
    const statuses = [stockUrl, ourUrl].map(
      async (base) => (await ask(base + path, { method: 'DELETE' })).status
    )
    const [stockStatus, ourStatus] = await Promise.all(statuses)
    assert.equal(ourStatus, stockStatus, `DELETE ${path}`)
  }
  return lines
}

const at = '/metrics/job/GROUP'
const put = (body: string | Uint8Array, path = at): Request => ({ method: 'PUT', path, body })
const post = (body: string | Uint8Array, path = at): Request => ({ method: 'POST', path, body })
const remove = (path = at): Request => ({ method: 'DELETE', path })

test('PUT replaces a group, POST the same names, DELETE takes it away', async () => {
  const both = '# TYPE one gauge\none 1\n# TYPE two counter\ntwo{a="b"} 2\n'
  const lines = await same(put(both), post('# TYPE one gauge\none 3\n'), post('one_more 4\n'))
  const names = lines.map((line) => line.split('{')[0])
  assert.deepEqual(names, ['one_more', 'one', 'push_failure_time_seconds', 'push_time_seconds', 'two'])
  await same(put(both), put('# TYPE two counter\ntwo{a="c"} 1\n'), put('one 1\n'), put(''))
  assert.deepEqual(await same(put(both), remove()), [])
  await same(remove(), remove('/metrics/job/GROUP/instance/none'))
  const other = `${at}/instance/x`
  await same(put(both), put(both, other), remove(), post('one 9\n', other), remove(other))
})

test('labels of a group: in any order, base64, empty, over those that are pushed, and an instance always', async () => {
  await same(put('a 1\n', `${at}/b/2/a/1`), post('a 2\n', `${at}/a/1/b/2`))
  await same(put('a{job="no",instance="mine",c="d"} 1\n'))
  await same(put('a{instance="mine"} 1\n', `${at}/instance/theirs`))
  await same(put('a 1\n', `${at}/instance/`), put('a 1\n', `${at}/path@base64/L3Zhci90bXA`))
  await same(put('a 1\n', `${at}/path@base64/L3Zhci90bXA=`), put('a 1\n', `${at}/empty@base64/=`))
  await same(put('a 1\n', '/metrics/job@base64/w7xiZXI'), put('a 1\n', `${at}/umlaut/%C3%BCber%20all`))
  await same(put('a 1\n', `${at}/job/other`), put('a 1\n', `${at}/`))
  for (const path of ['/metrics/job@base64/=', `${at}/odd`, `${at}/1a/b`, `${at}/__a/b`])
    await same(put('a 1\n', path))
  await same(put('a 1\n', `${at}/a@base64/$$$`), put('a 1\n', `${at}/a@base64/L3Zhci90bXA/b/c`))
})

test('a line of two groups is refused from whoever comes second', async () => {
  const other = `${at}/b/1`
  await same(
    put('a{b="1"} 1\nc 1\n'),
    put('d 1\na 2\n', other),
    put('c 2\n', other),
    put('a{b="2"} 3\n'),
    put('a 2\n', other)
  )
})

test('text: every type, every way to write numbers, escapes, comments; and what is none', async () => {
  const summary =
    '# HELP s Sum.\n# TYPE s summary\ns{quantile="0.5"} 1\ns{quantile="0.99"} NaN\ns_sum 3e10\ns_count 7\n' +
    's{a="b",quantile="0.5"} 2\ns_sum{a="b"} 3\ns_count{a="b"} 1\n'
  const histogram =
    '# TYPE h histogram\nh_bucket{le="0.1"} 1\nh_bucket{le="1e6"} 3\nh_bucket{le="+Inf"} 4\nh_sum 9.5\nh_count 4\n'
  await same(put(summary + histogram), put(histogram.replace('h_bucket{le="+Inf"} 4\n', '')))
  const numbers = [
    '1',
    '-0',
    '1e6',
    '123456789',
    '0.00001',
    '1e-7',
    '1.5E+10',
    '+Inf',
    '-Inf',
    'NaN',
    'inf',
    '.5',
    '5.',
  ]
  for (const number of numbers) await same(put(`n ${number}\n`))
  await same(put('# HELP e \\\\ and \\n here\n# TYPE e gauge\ne{a="\\\\ \\" \\n",b=""} 1\n'))
  await same(put('# a comment\n\n   \n#TYPE t gauge\n  t   {  a = "b" , }   1\n# HELP t\n'))
  for (const type of ['untyped', 'COUNTER', 'gauge', 'nothing', ''])
    await same(put(`# TYPE t ${type}\nt 1\n`))
  for (const wrong of [
    'a',
    'a 1',
    'a b\n',
    'a 1 2 3\n',
    'a{ 1\n',
    'a{b} 1\n',
    'a{b=c} 1\n',
    'a{b="c} 1\n',
    'a{b="c"d="e"} 1\n',
    'a{b="\\x"} 1\n',
    '1a 1\n',
    'a 0x10\n',
    'a 1_0\n',
    'a 1e999\n',
    'a 1 b\n',
    '# TYPE a gauge\n# TYPE a gauge\na 1\n',
    'a 1\n# TYPE a gauge\n',
    '# HELP a b\n# HELP a b\na 1\n',
    '# TYPE h histogram\nh_bucket{le="x"} 1\n',
  ])
    await same(put('kept 1\n'), put(wrong))
})

test('what cannot be shown is refused, changes nothing, and sets the time of failure', async () => {
  for (const wrong of ['a 1 1700000000000\n', 'a{b="c"} 1\na{b="c"} 2\n', 'a{b="c",b="d"} 1\n'])
    await same(put('kept 1\n'), post(wrong), post('kept 2\n'), put(wrong))
  await same(post('first 1 1700000000000\n'))
  await same(
    put('# TYPE typed gauge\ntyped 1\n', `${at}/a/1`),
    put('# TYPE typed counter\ntyped 1\n'),
    remove(`${at}/a/1`)
  )
  const histogram = '# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n'
  await same(put(histogram, `${at}/a/1`), put('# TYPE h_count gauge\nh_count 1\n'), put('h_bucket 1\n'))
  await same(put('# TYPE s_sum gauge\ns_sum 1\n', `${at}/a/1`), put('# TYPE s summary\ns_sum 1\ns_count 1\n'))
  await same(put('# TYPE alone gauge\nalone 1\n'), put('# TYPE alone counter\nalone 1\n'))
  await same(put('push_time_seconds 7\n'))
})

test('delimited protobuf means what text does', async () => {
  const headers = {
    'content-type':
      'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
  }
  const push = (body: Uint8Array): Request => ({ ...put(body), headers })
  await same(push(delimited('right')))
  await same(push(delimited('stamped')), push(delimited('right').subarray(3)), push(new Uint8Array(0)))
  await same({ ...put('text 1\n'), headers: { 'content-type': 'application/x-unheard-of' } })
})

test('bodies come in gzip or not', async () => {
  const body = gzipSync('zipped 1\n')
  // This Pushgateway is older than compressed bodies: of those ours alone is asked.
  const answer = await ask(`${ourUrl}/metrics/job/zip`, {
    method: 'PUT',
    body,
    headers: { 'content-encoding': 'gzip' },
  })
  assert.equal(answer.status, 200)
  assert.equal(await gateway.metric('zipped{instance="",job="zip"}'), 1)
})
