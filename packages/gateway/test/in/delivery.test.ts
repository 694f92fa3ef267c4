import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { temporaryDirectory } from '../support/directories.ts'
import { startGateway, type TestGateway } from '../support/gateways.ts'
import { deltas } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

/*
 * CONFORMANCE C5: of anonymous batches suppress only if the earlier copy's 2xx was not certainly delivered; certain is bytes,
 * or FIN without RST, received on that connection after the answer was flushed.
 */

const body = deltas([{ value: 1 }])
const other = deltas([{ name: 'other', value: 1 }])
const quick = { deliveryWaitMs: 300 }

/** A client of one connection, which does as it is told. */
class Client {
  readonly socket: Socket
  #text = ''

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (part: Buffer) => (this.#text += part.toString('latin1')))
    socket.on('error', () => {}) // Resets are among what is tried.
  }

  /** By the Unix socket, where the gateway has one. */
  static async open(context: TestContext, { gateway }: TestGateway): Promise<Client> {
    const { otlpHttp, otlpSocket: path } = gateway.addresses
    const place = path === undefined ? { port: otlpHttp.port } : { path }
    const socket = connect({ ...place, allowHalfOpen: true })
    context.after(() => socket.destroy())
    await once(socket, 'connect')
    return new Client(socket)
  }

  send(batch: Uint8Array = body, headers = '', version = '1.1'): void {
    const head =
      `POST /v1/metrics HTTP/${version}\r\nhost: gateway\r\ncontent-type: application/x-protobuf\r\n` +
      `content-length: ${batch.length}\r\n${headers}\r\n`
    this.socket.write(Buffer.concat([Buffer.from(head), batch]))
  }

  /** Waits for so many answers of success in all. */
  async answered(count = 1): Promise<void> {
    for (let tries = 0; this.answers < count; tries++) {
      assert.ok(tries < 500, `${this.answers} of ${count} answers: ${this.#text}`)
      await sleep(5)
    }
  }

  get answers(): number {
    return this.#text.split('HTTP/1.1 200').length - 1
  }

  /** Posts and waits for the answer. */
  async post(batch: Uint8Array = body, headers = '', version = '1.1'): Promise<void> {
    const before = this.answers
    this.send(batch, headers, version)
    await this.answered(before + 1)
  }
}

/** What two copies add up to, the second by a connection of its own, after what becomes of the first. */
async function twice(
  context: TestContext,
  first: (client: Client) => Promise<unknown>,
  config: Parameters<typeof startGateway>[1] = {}
): Promise<number | undefined> {
  const gateway = await startGateway(context, { limits: quick, ...config })
  await first(await Client.open(context, gateway))
  await (await Client.open(context, gateway)).post()
  return gateway.work()
}

test('a sender that went on by the same connection had its answer: the same body of another counts', async (context) => {
  const count = await twice(context, async (client) => {
    await client.post()
    await client.post(other)
  })
  assert.equal(count, 2)
})

test('the same body again and again by one connection counts each time, also without waiting', async (context) => {
  const gateway = await startGateway(context)
  const client = await Client.open(context, gateway)
  for (let times = 0; times < 5; times++) await client.post()
  for (let times = 0; times < 5; times++) client.send()
  await client.answered(10)
  assert.equal(await gateway.work(), 10)
  assert.equal((await gateway.scrape()).get('swansong_duplicates_total'), 0)
})

test('an orderly end after the answer says that it arrived', async (context) => {
  const count = await twice(context, async (client) => {
    await client.post()
    client.socket.end()
    await once(client.socket, 'close')
  })
  assert.equal(count, 2)
})

test('an end that comes while another waits is what it waits for', async (context) => {
  const gateway = await startGateway(context)
  const first = await Client.open(context, gateway)
  await first.post()
  const second = await Client.open(context, gateway)
  second.send()
  await sleep(100)
  assert.equal(second.answers, 0, 'it waits to hear of the first')
  first.socket.end()
  await second.answered()
  assert.equal(await gateway.work(), 2)
})

for (const [how, headers, version] of [
  ['asks for the connection to be closed', 'connection: close\r\n', '1.1'],
  ['speaks HTTP/1.0', '', '1.0'],
] as const) {
  test(`a sender that ${how} ends it in order too: its answer arrived`, async (context) => {
    const count = await twice(context, async (client) => {
      await client.post(body, headers, version)
      client.socket.end()
    })
    assert.equal(count, 2)
  })

  test(`a sender that ${how} and goes without its answer is unknown`, async (context) => {
    const count = await twice(context, async (client) => {
      client.socket.pause()
      client.send(body, headers, version)
      await sleep(100)
      client.socket.resetAndDestroy()
    })
    assert.equal(count, 1)
  })
}

test('a reset after the answer was not read: the same body of another is a retry', async (context) => {
  const count = await twice(context, async (client) => {
    client.socket.pause()
    client.send()
    await sleep(100)
    client.socket.resetAndDestroy()
    await once(client.socket, 'close')
  })
  assert.equal(count, 1)
})

