import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { after, test } from 'node:test'
import { stockWorker } from '../peers/stock-sdks.ts'
import { spawnThatDiesWithUs } from '../support/child.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { startSwallowingProxy } from '../support/swallow.ts'

/*
 * CONFORMANCE C4, C5: workers of the stock SDK of JavaScript without service.instance.id, who count the same in the same
 * millisecond, send the same bytes. All count; a retry does not.
 */

test('four workers that send the same bytes at once all count', async () => {
  // The end of a process tells that its answer arrived; on a busy machine that takes a while.
  const gateway = await startGateway({ env: { SWANSONG_LIMITS_DELIVERY_WAIT: '30s' } })
  await run(gateway.urls.endpoint, 4)
  assert.equal(await bornAt(gateway), 4)
  await run(gateway.urls.endpoint, 1)
  assert.equal(await bornAt(gateway), 5)
})

test('under retries: strict they count once: their bytes were the same', async () => {
  const gateway = await startGateway({ env: { SWANSONG_RETRIES: 'strict' } })
  await run(gateway.urls.endpoint, 4)
  assert.equal(await bornAt(gateway), 1)
  assert.equal(await gateway.metric('swansong_duplicates_total'), 3)
})

test('one whose answer is lost sends again, and counts once; its twin after it counts too', async () => {
  const gateway = await startGateway()
  const proxy = await startSwallowingProxy(gateway.ports.otlpHttp, 1)
  await run(proxy.endpoint, 1)
  assert.deepEqual([proxy.swallowed(), proxy.taken()], [1, 2])
  assert.equal(await bornAt(gateway), 1)
  assert.equal(await gateway.metric('swansong_duplicates_total'), 1)
  await run(gateway.urls.endpoint, 1)
  assert.equal(await bornAt(gateway), 2)
})

async function bornAt(gateway: Gateway): Promise<number> {
  const lines = [...(await gateway.metrics())].filter(([line]) => line.startsWith('born_total{'))
  assert.equal(lines.length, 1, String(lines))
  return lines[0]?.[1] ?? 0
}

/** Twins are made ready, begin at once, and end by themselves. */
async function run(endpoint: string, count: number): Promise<void> {
  const [program, worker = ''] = await stockWorker('js')
  const job = join(import.meta.dirname, 'fixtures', 'js', 'twin.cjs')
  const env = {
    NODE_PATH: join(dirname(worker), 'node_modules'),
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
  }
  const twins = Array.from({ length: count }, () =>
    spawnThatDiesWithUs(program, [job], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  )
  after(() => twins.forEach((twin) => twin.kill('SIGKILL'))) // Those that a failed test leaves.
  await Promise.all(twins.map((twin) => once(twin.stdout as Readable, 'data')))
  await Promise.all(twins.map((twin) => goOn(twin)))
}

async function goOn(twin: ChildProcess): Promise<void> {
  const ended = once(twin, 'exit')
  const stderr = buffer(twin.stderr as Readable)
  twin.stdin?.end('\n')
  const [code] = (await ended) as [number | null]
  assert.deepEqual([code, (await stderr).toString()], [0, ''])
}
