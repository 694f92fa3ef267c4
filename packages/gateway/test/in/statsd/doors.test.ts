import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { test, type TestContext } from 'node:test'
import { ListenError } from '../../../src/doors/server.ts'
import { startGateway, type StartOptions, type TestGateway } from '../../support/gateways.ts'
import { eventually } from '../../support/spools.ts'

const anyPort = { host: '127.0.0.1', port: 0 }
const line = 'a_total{job="counters"}'

function start(context: TestContext, limits: StartOptions['limits'] = {}): Promise<TestGateway> {
  return startGateway(context, { limits, statsd: { udp: anyPort, tcp: anyPort, serviceName: 'counters' } })
}

async function sendDatagrams(gateway: TestGateway, datagrams: readonly string[]): Promise<void> {
  const socket = createSocket('udp4')
  const port = gateway.gateway.addresses.statsd?.udp?.port ?? 0
  for (const datagram of datagrams)
    await new Promise<void>((resolve) => socket.send(datagram, port, '127.0.0.1', () => resolve()))
  socket.close()
}

async function sendStream(gateway: TestGateway, ...pieces: readonly string[]): Promise<void> {
  const socket = createConnection(gateway.gateway.addresses.statsd?.tcp?.port ?? 0, '127.0.0.1')
  for (const piece of pieces) {
    socket.write(piece)
    await new Promise((resolve) => setTimeout(resolve, 5)) // So that pieces come by themselves, mostly.
  }
  socket.end()
  await once(socket, 'close')
}

test('datagrams that there is no room for are dropped and counted; all others are in the sums', async (context) => {
  const gateway = await start(context, { statsdBytesInFlightMax: 100, statsdFlushMs: 500 })
  await sendDatagrams(
    gateway,
    Array.from({ length: 200 }, () => 'a:1|c')
  )
  await eventually(async () => {
    const shown = await gateway.scrape()
    const dropped = shown.get('swansong_statsd_dropped_total{by="gateway"}') ?? 0
    assert.ok(dropped > 0)
    assert.equal((shown.get(line) ?? 0) + dropped, 200)
    assert.equal(shown.get(line), shown.get('swansong_statsd_packets_total'))
  })
})

test('lines of a stream are told whole, however they come, and one without an end takes no memory', async (context) => {
  const gateway = await start(context, { statsdLineBytesMax: 20 })
  await sendStream(
    gateway,
    'a:1|',
    'c\na:2|c\na',
    ':4|c\n',
    'x'.repeat(15),
    'y'.repeat(15),
    'z'.repeat(15),
    ':1|c\na:8|c',
    '\n',
    'a:16|c'
  )
  await eventually(async () => {
    const shown = await gateway.scrape()
    assert.equal(shown.get(line), 31)
    assert.equal(shown.get('swansong_statsd_lines_rejected_total{reason="too_long"}'), 1)
    assert.deepEqual(
      [...shown.keys()].filter((key) => /counters/.test(key)),
      [line]
    )
  })
})

test('what was received is told when the gateway stops, and the kernel says what it gave', async (context) => {
  const gateway = await start(context, { statsdFlushMs: 10_000 })
  await sendDatagrams(gateway, ['u:x|s', ...Array.from({ length: 500 }, () => 'a:1|c')])
  assert.equal((await gateway.scrape()).get('swansong_statsd_packets_total'), 0, 'nothing was handed on yet')
  assert.ok(((await gateway.scrape()).get('swansong_statsd_receive_buffer_bytes') ?? 0) >= 100_000)
  await gateway.close()
  const again = await startGateway(context, { dataDir: gateway.dataDir })
  const shown = await again.scrape()
  assert.equal(shown.get(line), 500)
  assert.equal(shown.get('u{job="counters"}'), 1)
})

test('an address that is taken, and a descriptor that is none, say what to do', async (context) => {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  context.after(() => socket.close())
  const { port } = socket.address()
  const check = (statsd: StartOptions['statsd'] & object, says: RegExp): Promise<void> =>
    assert.rejects(
      startGateway(context, { statsd }),
      (error) => error instanceof ListenError && says.test(error.message)
    )
  await check(
    { udp: { host: '127.0.0.1', port } },
    /cannot receive on 127\.0\.0\.1:\d+ \(UDP\): .*EADDRINUSE.*--statsd HOST:PORT/
  )
  await check(
    { descriptor: 9999 },
    /cannot receive on descriptor 9999: it is no datagram socket.*--statsd-fd/
  )
})
