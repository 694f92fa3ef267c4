import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Prometheus, startPrometheus } from './peers/prometheus.ts'

test('Prometheus sees the counter that it scrapes, and its own labels do not replace ours', async () => {
  const target = await serve('# TYPE jobs_total counter\njobs_total{job="ours",type="good"} 42\n')
  const prometheus = await startPrometheus({ targets: [target] })
  await seen(prometheus, 'jobs_total')

  const [sample, ...more] = await prometheus.query('jobs_total')
  assert.equal(more.length, 0)
  assert.equal(sample?.value, 42)
  assert.deepEqual(sample?.labels, { __name__: 'jobs_total', instance: target, job: 'ours', type: 'good' })
  assert.deepEqual(await prometheus.series('jobs_total'), [sample?.labels])

  const now = Date.now() / 1000
  const [range] = await prometheus.queryRange('jobs_total', { start: now - 60, end: now, step: 1 })
  assert.ok(range !== undefined && range.values.length > 0)
  for (const { value } of range.values) assert.equal(value, 42)
  await assert.rejects(prometheus.query('jobs_total{'), /refused query: .*parse error/)
})

test('a Prometheus ends with the test that started it', async (t) => {
  let pid = 0
  await t.test('which starts one and forgets it', async () => {
    const prometheus = await startPrometheus({ targets: [] })
    pid = prometheus.pid
    process.kill(pid, 0) // It lives.
  })
  assert.throws(() => process.kill(pid, 0), /ESRCH/)
})

test('a Prometheus that cannot start says why', async () => {
  await assert.rejects(startPrometheus({ targets: [], extraArgs: ['--no-such-flag'] }), /no-such-flag/)
})

async function seen(prometheus: Prometheus, promql: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if ((await prometheus.query(promql)).length > 0) return
    await sleep(100)
  }
  assert.fail(`Prometheus saw no ${promql} in 10 s`)
}

async function serve(text: string): Promise<string> {
  const server: Server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4')
    response.end(text)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return `127.0.0.1:${address.port}`
}
