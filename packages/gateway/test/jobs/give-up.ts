import { connect, type NetConnectOpts } from 'node:net'
import { workerData } from 'node:worker_threads'

/**
 * A thread of its own: sends a batch, and gives up after a while, whatever became of it. One that looks away reads nothing
 * of what came until then.
 */
const { place, body, looksAway } = workerData as {
  place: NetConnectOpts
  body: Uint8Array
  looksAway: boolean
}
const waitMs = 150
const socket = connect(place, () => {
  const head =
    'POST /v1/metrics HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/x-protobuf\r\n' +
    `content-length: ${body.length}\r\n\r\n`
  socket.write(Buffer.concat([Buffer.from(head), body]))
  if (looksAway) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waitMs * 4)
  if (looksAway) socket.destroy()
  else setTimeout(() => socket.destroy(), waitMs)
})
