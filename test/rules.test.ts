import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { stockWorker } from './peers/stock-sdks.ts'
import { spawnThatDiesWithUs } from './support/child.ts'
import { startGateway } from './support/gateway.ts'
import { ask } from './support/http.ts'
import { until } from './support/wait.ts'

/*
 * Sessions of a stock SDK under a preset, which is taken away while they live. Of deltas and of running totals alike: what
 * was counted under one rule is not counted under the next, and nothing is lost (CONFORMANCE B9, B10).
 */

test('sessions of stock SDKs are one series under a preset, and their further counts their own once it is gone', async () => {
  const home = await mkdtemp(join(tmpdir(), 'swansong-rules-'))
  after(() => rm(home, { recursive: true, force: true }))
  const file = join(home, 'swansong.yaml')
  await writeFile(file, 'presets: [coding-agents]\n')
  const gateway = await startGateway({ env: { SWANSONG_CONFIG: file } })
  const jobs = await Promise.all(
    ['delta', 'cumulative'].map((temporality) => startSessions(gateway.urls.endpoint, temporality))
  )
  const scope = 'otel_scope_name="com.anthropic.claude_code"'
  const line = (name: string, labels = ''): string => `${name}{job="claude-code",model="m",${scope}${labels}}`
  await gateway.shows(line('claude_code_token_usage_total'), 60)
  await gateway.shows(line('claude_code_active'), 60)
  const own = (await ask(`${gateway.urls.metrics}/metrics`)).body.toString()
  assert.match(own, /^swansong_point_attributes_dropped_total\{attribute="session\.id"\} 20$/m)
  assert.match(own, /^swansong_resource_attributes_dropped_total\{attribute="host\.arch"\} 20$/m)

  await writeFile(file, 'rules:\n  - metrics: claude_code.*\n    attributes: { drop: [user.*] }\n')
  const answer = await ask(`${gateway.urls.admin}/-/reload`, { method: 'POST' })
  assert.equal(answer.status, 200, answer.body.toString())
  for (const job of jobs) job.stdin?.write('go on\n')
  for (const job of jobs) assert.deepEqual(await ended(job), [0, null])

  for (let session = 0; session < 10; session++)
    await gateway.shows(line('claude_code_token_usage_total', `,session_id="s${session}"`), 8)
  await gateway.shows(line('claude_code_token_usage_total'), 60)
  // Levels go whole: what a living sender holds stands where the rules say now.
  const lines = await gateway.metrics()
  const levels = [...lines].filter(([name]) => name.startsWith('claude_code_active{'))
  assert.equal(
    levels.reduce((sum, [, value]) => sum + value, 0),
    140
  )
  assert.equal(lines.get(line('claude_code_active')), 0)
  assert.equal(await gateway.stop(), 0)
})

type Job = ReturnType<typeof spawnThatDiesWithUs>

async function startSessions(endpoint: string, temporality: string): Promise<Job> {
  const [program, worker = ''] = await stockWorker('js')
  const job = spawnThatDiesWithUs(
    program,
    [join(import.meta.dirname, 'clients', 'fixtures', 'js', 'agent-sessions.cjs')],
    {
      env: {
        PATH: process.env['PATH'] ?? '',
        NODE_PATH: join(dirname(worker), 'node_modules'),
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: temporality,
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    }
  )
  let said = ''
  job.stdout?.on('data', (text: Buffer) => (said += text.toString()))
  await until('its first counts are sent', () => said === 'sent\n')
  return job
}

async function ended(job: Job): Promise<unknown[]> {
  return job.exitCode === null ? ((await once(job, 'exit')) as unknown[]) : [job.exitCode, null]
}
