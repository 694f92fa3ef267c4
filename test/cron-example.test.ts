import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { promtools } from './peers/prometheus.ts'
import { startGateway, swansong } from './support/gateway.ts'

const examples = join(import.meta.dirname, '..', 'examples', 'cron')
const run = promisify(execFile)

test("the example's alerts fire when they should, as Prometheus sees it", async () => {
  const [promtool = ''] = await promtools() // It takes seconds: one does.
  const { stdout } = await run(promtool, ['test', 'rules', join(examples, 'alerts.test.yml')])
  assert.match(stdout, /SUCCESS/)
})

test("the example's job is counted as its README says, and its crontab names commands that there are", async () => {
  const home = await mkdtemp(join(tmpdir(), 'swansong-cron-'))
  after(() => rm(home, { recursive: true, force: true }))
  const gateway = await startGateway()
  const env = {
    PATH: `${dirname(swansong)}${delimiter}${process.env['PATH']}`,
    SWANSONG_SPOOL_DIR: gateway.spoolDir,
    OTEL_SERVICE_NAME: 'backup',
  }
  const archive = join(home, 'docs.tar.gz')
  const backup = (directory: string): Promise<unknown> =>
    run(swansong, ['run', '--', join(examples, 'backup.sh'), directory, archive], { env })
  await backup(examples)
  const { size } = await stat(archive)
  await assert.rejects(backup(join(home, 'is-not-there')), { code: 2 })
  await gateway.shows('job_runs_total{job="backup"}', 2)
  await gateway.shows('job_failures_total{exit_code="2",job="backup"}', 1)
  await gateway.shows(`backup_size_bytes{directory="${examples}",job="backup"}`, size)

  const crontab = await readFile(join(examples, 'crontab'), 'utf8')
  const commands = crontab.split('\n').filter((line) => line.includes('swansong '))
  assert.equal(commands.length, 2)
  for (const line of commands) assert.match(line, /^\S+ \S+ \S+ \S+ \S+ +swansong run .*-- \S+/)
})
