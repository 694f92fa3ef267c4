import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sums } from './support/read-request.ts'
import { makeSpool, run } from './support/run.ts'

const register = ['--import', fileURLToPath(new URL('../src/register.ts', import.meta.url))]
const before = (job: string): string[] => [
  '--import',
  fileURLToPath(new URL(`jobs/${job}.ts`, import.meta.url)),
]

test('code written against the API is recorded without a change, under its scope, in every instrument', async () => {
  const spool = makeSpool()
  const ended = await run('api', [], { SWANSONG_SPOOL_DIR: spool.directory }, register)
  assert.deepEqual([ended.code, ended.stderr], [0, ''])
  const requests = spool.read().map((each) => each.request)
  assert.deepEqual(sums(requests), {
    'requests{route="/"}': 100,
    duration: 1,
    open: 2,
    level: 3,
    heat: 4,
    ticks: 5,
    queue: 6, // Its callback waits, and the end of the process for it.
  })
  const point = requests[0]?.points[0]
  assert.deepEqual(
    [point?.scope, point?.schemaUrl, point?.unit],
    ['library@2.0', 'https://schema', '{request}']
  )
  spool.remove()
})

test('who was registered first keeps its place, and that is said on stderr', async () => {
  const spool = makeSpool()
  const env = { SWANSONG_SPOOL_DIR: spool.directory }
  const flags = [...before('other-provider'), ...register]
  const provider = await run('api', [], { ...env, OTHER: 'provider' }, flags)
  assert.match(
    provider.stderr,
    /^swansong: not registered, as another metrics SDK was registered first: .*\n$/
  )
  const copy = await run('api', [], { ...env, OTHER: 'copy' }, flags)
  assert.match(
    copy.stderr,
    /^swansong: not registered, as another copy of @opentelemetry\/api \(1\.4\.0\) was loaded first: /
  )
  assert.deepEqual([provider.code, copy.code, spool.read()], [0, 0, []])
  spool.remove()
})

test('a wrong value is named once: to diag where the job listens, else on stderr', async () => {
  const spool = makeSpool()
  const env = { SWANSONG_SPOOL_DIR: spool.directory, OTEL_METRIC_EXPORT_INTERVAL: 'often' }
  const alone = await run('ending', ['natural'], env)
  assert.match(alone.stderr, /^swansong: OTEL_METRIC_EXPORT_INTERVAL=often is no number of milliseconds.*\n$/)
  const heard = await run('ending', ['natural'], env, before('listening'))
  assert.equal(heard.stderr, '')
  assert.match(heard.stdout, /^swansong: OTEL_METRIC_EXPORT_INTERVAL=often .*\n$/)
  spool.remove()
})
