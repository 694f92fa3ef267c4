import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { deltas, lineOf } from './support/deltas.ts'
import { startGateway } from './support/gateway.ts'

const count = 10_000
const megabyte = 1024 * 1024

test(
  'ten thousand connections at once, a batch each: all are answered, none is lost, and memory is bounded',
  { timeout: 60_000 },
  async (t) => {
    const gateway = await startGateway()
    const before = await gateway.memory('VmRSS')
    const sockets = await Promise.all(Array.from({ length: count }, () => opened(gateway.ports.otlpHttp)))
    const idle = await gateway.memory('VmRSS')
    const body = deltas([{ name: 'good', value: 1 }])
    const answers = await Promise.all(sockets.map((socket, at) => posted(socket, at, body)))
    assert.equal(answers.filter((answer) => answer.startsWith('HTTP/1.1 200')).length, count)
    assert.equal(await gateway.metric(lineOf('good')), count)
    const highest = await gateway.memory('VmHWM')
    const kept = await gateway.memory('VmRSS')
    const each = Math.round((kept - before) / count)
    t.diagnostic(
      `${Math.round(idle / megabyte)} MiB when all were open, ${Math.round(highest / megabyte)} at most, ${each} bytes each`
    )
    assert.ok(highest < 400 * megabyte, `${highest} bytes`)
    assert.equal(await gateway.metric('swansong_connections{door="otlp-http"}'), count)
    for (const socket of sockets) socket.destroy()
  }
)

function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
  })
}

function posted(socket: Socket, number: number, body: Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1')))
    socket.once('close', () => reject(new Error(`connection ${number} ended without an answer`)))
    const head = `POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\nidempotency-key: batch-${number}\r\n`
    socket.write(Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`), body]))
  })
}
