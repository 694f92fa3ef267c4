import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { encodeExportResponse, encodeStatus, JsonTranscoder, OtlpError, type Encoding } from '@swansong/otlp'
import { release } from '@swansong/otlp/wire'
import { timesOf, type ConnectionLimits } from '../doors/connections.ts'
import { type Auth, unauthenticated } from '../doors/auth.ts'
import type { Access } from '../doors/access.ts'
import type { Receipt } from '../ledger/dedup.ts'
import { Refusal, refusals } from '../refusal.ts'
import { countRefusal, countUp, type Stats } from '../stats.ts'
import { batchIdOf, batchKey, digestOf, readBody, type BodyLimits } from './body.ts'
import { type Connection, Connections } from './delivery.ts'
import type { Hold, Intake } from './intake.ts'
import type { Receiver } from './receive.ts'

const otlpPath = '/v1/metrics'
/** How long a sender that was refused before its body was read may go on sending, so that it sees the answer. */
const lingerMs = 1000

export interface HttpDoorOptions extends BodyLimits, ConnectionLimits {}

/** OTLP/HTTP: `POST /v1/metrics` in protobuf and JSON (CONFORMANCE A1 to A10). The server is not listening yet. */
export function httpDoor(
  receiver: Receiver,
  stats: Stats,
  intake: Intake,
  access: Access,
  options: HttpDoorOptions
): Server {
  const connections = new Connections()
  const take = (request: IncomingMessage, response: ServerResponse): boolean => {
    const connection = connections.of(request.socket)
    connection.requested()
    const answer = new Answer(response, stats, intake, connection)
    try {
      requireAuth(access.auth, request, answer)
      accept(request, answer, receiver, intake, stats, options)
      return true
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      answer.refuse(error)
      linger(request)
      return false
    }
  }
  const server = access.httpServer(timesOf(options), take)
  Object.assign(server, { httpAllowHalfOpen: true }) // Who ends its side with the request is answered all the same.
  // Who asks first is not told to go on where the body is not wanted.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (take(request, response)) response.writeContinue()
  })
  server.maxRequestsPerSocket = 0
  return server
}

function requireAuth(auth: Auth, request: IncomingMessage, answer: Answer): void {
  if (auth.admits(request.headers.authorization)) return
  answer.encoding = encodingOf(request)
  answer.challenge(auth.challenge)
  throw new Refusal('UNAUTHENTICATED', unauthenticated)
}

/** Reads one request as far as its head and body; what the body says is the receiver's. */
function accept(
  request: IncomingMessage,
  answer: Answer,
  receiver: Receiver,
  intake: Intake,
  stats: Stats,
  options: HttpDoorOptions
): void {
  answer.encoding = encodingOf(request)
  checkRoute(request)
  const gzip = isGzip(request)
  const batchId = batchIdOf(request.headers['idempotency-key'])
  const hold = intake.hold()
  answer.hold = hold
  readBody(request, gzip, intake, options, hold, (refusal, received, receivedBytes) => {
    stats.receivedBytes += receivedBytes
    if (refusal !== undefined) {
      answer.refuse(refusal)
      if (!request.complete) linger(request)
      return
    }
    // One of the two is enough: an id of the batch's own, or its body's digest in case every resource has an instance id.
    const key = batchId === undefined ? undefined : batchKey(batchId, received)
    const digest = key === undefined ? digestOf(received) : undefined
    const post = (body: Uint8Array, warning: string): void => {
      const { connection } = answer
      const settle = (refused: Refusal | undefined, receipt: Receipt): void => {
        release(body)
        if (refused !== undefined) answer.refuse(refused)
        else answer.accept(receipt.rejected, receipt.message || warning)
      }
      const batch = { body, key, digest, connection, settle }
      if (key !== undefined) receiver.batch(batch)
      else setImmediate(() => receiver.batch(batch)) // An end that came with the request is read before it is answered.
    }
    if (answer.encoding === 'protobuf') post(received, '')
    else fromJson(received, hold, intake, options, (error) => answer.refuse(notJson(error)), post)
  })
}

/** So much of a JSON is read in one turn of the event loop: some milliseconds. */
const jsonBytesPerTurn: number = 256 * 1024

/**
 * Protobuf in place of JSON, which is released. Most is told at once; what is long is read in steps, between which others are served,
 * but one at a time, as each may become as much as the largest body.
 */
function fromJson(
  json: Uint8Array,
  hold: Hold,
  intake: Intake,
  { bodyBytesInflatedMax: bytesMax }: BodyLimits,
  onError: (error: unknown) => void,
  onBody: (body: Uint8Array, warning: string) => void
): void {
  const read = (done: () => void): void => {
    let warning = ''
    const onUnknown = (names: readonly string[]): void => void (warning = unknownKeys(names))
    const transcoder = new JsonTranscoder(json, { bytesMax, onUnknown })
    const step = (): void => {
      let body = nothing
      try {
        if (!transcoder.step(jsonBytesPerTurn)) return void setImmediate(step)
        body = transcoder.take()
        hold.take(body.length)
        hold.give(json.length)
      } catch (error) {
        release(body)
        release(transcoder.take()) // What it had come to.
        release(json)
        onError(error)
        return done()
      }
      release(json)
      onBody(body, warning)
      return done()
    }
    step()
  }
  if (json.length <= jsonBytesPerTurn) return read(() => undefined)
  hold.keep() // Who is gone leaves what is not read yet.
  return intake.alone((done) =>
    read(() => {
      hold.letGo()
      done()
    })
  )
}

