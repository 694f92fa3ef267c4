import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { spawnThatDiesWithUs } from './support/child.ts'
import { lineOf } from './support/exposition.ts'
import { startGateway, swansong } from './support/gateway.ts'
import { until } from './support/wait.ts'

const PATH = process.env['PATH'] ?? ''
const home = await mkdtemp(join(tmpdir(), 'swansong-run-'))
after(() => rm(home, { recursive: true, force: true }))
const spooled = { PATH, SWANSONG_SPOOL_DIR: home }

interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: Buffer
  stderr: string
}

interface Options {
  env?: Record<string, string>
  input?: Uint8Array
}

/** Runs a program to its end, with what it reads from stdin. */
async function ends(words: string[], options: Options = {}): Promise<Ended> {
  const { env = spooled, input = new Uint8Array(0) } = options
  const [program = '', ...args] = words
  const child = spawnThatDiesWithUs(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin?.on('error', () => {}) // It ended before it read all.
  child.stdin?.end(input)
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([
    buffer(child.stdout as Readable),
    text(child.stderr as Readable),
  ])
  const [code, signal] = (await closed) as [number | null, NodeJS.Signals | null]
  return { code, signal, stdout, stderr }
}

const run = [swansong, 'run', '--']

test('a command ends as it does without us: by its code, by its signal, and where it cannot be started', async () => {
  const check = async (...command: string[]): Promise<void> => {
    const [alone, counted] = await Promise.all([ends(command), ends([...run, ...command])])
    const of = ({ code, signal, stdout }: Ended): unknown => [code, signal, stdout.toString()]
    assert.deepEqual(of(counted), of(alone), command.join(' '))
  }
  await check('sh', '-c', 'echo done')
  await check('sh', '-c', 'echo 3; exit 3')
  await check('sh', '-c', 'exit 255')
  for (const signal of ['KILL', 'TERM', 'INT', 'HUP', 'PIPE', 'SEGV', 'ABRT', 'USR1', 'ALRM'])
    await check('sh', '-c', `ulimit -c 0; kill -${signal} $$`)
  const missing = await ends([...run, 'no-such-command', '--flag'])
  assert.deepEqual([missing.code, missing.signal], [127, null])
  assert.match(missing.stderr, /no-such-command: not found/)
  const directory = await ends([...run, home])
  assert.deepEqual([directory.code, directory.signal], [126, null])
})

test('wrong usage is said, and nothing runs', async () => {
  const check = async (words: string[], want: RegExp): Promise<void> => {
    const { code, stderr, stdout } = await ends([swansong, 'run', ...words])
    assert.deepEqual([code, stdout.toString()], [1, ''], words.join(' '))
    assert.match(stderr, want)
  }
  await check([], /which command\? As in: swansong run/)
  await check(['--nmae', 'x', 'echo', 'ran'], /there is no --nmae; there are --name, --label/)
  await check(['--label', 'a', 'echo', 'ran'], /write it as --label key=value/)
  await check(['--name'], /--name needs a value/)
  const { stdout, code } = await ends([swansong, 'run', 'echo', '--name', 'x', '--', 'y'])
  assert.deepEqual([code, stdout.toString()], [0, '--name x -- y\n']) // What follows the command is its own.
})

test('stdin, stdout, stderr, other descriptors, limits, ignored signals and NODE_OPTIONS reach the command as they are', async () => {
  const input = randomBytes(300_000)
  const cat = await ends([...run, 'cat'], { input })
  assert.ok(cat.stdout.equals(input))
  assert.equal(cat.stderr, '')

  const shell = (script: string): Promise<Ended> =>
    ends(['sh', '-c', script, swansong], { env: { ...spooled, NODE_OPTIONS: '--import=./is-not-there.js' } })
  const others = await shell(`exec 7>&1; exec "$0" run -- sh -c 'echo seven >&7; echo "$NODE_OPTIONS"'`)
  assert.equal(others.stdout.toString(), 'seven\n--import=./is-not-there.js\n')
  const limits = await shell(`ulimit -Sn 123; exec "$0" run -- sh -c 'ulimit -Sn'`)
  assert.equal(limits.stdout.toString(), '123\n')
  const ignored = await shell(`trap '' HUP; exec "$0" run -- sh -c 'kill -HUP $$ $PPID; echo lives'`)
  assert.deepEqual([ignored.code, ignored.stdout.toString()], [0, 'lives\n'])
})

test('signals go on to the command, which decides what they do', async () => {
  const start = async (script: string): Promise<ReturnType<typeof spawnThatDiesWithUs>> => {
    const child = spawnThatDiesWithUs(swansong, ['run', '--', 'sh', '-c', script], {
      env: spooled,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout as Readable, 'data')
    return child
  }
  const handles = await start(`trap 'exit 7' TERM; echo ready; for at in $(seq 600); do sleep 0.05; done`)
  handles.kill('SIGTERM')
  assert.deepEqual(await once(handles, 'exit'), [7, null])

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGUSR1'] as const) {
    const dies = await start('echo ready; exec sleep 60')
    dies.kill(signal)
    assert.deepEqual(await once(dies, 'exit'), [null, signal])
  }
})

test('a command at a terminal has it, and gets Ctrl-C once', async () => {
  const script = join(import.meta.dirname, 'support', 'at-terminal.py')
  const job = `test -t 0 && test -t 1 && echo at a terminal; n=0; trap 'n=$((n+1))' INT; echo ready; sleep 1; sleep 0.2; echo "got $n"; exit 5`
  const { stdout, stderr, code } = await ends(['python3', script, ...run, 'sh', '-c', job])
  assert.match(stdout.toString(), /at a terminal/, stderr)
  assert.match(stdout.toString(), /got 1\b/)
  assert.equal(code, 5)
})

test('runs, failures, times and memory are counted, in parallel too, and a run of which nobody sees the end', async () => {
  const gateway = await startGateway()
  const env = { PATH, SWANSONG_SPOOL_DIR: gateway.spoolDir }
  const named = (...words: string[]): Promise<Ended> =>
    ends([swansong, 'run', '--name', 'nightly', '--label', 'shard=1', '--', ...words], { env })
  const began = Date.now() / 1000
  const scripts = ['exit 0', 'exit 0', 'exit 3', 'exit 3', 'exit 4', 'kill -9 $$']
  await Promise.all(scripts.map((script) => named('sh', '-c', script)))
  const busy = `import time; held = bytearray(80_000_000); until = time.process_time() + 0.3
while time.process_time() < until: pass`
  await named('python3', '-c', busy)

  const of = (name: string, labels: Record<string, string> = {}): string =>
    lineOf(name, { job: 'nightly', shard: '1', ...labels })
  await gateway.shows(of('job_runs_total'), 7)
  await gateway.shows(of('job_starts_total'), 7)
  await gateway.shows(of('job_failures_total', { exit_code: '3' }), 2)
  await gateway.shows(of('job_failures_total', { exit_code: '4' }), 1)
  await gateway.shows(of('job_failures_total', { signal: 'SIGKILL' }), 1)
  await gateway.shows(of('job_duration_seconds_count'), 7)
  const metrics = await gateway.metrics()
  const value = (line: string): number => metrics.get(line) ?? Number.NaN
  assert.ok(value(of('job_duration_seconds_sum')) > 0.3)
  const cpuOf = (mode: string): number => value(of('job_cpu_time_seconds_total', { mode }))
  const cpu = cpuOf('user') + cpuOf('system')
  assert.ok(cpu >= 0.3 && cpu < 5, `${cpu} s of CPU`)
  const memory = value(of('job_memory_peak_bytes'))
  assert.ok(memory > 80e6 && memory < 200e6, `${memory} bytes`)
  for (const which of ['success', 'failure']) {
    const at = value(of(`job_last_${which}_timestamp_seconds`))
    assert.ok(at >= began && at <= Date.now() / 1000, `${which} at ${at}`)
  }

  const alive = spawnThatDiesWithUs(swansong, ['run', '--name', 'killed', 'sleep', '60'], { env })
  await gateway.shows('job_running{job="killed"}', 1)
  await gateway.shows('job_starts_total{job="killed"}', 1)
  const [sleeping] = await childrenOf(alive.pid ?? 0)
  alive.kill('SIGKILL')
  await until(
    'it is not taken for running',
    async () => (await gateway.metric('job_running{job="killed"}')) === 0
  )
  assert.equal(await gateway.metric('job_starts_total{job="killed"}'), 1)
  assert.equal(await gateway.metric('job_runs_total{job="killed"}'), 0)
  if (sleeping !== undefined) process.kill(sleeping, 'SIGKILL')

  // By POST as well the start is told at once.
  const posting = { PATH, OTEL_EXPORTER_OTLP_ENDPOINT: gateway.urls.endpoint }
  const posts = spawnThatDiesWithUs(swansong, ['run', '--name', 'posts', 'sleep', '60'], { env: posting })
  await gateway.shows('job_starts_total{job="posts"}', 1)
  await gateway.shows('job_running{job="posts"}', 1)
  posts.kill('SIGTERM')
  await gateway.shows('job_failures_total{job="posts",signal="SIGTERM"}', 1)
  assert.equal(await gateway.metric('job_running{job="posts"}'), 0)
})

test('a gateway that is down, or hangs, changes nothing for the command', async () => {
  const hung = createServer(() => {}).listen(0, '127.0.0.1')
  after(() => hung.close())
  await once(hung, 'listening')
  const address = hung.address()
  const ports = [1, typeof address === 'object' ? (address?.port ?? 0) : 0]
  for (const port of ports) {
    const env = {
      PATH,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      SWANSONG_EXIT_BUDGET_MS: '300',
    }
    const { code, signal, stdout, stderr } = await ends([...run, 'sh', '-c', 'echo out; exit 9'], { env })
    assert.deepEqual([code, signal, stdout.toString()], [9, null, 'out\n'])
    assert.match(stderr, /^swansong: \d+ points? of sh lost: .*\n$/)
    const { signal: died } = await ends([...run, 'sh', '-c', 'kill -TERM $$'], { env })
    assert.equal(died, 'SIGTERM')
  }
  const broken = await ends([...run, 'sh', '-c', 'exit 9'], {
    env: { PATH, SWANSONG_SPOOL_DIR: join(home, 'is-not-there') },
  })
  assert.equal(broken.code, 9)
  assert.match(broken.stderr, /^swansong: .*lost.*is-not-there/)
})

test('where the counting itself is broken, the command runs all the same', async () => {
  const install = await mkdtemp(join(home, 'install-'))
  const command = join(install, 'bin', 'swansong')
  await mkdir(dirname(command))
  await copyFile(await realpath(swansong), command)
  const check = async (why: RegExp, env: Record<string, string>): Promise<void> => {
    const words = [
      '/bin/sh',
      command,
      'run',
      '--name',
      'x',
      '--label=a=b',
      '--',
      '/bin/sh',
      '-c',
      'echo ran $NODE_OPTIONS; exit 6',
    ]
    const { code, stdout, stderr } = await ends(words, { env: { NODE_OPTIONS: '--no-warnings', ...env } })
    assert.deepEqual([code, stdout.toString()], [6, 'ran --no-warnings\n'])
    assert.match(stderr, why)
  }
  await check(/^swansong: run: \S+ is not there: the command runs, and is not counted\n$/, { PATH })
  await mkdir(join(install, 'dist'))
  await writeFile(join(install, 'dist', 'shell.js'), '')
  const few = join(install, 'few')
  await mkdir(few)
  await symlink('/usr/bin/readlink', join(few, 'readlink'))
  await check(/^swansong: run: there is no node on the PATH: the command runs/, { PATH: few })
})

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('cat', [`/proc/${pid}/task/${pid}/children`])
  return stdout.trim().split(' ').map(Number)
}
