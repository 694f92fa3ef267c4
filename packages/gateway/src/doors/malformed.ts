import { type IncomingMessage, maxHeaderSize, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { refusals, type RefusalCode } from '../refusal.ts'
import { countRefusal, countUp, type Peer, type Stats } from '../stats.ts'

/** What Node says of a request that it does not hand over. */
interface ClientError extends NodeJS.ErrnoException {
  /** Of what its parser refused. */
  reason?: string
  /** What it was reading. */
  rawPacket?: Buffer
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
    countRefusal(stats, code, why, socket as Duplex & Peer)
    answer(socket, refusals[code].http, why)
  }
  server.on('clientError', (error: ClientError, socket: Duplex) => {
    const { code = '' } = error
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      countUp(stats.connectionsCut, 'request')
      answer(socket, 408, 'the request took too long to come')
    } else if (code === 'HPE_HEADER_OVERFLOW')
      refuse(
        socket,
        'HEADERS_TOO_LARGE',
        `the headers are over ${maxHeaderSize} bytes; send fewer, or shorter ones`
      )
    else if (code.startsWith('HPE_')) refuse(socket, 'NOT_HTTP', notHttp(error))
    else socket.destroy() // It is gone.
  })
  server.on('checkExpectation', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const why = 'of Expect only 100-continue is known; send the request without it'
    countRefusal(stats, 'EXPECTATION_UNKNOWN', why, socket)
    const { http } = refusals.EXPECTATION_UNKNOWN
    response.writeHead(http, { 'content-type': 'text/plain', connection: 'close' })
    response.end(`${why}\n`)
  })
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    refuse(socket, 'METHOD_NOT_ALLOWED', 'CONNECT is for proxies, and this is none')
  })
}

/** What came instead, where it is one of the two that people mix up with it; or that nothing more came. */
function notHttp({ code, rawPacket, reason, message }: ClientError): string {
  if (code === 'HPE_INVALID_EOF_STATE')
    return 'the connection ended before the request was whole: its sender died, or was cut off'
  if (rawPacket?.subarray(0, 6).toString('latin1') === 'PRI * ')
    return 'this is HTTP/2, as gRPC speaks it: gRPC goes to the door of --otlp-grpc, 4317 by default'
  if (rawPacket?.[0] === tlsHandshake)
    return 'this is TLS, and this door has none: write http: instead of https:'
  return `this is not HTTP/1.1: ${reason ?? message}`
}

/** The first byte of a ClientHello. */
const tlsHandshake = 0x16

function answer(socket: Duplex, status: number, why: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = `${why}\n`
  const head = `HTTP/1.1 ${status} ${names[status]}\r\nConnection: close\r\nContent-Type: text/plain\r\n`
  socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, () => socket.destroy())
}
