import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { decodedPoints, type DecodedPoint } from './otlp-decoded.ts'

/** What a receiver does with a request: an answer, silence, or the end of the connection. */
export type Does =
  | { status: number; headers?: Record<string, string>; body?: Uint8Array | string }
  | 'hangs'
  | 'resets'

export interface Received {
  atMs: number
  url: string
  headers: IncomingHttpHeaders
  /** As it came, inflated. */
  body: Uint8Array
  points: DecodedPoint[]
}

export interface OtlpReceiver {
  port: number
  received: Received[]
  /** Of the counter `work`, as each request told it. */
  works: () => (number | undefined)[]
}

/** A receiver of OTLP/HTTP that does what `does` says of each request, by its number from 0 on and by what is in it. */
export async function startReceiver(
  context: TestContext,
  does: (request: number, points: readonly DecodedPoint[]) => Does = () => ({ status: 200 }),
  serverOf: (listener: RequestListener) => Server = (listener) => createServer(listener)
): Promise<OtlpReceiver> {
  const received: Received[] = []
  const server = serverOf((request, response) => {
    void buffer(request).then((sent) => {
      const { url = '', headers } = request
      const body = headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent
      const points = decodedPoints(body)
      const told = does(received.length, points)
      received.push({ atMs: performance.now(), url, headers, body, points })
      if (told === 'resets') request.socket.resetAndDestroy()
      else if (told !== 'hangs') response.writeHead(told.status, told.headers ?? {}).end(told.body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const works = (): (number | undefined)[] =>
    received.map(({ points }) => points.find(({ name }) => name === 'work')?.value)
  return { port: (server.address() as AddressInfo).port, received, works }
}
