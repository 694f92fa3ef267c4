import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Status } from '@swansong/gateway'
import { decodeStatus } from '@swansong/otlp'
import { runSwansong } from './support/command.ts'
import { deltas, lineOf } from './support/deltas.ts'
import {
  flagsOf,
  freeGatewayPorts,
  type Gateway,
  type Ports,
  startGateway,
  stoppedWithinMs,
} from './support/gateway.ts'
import { ask } from './support/http.ts'
import { freePorts } from './support/ports.ts'
import { makeSmallDisk } from './support/small-disk.ts'
import { startStorm } from './support/storm.ts'
import { until } from './support/wait.ts'

const jobs = lineOf('jobs')
const one: Uint8Array = deltas([{ name: 'jobs', value: 1 }])

test('gateway --help names its flags, and wrong usage ends with 1 and what to write instead', async () => {
  const help = await runSwansong('gateway', '--help')
  assert.equal(help.code, 0)
  for (const flag of [
    'config',
    'data-dir',
    'spool-dir',
    'otlp-http',
    'otlp-grpc',
    'otlp-socket',
    'metrics',
    'admin',
    'log-level',
  ]) {
    assert.match(help.stdout, new RegExp(`--${flag} <`))
  }
  const check = async (args: string[], says: RegExp): Promise<void> => {
    const { code, stderr } = await runSwansong(...args)
    assert.equal(code, 1, args.join(' '))
    assert.match(stderr, says)
    assert.doesNotMatch(stderr, /\n +at /) // No stack: it is not a bug.
  }
  await check(['gatewya'], /unknown command 'gatewya'.*\n.*gateway/)
  await check(['gateway', '--otlp', '1:1'], /unknown option '--otlp'/)
  await check(['gateway', '--otlp-http', 'localhost'], /"localhost" is no address: write HOST:PORT/)
  await check(['gateway', '--metrics', '127.0.0.1:99999'], /is no address/)
  await check(['gateway', '--log-level', 'loud'], /--log-level: "loud" is no log level; write .*info/)
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} ends a gateway with 0: what it accepted is answered and counted`, async (t) => {
    const gateway = await startGateway()
    const storm = startStorm({
      url: gateway.urls.otlp,
      name: 'jobs',
      connections: 32,
      ids: true,
      again: false,
    })
    await until('posts come in', () => storm.batches > 500)
    const slow = connect(gateway.ports.otlpHttp, '127.0.0.1')
    slow.write(headOf(one))
    const soon = { signal: AbortSignal.timeout(stoppedWithinMs) }
    const [goOn] = (await once(slow, 'data', soon)) as [Buffer]
    assert.match(goOn.toString('latin1'), /^HTTP\/1.1 100 /) // It is accepted, and only its body is not here yet.

    const begun = performance.now()
    const stopped = gateway.stop(signal)
    await until('the door is shut', () => isRefused(gateway.ports.otlpHttp))
    slow.write(one)
    const [answer] = (await once(slow, 'data', soon)) as [Buffer]
    assert.match(answer.toString('latin1'), /^HTTP\/1.1 200 /)
    assert.equal(await stopped, 0)
    const tookMs = performance.now() - begun
    assert.ok(tookMs < stoppedWithinMs / 2, `it took ${tookMs} ms: it waited for senders that never rest`)
    await storm.end()

    await gateway.restart()
    assert.equal(await gateway.metric(jobs), storm.acknowledged + 1)
    t.diagnostic(`${Math.round(tookMs)} ms, ${storm.batches} batches`)
  })
}

test('after kill -9 it starts again at once, on the same ports and data', async (t) => {
  const gateway = await startGateway()
  const times: number[] = []
  for (let kills = 1; kills <= 3; kills++) {
    assert.equal((await gateway.post(one, `after ${kills} kills`)).status, 200)
    await gateway.kill9()
    const begun = performance.now()
    await gateway.restart()
    times.push(Math.round(performance.now() - begun))
    assert.equal(await gateway.metric(jobs), kills)
  }
  t.diagnostic(`ready again after ${times.join(', ')} ms`)
})

test('a data directory has one gateway: a second ends with 2 and names the first', async () => {
  const gateway = await startGateway()
  const second = await gatewayThatEnds('--data-dir', gateway.dataDir)
  assert.equal(second.code, 2)
  assert.match(second.stderr, new RegExp(`in use by the gateway with pid ${gateway.pid} .*--data-dir`))
  assert.equal((await gateway.post(one)).status, 200)
})

test('a spool has one ledger: another ends with 2 while the first lives or may come back', async () => {
  const spoolDir = join(await temporary(), 'spool')
  const gateway = await startGateway({ spoolDir })
  const check = async (): Promise<void> => {
    const other = await gatewayThatEnds('--data-dir', await temporary(), '--spool-dir', spoolDir)
    assert.equal(other.code, 2)
    assert.match(other.stderr, new RegExp(`another gateway, pid ${gateway.pid} .*--spool-dir`))
  }
  await check()
  await gateway.kill9()
  await check()
  await gateway.restart()
  assert.equal(await gateway.stop(), 0)
  await startGateway({ spoolDir }) // It has gone for good, and said so.
})

test('a taken port ends with 1, and with the flag that changes it', async () => {
  const gateway = await startGateway()
  for (const [name, flag] of Object.entries({
    otlpHttp: '--otlp-http',
    otlpGrpc: '--otlp-grpc',
    metrics: '--metrics',
    admin: '--admin',
  })) {
    const port = gateway.ports[name as keyof Ports]
    const second = await gatewayThatEnds('--data-dir', await temporary(), flag, `127.0.0.1:${port}`)
    assert.equal(second.code, 1)
    assert.match(second.stderr, new RegExp(`127.0.0.1:${port}: another process listens there.* ${flag} `))
  }
})

test('the spool directory is open to every writer and to no reader, whatever the umask', async () => {
  const gateway = await startGateway({ within: ['sh', '-c', 'umask 077 && exec "$@"', 'sh'] })
  assert.equal(statSync(gateway.spoolDir).mode & 0o7777, 0o3733)
})

test('swansong status says what a gateway holds, and where there is none, what to look at', async () => {
  const gateway = await startGateway()
  await gateway.post(one, 'twice')
  await gateway.post(one, 'twice')
  const { code, stdout } = await runSwansong('status', '--url', gateway.urls.admin)
  assert.equal(code, 0)
  assert.match(stdout, new RegExp(`pid ${gateway.pid}, ready`))
  assert.match(stdout, /^series +1, 0 ended$/m)
  assert.match(stdout, /^duplicates +1 batches, of 1 ids/m)
  const json = await runSwansong('status', '--url', gateway.urls.admin, '--json')
  const { pid, series, points } = JSON.parse(json.stdout) as Status
  assert.deepEqual({ pid, series, points }, { pid: gateway.pid, series: 1, points: 1 })

  await gateway.kill9()
  const nobody = await runSwansong('status', '--url', gateway.urls.admin)
  assert.equal(nobody.code, 1)
  assert.match(nobody.stderr, /no gateway answers at .*--admin/)
})

test('swansong status says what comes by every door, who scrapes, and which limits are near', async () => {
  const [push, statsd] = await freePorts(2)
  const flags = ['--pushgateway', `127.0.0.1:${push}`, '--statsd-tcp', `127.0.0.1:${statsd}`]
  const gateway = await startGateway({ flags, env: { SWANSONG_LIMITS_SERIES_COUNT: '2' } })
  const says = async (): Promise<string> => (await runSwansong('status', '--url', gateway.urls.admin)).stdout
  assert.match(await says(), /^scraped +not yet$/m)
  assert.match(await says(), /^limits +none near \(over 80 %\)$/m)

  assert.equal(
    (await ask(`http://127.0.0.1:${push}/metrics/job/a`, { method: 'PUT', body: Buffer.from('x 1\n') }))
      .status,
    200
  )
  connect(Number(statsd), '127.0.0.1').end('visits:1|c\nnonsense\n')
  await gateway.post(one, 'once')
  await until('StatsD is counted', async () => (await gateway.metric('visits_total{job="statsd"}')) === 1)
  await ask(`${gateway.urls.metrics}/metrics`, {
    headers: { accept: 'text/plain;version=0.0.4', 'user-agent': 'us' },
  })
  const text = await says()
  assert.match(text, /^pushes +1 × 200$/m)
  assert.match(text, /^statsd +2 lines, rejected: 1 × no_value; datagrams dropped: 0 by the kernel, 0 here$/m)
  assert.match(text, /^scraped +the last \d+ s ago, by us, 127\.0\.0\.1$/m)
  assert.match(text, /^limits +series_count 100 % used: raise them$/m)
})

