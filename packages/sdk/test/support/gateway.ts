import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { gunzipSync } from 'node:zlib'
import { encodeExportResponse, encodeStatus } from '@swansong/otlp'
import { readRequest, type Request } from './read-request.ts'

/** How the next request is answered: with a status, never, 300 ms late, or by a broken connection before or after it was counted. */
export type Answer = number | 'hang' | 'reset' | 'count and reset' | 'partial' | 'late'

/** A gateway as the SDK sees one: it counts a batch id once, and answers as it is told. */
export interface FakeGateway {
  url: string
  /** The bodies of the batches that were counted, by id. */
  counted: Map<string, Buffer>
  /** Every request in its order. */
  requests: {
    id: string
    body: Buffer
    wire: Buffer
    path: string
    headers: IncomingMessage['headers']
    at: number
  }[]
  /** Resolves at the first request. */
  asked: Promise<void>
  close: () => Promise<void>
}

/** Answers the nth request with the nth answer, and all later ones with the last. */
export function startGateway(...answers: Answer[]): Promise<FakeGateway> {
  return startGatewayAt({}, ...answers)
}

/** The same on a Unix socket, or by TLS. */
export async function startGatewayAt(
  { socketPath, tls, host = '127.0.0.1' }: { socketPath?: string; tls?: TlsOptions; host?: string },
  ...answers: Answer[]
): Promise<FakeGateway> {
  const counted: FakeGateway['counted'] = new Map()
  const requests: FakeGateway['requests'] = []
  let ask = (): void => {}
  const asked = new Promise<void>((resolve) => (ask = resolve))
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const id = String(request.headers['idempotency-key'])
      const wire = Buffer.concat(parts)
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(wire) : wire
      const answer = answers[Math.min(requests.length, answers.length - 1)] ?? 200
      requests.push({ id, body, wire, path: request.url ?? '', headers: request.headers, at: Date.now() })
      if (answer === 200 || answer === 'late' || answer === 'count and reset') counted.set(id, body)
      reply(answer, request, response)
      ask()
    })
  }
  const server = tls === undefined ? createServer(serve) : createSecureServer(tls, serve)
  const at = socketPath === undefined ? { port: 0, host } : { path: socketPath }
  await new Promise<void>((resolve) => server.listen(at, resolve))
  server.unref() // A test that fails before it closes it must not hang.
  const close = async (): Promise<void> => {
    server.close() // Nobody need wait for it: it does not keep the test alive.
    server.closeAllConnections()
  }
  return {
    url:
      socketPath === undefined
        ? `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`
        : `unix:${socketPath}`,
    counted,
    requests,
    asked,
    close,
  }
}

function reply(answer: Answer, request: IncomingMessage, response: ServerResponse): void {
  if (answer === 'hang') return
  if (answer === 'reset' || answer === 'count and reset') {
    request.socket.destroy()
    return
  }
  if (answer === 'late') {
    setTimeout(() => response.end(), 300)
    return
  }
  if (answer === 'partial') {
    response.end(encodeExportResponse('protobuf', 1, 'too old'))
    return
  }
  response.statusCode = answer
  if (answer === 429) response.setHeader('retry-after', '1')
  response.end(answer === 200 ? '' : encodeStatus('protobuf', 3, 'because of the test'))
}

export function requestsOf(bodies: Iterable<Uint8Array>): Request[] {
  return [...bodies].map((body) => readRequest(body))
}
