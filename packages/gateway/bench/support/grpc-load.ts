import { randomUUID } from 'node:crypto'
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import { atShare, type Load, type LoadResult } from './load.ts'

const exportPath = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'

/** As `runLoad`, by OTLP/gRPC: one call at a time on each connection. Throws on any status but OK. */
export async function runGrpcLoad(load: Load): Promise<LoadResult> {
  const latencies: number[] = []
  const frames = load.bodies.map(framed)
  const begun = performance.now()
  const until = begun + load.seconds * 1000
  const run = async (number: number): Promise<void> => {
    const session = connect(`http://127.0.0.1:${load.port}`)
    let at = number
    do {
      const sentAt = performance.now()
      await call(session, frames[at++ % frames.length] as Buffer)
      latencies.push(performance.now() - sentAt)
    } while (performance.now() < until)
    session.close()
  }
  await Promise.all(Array.from({ length: load.connections }, (_, number) => run(number)))
  const seconds = (performance.now() - begun) / 1000
  latencies.sort((a, b) => a - b)
  return { requests: latencies.length, seconds, p50: atShare(latencies, 0.5), p99: atShare(latencies, 0.99) }
}

function call(session: ClientHttp2Session, frame: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': exportPath,
      'content-type': 'application/grpc',
      te: 'trailers',
      'idempotency-key': randomUUID(),
    })
    let status: unknown
    const told = (headers: IncomingHttpHeaders): void => {
      status = headers['grpc-status'] ?? status
    }
    stream.on('response', told)
    stream.on('trailers', told)
    stream.on('error', reject)
    stream.on('close', () => (status === '0' ? resolve() : reject(new Error(`answered ${String(status)}`))))
    stream.resume()
    stream.end(frame)
  })
}

function framed(body: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + body.length)
  frame.writeUInt32BE(body.length, 1)
  frame.set(body, 5)
  return frame
}