test('a full disk is answered 503, nothing is lost or taken back, and it goes on when there is room', async (t) => {
  const disk = await makeSmallDisk(224)
  const gateway = await startGateway(disk.options)
  const reserve = `/proc/${gateway.pid}/root${gateway.dataDir}/reserve`
  let counted = 0
  const post = async (): Promise<number> => {
    const { status, headers, body } = await gateway.post(one, `full ${counted}`)
    if (status === 200) counted++
    else {
      assert.equal(status, 503)
      assert.equal(headers['retry-after'], '1')
      assert.match(decodeStatus('protobuf', body).message, /disk .* is full/)
    }
    return status
  }
  assert.equal(await post(), 200)
  assert.ok(existsSync(reserve))
  disk.fill(gateway)
  for (let posts = 0; existsSync(reserve); posts++) {
    assert.ok(posts < 5000, 'the disk is full, and the reserve was not needed')
    await post()
  }
  if (disk.kind === 'disk') assert.equal(await post(), 200) // In the room that the reserve gave back.
  if (disk.kind === 'disk') disk.fill(gateway)
  for (let posts = 0; (await post()) !== 503; posts++) assert.ok(posts < 5000, 'full, and all are counted')
  assert.equal(await post(), 503)
  assert.equal(await gateway.metric(jobs), counted)

  disk.free(gateway)
  await until('it goes on', async () => (await post()) === 200)
  assert.equal(await gateway.metric(jobs), counted)
  await gateway.kill9()
  await gateway.restart()
  assert.equal(await gateway.metric(jobs), counted)
  t.diagnostic(`${counted} counted, a ${disk.kind}`)
})

