import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { deltas, lineOf } from './support/deltas.ts'
import { startGateway } from './support/gateway.ts'
import { until } from './support/wait.ts'

/** So many files and connections a gateway may have open here, and so many of them are kept for files. */
const descriptorCount = 200
const reserveCount = 128

test('out of file descriptors a gateway keeps serving, says so, and takes further connections when others go', async () => {
  const gateway = await startGateway({
    within: ['sh', '-c', `ulimit -n ${descriptorCount} && exec "$@"`, 'sh'],
  })
  const url = gateway.urls.otlp
  assert.equal((await gateway.post(deltas([{ name: 'jobs', value: 1 }]), 'before')).status, 200)
  const held: Socket[] = []
  // More than there are descriptors, at both doors of senders: each alone stays within what one may have.
  for (const port of [gateway.ports.otlpHttp, gateway.ports.otlpGrpc])
    for (let at = 0; at < descriptorCount - reserveCount; at++) held.push(await connected(port))

  const refused = async (): Promise<number> => {
    const shown = await gateway.metrics() // Who reads has room of its own.
    return (
      (shown.get('swansong_connections_rejected_total{door="otlp-http"}') ?? 0) +
      (shown.get('swansong_connections_rejected_total{door="otlp-grpc"}') ?? 0)
    )
  }
  await until('connections are refused', async () => (await refused()) >= descriptorCount - reserveCount)
  assert.match(gateway.said(), /as many connections are open on all doors as .*LimitNOFILE/)
  await assert.rejects(gateway.post(deltas([{ name: 'jobs', value: 1 }]), 'while'), `${url} has no room`)
  assert.equal(await gateway.metric(lineOf('jobs')), 1)
  assert.equal((await gateway.status()).series, 1)

  for (const socket of held) socket.destroy()
  await until('there is room again', async () =>
    gateway.post(deltas([{ name: 'jobs', value: 1 }]), 'while').then(
      ({ status }) => status === 200,
      () => false
    )
  )
  assert.equal(await gateway.metric(lineOf('jobs')), 2)
  assert.equal(await gateway.stop(), 0)
})

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}
