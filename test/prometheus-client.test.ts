import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual, promisify } from 'node:util'
import {
  collectScript,
  crewScript,
  type PrometheusClient,
  prometheusClient,
  prometheusClients,
} from './peers/prometheus-client.ts'
import { ended, hasEnded, spawnThatDiesWithUs } from './support/child.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { until } from './support/wait.ts'

/** In a pid namespace of its own, so that each of them has the pids of the one before; its first process is a shell. */
const container = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL']
const inContainer = [...container, 'sh', '-c', '"$@"; exit $?', 'sh']
/** On a busy machine: that a process is dead is known after some looks of the gateway. */
const takenMsMax = 120_000

interface Crew {
  /** All of them have counted. */
  counted(): Promise<unknown>
  /** Those that wait end, and so does it. */
  end(): Promise<void>
}

function directoryOfTest(): string {
  const directory = mkdtempSync(join(tmpdir(), 'swansong-multiprocess-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Children of one process that count, and end by SIGKILL, by an exit code, or at once. */
function startCrew(
  python: string,
  directory: string,
  {
    children,
    adds,
    waits,
    within = [],
  }: { children: number; adds: number; waits: boolean; within?: string[] }
): Crew {
  const args = [crewScript, String(children), String(adds), ...(waits ? ['wait'] : [])]
  const child = spawnThatDiesWithUs(python, args, {
    env: { PATH: process.env['PATH'] ?? '', PROMETHEUS_MULTIPROC_DIR: directory },
    stdio: ['pipe', 'pipe', 'inherit'],
    within,
  })
  let said = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text))
  after(() => ended(child, 'SIGKILL', 0))
  return {
    counted: () => until('all have counted', () => said.split('counted').length > children, takenMsMax),
    async end() {
      child.stdin?.end()
      await until('the crew ends', () => hasEnded(child), takenMsMax)
    },
  }
}

function filesIn(directory: string): string[] {
  const aside = join(directory, '.swansong')
  const names = [...readdirSync(directory), ...(existsSync(aside) ? readdirSync(aside) : [])]
  return names.filter((name) => name.endsWith('.db'))
}

/** Lines by their name and sorted labels, without the job; bounds as Prometheus 3 has them, which adds the `.0`. */
function normalized(lines: Iterable<readonly [string, number]>): Map<string, number> {
  const found = new Map<string, number>()
  for (const [line, value] of lines) {
    const name = line.split('{', 1)[0] ?? ''
    const labels = [...line.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([label]) =>
      label.replace(/^le="(\d+)"$/, 'le="$1.0"')
    )
    found.set(
      `${name}{${labels
        .filter((label) => !label.startsWith('job='))
        .toSorted()
        .join()}}`,
      value
    )
  }
  return found
}

/** What prometheus_client itself shows, once the live gauges of the dead are gone, as its documentation asks for. */
async function collected(
  python: string,
  directory: string,
  isAlive: (pid: string) => boolean
): Promise<string> {
  const copy = join(directoryOfTest(), 'copy')
  cpSync(directory, copy, { recursive: true })
  for (const name of readdirSync(copy)) {
    const live = /^gauge_live[a-z]+_(\d+)\.db$/.exec(name)
    if (live !== null && !isAlive(live[1] ?? '')) rmSync(join(copy, name))
  }
  return (await promisify(execFile)(python, [collectScript, copy])).stdout
}

function valuesIn(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const values = lines.map((line): [string, number] => {
    const space = line.lastIndexOf(' ')
    return [line.slice(0, space), Number(line.slice(space + 1))]
  })
  return normalized(values)
}

/** What the gateway shows of them: a summary has a bucket there, as it is a histogram. */
async function shownBy(gateway: Gateway): Promise<Map<string, number>> {
  const lines = [...(await gateway.metrics())].filter(([line]) => {
    return !/^(swansong_|target_info|sizes_bucket)/.test(line)
  })
  return normalized(lines)
}

for (const version of prometheusClients) {
  test(`of one directory prometheus_client ${version} and the gateway show the same`, async () => {
    await checkAlike(version)
  })
}

async function checkAlike(version: PrometheusClient): Promise<void> {
  const python = await prometheusClient(version)
  const directory = directoryOfTest()
  await startCrew(python, directory, { children: 4, adds: 21, waits: false }).end()
  const crew = startCrew(python, directory, { children: 3, adds: 10, waits: true })
  await crew.counted()
  const want = valuesIn(await collected(python, directory, (pid) => existsSync(`/proc/${pid}`)))
  assert.equal(want.get('jobs_total{kind="even"}'), 4 * 11 + 3 * 5)
  assert.equal([...want.keys()].filter((line) => line.startsWith('gauge_')).length > 20, true)

  const gateway = await startGateway({ flags: ['--multiprocess-dir', `shop=${directory}`] })
  await becomes(gateway, want)
  assert.equal(await gateway.metric('jobs_total{job="shop",kind="even"}'), 4 * 11 + 3 * 5)

  const isLive = (line: string): boolean => line.startsWith('gauge_live')
  const left = new Map([...want].filter(([line]) => !isLive(line)))
  await crew.end()
  await until('files of dead processes are taken', () => filesIn(directory).length === 0, takenMsMax)
  await becomes(gateway, left)
}

/** Waits until the gateway shows these lines and no others: live gauges of dead processes go after some looks. */
async function becomes(gateway: Gateway, want: ReadonlyMap<string, number>): Promise<void> {
  const isAsWanted = async (): Promise<boolean> => isDeepStrictEqual(await shownBy(gateway), want)
  await until('all is shown', isAsWanted, takenMsMax).catch(() => {})
  assert.deepEqual(await shownBy(gateway), want)
}

test('processes that are killed and whose pids are reused, and a gateway that is killed too: every count once', async () => {
  const python = await prometheusClient('0.26')
  const directory = directoryOfTest()
  const gateway = await startGateway({ flags: ['--multiprocess-dir', `shop=${directory}`] })
  const truth = { rounds: 0, children: 6, adds: 40 }
  const round = async (waits: boolean, meanwhile: () => Promise<void> = async () => {}): Promise<void> => {
    const { children, adds } = truth
    const crew = startCrew(python, directory, { children, adds, waits, within: inContainer })
    truth.rounds++
    if (waits) await crew.counted()
    await meanwhile()
    // One of them is dead by now, all others live: that one of them goes says that the gateway has seen them.
    const counters = (): number => filesIn(directory).filter((name) => name.startsWith('counter')).length
    if (waits) await until('the dead are told from the living', () => counters() === children, takenMsMax)
    if (waits) await shows(gateway, truth)
    await crew.end()
  }
  await round(true)
  const lines = (await gateway.metrics()).size
  await round(false)
  await round(false, async () => {
    await gateway.kill9()
    await gateway.restart()
  })
  await round(true, async () => {
    await gateway.kill9()
    await gateway.restart()
  })
  await round(false)
  await gateway.kill9()
  await round(false) // While there is none.
  await gateway.restart()
  await round(true)
  await until('files of dead processes are taken', () => filesIn(directory).length === 0, takenMsMax)
  await shows(gateway, truth)
  assert.ok((await gateway.metrics()).size <= lines + 10, 'series do not grow with processes')
  assert.equal(await gateway.metric('swansong_bugs_total'), 0)
})

test('files that are written all the time are read as they are: no total is ever too high, or falls', async () => {
  const python = await prometheusClient('0.26')
  const directory = directoryOfTest()
  const gateway = await startGateway({ flags: ['--multiprocess-dir', `shop=${directory}`] })
  const truth = { rounds: 1, children: 2, adds: 20_000 }
  const line = 'jobs_total{job="shop",kind="even"}'
  const crew = startCrew(python, directory, { ...truth, waits: true })
  let seen = 0
  const counting = { isOver: false }
  const counted = crew.counted().finally(() => (counting.isOver = true))
  while (!counting.isOver) {
    const now = await gateway.metric(line)
    assert.ok(now >= seen && now <= (truth.children * truth.adds) / 2, `${now} after ${seen}`)
    seen = now
    await sleep(20)
  }
  await counted
  await shows(gateway, truth)
  await crew.end()
  await until('files of dead processes are taken', () => filesIn(directory).length === 0, takenMsMax)
  await shows(gateway, truth)
})

/** Waits until each line is what was counted; fails where one is more. */
async function shows(
  gateway: Gateway,
  { rounds, children, adds }: { rounds: number; children: number; adds: number }
): Promise<void> {
  const times = rounds * children
  const quarter = adds / 4
  const want = {
    'jobs_total{job="shop",kind="even"}': (times * adds) / 2,
    'jobs_total{job="shop",kind="odd"}': (times * adds) / 2,
    'plain_total{job="shop"}': times * adds * 0.5,
    'took_seconds_bucket{job="shop",kind="a",le="0.001"}': times * quarter,
    'took_seconds_bucket{job="shop",kind="a",le="1"}': times * quarter * 2,
    'took_seconds_bucket{job="shop",kind="a",le="1e+06"}': times * adds,
    'took_seconds_sum{job="shop",kind="a"}': times * quarter * 6,
    'sizes_count{job="shop"}': times * adds,
    'sizes_sum{job="shop"}': times * adds * 2,
  }
  for (const [line, value] of Object.entries(want)) await gateway.shows(line, value)
}
