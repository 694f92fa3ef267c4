import {
  constants,
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import { encodeExportResponse } from '@swansong/otlp'
import { release } from '@swansong/otlp/wire'
import type { Access } from '../doors/access.ts'
import { Refusal, refusals } from '../refusal.ts'
import { countRefusal, countUp, type Stats } from '../stats.ts'
import { batchIdOf, batchKey, digestOf, type BodyLimits } from './body.ts'
import { prefixBytes, readMessage } from './grpc-message.ts'
import { refusalTrailers } from './grpc-status.ts'
import type { Intake } from './intake.ts'
import type { Receiver } from './receive.ts'

const exportPath = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'
/** Calls of one connection at once; a client with more of them waits by itself. */
const streamCountMax = 1000
/** What may be under way on one connection, and in one call, before we have read it: the window of HTTP/2. */
const windowBytes: number = 1024 * 1024

export interface GrpcDoorOptions extends BodyLimits {
  /** A message that is under way may pause for so long, and take so long. */
  stallMs: number
  requestMs: number
}

export interface GrpcDoor {
  server: Http2Server | Http2SecureServer
  /** The connections that are open. */
  sessions: ReadonlySet<Http2Session>
}

/** A channel may be idle for as long as it likes; whether its client is still there is asked this often. */
const tcpKeepAliveMs = 60_000

/**
 * OTLP/gRPC: MetricsService/Export over HTTP/2, in protobuf (CONFORMANCE A1, A3, A4, A6 to A11). The server is not listening
 * yet. Bytes are counted as they come, and inflated one body at a time, in the room that all doors share: see
 * ARCHITECTURE, Decisions.
 */
export function grpcDoor(
  receiver: Receiver,
  stats: Stats,
  intake: Intake,
  access: Access,
  options: GrpcDoorOptions
): GrpcDoor {
  const settings = { maxConcurrentStreams: streamCountMax, initialWindowSize: windowBytes }
  const { auth, certificates } = access
  const server =
    certificates === undefined
      ? createServer({ settings })
      : access.secured(createSecureServer({ settings, ...certificates.options() }))
  const sessions = new Set<Http2Session>()
  server.on('connection', (socket: Socket) => socket.setKeepAlive(true, tcpKeepAliveMs))
  server.on('session', (session) => {
    session.setLocalWindowSize(windowBytes)
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  server.on('sessionError', (error: NodeJS.ErrnoException) => {
    if (error.code?.startsWith('ERR_HTTP2') === false) return // The connection broke: its sender died, or was cut off.
    countRefusal(stats, 'NOT_HTTP', notGrpc(error), undefined)
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {}) // The sender is gone: 'close' follows, and what it had is released there.
    if (!isGrpc(stream, headers, stats)) return
    const call = new Call(stream, stats, intake)
    try {
      if (!auth.admits(headers.authorization)) throw unauthenticated(auth.challenge)
      accept(headers, call, receiver, intake, stats, options)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      call.refuse(error)
    }
  })
  return { server, sessions }
}

/** Reads one call as far as its headers and its message; what the message says is the receiver's. */
function accept(
  headers: IncomingHttpHeaders,
  call: Call,
  receiver: Receiver,
  intake: Intake,
  stats: Stats,
  options: GrpcDoorOptions
): void {
  checkPath(headers[':path'])
  const gzip = isGzip(headers['grpc-encoding'])
  const batchId = batchIdOf(headers['idempotency-key'])
  intake.requireRoomFor(prefixBytes)
  const hold = intake.hold()
  call.stream.on('close', () => hold.release())
  cutWhenSlow(call.stream, stats, options)
  readMessage(call.stream, gzip, intake, options, hold, (refusal, body, receivedBytes) => {
    stats.receivedBytes += receivedBytes
    if (refusal !== undefined) return call.refuse(refusal)
    const key = batchId === undefined ? undefined : batchKey(batchId, body)
    const digest = key === undefined ? digestOf(body) : undefined
    return receiver.batch({
      body,
      key,
      digest,
      connection: undefined,
      settle: (refused, receipt) => {
        release(body)
        if (refused !== undefined) call.refuse(refused)
        else call.accept(receipt.rejected, receipt.message)
      },
    })
  })
}

/** Slow senders hold room that others want. */
function cutWhenSlow(stream: ServerHttp2Stream, stats: Stats, { stallMs, requestMs }: GrpcDoorOptions): void {
  const begun = performance.now()
  let pieces = 0
  const cut = (why: 'stalled' | 'request'): void => {
    if (stream.closed) return
    countUp(stats.connectionsCut, why)
    stream.close(constants.NGHTTP2_CANCEL)
  }
  stream.setTimeout(stallMs, () => {
    // The loop may have been busy while bytes waited: they are seen before the next immediate runs.
    const seen = pieces
    setImmediate(() => {
      if (pieces === seen) cut('stalled')
    })
  })
  stream.on('data', () => {
    pieces++
    if (performance.now() - begun > requestMs) cut('request') // Who does not stall sends now and then.
  })
  stream.on('end', () => stream.setTimeout(0))
}

const okHeaders = { ':status': 200, 'content-type': 'application/grpc' }
const okTrailers = { 'grpc-status': '0' }
const emptyMessage = Buffer.alloc(prefixBytes)

/** One call, answered once. */
class Call {
  readonly stream: ServerHttp2Stream
  readonly #stats: Stats
  readonly #intake: Intake

  constructor(stream: ServerHttp2Stream, stats: Stats, intake: Intake) {
    this.stream = stream
    this.#stats = stats
    this.#intake = intake
  }

  accept(rejected: number, message: string): void {
    countUp(this.#stats.grpcCalls, 0)
    const { stream } = this
    if (stream.destroyed || stream.closed) return
    stream.respond(okHeaders, { waitForTrailers: true })
    stream.once('wantTrailers', () => stream.sendTrailers(okTrailers))
    stream.end(rejected === 0 && message === '' ? emptyMessage : framed(rejected, message))
  }

  refuse(refusal: Refusal): void {
    countRefusal(this.#stats, refusal.code, refusal.message, this.stream.session?.socket)
    countUp(this.#stats.grpcCalls, refusals[refusal.code].grpc)
    const retrySeconds = refusals[refusal.code].again ? this.#intake.retryAfter.next() : 0
    const headers: OutgoingHttpHeaders = { ...okHeaders, ...refusalTrailers(refusal, retrySeconds) }
    if (refusal.code === 'UNSUPPORTED_ENCODING') headers['grpc-accept-encoding'] = 'identity,gzip'
    end(this.stream, headers)
  }
}

function framed(rejected: number, message: string): Buffer {
  const response = encodeExportResponse('protobuf', rejected, message)
  const frame = Buffer.alloc(prefixBytes + response.length)
  frame.writeUInt32BE(response.length, 1)
  frame.set(response, prefixBytes)
  return frame
}

/** Anything else gets a status of HTTP, as gRPC over HTTP/2 has it. */
function isGrpc(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, stats: Stats): boolean {
  const type = headers['content-type'] ?? ''
  const isRight = /^application\/grpc(\+proto)?(;|$)/i.test(type)
  if (isRight && headers[':method'] === 'POST') return true
  const code = isRight ? 'METHOD_NOT_ALLOWED' : 'UNSUPPORTED_MEDIA_TYPE'
  const why = isRight
    ? `${headers[':method']} is not POST`
    : `Content-Type is ${JSON.stringify(type)}, not application/grpc`
  countRefusal(stats, code, why, stream.session?.socket)
  end(stream, { ':status': refusals[code].http, ...(isRight ? { allow: 'POST' } : {}) })
  return false
}

/** Answers with headers alone. A sender that has not ended is told to stop, once the answer is on its way. */
function end(stream: ServerHttp2Stream, headers: OutgoingHttpHeaders): void {
  if (stream.destroyed || stream.closed) return
  stream.respond(headers, { endStream: true })
  stream.resume()
  if (!stream.readableEnded) setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR))
}

/** An HTTP/1.1 client cannot read what is spoken here, so that it is for whoever reads the log. */
function notGrpc(error: Error): string {
  return `what came at the gRPC door is not HTTP/2 (${error.message}): OTLP/HTTP goes to that of --otlp-http, 4318 by default`
}

function unauthenticated(challenge: string): Refusal {
  return new Refusal('UNAUTHENTICATED', `this door wants an authorization that it knows: ${challenge}`)
}

function checkPath(path: string | undefined): void {
  if (path === exportPath) return
  const asked = path?.split('?', 1)[0]?.slice(0, 200) // What follows may be a secret, and is not for the log.
  throw new Refusal('UNKNOWN_METHOD', `there is nothing at ${asked}: OTLP metrics go to ${exportPath}`)
}

function isGzip(encoding: string | string[] | undefined): boolean {
  if (encoding === undefined || encoding === 'identity') return false
  if (encoding === 'gzip') return true
  throw new Refusal(
    'UNSUPPORTED_ENCODING',
    `grpc-encoding is ${String(encoding).slice(0, 100)}; send gzip or none`
  )
}
