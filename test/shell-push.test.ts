import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { runSwansongIn, type Said } from './support/command.ts'
import { lineOf } from './support/exposition.ts'
import { startGateway, swansong } from './support/gateway.ts'
import { wayOut } from './support/worker.ts'

const PATH = process.env['PATH'] ?? ''

function push(env: Record<string, string>, ...words: string[]): Promise<Said> {
  return runSwansongIn({ env: { PATH, OTEL_SERVICE_NAME: 'shell', ...env } }, 'push', ...words)
}

const line = (name: string, labels: Record<string, string> = {}): string =>
  lineOf(name, { job: 'shell', ...labels })

test('200 pushes at once, by file and by POST, through kill -9 of the gateway, count 200 times', async () => {
  const gateway = await startGateway()
  // As a script does it: all of them children of one shell, which waits.
  const script = `for at in $(seq 100); do
    SWANSONG_SPOOL_DIR=$1 "$0" push pushes=3 --label way=file & echo $!
    SWANSONG_SPOOL_DIR=$1 OTEL_EXPORTER_OTLP_ENDPOINT=$2 "$0" push pushes=3 --label way=post & echo $!
    [ $((at % 8)) != 0 ] || wait
  done; wait`
  const args = ['-c', script, swansong, gateway.spoolDir, gateway.urls.endpoint]
  const env = { PATH, OTEL_SERVICE_NAME: 'shell' }
  const state = { isOver: false }
  const pushing = promisify(execFile)('sh', args, { env }).finally(() => (state.isOver = true))
  while (!state.isOver) {
    await new Promise((resolve) => setTimeout(resolve, 700))
    await gateway.kill9()
    await gateway.restart()
  }
  const { stdout, stderr } = await pushing
  assert.deepEqual([stdout.trim().split('\n').length, stderr], [200, ''])
  await gateway.shows(line('pushes_total', { way: 'file' }), 300)
  await gateway.shows(line('pushes_total', { way: 'post' }), 300)
})

test('each type counts as it should, with labels, unit and bounds', async () => {
  const gateway = await startGateway()
  const { journal, post } = wayOut(gateway)
  const ok = async (env: Record<string, string>, ...words: string[]): Promise<void> => {
    assert.deepEqual(await push(env, ...words), { code: 0, stdout: '', stderr: '' }, words.join(' '))
  }
  await ok(journal, 'rows.imported', '--label', 'table=a=b "c"', '--unit', '{row}')
  await ok(post, 'rows.imported=2.5', '--label=table=a=b "c"', '--unit={row}')
  await ok(journal, '--type', 'updown', 'queue=5')
  await ok(post, '--type', 'updown', 'queue=-2')
  await ok(journal, 'room=20.5', '--type', 'gauge', '--unit', 'Cel')
  await ok(post, 'room=-3e1', '--type', 'gauge', '--unit', 'Cel')
  for (const value of ['0.5', '2', '700'])
    await ok(journal, `took=${value}`, '--type=histogram', '--unit', 's', '--bounds', '1,2')
  await ok({ ...post, OTEL_SERVICE_NAME: '' }, 'nameless')
  await ok(post, 'served', '--service', 'other')
  await ok({ ...post, NODE_ENV: 'test' }, 'tested')
  await ok({ ...post, NODE_ENV: 'test', SWANSONG_EXPORT: '0' }, 'untested')
  await ok({ ...post, OTEL_SDK_DISABLED: 'true' }, 'disabled')
  await ok({ ...post, NODE_OPTIONS: '--import=./is-not-there.js' }, 'optioned')

  await gateway.shows(line('rows_imported_total', { table: 'a=b "c"' }), 3.5)
  await gateway.shows(line('queue'), 3) // Not of living processes: what pushes have added is there for good.
  await gateway.shows(line('room_celsius'), -30)
  await gateway.shows(line('took_seconds_count'), 3)
  const metrics = await gateway.metrics()
  const of = (name: string, labels: Record<string, string> = {}): number | undefined =>
    metrics.get(line(name, labels))
  assert.deepEqual([of('took_seconds_bucket', { le: '1' }), of('took_seconds_bucket', { le: '2' })], [1, 2])
  assert.equal(of('took_seconds_sum'), 702.5)
  assert.equal(metrics.get('nameless_total{job="unknown_service"}'), 1)
  assert.equal(metrics.get('served_total{job="other"}'), 1)
  assert.deepEqual([of('tested_total'), of('optioned_total')], [1, 1])
  assert.deepEqual([of('untested_total'), of('disabled_total')], [undefined, undefined])
})

test('while the gateway is away a spool takes it, and without one that is said, with exit code 2', async () => {
  const gateway = await startGateway()
  const { journal, post, postOrSpool } = wayOut(gateway)
  await gateway.kill9()
  assert.equal((await push(journal, 'late')).code, 0)
  assert.equal((await push(postOrSpool, 'late')).code, 0)
  const files = (await readdir(gateway.spoolDir)).filter((name) => name.endsWith('.batch'))
  assert.equal(files.length, 2)
  const budget = { SWANSONG_EXIT_BUDGET_MS: '300' }
  const down = await push({ ...post, ...budget }, 'lost')
  assert.equal(down.code, 2)
  assert.match(down.stderr, /^swansong: push: lost is lost: not delivered: http:\S+: .*ECONNREFUSED/)

  const hung = createServer(() => {}).listen(0, '127.0.0.1')
  after(() => hung.close())
  await once(hung, 'listening')
  const address = hung.address()
  const endpoint = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  const hangs = await push({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...budget }, 'lost')
  assert.equal(hangs.code, 2)
  assert.match(hangs.stderr, /no answer within/)

  await gateway.restart()
  await gateway.shows(line('late_total'), 2)
  const refused = await push(
    { ...post, OTEL_EXPORTER_OTLP_ENDPOINT: `${gateway.urls.endpoint}/else` },
    'lost'
  )
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /answered 404/)
})

test('what is asked for wrongly is said, and nothing is pushed', async () => {
  const spoolDir = await mkdtemp(join(tmpdir(), 'swansong-push-'))
  after(() => rm(spoolDir, { recursive: true, force: true }))
  const check = async (words: string[], want: RegExp): Promise<void> => {
    const { code, stdout, stderr } = await push({ SWANSONG_SPOOL_DIR: spoolDir }, ...words)
    assert.deepEqual([code, stdout], [1, ''], words.join(' '))
    assert.match(stderr, want)
    assert.equal(stderr.trim().split('\n').length, 1)
  }
  await check([], /what\? As in: swansong push rows\.imported=5/)
  await check(['a', 'b'], /one metric at a time: b is one too many/)
  await check(['a=x'], /a=x: 'x' is no number/)
  await check(['a='], /a=: '' is no number/)
  await check(['a=-1'], /a counter only grows; --type updown/)
  await check(['a', '--type', 'gauge'], /a gauge needs a value: a=VALUE/)
  await check(['a', '--type', 'sum'], /there are counter, updown, gauge, histogram/)
  await check(['a', '--label', 'b'], /--label key=value/)
  await check(['a', '--label', 'b=1', '--label', 'b=2'], /--label b is given twice/)
  await check(['a', '--unit'], /--unit needs a value/)
  await check(['a', '--bounds', '1,2'], /--bounds is for histograms/)
  await check(['a=1', '--type', 'histogram', '--bounds', '2,1'], /write numbers that ascend/)
  await check(['7up'], /'7up' is no name of a metric/)
  await check(['swansong_points'], /names with swansong_ are the gateway's own/)
  assert.deepEqual(await readdir(spoolDir), [])
})
