import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { encodeExportResponse, encodeStatus } from '@swansong/otlp'
import { readRequest, type Request } from './read-request.ts'

/** How the next request is answered: with a status, never, or by a broken connection before or after it was counted. */
export type Answer = number | 'hang' | 'reset' | 'count and reset' | 'partial'

/** A gateway as the SDK sees one: it counts a batch id once, and answers as it is told. */
export interface FakeGateway {
  url: string
  /** The bodies of the batches that were counted, by id. */
  counted: Map<string, Buffer>
  /** Every request in its order. */
  requests: { id: string; body: Buffer; headers: IncomingMessage['headers']; at: number }[]
  /** Resolves at the first request. */
  asked: Promise<void>
  close: () => Promise<void>
}

/** Answers the nth request with the nth answer, and all later ones with the last. */
export async function startGateway(...answers: Answer[]): Promise<FakeGateway> {
  const counted: FakeGateway['counted'] = new Map()
  const requests: FakeGateway['requests'] = []
  let ask = (): void => {}
  const asked = new Promise<void>((resolve) => (ask = resolve))
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const id = String(request.headers['idempotency-key'])
      const body = Buffer.concat(parts)
      const answer = answers[Math.min(requests.length, answers.length - 1)] ?? 200
      requests.push({ id, body, headers: request.headers, at: Date.now() })
      if (answer === 200 || answer === 'count and reset') counted.set(id, body)
      reply(answer, request, response)
      ask()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
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
