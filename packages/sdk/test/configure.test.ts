import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestsOf, startGateway } from './support/gateway.ts'
import { sums } from './support/read-request.ts'
import { makeSpool, run, type Spooled } from './support/run.ts'

const sumsOf = (spooled: Spooled[]): Record<string, number> => sums(spooled.map(({ request }) => request))

test('what a job says in its code wins over the environment, and adds up', async () => {
  const [named, given] = [makeSpool(), makeSpool()]
  const options = { spoolDirectory: given.directory, serviceName: 'by code' }
  const env = { SWANSONG_SPOOL_DIR: named.directory, OTEL_SERVICE_NAME: 'by environment' }
  const { code, stderr } = await run('configured', ['count', JSON.stringify(options)], env)
  assert.deepEqual([code, stderr, named.read()], [0, '', []])
  const [file] = given.read()
  assert.equal(file?.request.resource['service.name'], 'by code')
  assert.equal(file.request.resource['team'], 'a')
  named.remove()
  given.remove()
})

test('an option that is wrong is named, and nothing else is lost', async () => {
  const spool = makeSpool()
  const options = JSON.stringify({ timeoutMs: -1, journals: true })
  const { code, stderr } = await run('configured', ['count', options], {
    SWANSONG_SPOOL_DIR: spool.directory,
  })
  assert.match(stderr, /^swansong: .*journals.*timeoutMs.*\n$/)
  assert.deepEqual([code, sumsOf(spool.read())], [0, { jobs: 1 }])
  spool.remove()
})

test('options that come after the first record are not used', async () => {
  const [named, late] = [makeSpool(), makeSpool()]
  const options = JSON.stringify({ spoolDirectory: late.directory })
  const { stderr } = await run('configured', ['late', options], { SWANSONG_SPOOL_DIR: named.directory })
  assert.deepEqual([stderr, late.read(), sumsOf(named.read())], ['', [], { jobs: 2 }])
  named.remove()
  late.remove()
})

test('a limit of series holds for instruments that were made before it was configured', async () => {
  const spool = makeSpool()
  await run('configured', ['limit', '{"cardinalityLimit":10}'], { SWANSONG_SPOOL_DIR: spool.directory })
  const seen = sumsOf(spool.read())
  assert.equal(Object.keys(seen).length, 10)
  assert.equal(seen['jobs{otel.metric.overflow=true}'], 91)
  spool.remove()
})

test('a counted handler has delivered when its result is given, and its result is its own', async () => {
  const spool = makeSpool()
  const gateway = await startGateway(200)
  const told = '[2,4,"on purpose",8]\n'
  const journal = await run('configured', ['counted'], { SWANSONG_SPOOL_DIR: spool.directory })
  assert.deepEqual(
    [journal.stdout, journal.signal, sumsOf(spool.read('living'))],
    [told, 'SIGKILL', { jobs: 10 }]
  )
  const post = await run('configured', ['counted'], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
  assert.deepEqual([post.stdout, post.signal, gateway.requests.length], [told, 'SIGKILL', 4])
  assert.deepEqual(sums(requestsOf(gateway.counted.values())), { jobs: 10 })
  await gateway.close()
  spool.remove()
})

test('a counted handler whose counts cannot be delivered still gives its result, and says so', async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }
  const { stdout, stderr } = await run('configured', ['counted', '{"timeoutMs":200}'], env)
  assert.equal(stdout, '[2,4,"on purpose",8]\n')
  assert.equal(stderr.match(/^swansong: not delivered: .*127\.0\.0\.1:9/gm)?.length, 4)
})

test('flush rejects when nothing could be delivered', async () => {
  const { stdout } = await run('configured', ['flush', '{"timeoutMs":200,"exitBudgetMs":0}'], {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
  })
  assert.match(stdout, /^swansong: not delivered: /)
})

test('what is observed is told on the interval, though nothing was ever recorded', async () => {
  const spool = makeSpool()
  const gateway = await startGateway(200)
  const options = '{"intervalMs":50}'
  await run('configured', ['observed', options], { SWANSONG_SPOOL_DIR: spool.directory })
  assert.deepEqual(sumsOf(spool.read('living')), { level: 7 })
  await run('configured', ['observed', options], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
  assert.equal(requestsOf(gateway.counted.values())[0]?.points[0]?.value, 7)
  await gateway.close()
  spool.remove()
})
