import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ended, hasEnded, spawnThatDiesWithUs } from './support/child.ts'
import { deltas } from './support/deltas.ts'
import { linesOf, lineOf } from './support/exposition.ts'
import { ask, post } from './support/http.ts'
import { freePorts } from './support/ports.ts'
import { until } from './support/wait.ts'

const example: string = join(import.meta.dirname, '..', 'examples', 'embed', 'embed.ts')

test('an application that embeds the gateway shows its own counts and the jobs’, which outlive it', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'swansong-embed-'))
  after(() => rm(dataDir, { recursive: true, force: true }))
  const [otlp, metrics] = await freePorts(2)
  const shown = async (): Promise<Map<string, number>> =>
    linesOf((await ask(`http://127.0.0.1:${metrics}/metrics`)).body.toString())
  const start = async (): Promise<ReturnType<typeof spawnThatDiesWithUs>> => {
    const env = { OTLP_PORT: String(otlp), METRICS_PORT: String(metrics), SCRAPE_INTERVAL_MS: '500' }
    const application = spawnThatDiesWithUs(process.execPath, [example, dataDir], { env })
    let said = ''
    application.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
    after(() => ended(application, 'SIGKILL', 0))
    const requests = lineOf('requests_total', { route: '/' })
    await until('the application shows what it counts', async () => {
      assert.ok(!hasEnded(application), said)
      return shown().then(
        (lines) => lines.has(requests),
        () => false // Nobody listens there yet.
      )
    })
    return application
  }
  const rows = lineOf('rows_total', { job: 'test' })
  const send = async (body: Uint8Array, id: string): Promise<void> => {
    assert.equal((await post(`http://127.0.0.1:${otlp}/v1/metrics`, body, id)).status, 200)
  }

  const seven = deltas([{ name: 'rows', value: 7 }])
  const first = await start()
  await send(seven, 'one')
  await until('what is newborn is revealed', async () => (await shown()).get(rows) === 7)
  await ended(first, 'SIGKILL', 0)
  const second = await start()
  await send(seven, 'one') // A retry.
  await send(deltas([{ name: 'rows', value: 3 }]), 'two')
  assert.equal((await shown()).get(rows), 10)
  await ended(second, 'SIGTERM', 15_000)
  assert.equal(second.exitCode, 0)
})