for (const [what, tell] of [
  ['goes on', (client: Client) => client.post(other)],
  ['ends in order', (client: Client) => once(client.socket.end(), 'close')],
] as const) {
  test(`by a Unix socket: a sender that ${what} had its answer, and the same body of another counts`, async (context) => {
    const otlpSocket = { path: `${temporaryDirectory(context)}/otlp.sock` }
    const first = async (client: Client): Promise<void> => {
      await client.post()
      await tell(client)
    }
    assert.equal(await twice(context, first, { otlpSocket }), 2)
  })
}

test('by a Unix socket: who goes without reading its answer has none, and the same body is a retry', async (context) => {
  const path = `${temporaryDirectory(context)}/otlp.sock`
  const gateway = await startGateway(context, { otlpSocket: { path }, limits: quick })
  const workerData = { place: { path }, body, looksAway: true }
  const client = new Worker(new URL('../jobs/give-up.ts', import.meta.url), { workerData })
  context.after(() => client.terminate())
  await once(client, 'exit')
  assert.equal(await gateway.work(), 1)
  await (await Client.open(context, gateway)).post()
  assert.equal(await gateway.work(), 1)
})

test('an answer that nobody reads, by a connection that stays: a retry, once it was waited for', async (context) => {
  const gateway = await startGateway(context, { limits: quick })
  const first = await Client.open(context, gateway)
  first.socket.pause()
  first.send()
  await sleep(100)
  const second = await Client.open(context, gateway)
  const begun = performance.now()
  await second.post()
  assert.ok(performance.now() - begun > 250, 'it was waited for')
  assert.equal(await gateway.work(), 1)
  assert.equal((await gateway.scrape()).get('swansong_duplicates_total'), 1)
})

test('a side that ended with its request says nothing of the answer', async (context) => {
  const count = await twice(context, async (client) => {
    const closed = once(client.socket, 'close')
    client.send()
    client.socket.end()
    await client.answered()
    await closed
  })
  assert.equal(count, 1)
})

test('a sender that gave up while the commit was under way had no answer, though its end is read after it', async (context) => {
  // The commit holds the loop, so that the end is in the kernel before the answer is.
  const store = new SimStore()
  const commit = store.commit.bind(store)
  store.commit = (group) => {
    if (store.commits === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
    commit(group)
  }
  const gateway = await startGateway(context, { store, limits: quick })
  const { port } = gateway.gateway.addresses.otlpHttp
  const workerData = { place: { port, host: '127.0.0.1' }, body, looksAway: false }
  const client = new Worker(new URL('../jobs/give-up.ts', import.meta.url), { workerData })
  context.after(() => client.terminate())
  await once(client, 'exit')
  await (await Client.open(context, gateway)).post()
  assert.equal(store.commits >= 1, true)
  assert.equal(await gateway.work(), 1)
})

test('the answer of a retry that arrived settles it: who sends the same after that is somebody else', async (context) => {
  const gateway = await startGateway(context, { limits: quick })
  const first = await Client.open(context, gateway)
  first.socket.pause()
  first.send()
  await sleep(100)
  first.socket.resetAndDestroy()
  const retry = await Client.open(context, gateway)
  await retry.post()
  assert.equal(await gateway.work(), 1)
  retry.socket.end()
  await once(retry.socket, 'close')
  await (await Client.open(context, gateway)).post()
  assert.equal(await gateway.work(), 2)
})

test('many that send the same at once and go in order all count', async (context) => {
  const gateway = await startGateway(context, { limits: { deliveryWaitMs: 10_000 } })
  const clients = await Promise.all(Array.from({ length: 20 }, () => Client.open(context, gateway)))
  const ends = clients.map(async (client) => {
    await client.post()
    client.socket.end()
  })
  await Promise.all(ends)
  assert.equal(await gateway.work(), 20)
})

test('after a restart all that was anonymous is unknown: the same body is a retry, and gets the first answer', async (context) => {
  const first = await startGateway(context)
  const partial = deltas([{ value: 1 }, { value: -1 }])
  const before = await first.post(partial)
  await first.post(other) // By the same connection: it was certain until now.
  await first.close()
  const second = await startGateway(context, { dataDir: first.dataDir })
  const after = await second.post(partial)
  assert.deepEqual([after.http, after.said], [before.http, before.said])
  assert.equal(await second.work(), 1)
})

test('retries: strict takes every identical anonymous body for a retry, whatever its connection says', async (context) => {
  const gateway = await startGateway(context, { retries: 'strict' })
  const proxy = await Client.open(context, gateway) // Many clients, one connection.
  for (let times = 0; times < 3; times++) await proxy.post()
  const another = await Client.open(context, gateway)
  await another.post()
  assert.equal(await gateway.work(), 1)
  assert.equal((await gateway.scrape()).get('swansong_duplicates_total'), 3)
  await another.post(deltas([{ value: 5 }]))
  assert.equal(await gateway.work(), 6)
})

test('an empty request takes no id and is never waited for', async (context) => {
  const gateway = await startGateway(context, { limits: { batchIdCountMax: 1 } })
  for (let times = 0; times < 3; times++) {
    const client = await Client.open(context, gateway)
    await client.post(new Uint8Array(0))
  }
  assert.equal((await gateway.scrape()).get('swansong_batch_ids'), 0)
})
