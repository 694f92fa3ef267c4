import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { faultsOf } from '../packages/gateway/src/commands/demo/report.ts'
import {
  differencesOf,
  parseExposition,
  sumsOf,
  totalOf,
} from '../packages/gateway/src/commands/demo/sums.ts'
import { ask } from './support/http.ts'
import { swansong } from './support/gateway.ts'
import { until } from './support/wait.ts'

/** It takes 10 s on two idle cores; the machine may be busy with other things. */
const overWithinMs = 60_000
const goneWithinMs = 10_000
const endings = ['nothing left to do', 'process.exit(3)', 'uncaught error', 'SIGTERM', 'SIGKILL']

test('demo --once: two hundred workers that die in every way, two kill -9, and every count', async () => {
  const demo = startDemo('--once')
  const [code, signal] = await demo.ended
  assert.deepEqual([code, signal], [0, null], demo.said())
  const lines = demo.printed().trimEnd().split('\n')
  const [, counted, truth] = /^counted (\d+) of (\d+)$/.exec(lines.at(-1) ?? '') ?? []
  assert.ok(Number(counted) > 1_000_000, demo.printed())
  assert.equal(counted, truth)
  assert.match(demo.printed(), /killed with -9 and started again 2 times: with \d+ workers at work/)
  assert.match(demo.printed(), /^200 workers ended/m)
  for (const ending of endings) {
    const row = lines.find((line) => line.startsWith(ending))
    const [byJournal, byPost] = row?.slice(ending.length).trim().split(/ +/) ?? []
    assert.ok(Number(byJournal) >= 20, row)
    assert.ok(ending === 'SIGKILL' ? byPost === '-' : Number(byPost) >= 20, row)
  }
  const [, rows, again] = /^spool +(\d+) batches taken[^]*^duplicates +(\d+) /m.exec(demo.printed()) ?? []
  assert.ok(Number(rows) > 0 && Number(again) >= 0, demo.printed())
  assert.match(demo.printed(), /honor_labels: true/)
  assert.match(demo.said(), /\d+ of 200 workers ended, the gateway killed/, 'progress is shown')
  await demo.isGone()
})

test('without --once the gateway stays until Ctrl-C, and a sum that is not the truth ends with 1', async () => {
  const demo = startDemo()
  const spoolDir = await until('the demo has a spool', () => demo.spoolDir())
  // One more worker than the demo knows of: what it counted is in the sums and not in the truth.
  const script = `import('@swansong/sdk').then(({ counter }) => counter('files.lines').add(7, { type: 'js' }))`
  const env = { PATH: process.env['PATH'] ?? '', OTEL_SERVICE_NAME: 'demo', SWANSONG_SPOOL_DIR: spoolDir }
  const cwd = join(import.meta.dirname, '..', 'packages', 'gateway')
  const [left] = (await once(spawn(process.execPath, ['-e', script], { env, cwd }), 'exit')) as [number]
  assert.equal(left, 0)
  await until('the demo waits', () => demo.said().includes('until Ctrl-C'), overWithinMs)

  const [, url = ''] = /^curl (http:\S+)$/m.exec(demo.printed()) ?? []
  const shown = sumsOf(parseExposition((await ask(url)).body.toString()))
  const [, counted, truth] = /^counted (\d+) of (\d+)$/m.exec(demo.printed()) ?? []
  assert.equal(totalOf(shown), Number(counted))
  assert.equal(Number(counted), Number(truth) + 7)
  assert.match(demo.printed(), /^FAULT: lines of js: counted \d+, the truth is \d+$/m)

  demo.interrupt()
  assert.deepEqual(await demo.ended, [1, null], demo.said())
  await demo.isGone()
})