test('an I/O error is answered 503 and ends with 3; what was acknowledged is there at the next start', async () => {
  const gateway = await startGateway()
  for (let batch = 1; batch <= 20; batch++) {
    assert.equal((await gateway.post(one, `before ${batch}`)).status, 200)
  }
  // The kernel refuses to write past here (EFBIG), which SQLite takes for what it is: no full disk, but a failed one.
  const { size } = statSync(join(gateway.dataDir, 'ledger.db-wal'))
  execFileSync('prlimit', ['--pid', String(gateway.pid), `--fsize=${size}:`])
  const alike = Array.from({ length: 8 }, (_, at) => gateway.post(one, `after ${at}`))
  for (const { status, reason } of await settled(alike)) {
    if (status !== undefined) assert.equal(status, 503)
    else assert.match(reason, /ECONN|hang up/) // It came when the gateway was going.
  }
  assert.equal(await gateway.exited(), 3)
  assert.match(gateway.said(), /the store failed/)

  await gateway.restart()
  assert.equal(await gateway.metric(jobs), 20)
  assert.equal((await gateway.post(one, 'after 0')).status, 200) // Of it nothing was applied.
  assert.equal((await gateway.post(one, 'before 1')).status, 200)
  assert.equal(await gateway.metric(jobs), 21)
})

/** The head of a request whose sender waits to be told to send its body. */
function headOf(body: Uint8Array): string {
  const headers = ['host: x', 'content-type: application/x-protobuf', `content-length: ${body.length}`]
  return ['POST /v1/metrics HTTP/1.1', ...headers, 'expect: 100-continue', '', ''].join('\r\n')
}

/** A gateway on free ports, but for those flags that are given. */
async function gatewayThatEnds(...flags: string[]): ReturnType<typeof runSwansong> {
  return runSwansong('gateway', ...flagsOf(await freeGatewayPorts()), ...flags)
}

async function settled(
  answers: readonly ReturnType<Gateway['post']>[]
): Promise<{ status?: number; reason: string }[]> {
  const results = await Promise.allSettled(answers)
  return results.map((result) =>
    result.status === 'fulfilled'
      ? { status: result.value.status, reason: '' }
      : { reason: String(result.reason) }
  )
}

async function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return once(socket, 'connect').then(
    () => {
      socket.destroy()
      return false
    },
    () => true
  )
}

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'swansong-process-'))
  after(() => rm(directory, { recursive: true, force: true }))
  return directory
}
