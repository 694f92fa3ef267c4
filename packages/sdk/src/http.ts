import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** What came back: an answer, or why there is none. */
export type Reply =
  | { status: number; headers: ReadonlyMap<string, string>; body: Uint8Array }
  | { status: undefined; why: string }

/** A request under way. It does not keep the process alive: who waits for it does. */
export interface Exchange {
  /** Never rejects. */
  reply: Promise<Reply>
  /** Gives up, for this reason, if there is no reply yet. */
  abort: (why: string) => void
}

/** OTLP caps responses at 4 MiB. */
const replyBytesMax: number = 4 * 1024 * 1024

/**
 * One POST over a connection of its own, written by hand over `node:net` (or `node:tls`): a job that posts once need not
 * load `node:http`, and whatever instruments that for the job does not count our requests.
 */
export function post(url: URL, headers: Readonly<Record<string, string>>, body: Uint8Array): Exchange {
  let settle: (reply: Reply) => void = () => {}
  const reply = new Promise<Reply>((resolve) => (settle = resolve))
  const socket = connect(url)
  socket.unref()
  const parser = new ReplyParser()
  const end = (result: Reply): void => {
    settle(result)
    socket.destroy()
  }
  socket.on('error', (error: NodeJS.ErrnoException) => {
    end(parser.finished() ?? { status: undefined, why: whyOf(error) })
  })
  socket.on('close', () => end(parser.finished() ?? { status: undefined, why: 'the connection was closed' }))
  socket.on('data', (bytes: Uint8Array) => {
    const result = parser.take(bytes)
    if (result !== undefined) end(result)
  })
  socket.write(requestHead(url, headers, body.length), 'latin1')
  socket.write(body)
  return { reply, abort: (why) => end({ status: undefined, why }) }
}

function connect(url: URL): Socket | TLSSocket {
  const host = url.hostname.replace(/^\[|\]$/g, '') // An IPv6 address stands in brackets.
  const port = Number(url.port)
  if (url.protocol === 'https:') {
    const tls = process.getBuiltinModule('node:tls')
    const { isIP } = process.getBuiltinModule('node:net')
    const servername = isIP(host) === 0 ? { servername: host } : {}
    return tls.connect({ host, port: port || 443, ALPNProtocols: ['http/1.1'], ...servername })
  }
  return process.getBuiltinModule('node:net').connect({ host, port: port || 80, noDelay: true })
}

function requestHead(url: URL, headers: Readonly<Record<string, string>>, length: number): string {
  let head = `POST ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n`
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`
  return `${head}content-length: ${length}\r\nconnection: close\r\n\r\n`
}

/** Several addresses were tried: the message is in the first of the errors. */
function whyOf(error: NodeJS.ErrnoException & { errors?: unknown[] }): string {
  const first = error.errors?.[0]
  const message = error.message || (first instanceof Error ? first.message : '')
  return message || (error.code ?? 'the connection failed')
}

/** Reads an HTTP/1.1 response (RFC 9112) as it comes in. */
export class ReplyParser {
  #bytes: Uint8Array = new Uint8Array(0)

  /** The reply, once it is whole. */
  take(bytes: Uint8Array): Reply | undefined {
    const all = new Uint8Array(this.#bytes.length + bytes.length)
    all.set(this.#bytes)
    all.set(bytes, this.#bytes.length)
    this.#bytes = all
    if (all.length > replyBytesMax) return { status: undefined, why: 'the answer is longer than 4 MiB' }
    return this.#read(false)
  }

  /** The reply, if it may end where the connection did. */
  finished(): Reply | undefined {
    return this.#read(true)
  }

  #read(closed: boolean): Reply | undefined {
    const text = latin1(this.#bytes)
    let start = 0
    for (;;) {
      const headEnd = text.indexOf('\r\n\r\n', start)
      if (headEnd < 0) return undefined
      const [statusLine = '', ...lines] = text.slice(start, headEnd).split('\r\n')
      const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(statusLine)?.[1])
      if (Number.isNaN(status)) return { status: undefined, why: 'the answer is not HTTP/1.1' }
      start = headEnd + 4
      if (status < 200) continue // 100 and its like announce the answer.
      const headers = readHeaders(lines)
      const body = this.#readBody(text, start, headers, closed)
      return body === undefined ? undefined : { status, headers, body }
    }
  }

  #readBody(
    text: string,
    start: number,
    headers: Map<string, string>,
    closed: boolean
  ): Uint8Array | undefined {
    if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked')
      return readChunks(this.#bytes, text, start)
    const length = headers.get('content-length')
    if (length === undefined) return closed ? this.#bytes.subarray(start) : undefined
    const end = start + Number(length)
    return this.#bytes.length >= end ? this.#bytes.subarray(start, end) : undefined
  }
}

function readHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
  }
  return headers
}

function readChunks(bytes: Uint8Array, text: string, start: number): Uint8Array | undefined {
  const body: number[] = []
  for (let at = start; ;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const length = Number.parseInt(text.slice(at, lineEnd), 16)
    at = lineEnd + 2
    if (!(length >= 0) || bytes.length < at + length + 2) return undefined // The last chunk ends with an empty line too.
    if (length === 0) return Uint8Array.from(body)
    for (let index = at; index < at + length; index++) body.push(bytes[index] as number)
    at += length + 2
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
