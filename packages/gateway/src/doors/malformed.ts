import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { refusals, type RefusalCode } from '../refusal.ts'
import { countUp, type Stats } from '../stats.ts'

/** What Node says of a request that it does not hand over. */
interface ClientError extends NodeJS.ErrnoException {
  /** Of what its parser refused. */
  reason?: string
}

const names: Record<number, string> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
}

/** Answers and counts what Node refuses by itself: what is no HTTP/1.1, headers past its bound, and requests that are late. */
export function refuseMalformed(server: Server, stats: Stats): void {
  const refuse = (socket: Duplex, code: RefusalCode, why: string): void => {
    countUp(stats.refusals, code)
    answer(socket, refusals[code].http, why)
  }
  server.on('clientError', (error: ClientError, socket: Duplex) => {
    const { code = '', reason = error.message } = error
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      countUp(stats.connectionsCut, 'request')
      answer(socket, 408, 'the request took too long to come')
    } else if (code === 'HPE_HEADER_OVERFLOW')
      refuse(socket, 'HEADERS_TOO_LARGE', 'the headers are too large')
    else if (code.startsWith('HPE_')) refuse(socket, 'NOT_HTTP', `this is not HTTP/1.1: ${reason}`)
    else socket.destroy() // It is gone.
  })
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    countUp(stats.refusals, 'EXPECTATION_UNKNOWN')
    const { http } = refusals.EXPECTATION_UNKNOWN
    response.writeHead(http, { 'content-type': 'text/plain', connection: 'close' })
    response.end('of Expect only 100-continue is known; send the request without it\n')
  })
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    refuse(socket, 'METHOD_NOT_ALLOWED', 'CONNECT is for proxies, and this is none')
  })
}

function answer(socket: Duplex, status: number, why: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = `${why}\n`
  const head = `HTTP/1.1 ${status} ${names[status]}\r\nConnection: close\r\nContent-Type: text/plain\r\n`
  socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, () => socket.destroy())
}
