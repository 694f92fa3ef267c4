import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ended, spawnThatDiesWithUs } from './support/child.ts'
import { lineOf } from './support/deltas.ts'
import { startGateway } from './support/gateway.ts'
import { until } from './support/wait.ts'
import type { Work } from './support/work.ts'

/** In a pid namespace of its own, as in a container; all in it ends with the command. */
const container = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL']
/** Several looks of the gateway into its spool. */
const looksMs = 1500
const task: Work = { metric: 'work', seriesCount: 1, adds: 1000, liveMs: 0, ending: 'flush and SIGKILL' }
const work = [process.execPath, join(import.meta.dirname, 'jobs', 'work.ts'), JSON.stringify(task)]
const living = [process.execPath, join(import.meta.dirname, 'jobs', 'living.ts')]

let spoolDir = ''
beforeEach(() => {
  spoolDir = mkdtempSync(join(tmpdir(), 'swansong-shared-'))
})
afterEach(() => rmSync(spoolDir, { recursive: true, force: true }))

/** Starts a command that writes into the shared spool; what it says is gathered. */
function run(command: readonly string[]): { child: ChildProcess; said: () => string } {
  const [program = '', ...args] = command
  const env = { PATH: process.env['PATH'] ?? '', OTEL_SERVICE_NAME: 'test', SWANSONG_SPOOL_DIR: spoolDir }
  const child = spawnThatDiesWithUs(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (said += text))
  }
  after(() => ended(child, 'SIGKILL', 0))
  return { child, said: () => said }
}

function journals(): string[] {
  return readdirSync(spoolDir).filter((name) => /^[^.].*\.(journal|silent)$/.test(name))
}

test('a process of a container is followed from outside, and its journal goes when it is killed', async () => {
  const gateway = await startGateway({ spoolDir })
  const { child, said } = run([...container, ...living])
  child.stdin?.write('1000\n')
  await gateway.shows(lineOf('living'), 1000)
  await until('it goes on', () => said().includes('added 1000'))
  child.stdin?.write('234\n')
  await gateway.shows(lineOf('living'), 1234)
  await sleep(looksMs)
  assert.equal(journals().length, 1, 'it lives')
  await ended(child, 'SIGKILL', 0)
  await until('its journal is taken', () => journals().length === 0)
  await gateway.shows(lineOf('living'), 1234)
  assert.equal((await gateway.status()).writers, 0)
})

test('a container does not see the processes beside it: their journals count, and stay', async () => {
  const gateway = await startGateway({ spoolDir, within: container })
  const { child, said } = run([...container, ...living])
  child.stdin?.write('1000\n')
  await gateway.shows(lineOf('living'), 1000)
  await until('it is told', () => said().includes('added 1000'))
  await ended(child, 'SIGKILL', 0)
  await sleep(looksMs)
  assert.equal(journals().length, 1)
  await gateway.shows(lineOf('living'), 1000)
  assert.equal((await gateway.status()).writers, 1)
  await gateway.kill9()
  await sleep(looksMs) // It ends with the command that holds its container.
  const outside = await startGateway({ spoolDir, dataDir: gateway.dataDir }) // Which sees that it is gone.
  await until('its journal is taken', () => journals().length === 0)
  await outside.shows(lineOf('living'), 1000)
})

test('a process whose pid was given to another is dead, and so is one that nobody has waited for', async () => {
  const reusing = `"$@" & pid=$!; wait $pid
echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid; sleep 60 & echo "reused $pid by $!"; wait`
  const inside = run([...container, 'sh', '-c', reusing, 'sh', ...work])
  const zombie = run(['sh', '-c', '"$@" & echo "zombie $!"; exec sleep 60', 'sh', ...work])
  await until('a pid is reused', () => inside.said().includes('reused'))
  const [, pid, by] = /reused (\d+) by (\d+)/.exec(inside.said()) ?? []
  assert.equal(pid, by)
  await until('a process is dead, but not waited for', () => {
    const dead = /zombie (\d+)/.exec(zombie.said())?.[1]
    return dead !== undefined && /\) Z /.test(readFileSync(`/proc/${dead}/stat`, 'utf8'))
  })
  assert.equal(journals().length, 2)
  const gateway = await startGateway({ spoolDir })
  await until('both journals are taken', () => journals().length === 0)
  await gateway.shows(lineOf('work', { series: '0' }), 2000)
  assert.equal((await gateway.status()).writers, 0)
})
