import { randomUUID } from 'node:crypto'
import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect, createServer, type NetConnectOpts } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { completeConfig, ListenError, openGateway, SpoolDirError } from '../src/index.ts'
import { openLog } from '../src/log.ts'
import { dataDirectory, temporaryDirectory } from './support/directories.ts'
import { startGateway, type TestGateway } from './support/gateways.ts'
import { deltas } from './support/requests.ts'
import { SimStore } from './support/sim-store.ts'

const one = deltas([{ value: 1 }])

function post(agent: Agent, { url }: TestGateway): Promise<number | undefined> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/x-protobuf', 'idempotency-key': randomUUID() }
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode))
    })
    sent.on('error', () => resolve(undefined))
    sent.end(one)
  })
}

test('a stop answers all that was accepted, and what was answered is there after it', async (context) => {
  const gateway = await startGateway(context)
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  context.after(() => agent.destroy())
  let answered = 0
  let accepted = 0
  const { promise: underWay, resolve: isUnderWay } = Promise.withResolvers<void>()
  const posts = Array.from({ length: 200 }, async () => {
    const status = await post(agent, gateway)
    if (status === undefined) return
    answered++
    if (status === 200) accepted++
    if (answered === 40) isUnderWay()
  })
  await underWay
  const begun = performance.now()
  await gateway.close()
  const seconds = (performance.now() - begun) / 1000
  await Promise.all(posts)
  assert.ok(seconds < 3, `it took ${seconds} s though clients hold their connections`)
  assert.ok(accepted >= 40 && accepted === answered, `${answered} were answered, ${accepted} with 200`)
  const again = await startGateway(context, { dataDir: gateway.dataDir })
  assert.equal(await again.work(), accepted)
})

test('a stop waits for no connection that is only kept', async (context) => {
  const gateway = await startGateway(context)
  const agent = new Agent({ keepAlive: true })
  context.after(() => agent.destroy())
  await Promise.all(Array.from({ length: 20 }, () => post(agent, gateway)))
  await fetch(`${gateway.metricsUrl}/metrics`).then((response) => response.text())
  const begun = performance.now()
  await gateway.close()
  assert.ok(performance.now() - begun < 2000)
})

test('a connection whose request is answered while the gateway stops goes after it', async (context) => {
  const store = new SimStore()
  const gateway = await startGateway(context, { store })
  const agent = new Agent({ keepAlive: true })
  context.after(() => agent.destroy())
  const commit = store.commit.bind(store)
  const stopping = new Promise<number>((resolve) => {
    store.commit = (group) => {
      store.commit = commit
      const begun = performance.now()
      void gateway.close().then(() => resolve(performance.now() - begun))
      commit(group)
    }
  })
  assert.equal(await post(agent, gateway), 200)
  const ms = await stopping
  assert.ok(ms < 3000, `${ms} ms`)
})

test('a stop waits for a sender that is slow for no longer than it should', async (context) => {
  const gateway = await startGateway(context, { limits: { stopMs: 300 } })
  const headers = { 'content-type': 'application/x-protobuf', 'content-length': '1000' }
  const slow = request(gateway.url, { method: 'POST', headers })
  const cut = new Promise((resolve) => slow.on('error', resolve))
  await new Promise((resolve) => slow.write('x', resolve))
  const fast = await gateway.post(one) // The slow one's head has come as well by now.
  assert.equal(fast.http, 200)
  const begun = performance.now()
  await gateway.close()
  const ms = performance.now() - begun
  assert.ok(ms >= 250 && ms < 3000, `${ms} ms`)
  await cut
})

test('a stop has one time for all doors together', async (context) => {
  const stopMs = 2000
  const path = join(temporaryDirectory(context), 'otlp.sock')
  const gateway = await startGateway(context, { limits: { stopMs }, otlpSocket: { path } })
  const { otlpHttp, pushgateway } = gateway.gateway.addresses
  const head = (at: string): string => `POST ${at} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n`
  const otlp = `${head('/v1/metrics')}Content-Type: application/x-protobuf\r\n\r\nx`
  const cuts: Promise<number>[] = []
  const slow = (to: NetConnectOpts, text: string): void => {
    const socket = connect(to, () => socket.write(text)).on('error', () => undefined)
    cuts.push(new Promise((resolve) => socket.once('close', () => resolve(performance.now()))))
  }
  slow({ port: otlpHttp.port }, otlp)
  slow({ path }, otlp)
  slow({ port: pushgateway?.port ?? 0 }, `${head('/metrics/job/a')}\r\nx`)
  const session = connectHttp2(`http://127.0.0.1:${gateway.grpcPort}`).on('error', () => undefined)
  cuts.push(new Promise((resolve) => session.once('close', () => resolve(performance.now()))))
  const call = session.request({
    ':method': 'POST',
    ':path': '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
    'content-type': 'application/grpc',
  })
  call.on('error', () => undefined).write(Buffer.from([0, 0, 0, 0, 9, 1]))
  // What has come of their bodies: a byte each, that of gRPC behind a prefix of five.
  while ((await gateway.scrape()).get('swansong_in_flight_bytes') !== 9) await setTimeout(10)
  await gateway.close()
  const times = await Promise.all(cuts)
  const ms = Math.max(...times) - Math.min(...times)
  assert.ok(ms < stopMs / 2, `the doors shut ${ms} ms apart`)
})

test('a port that is taken is refused with the flag that changes it, and nothing stays held', async (context) => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  context.after(() => taken.close())
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const dataDir = dataDirectory(temporaryDirectory(context))
  const any = { host: '127.0.0.1', port: 0 }
  const check = async (name: 'otlpHttp' | 'otlpGrpc' | 'metrics' | 'admin', flag: string): Promise<void> => {
    const config = completeConfig({
      dataDir,
      otlpHttp: any,
      otlpGrpc: any,
      metrics: any,
      admin: any,
      [name]: { ...any, port },
    })
    const opening = openGateway(config, { log: openLog('silent'), onFailed: () => undefined })
    await assert.rejects(opening, (error) => {
      assert.ok(error instanceof ListenError)
      assert.match(
        error.message,
        new RegExp(`127.0.0.1:${port}: another process listens there; .* ${flag} HOST:PORT`)
      )
      return true
    })
  }
  await check('otlpHttp', '--otlp-http')
  await check('otlpGrpc', '--otlp-grpc')
  await check('metrics', '--metrics')
  await check('admin', '--admin')
  await startGateway(context, { dataDir })
})

test('a spool that another ledger takes up is refused, and the data directory is free again', async (context) => {
  const first = await startGateway(context)
  const dataDir = dataDirectory(temporaryDirectory(context))
  await assert.rejects(startGateway(context, { dataDir, spoolDir: first.spoolDir }), SpoolDirError)
  await first.close()
  const second = await startGateway(context, { dataDir, spoolDir: first.spoolDir })
  assert.equal((await second.post(one)).http, 200)
})
