import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { requestsOf, startGateway } from './support/gateway.ts'
import { sums } from './support/read-request.ts'
import { makeSpool, run, start } from './support/run.ts'

const options = { timeout: 60_000 }
/** By POST a thread that is stopped from outside runs nothing more: what it did not flush is lost with it. */
const endings: [ending: string, byPost: number, byJournal: number][] = [
  ['natural', 11, 11],
  ['exit', 11, 11],
  ['uncaught', 11, 11],
  ['flushed', 11, 11],
  ['terminate', 1, 11],
  ['oom', 1, 11],
  ['cluster', 21, 21],
]

for (const [ending, byPost, byJournal] of endings) {
  test(`threads and clusters, ${ending}: each is counted once`, options, async () => {
    const gateway = await startGateway(200)
    const posted = await run('threads', [ending], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
    assert.deepEqual([posted.code, posted.signal], [0, null], posted.stderr)
    assert.deepEqual(sums(requestsOf(gateway.counted.values())), { family: byPost })
    assert.equal(gateway.requests.length, gateway.counted.size)
    await gateway.close()

    const spool = makeSpool()
    const written = await run('threads', [ending], { SWANSONG_SPOOL_DIR: spool.directory })
    assert.deepEqual([written.code, written.signal], [0, null], written.stderr)
    assert.deepEqual(sums(spool.read('living').map((each) => each.request)), { family: byJournal })
    assert.equal(new Set(spool.read('living').map(({ name }) => name)).size, ending === 'cluster' ? 3 : 2)
    spool.remove()
  })
}

test(
  'process 1 of a container delivers at SIGTERM, which does not end it, and goes on',
  options,
  async () => {
    const gateway = await startGateway(200)
    const job = fileURLToPath(new URL('jobs/first-process.ts', import.meta.url))
    const namespace = [
      '--pid',
      '--fork',
      '--mount-proc',
      process.execPath,
      '--conditions=@swansong/source',
      job,
    ]
    const env = {
      PATH: process.env['PATH'] ?? '',
      SWANSONG_EXPORT: '1',
      OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url,
    }
    const child = spawn(
      'unshare',
      process.getuid?.() === 0 ? namespace : ['--user', '--map-root-user', ...namespace],
      {
        env,
        timeout: 20_000,
      }
    )
    let said = ''
    child.stdout.on('data', (text: Buffer) => (said += text.toString()))
    child.stderr.on('data', (text: Buffer) => (said += text.toString()))
    const code = await new Promise((resolve) => child.on('close', resolve))
    assert.deepEqual([code, said], [4, 'pid 1\n'])
    assert.deepEqual(
      requestsOf(gateway.counted.values()).map(({ points }) => points[0]?.value),
      [1, 10, 100]
    )
    await gateway.close()
  }
)

test('a job that is stopped in the middle of its delivery, and goes on, delivers once', options, async () => {
  const budgetMs = 3000 // A busy machine may be late with the answer; it is not to be that late.
  const stopped = async (ending: string): Promise<void> => {
    const gateway = await startGateway('late')
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url, SWANSONG_EXIT_BUDGET_MS: String(budgetMs) }
    const job = start('dying', [ending, 'with'], env)
    await gateway.asked
    job.kill('SIGSTOP') // Before the answer, which comes 300 ms on …
    await new Promise((resolve) => setTimeout(resolve, budgetMs + 500))
    job.kill('SIGCONT') // … and after the budget.
    const ended = await job.ended
    assert.equal(ended.stderr, '', ending)
    assert.equal(gateway.counted.size, 1)
    assert.equal(gateway.requests.length, 1)
    await gateway.close()
  }
  await Promise.all(['natural', 'exit', 'SIGTERM'].map(stopped))
})

test('signals that are ours to ignore are not handled', options, async () => {
  const gateway = await startGateway(200)
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url }
  const ended = await run('ignoring', [], env)
  assert.equal(ended.signal, 'SIGTERM')
  assert.equal(ended.stdout, '0 0 0\n')
  assert.equal(gateway.requests.length, 0)
  await gateway.close()
})