for (const [how, end, code] of [
  ['Ctrl-C', 'interrupt', 130],
  ['SIGTERM to the demo alone', 'terminate', 143],
  ['kill -9 of the demo alone', 'kill', null],
] as const) {
  test(`${how} in the midst of it leaves nothing running`, async () => {
    const demo = startDemo('--once')
    await until('some workers have ended', () => /^[1-9]\d* of 200 workers ended/m.test(demo.said()))
    assert.ok(demo.living().length >= 3, 'the demo, its gateway, its workers')
    demo[end]()
    assert.equal((await demo.ended)[0], code)
    await demo.isGone(end === 'kill' ? 'its files stay' : undefined)
  })
}

test('one count too few, too many, or under another type is a fault', () => {
  const truth = new Map([['js', { lines: 10, words: 20, bytes: 300 }]])
  const check = (seen: Record<string, number>, faults: string[]): void => {
    const values = new Map(Object.entries(seen))
    const differences = differencesOf(sumsOf(values), truth)
    assert.deepEqual(faultsOf({ differences, surprises: [], fallen: [], rejected: 0 }), faults)
  }
  const lines = 'files_lines_total{job="demo",type="js"}'
  const words = 'files_words_total{job="demo",type="js"}'
  const bytes = 'files_bytes_total{job="demo",type="js"}'
  const stray = String.raw`files_bytes_total{job="demo",type="a\"b"}`
  check({ [lines]: 10, [words]: 20, [bytes]: 300 }, [])
  check({ [lines]: 9, [words]: 20, [bytes]: 300 }, ['lines of js: counted 9, the truth is 10'])
  check({ [lines]: 10, [words]: 21, [bytes]: 300 }, ['words of js: counted 21, the truth is 20'])
  check({ [lines]: 10, [words]: 20 }, ['bytes of js: counted 0, the truth is 300'])
  check({ [lines]: 10, [words]: 20, [bytes]: 300, [stray]: 1 }, ['bytes of a"b: counted 1, the truth is 0'])
})

interface Demo {
  printed(): string
  said(): string
  ended: Promise<[code: number | null, signal: string | null]>
  /** As a terminal's Ctrl-C: to all of its process group. */
  interrupt(): void
  terminate(): void
  kill(): void
  spoolDir(): string | undefined
  /** The pids of all that it started and of itself, whoever their parent is now. */
  living(): number[]
  /** Nothing of it runs any more, and nothing is left of its files. */
  isGone(filesStay?: 'its files stay'): Promise<void>
}

function startDemo(...flags: string[]): Demo {
  const home = mkdtempSync(join(tmpdir(), 'swansong-test-demo-'))
  const child = spawn(swansong, ['demo', ...flags], {
    detached: true, // A process group of its own, as a shell gives it.
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', TMPDIR: home },
  })
  const pid = child.pid ?? 0
  let printed = ''
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const timer = setTimeout(() => child.kill('SIGKILL'), overWithinMs)
  const ended = (once(child, 'close') as Demo['ended']).finally(() => clearTimeout(timer))
  const living = (): number[] => processesWith(`TMPDIR=${home}`)
  after(() => {
    for (const each of living()) process.kill(each, 'SIGKILL')
    rmSync(home, { recursive: true, force: true })
  })
  return {
    printed: () => printed,
    said: () => said,
    ended,
    interrupt: () => process.kill(-pid, 'SIGINT'),
    terminate: () => process.kill(pid, 'SIGTERM'),
    kill: () => process.kill(pid, 'SIGKILL'),
    spoolDir() {
      const [name] = readdirSync(home)
      const spool = join(home, name ?? '', 'data', 'spool')
      return name !== undefined && said.includes('workers ended') ? spool : undefined
    },
    living,
    async isGone(filesStay) {
      await until(`all of the demo is gone: ${living().join(' ')}`, () => living().length === 0, goneWithinMs)
      if (filesStay === undefined) assert.deepEqual(readdirSync(home), [])
    },
  }
}

/** The processes that have this among their variables, as all that descend from a process with it do. */
function processesWith(variable: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(variable)
    } catch {
      return false // It ended meanwhile, or is another user's.
    }
  })
}
