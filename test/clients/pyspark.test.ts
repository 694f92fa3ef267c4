import assert from 'node:assert/strict'
import { type ChildProcess, execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { pysparkPython } from '../peers/stock-sdks.ts'
import { ended, hasEnded, spawnThatDiesWithUs } from '../support/child.ts'
import { lineOf, linesOf } from '../support/exposition.ts'
import { freeGatewayPorts, startGateway, swansong } from '../support/gateway.ts'
import { ask } from '../support/http.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/wait.ts'
import { wayOut } from '../support/worker.ts'

const examples = join(import.meta.dirname, '..', '..', 'examples', 'pyspark')
const fixtures = join(import.meta.dirname, 'fixtures', 'pyspark')
/** Spark takes ten seconds to start on a machine that has nothing else to do. */
const timeout = 15 * 60 * 1000

interface Results {
  /** What Spark's own accumulators say of each case. */
  truth: Record<string, number>
  ms?: Record<string, number>
  hosts?: number
}

/** Runs a program of Spark's to its end, and gives what it printed. */
async function spark(program: string, args: string[], env: Record<string, string>): Promise<string> {
  const child = spawnThatDiesWithUs(program, args, {
    env: {
      ...javaEnv(),
      PYTHONPATH: examples,
      SPARK_LOCAL_IP: '127.0.0.1',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [code, stdout, stderr] = await Promise.all([
    closed,
    text(child.stdout as Readable),
    text(child.stderr as Readable),
  ])
  assert.equal(code, 0, `${stdout}${stderr.slice(-4000)}`)
  assert.doesNotMatch(stderr, /^swansong: .*lost/m)
  return stdout
}

/** Asserts that the counter of each case is what Spark says, and that there is no series besides. */
async function agrees(metricsUrl: string, { truth }: Results): Promise<void> {
  const { body } = await ask(`${metricsUrl}/metrics`)
  const shown = [...linesOf(body.toString())].filter(([line]) => line.startsWith('rows_counted_total{'))
  const want = Object.entries(truth).map(([name, value]) => [
    lineOf('rows_counted_total', { case: name, job: 'cases' }),
    value,
  ])
  assert.deepEqual(Object.fromEntries(shown), Object.fromEntries(want))
}

test('by POST, Unix socket and spool, through restarts of the gateway, each commit counts once, and a loss is said', async () => {
  const home = await mkdtemp(join(tmpdir(), 'swansong-ways-'))
  after(() => rm(home, { recursive: true, force: true }))
  const gateway = await startGateway({ flags: ['--otlp-socket', join(home, 'gateway.sock')] })
  const { journal, post, postOrSpool } = wayOut(gateway)
  const socket = { OTEL_EXPORTER_OTLP_ENDPOINT: `unix:${join(home, 'gateway.sock')}` }
  const ways = { post, socket, spool: journal, both: postOrSpool }
  const workers = Object.entries(ways).map(([way, env]) => startOutsideOfSpark(way, env))
  const commitAll = (): Promise<unknown> => Promise.all(workers.map((worker) => worker.commit()))
  await commitAll()
  await gateway.kill9()
  await gateway.restart() // The connections that are kept are closed by now.
  await commitAll()
  await gateway.kill9()
  await commitAll()
  await gateway.restart()
  for (const worker of workers) {
    const { way } = worker
    const { code, stderr } = await worker.end()
    const isLost = way === 'post' || way === 'socket'
    assert.equal(code, 0, stderr)
    assert.match(stderr, isLost ? /^swansong: 2 counts of unknown_service lost: \S+: \S.*\n$/ : /^$/)
    const line = (name: string): string => lineOf(name, { job: 'unknown_service', way })
    await gateway.shows(line('rows_counted_total'), isLost ? 10 : 15)
    await gateway.shows(line('seconds_total'), isLost ? 5 : 7.5)
  }
})

test(
  'what Spark commits counts once, in every shape of a stage, through failures, cancelled stages and a stop',
  { timeout },
  async (t) => {
    const python = await pysparkPython()
    const gateway = await startGateway()
    const env = { ...wayOut(gateway).post, PYSPARK_PYTHON: python }
    const results = JSON.parse(await spark(python, [join(fixtures, 'cases.py')], env)) as Results
    t.diagnostic(`ms a commit: ${JSON.stringify(results.ms)}`)
    assert.equal(Object.keys(results.truth).length, 24)
    await agrees(gateway.urls.metrics, results)
    assert.ok((await gateway.metric('swansong_points_superseded_total')) > 50) // Attempts failed after they had committed.
  }
)

test(
  'a speculative attempt on another host counts once with one gateway for both, and twice with two',
  { timeout },
  async () => {
    const python = await pysparkPython()
    const [one, other] = await Promise.all([startGateway(), startGateway()])
    const master = await startCluster(python, [wayOut(one).post, wayOut(other).post])
    const args = [join(fixtures, 'speculation.py'), master, one.urls.endpoint]
    const { truth, hosts } = JSON.parse(await spark(python, args, { PYSPARK_PYTHON: python })) as Results
    assert.deepEqual([truth, hosts], [{ 'one gateway': 1000, 'two gateways': 1000 }, 2])
    const line = (name: string): string => lineOf('rows_counted_total', { case: name, job: 'cases' })
    assert.equal(await one.metric(line('one gateway')), 1000)
    // Those of the attempts that hang, and of what a slow machine speculates besides.
    assert.ok((await one.metric('swansong_points_superseded_total')) >= 2)
    // What docs/pyspark.md says of gateways that do not know of each other: two partitions were committed on both hosts.
    const shown = await Promise.all([one, other].map((gateway) => gateway.metric(line('two gateways'))))
    assert.ok((shown[0] ?? 0) + (shown[1] ?? 0) >= 1250, shown.join(' and '))
  }
)

test('the example runs both jobs, with failures, and its check agrees', { timeout }, async () => {
  const python = await pysparkPython()
  const home = await mkdtemp(join(tmpdir(), 'swansong-pyspark-'))
  after(() => rm(home, { recursive: true, force: true }))
  const ports = await freeGatewayPorts()
  const stdout = await spark(join(examples, 'run.sh'), [home], {
    PYTHON: python,
    MINUTES: '1',
    INTERVAL: '0',
    OTLP_PORT: String(ports.otlpHttp),
    METRICS_PORT: String(ports.metrics),
    ADMIN_PORT: String(ports.admin),
  })
  assert.match(stdout, /^visits_read_total episode-processing poor +\d+ of \d+$/m)
  assert.match(stdout, /^visits_billed_total scheduled-processing deductible +\d+ of \d+$/m)
})

/** A process of plain Python that commits five rows at a time. */
function startOutsideOfSpark(
  way: string,
  env: Record<string, string>
): { way: string; commit(): Promise<void>; end(): Promise<{ code: unknown; stderr: string }> } {
  const child = spawnThatDiesWithUs('python3', [join(fixtures, 'ways.py'), way], {
    env: { PATH: process.env['PATH'] ?? '', PYTHONPATH: examples, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const lines = createInterface({ input: child.stdout as Readable })[Symbol.asyncIterator]()
  const stderr = text(child.stderr as Readable)
  const closed = once(child, 'close')
  return {
    way,
    async commit() {
      child.stdin?.write('go\n')
      assert.equal((await lines.next()).value, '5')
    },
    async end() {
      child.stdin?.end()
      return { code: ((await closed) as unknown[])[0], stderr: await stderr }
    },
  }
}

/** A master on 127.0.0.1 and a worker on 127.0.0.2 and 127.0.0.3 each, with the environment of its executors. Gives its URL. */
async function startCluster(python: string, environments: Record<string, string>[]): Promise<string> {
  const { stdout } = await promisify(execFile)(python, ['-c', 'import pyspark; print(pyspark.__path__[0])'])
  const sparkHome = stdout.trim()
  const home = await mkdtemp(join(tmpdir(), 'swansong-cluster-'))
  const [port] = await freePorts(1)
  const master = `spark://127.0.0.1:${port}`
  const children: ChildProcess[] = []
  const daemon = (name: string, args: string[], env: Record<string, string>): ChildProcess => {
    const words = [`org.apache.spark.deploy.${name}`, ...args, '--webui-port', '0']
    const child = spawnThatDiesWithUs(join(sparkHome, 'bin', 'spark-class'), words, {
      cwd: home,
      env: {
        ...javaEnv(),
        SPARK_HOME: sparkHome,
        SPARK_DAEMON_MEMORY: '256m',
        PYSPARK_PYTHON: python,
        ...env,
      },
    })
    children.push(child)
    return child
  }
  after(async () => {
    // Workers first, as each ends its executors when it is asked to end.
    for (const child of children.reverse()) await ended(child, 'SIGTERM', 20_000)
    await rm(home, { recursive: true, force: true })
  })
  await says(
    daemon('master.Master', ['--host', '127.0.0.1', '--port', String(port)], { SPARK_LOCAL_IP: '127.0.0.1' }),
    'I have been elected leader'
  )
  await Promise.all(
    environments.map((env, at) => {
      const host = `127.0.0.${at + 2}`
      const args = [
        '--host',
        host,
        '--cores',
        '2',
        '--memory',
        '700m',
        '--work-dir',
        join(home, host),
        master,
      ]
      return says(
        daemon('worker.Worker', args, { ...env, SPARK_LOCAL_IP: host }),
        'Successfully registered with master'
      )
    })
  )
  return master
}

/** Waits for a line of a daemon's log. */
async function says(child: ChildProcess, words: string): Promise<void> {
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (part: string) => (said += part))
  await until(
    words,
    () => {
      if (hasEnded(child)) throw new Error(`it ended without '${words}': ${said}`)
      return said.includes(words)
    },
    300_000
  )
}

function javaEnv(): Record<string, string> {
  const { PATH = '', JAVA_HOME } = process.env
  // What lives for seconds needs no second compiler.
  const options = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC'
  return {
    JAVA_TOOL_OPTIONS: options,
    PATH: [dirname(swansong), PATH].join(delimiter),
    ...(JAVA_HOME === undefined ? {} : { JAVA_HOME }),
  }
}
