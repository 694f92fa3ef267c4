import { type Agent, type IncomingHttpHeaders, request } from 'node:http'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

export interface Asking {
  method?: string
  headers?: Record<string, string | number>
  body?: Uint8Array
  /** Whose connections to use; one of its own unless given. */
  agent?: Agent
}

/** One HTTP request. Rejects when the connection ends before the answer is whole. */
export function ask(url: string, asking: Asking = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, agent = false } = asking
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': body.length }
    const outgoing = request(url, { method, headers: { ...length, ...headers }, agent }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** POSTs a body of OTLP, under a batch id where one is given. */
export function post(url: string, body: Uint8Array, id?: string, agent?: Agent): Promise<Answer> {
  const headers = {
    'content-type': 'application/x-protobuf',
    ...(id === undefined ? {} : { 'idempotency-key': id }),
  }
  return ask(url, { method: 'POST', headers, body, ...(agent === undefined ? {} : { agent }) })
}
