import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type ClientHttp2Session } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { runSwansong } from './support/command.ts'
import { deltas, lineOf } from './support/deltas.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { addTruth, ends, type Ending, type Work } from './support/work.ts'
import { runAll, startWorker } from './support/worker.ts'

const megabyte = 1024 * 1024
const memoryBytesMax = 400 * megabyte
const exportPath = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'

test('by gRPC too, whatever is sent at once, memory stays below 400 MB', async (t) => {
  const gateway = await startGateway()
  const bomb = framed(gzipSync(Buffer.alloc(80 * megabyte)), true)
  const large = framed(Buffer.alloc(60 * megabyte), false)
  const codes = new Map<string, number>()
  const send = async (session: ClientHttp2Session, frame: Buffer, encoding: string): Promise<void> => {
    const code = await call(session, frame, encoding)
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  const sessions = Array.from({ length: 8 }, () => openSession(gateway))
  await Promise.all(sessions.map((session) => send(session, bomb, 'gzip')))
  assert.deepEqual([...codes], [['8', sessions.length]])
  // One on each connection, then all on one: neither is a way around the limit.
  await Promise.all(sessions.map((session) => send(session, large, 'identity')))
  await Promise.all(sessions.map(() => send(sessions[0] as ClientHttp2Session, large, 'identity')))
  assert.ok((codes.get('14') ?? 0) > 0, 'who finds no room is told to try again')
  assert.equal(codes.get('none'), undefined, 'everybody is told')
  const good = framed(deltas([{ name: 'good', value: 1 }]), false)
  assert.equal(await call(openSession(gateway), good, 'identity'), '0')
  assert.equal(await gateway.metric(lineOf('good')), 1)
  const highest = await gateway.memory('VmHWM')
  const told = [...codes].map(([code, count]) => `${count} × ${code}`).join(', ')
  t.diagnostic(`at most ${Math.round(highest / megabyte)} MiB; ${told}`)
  assert.ok(highest < memoryBytesMax, `${highest} bytes`)
})

test('jobs that post to a Unix socket are counted exactly, however they end, and through a restart', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'swansong-socket-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'otlp.sock')
  const gateway = await startGateway({ flags: ['--otlp-socket', path] })
  assert.equal(lstatSync(path).mode & 0o777, 0o660)
  const truth = new Map<string, number>()
  const endings: Ending[] = ['natural end', 'exit code', 'uncaught error', 'SIGTERM', 'flush and SIGKILL']
  const round = async (): Promise<void> => {
    const runs = endings.flatMap((ending, at) => [
      { metric: 'work', seriesCount: 3, adds: 100 + at, liveMs: 0, ending },
      { metric: 'work', seriesCount: 3, adds: 1000 + at, liveMs: 100, ending },
    ])
    for (const work of runs) addTruth(truth, work)
    await runAll(
      runs.map((work) => () => job(work, path)),
      4
    )
  }
  await round()
  await gateway.kill9()
  assert.ok(existsSync(path), 'a gateway that is killed leaves its socket')
  await gateway.restart()
  await round()
  for (const [series, count] of truth) await gateway.shows(lineOf('work', { series }), count)
  assert.equal(await gateway.stop(), 0)
  assert.equal(existsSync(path), false, 'one that stops takes it away')
})

async function job(work: Work, path: string): Promise<void> {
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: `unix:${path}` }
  const { code, signal, stderr } = await startWorker('work', [JSON.stringify(work)], environment).ended
  assert.deepEqual({ code, signal }, ends[work.ending], stderr)
}

function openSession(gateway: Gateway): ClientHttp2Session {
  // Without what Node's client allows itself, which is less than the largest message.
  const session = connect(`http://127.0.0.1:${gateway.ports.otlpGrpc}`, { maxSessionMemory: 10_000 })
  session.on('error', () => {})
  after(() => session.destroy())
  return session
}

/** The grpc-status of a call; `none` where its stream ended without. */
function call(session: ClientHttp2Session, frame: Buffer, encoding: string): Promise<string> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/grpc', te: 'trailers', 'grpc-encoding': encoding }
    const stream = session.request({ ':method': 'POST', ':path': exportPath, ...headers })
    const told = (got: { 'grpc-status'?: unknown }): void => {
      if (typeof got['grpc-status'] === 'string') resolve(got['grpc-status'])
    }
    stream.on('response', told)
    stream.on('trailers', told)
    stream.on('error', () => {})
    stream.on('close', () => resolve('none'))
    stream.resume()
    stream.end(frame)
  })
}

function framed(message: Uint8Array, isCompressed: boolean): Buffer {
  const frame = Buffer.alloc(5 + message.length)
  frame[0] = isCompressed ? 1 : 0
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, 5)
  return frame
}

test('swansong status and doctor show a token where the admin port asks for one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'swansong-token-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const tokens = join(directory, 'tokens')
  writeFileSync(tokens, 'secret\nolder\n', { mode: 0o600 })
  const gateway = await startGateway({ env: { SWANSONG_ADMIN_AUTH_BEARER_TOKENS_FILE: tokens } })
  const without = await runSwansong('status', '--url', gateway.urls.admin)
  assert.equal(without.code, 1)
  assert.match(without.stderr, /answers 401: .*--bearer-token-file/)
  const flags = ['--url', gateway.urls.admin, '--bearer-token-file', tokens]
  const { code, stdout, stderr } = await runSwansong('status', ...flags)
  assert.equal(code, 0, stderr)
  assert.match(stdout, new RegExp(`^gateway .*pid ${gateway.pid}, ready`, 'm'))
  assert.match((await runSwansong('doctor', ...flags)).stdout, /^ok +gateway/m)
})
