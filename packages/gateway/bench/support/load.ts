import { randomUUID } from 'node:crypto'
import { connect, type Socket } from 'node:net'

export interface Load {
  port: number
  connections: number
  /** Sent in turn. */
  bodies: readonly Uint8Array[]
  /** Each request gets an Idempotency-Key of its own; without it a body that nobody else sends. */
  keys: boolean
  seconds: number
}

export interface LoadResult {
  requests: number
  seconds: number
  /** Milliseconds from the first byte of a request to the last of its answer. */
  p50: number
  p99: number
}

const idLength = 36
const idPlace = 'x'.repeat(idLength)
const success = Buffer.from('HTTP/1.1 200')

/** Sends as fast as answers come, one request at a time on each connection. Throws on any answer but 200. */
export async function runLoad(load: Load): Promise<LoadResult> {
  const latencies: number[] = []
  const begun = performance.now()
  const until = begun + load.seconds * 1000
  await Promise.all(
    Array.from({ length: load.connections }, (_, number) => runConnection(load, number, until, latencies))
  )
  const seconds = (performance.now() - begun) / 1000
  latencies.sort((a, b) => a - b)
  return { requests: latencies.length, seconds, p50: atShare(latencies, 0.5), p99: atShare(latencies, 0.99) }
}

/** What so large a share of sorted values is below. */
export function atShare(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN
}

function runConnection(load: Load, number: number, until: number, latencies: number[]): Promise<void> {
  const requests = load.bodies.map((body) => requestOf(body, load.keys))
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(load.port, '127.0.0.1')
    socket.setNoDelay(true)
    let sent = 0
    let sentAt = 0
    const send = (): void => {
      const { bytes, idAt } = requests[(number + sent) % requests.length] as { bytes: Buffer; idAt: number }
      sent++
      bytes.write(randomUUID(), idAt, 'latin1')
      sentAt = performance.now()
      socket.write(bytes)
    }
    socket.on('connect', send)
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      // An answer of success has no body, so it is one short chunk that ends with an empty line.
      if (!chunk.subarray(0, success.length).equals(success)) {
        socket.destroy()
        return reject(new Error(`answered ${chunk.toString('latin1').slice(0, 300)}`))
      }
      const now = performance.now()
      latencies.push(now - sentAt)
      if (now < until) return send()
      socket.end()
      return resolve()
    })
  })
}

/** Field 15 of the request, of `idLength` bytes: nobody knows it, so it is skipped. */
const unknownField = Buffer.from([(15 << 3) | 2, idLength])

function requestOf(body: Uint8Array, keys: boolean): { bytes: Buffer; idAt: number } {
  const own = keys ? '' : `${unknownField.toString('latin1')}${idPlace}`
  const head =
    'POST /v1/metrics HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/x-protobuf\r\n' +
    `content-length: ${body.length + own.length}\r\n${keys ? `idempotency-key: ${idPlace}\r\n` : ''}\r\n`
  const bytes = Buffer.concat([Buffer.from(head, 'latin1'), body, Buffer.from(own, 'latin1')])
  return { bytes, idAt: bytes.indexOf(idPlace) }
}
