import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestsOf, startGateway } from './support/gateway.ts'
import { sums } from './support/read-request.ts'
import { makeSpool, run } from './support/run.ts'

const down = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', SWANSONG_EXIT_BUDGET_MS: '100' }
const saidOf = (stderr: string): string[] => stderr.split('\n').filter((line) => line.startsWith('swansong:'))

for (const [ending, code] of [
  ['natural', 1],
  ['exit', 7],
] as const) {
  test(`${ending}: an exit handler that throws before ours costs no count, and its code stays`, async () => {
    const spool = makeSpool()
    const gateway = await startGateway(200)
    const journal = await run('throws-at-exit', [ending], { SWANSONG_SPOOL_DIR: spool.directory })
    assert.deepEqual([journal.code, saidOf(journal.stderr)], [code, []])
    assert.match(journal.stderr, /thrown on purpose/)
    assert.deepEqual(sums(spool.read().map(({ request }) => request)), { done: 1000 })
    const post = await run('throws-at-exit', [ending], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
    assert.deepEqual([post.code, saidOf(post.stderr)], [code, []])
    assert.deepEqual(sums(requestsOf(gateway.counted.values())), { done: 1000 })
    const lost = await run('throws-at-exit', [ending], down)
    assert.equal(lost.code, code)
    assert.match(saidOf(lost.stderr).join('|'), /^swansong: 1 point of unknown_service:node lost: [^|]*$/)
    await gateway.close()
    spool.remove()
  })
}

for (const ending of ['natural', 'exit', 'uncaught']) {
  test(`${ending}: an exit handler that ends the process before ours costs no count, and its code stays`, async () => {
    const spool = makeSpool()
    const gateway = await startGateway(200)
    const journal = await run('exits-at-exit', [ending], { SWANSONG_SPOOL_DIR: spool.directory })
    assert.deepEqual([journal.code, saidOf(journal.stderr)], [9, []])
    const [written, ...others] = spool.read()
    assert.ok(written !== undefined && others.length === 0)
    assert.equal(written.header.ended, true) // Whatever an earlier checkpoint held.
    assert.deepEqual(sums([written.request]), { done: 1000 })
    const post = await run('exits-at-exit', [ending], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
    assert.deepEqual([post.code, saidOf(post.stderr)], [9, []])
    assert.deepEqual(sums(requestsOf(gateway.counted.values())), { done: 1000 })
    const lost = await run('exits-at-exit', [ending], down)
    assert.equal(lost.code, 9)
    assert.match(saidOf(lost.stderr).join('|'), /^swansong: 1 point of unknown_service:node lost: [^|]*$/)
    await gateway.close()
    spool.remove()
  })
}

test('what is counted by the hundred after the end, and lost, is said once and not by the hundred', async () => {
  const { code, stderr } = await run('throws-at-exit', ['exit', '300'], down)
  const said = saidOf(stderr)
  assert.deepEqual([code, said.length], [7, 2], stderr)
  assert.match(said[0] ?? '', /^swansong: 1 point of unknown_service:node lost: /)
  assert.match(said[1] ?? '', /lost, and whatever is counted after this: /)
})