const nothing: Uint8Array = new Uint8Array(0)
const contentTypes: Record<Encoding, string> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
}

/** One response, in the encoding of its request. */
class Answer {
  encoding: Encoding = 'protobuf'
  /** What its request has of the room for bodies. */
  hold: Hold | undefined
  readonly connection: Connection
  readonly #response: ServerResponse
  readonly #stats: Stats
  readonly #intake: Intake

  constructor(response: ServerResponse, stats: Stats, intake: Intake, connection: Connection) {
    this.#response = response
    this.#stats = stats
    this.#intake = intake
    this.connection = connection
    // The answer is sent, or the sender gone.
    response.on('close', () => {
      if (response.writableFinished) connection.flushed()
      this.hold?.release()
    })
  }

  challenge(challenge: string): void {
    this.#response.setHeader('www-authenticate', challenge)
  }

  accept(rejected: number, message: string): void {
    const whole = rejected === 0 && message === '' && this.encoding === 'protobuf'
    this.#send(200, whole ? nothing : encodeExportResponse(this.encoding, rejected, message))
  }

  refuse(refusal: Refusal): void {
    if (this.#response.headersSent) return
    const { http, grpc, again } = refusals[refusal.code]
    countRefusal(this.#stats, refusal.code, refusal.message, this.#response.req.socket)
    if (again) this.#response.setHeader('retry-after', String(this.#intake.retryAfter.next()))
    if (refusal.code === 'METHOD_NOT_ALLOWED') this.#response.setHeader('allow', 'POST')
    this.#send(http, encodeStatus(this.encoding, grpc, refusal.message))
  }

  #send(status: number, body: Uint8Array): void {
    countUp(this.#stats.requests, status)
    const response = this.#response
    const headers = { 'content-type': contentTypes[this.encoding], 'content-length': body.length }
    response.writeHead(status, headers)
    if (body.length === 0) response.end() // Head alone: one write of one string.
    else response.end(body)
  }
}

function checkRoute(request: IncomingMessage): void {
  const url = request.url as string
  const [path = ''] = url === otlpPath ? [url] : url.split('?', 1) // What follows may be a secret, and is not for the log.
  if (path !== otlpPath) {
    throw new Refusal(
      'NOT_FOUND',
      `there is nothing at ${path.slice(0, 200)}: OTLP metrics go to ${otlpPath}`
    )
  }
  if (request.method !== 'POST') {
    const why = `${request.method} does nothing here; POST sends counts, and they are shown at /metrics of the metrics port`
    throw new Refusal('METHOD_NOT_ALLOWED', why)
  }
  if (mediaTypeOf(request) === undefined) {
    const type = request.headers['content-type']
    const wanted = `${contentTypes.protobuf} or ${contentTypes.json}`
    throw new Refusal(
      'UNSUPPORTED_MEDIA_TYPE',
      `Content-Type is ${JSON.stringify(type ?? '')}; send ${wanted}`
    )
  }
}

/** The encoding of the answer: the request's, or protobuf where that is unknown. */
function encodingOf(request: IncomingMessage): Encoding {
  return mediaTypeOf(request) ?? 'protobuf'
}

function mediaTypeOf(request: IncomingMessage): Encoding | undefined {
  const type = request.headers['content-type']
  if (type === contentTypes.protobuf) return 'protobuf'
  const bare = type?.split(';', 1)[0]?.trim().toLowerCase()
  if (bare === contentTypes.protobuf) return 'protobuf'
  return bare === contentTypes.json ? 'json' : undefined
}

function isGzip(request: IncomingMessage): boolean {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase()
  if (encoding === undefined || encoding === '' || encoding === 'identity') return false
  if (encoding === 'gzip') return true
  throw new Refusal(
    'UNSUPPORTED_ENCODING',
    `Content-Encoding is ${encoding.slice(0, 100)}; send gzip or none`
  )
}

/** CONFORMANCE A14: a sender whose keys are all unknown would otherwise believe that it was counted. */
function unknownKeys(names: readonly string[]): string {
  const list = names.join(', ').slice(0, 200)
  return `nothing was found: no key is known (${list}); OTLP/JSON has lowerCamelCase, as resourceMetrics`
}

function notJson(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (!(error instanceof OtlpError)) throw error
  if (error.code === 'TOO_LARGE')
    return new Refusal('BODY_TOO_LARGE', `${error.message}; send smaller batches`, { cause: error })
  return new Refusal('NOT_OTLP', `not OTLP/JSON: ${error.message}`, { cause: error })
}

/** Lets a sender whose body is not wanted see the answer, then closes the connection. */
export function linger(request: IncomingMessage): void {
  request.resume()
  const timer = setTimeout(() => request.destroy(), lingerMs)
  request.once('close', () => clearTimeout(timer))
}
