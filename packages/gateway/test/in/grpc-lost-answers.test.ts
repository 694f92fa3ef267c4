import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { grpcClient, type Called } from '../support/grpc.ts'
import { startGateway, type TestGateway } from '../support/gateways.ts'
import { deltas } from '../support/requests.ts'
import { eventually } from '../support/spools.ts'

/** What becomes of bytes: they pass; what goes to the gateway is lost; or what comes from it. */
type Losing = 'nothing' | 'requests' | 'answers'

interface CuttingProxy {
  port: number
  losing: Losing
  /** Ends all connections, on both sides. */
  cut(): void
}

/** Stands before the door, byte by byte. */
async function startCuttingProxy(context: TestContext, port: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>()
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const server = createServer((client) => {
    const gateway = connect(port, '127.0.0.1')
    for (const [socket, other] of [
      [client, gateway],
      [gateway, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    client.on('data', (bytes) => proxy.losing !== 'requests' && gateway.write(bytes))
    gateway.on('data', (bytes) => proxy.losing !== 'answers' && client.write(bytes))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => {
    server.close()
    cut()
  })
  const proxy: CuttingProxy = { port: (server.address() as AddressInfo).port, losing: 'nothing', cut }
  return proxy
}

const callCount = 40
const unavailable = 14

/** Each another body: without ids nothing else tells a call from its repetition. A third each has a key, or says whose it is. */
function bodyOf(at: number): Uint8Array {
  const resource = at % 3 === 1 ? { 'service.instance.id': `worker ${at}` } : {}
  return deltas([{ value: at + 1 }], { 'service.name': 'jobs', ...resource })
}

const metadataOf = (at: number): Record<string, string> =>
  at % 3 === 2 ? { 'idempotency-key': `batch ${at}` } : {}
const sumOf = (count: number): number => (count * (count + 1)) / 2

async function shownBy(gateway: TestGateway): Promise<number> {
  return (await gateway.scrape()).get('work_total{job="jobs",otel_scope_name="test"}') ?? 0
}

test('calls whose answers are lost with their connection count once when they come again', async (context) => {
  const gateway = await startGateway(context)
  const proxy = await startCuttingProxy(context, gateway.grpcPort)
  const client = grpcClient(context, proxy.port)
  const call = (at: number): Promise<Called> => client.call(bodyOf(at), { metadata: metadataOf(at) })
  const callAll = (): Promise<Called>[] => Array.from({ length: callCount }, (_, at) => call(at))
  const again = async (at: number): Promise<void> => {
    await eventually(async () => assert.equal((await call(at)).code, 0)) // The channel waits before it connects anew.
  }
  assert.equal((await client.call(deltas([{ name: 'first', value: 1 }]))).code, 0)

  proxy.losing = 'requests'
  const lost = callAll()
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(await shownBy(gateway), 0)
  proxy.cut()
  for (const { code } of await Promise.all(lost)) assert.equal(code, unavailable)

  proxy.losing = 'nothing'
  await eventually(async () =>
    assert.equal((await client.call(deltas([{ name: 'second', value: 1 }]))).code, 0)
  )
  proxy.losing = 'answers'
  const unanswered = callAll()
  await eventually(async () => assert.equal(await shownBy(gateway), sumOf(callCount)))
  proxy.cut()
  for (const { code } of await Promise.all(unanswered)) assert.equal(code, unavailable)

  proxy.losing = 'nothing'
  await Promise.all(Array.from({ length: callCount }, (_, at) => again(at)))
  assert.equal(await shownBy(gateway), sumOf(callCount))
  assert.ok(((await gateway.scrape()).get('swansong_duplicates_total') ?? 0) >= callCount)
})
