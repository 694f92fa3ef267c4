import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { pushersJs, pushersPython } from '../peers/pushers.ts'
import { spawnThatDiesWithUs } from '../support/child.ts'
import { type Gateway, type GatewayOptions, startGateway } from '../support/gateway.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/wait.ts'

const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name)
const kernelDrops = 'swansong_statsd_dropped_total{by="kernel"}'

interface Doors {
  gateway: Gateway
  udp: number
  tcp: number
}

async function start(options: GatewayOptions = {}): Promise<Doors> {
  const [udp = 0, tcp = 0] = await freePorts(2)
  const flags = ['--statsd', `127.0.0.1:${udp}`, '--statsd-tcp', `127.0.0.1:${tcp}`, ...(options.flags ?? [])]
  const env = { SWANSONG_STATSD_SET_WINDOW: '100ms', ...options.env }
  return { gateway: await startGateway({ ...options, env, flags }), udp, tcp }
}

/** Runs a program to its end; gives what it said. */
async function run(program: string, ...args: string[]): Promise<string> {
  const child = spawnThatDiesWithUs(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  if (child.stdout === null || child.stderr === null) throw new Error('it has pipes')
  const said = [text(child.stdout), text(child.stderr)] as const
  const [code] = (await once(child, 'exit')) as [number | null]
  assert.equal(code, 0, await said[1])
  return said[0]
}

test('stock clients of Python and Node, by UDP and TCP: what they counted is shown', async () => {
  const { gateway, udp, tcp } = await start()
  const python = await pushersPython()
  const modules = await pushersJs()
  await run(python, fixture('client.py'), 'statsd', String(udp), '300')
  await run(python, fixture('client.py'), 'tcp', String(tcp), '300')
  await run(python, fixture('client.py'), 'datadog', String(udp), '300')
  for (const [protocol, port] of [
    ['udp', udp],
    ['tcp', tcp],
  ] as const)
    await run(process.execPath, fixture('client.cjs'), modules, protocol, String(port), '300')

  await gateway.shows('visits_total{job="statsd"}', 600)
  for (const page of ['0', '1', '2'])
    await gateway.shows(`visits_total{client="datadog",job="statsd",page="${page}"}`, 100)
  await gateway.shows('visits_total{client="hot-shots-udp",job="statsd"}', 300)
  await gateway.shows('visits_total{client="hot-shots-tcp",job="statsd"}', 300)
  await gateway.shows('took_seconds_count{job="statsd"}', 600)
  await gateway.shows('took_seconds_bucket{job="statsd",le="0.025"}', 600)
  await gateway.shows('size_sum{client="datadog",job="statsd"}', 450)
  const shown = await gateway.metrics()
  assert.equal(shown.get('level{job="statsd"}'), 3)
  assert.equal(shown.get('level{client="datadog",job="statsd"}'), 4.5)
  assert.equal(shown.get(kernelDrops), 0)
  assert.equal(shown.get('swansong_statsd_dropped_total{by="gateway"}'), 0)
  assert.deepEqual(
    [...shown.keys()].filter((line) => line.startsWith('swansong_statsd_lines_rejected')),
    []
  )
  assert.equal(await gateway.stop(), 0)
})

test('what a sender sends while nobody reads is in the sums, but for what the kernel says it dropped', async () => {
  const { gateway, udp } = await start()
  const room = await gateway.metric('swansong_statsd_receive_buffer_bytes')
  process.kill(gateway.pid, 'SIGSTOP')
  // The kernel counts some 700 bytes a datagram.
  const sending = run('python3', fixture('flood.py'), String(udp), String(Math.ceil(room / 256)), '0')
  const [sent] = (await sending).split(' ').map(Number)
  process.kill(gateway.pid, 'SIGCONT')
  const counted = async (): Promise<number> => {
    let sum = 0
    for (const [line, value] of await gateway.metrics()) if (line.startsWith('flood_total{')) sum += value
    return sum
  }
  await until(
    'all is counted, or dropped',
    async () => (await counted()) + (await gateway.metric(kernelDrops)) === sent
  )
  assert.ok((await gateway.metric(kernelDrops)) > 0)
  assert.ok((await counted()) > 0)
  assert.equal(await gateway.metric('swansong_statsd_packets_total'), await counted())
})

test('through kill -9: what was shown stays, and what is sent on counts', async () => {
  const { gateway, tcp } = await start()
  const line = 'steps_total{job="statsd"}'
  let sent = 0
  let shown = 0
  for (let kills = 0; kills < 3; kills++) {
    const socket = createConnection(tcp, '127.0.0.1')
    await once(socket, 'connect')
    for (let times = 0; times < 50; times++) {
      socket.write('steps:1|c\n'.repeat(10))
      sent += 10
    }
    await until('some of it is shown', async () => {
      const now = await gateway.metric(line)
      const isMore = now > shown
      shown = now
      return isMore
    })
    socket.on('error', () => {})
    await gateway.kill9()
    await gateway.restart({ SWANSONG_STATSD_SET_WINDOW: '100ms' })
    const again = await gateway.metric(line)
    assert.ok(again >= shown, `${again} after ${shown}`)
    assert.ok(again <= sent)
    shown = again
  }
})

test('a Unix datagram socket that it was started with, as systemd does, also after kill -9', async () => {
  const home = await mkdtemp(join(tmpdir(), 'swansong-statsd-'))
  after(() => rm(home, { recursive: true, force: true }))
  const path = join(home, 'statsd.sock')
  const python = await pushersPython()
  const within = ['/usr/bin/python3', fixture('with_socket.py'), path]
  const { gateway } = await start({ within, flags: ['--statsd-fd', '3'] })
  await run(python, fixture('client.py'), 'datadog', path, '300')
  await gateway.shows('visits_total{client="datadog",job="statsd",page="0"}', 100)
  await gateway.kill9()
  await gateway.restart({ SWANSONG_STATSD_SET_WINDOW: '100ms' })
  await run(python, fixture('client.py'), 'datadog', path, '300')
  await gateway.shows('visits_total{client="datadog",job="statsd",page="0"}', 200)
  assert.equal(await gateway.stop(), 0)
})
