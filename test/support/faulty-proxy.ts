import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { after } from 'node:test'
import { ask } from './http.ts'

/**
 * What becomes of a request: it passes; it is refused with 503 and goes no further; it goes on, and its answer is lost:
 * there is a 503 instead, or the connection breaks off, or nothing comes any more.
 */
export type Fault = 'none' | 'refused' | 'answered 503' | 'cut' | 'hung'

export interface FaultyProxy {
  /** What a sender is given as its endpoint. */
  endpoint: string
  /** Requests so far, by what became of them. */
  counts(): Readonly<Record<Fault, number>>
}

/** Headers that a proxy makes anew. */
const ofTheConnection = new Set(['host', 'connection', 'content-length', 'transfer-encoding'])

/**
 * An HTTP proxy before a door of OTLP, as a load balancer on a bad day. `faultOf` is asked for each request that was not
 * seen before, from 0 on; a repeated one passes, so that no sender runs out of patience, however slow the machine is.
 */
export async function startFaultyProxy(
  port: number,
  faultOf: (request: number) => Fault
): Promise<FaultyProxy> {
  const counts: Record<Fault, number> = { none: 0, refused: 0, 'answered 503': 0, cut: 0, hung: 0 }
  const seen = new Set<string>()
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request)
    const digest = createHash('sha256').update(body).digest('hex')
    const fault = seen.has(digest) ? 'none' : faultOf(seen.size)
    seen.add(digest)
    counts[fault]++
    if (fault === 'refused') return void response.writeHead(503).end()
    const headers = Object.fromEntries(
      Object.entries(request.headersDistinct)
        .filter(([name]) => !ofTheConnection.has(name))
        .map(([name, values]) => [name, values?.join(', ') ?? ''])
    )
    const method = request.method ?? 'GET'
    const answer = await ask(`http://127.0.0.1:${port}${request.url}`, { method, headers, body })
    if (fault === 'cut') response.destroy()
    else if (fault === 'answered 503') response.writeHead(503).end()
    else if (fault === 'none') response.writeHead(answer.status, answer.headers).end(answer.body)
    // A sender that hangs has had enough of it at some time, and closes.
  }
  const server = createServer((request, response) => {
    pass(request, response).catch(() => response.destroy()) // The gateway is dead, or the sender is gone.
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts: () => counts,
  }
}
