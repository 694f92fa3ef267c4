import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { timesOf, type ConnectionLimits } from '../../doors/connections.ts'
import type { PushgatewaySettings } from '../../config/config.ts'
import { duration } from '../../config/values.ts'
import type { Access } from '../../doors/access.ts'
import { unauthenticated } from '../../doors/auth.ts'
import { Refusal, refusals } from '../../refusal.ts'
import { countRefusal, countUp, type Stats } from '../../stats.ts'
import { batchIdOf, batchKey, digestOf, readBody, type BodyLimits } from '../body.ts'
import { type Connection, Connections } from '../delivery.ts'
import { linger } from '../http.ts'
import type { Family } from '../../ledger/pushed/family.ts'
import type { Intake } from '../intake.ts'
import { matchesAny } from '../patterns.ts'
import type { Receiver } from '../receive.ts'
import { checkedFamilies } from './checked.ts'
import { deltasOf, quantilesOf, withoutCreated } from './deltas.ts'
import type { PushDesk, PushLimits } from './desk.ts'
import { familiesOf } from './families-of-body.ts'
import { groupOf, type GroupPath } from './group-path.ts'
import { unframed } from './snappy.ts'

export interface PushDoorOptions {
  limits: BodyLimits & ConnectionLimits & PushLimits & { pushBodyBytesMax: number; pushPartCountMax: number }
  settings: () => PushgatewaySettings
  stats: Stats
  /** Answers what is only read here: as the gateway that this stands for, this door has a `/metrics` too. */
  reading: RequestListener
  now: () => number
}

/** A push as its request has it, before its body. */
interface Push {
  method: 'POST' | 'PUT' | 'DELETE'
  group: GroupPath
  adds: boolean
  ttlMs: number
  batchId: string | undefined
  contentType: string | undefined
  encoding: 'identity' | 'gzip' | 'snappy'
}

/** Pushgateway's API (CONFORMANCE H2 to H4). The server is not listening yet. */
export function pushDoor(
  desk: PushDesk,
  receiver: Receiver,
  intake: Intake,
  access: Access,
  options: PushDoorOptions
): Server {
  const { stats, limits } = options
  const connections = new Connections()
  return access.httpServer(timesOf(limits), (request, response) => {
    if (request.method === 'GET' || request.method === 'HEAD') return options.reading(request, response)
    const connection = connections.of(request.socket)
    connection.requested()
    const answer = new Answer(response, stats, intake, connection)
    try {
      if (!access.auth.admits(request.headers.authorization)) {
        response.setHeader('www-authenticate', access.auth.challenge)
        throw new Refusal('UNAUTHENTICATED', unauthenticated)
      }
      const push = pushOf(request, options)
      if (push.method === 'DELETE') {
        request.resume()
        return desk.remove(push.group, (refusal) => answer.settle(refusal, 202))
      }
      const hold = intake.hold()
      answer.release = () => hold.release()
      readBody(
        request,
        push.encoding === 'gzip',
        intake,
        bodyLimitsOf(limits),
        hold,
        (refusal, body, receivedBytes) => {
          stats.receivedBytes += receivedBytes
          if (refusal === undefined) return take(push, body, answer, { desk, receiver, options })
          answer.settle(refusal)
          if (!request.complete) linger(request)
        }
      )
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      answer.settle(error)
      linger(request)
    }
    return undefined
  })
}

/** A push is read as objects, which take more room than what is read of OTLP. */
function bodyLimitsOf({
  bodyBytesMax,
  bodyBytesInflatedMax,
  pushBodyBytesMax: max,
}: PushDoorOptions['limits']): BodyLimits {
  return {
    bodyBytesMax: Math.min(bodyBytesMax, max),
    bodyBytesInflatedMax: Math.min(bodyBytesInflatedMax, max),
  }
}

/** Throws a Refusal. */
function pushOf(request: IncomingMessage, { limits, settings }: PushDoorOptions): Push {
  const url = request.url as string
  const [path = '', query = ''] = url.split('?', 2)
  const { method } = request
  const group = groupOf(path, limits.labelValueBytesMax)
  if (method !== 'POST' && method !== 'PUT' && method !== 'DELETE')
    throw new Refusal('METHOD_NOT_ALLOWED', `${method} is none of POST, PUT and DELETE`)
  const { add, ttlMs } = settings()
  const told = new URLSearchParams(query)
  const mode = told.get('mode') ?? (matchesAny(add, group.name) ? 'add' : 'replace')
  if (mode !== 'add' && mode !== 'replace')
    throw new Refusal('BAD_PUSH', `mode is ${JSON.stringify(mode.slice(0, 100))}; write add or replace`)
  return {
    method,
    group,
    adds: mode === 'add',
    ttlMs: ttlOf(told.get('ttl')) ?? ttlMs,
    batchId: batchIdOf(request.headers['idempotency-key']),
    contentType: request.headers['content-type'],
    encoding: encodingOf(request),
  }
}

function ttlOf(written: string | null): number | undefined {
  if (written === null) return undefined
  if (written === 'never') return Infinity
  try {
    return duration.parse(written)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new Refusal('BAD_PUSH', `ttl: ${error.message}, or never`, { cause: error })
  }
}

function encodingOf(request: IncomingMessage): Push['encoding'] {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? ''
  if (encoding === '' || encoding === 'identity') return 'identity'
  if (encoding === 'gzip' || encoding === 'snappy') return encoding
  const what = `Content-Encoding is ${encoding.slice(0, 100)}`
  throw new Refusal('UNSUPPORTED_ENCODING', `${what}; send gzip, framed snappy, or none`)
}

interface Behind {
  desk: PushDesk
  receiver: Receiver
  options: PushDoorOptions
}

function take(push: Push, received: Uint8Array, answer: Answer, behind: Behind): void {
  const { limits } = behind.options
  try {
    const isSnappy = push.encoding === 'snappy'
    const body = isSnappy ? unframed(received, bodyLimitsOf(limits).bodyBytesInflatedMax) : received
    const read = (): Family[] => familiesOf(body, push.contentType, limits.pushPartCountMax)
    if (!push.adds) {
      const replaces = push.method === 'PUT' ? 'group' : 'names'
      return behind.desk.push(push.group, read, replaces, push.ttlMs, (refusal) => answer.settle(refusal))
    }
    const checked = checkedFamilies(withoutCreated(read()), push.group.labels, limits)
    const quantiles = quantilesOf(checked)
    if (quantiles > 0) countUp(behind.options.stats.pointsRejected, 'SUMMARY_NOT_SUPPORTED', quantiles)
    addUp(push, body, deltasOf(checked, push.group.labels, behind.options.now()), answer, behind)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (error.code !== 'PUSH_INCONSISTENT') return answer.settle(error)
    behind.desk.fail(push.group, () => answer.settle(error))
  }
  return undefined
}

/** What is pushed is added to the ledger, once: by its own id, else as anonymous batches of OTLP are. */
function addUp(push: Push, body: Uint8Array, deltas: Uint8Array, answer: Answer, behind: Behind): void {
  const { group, batchId, ttlMs } = push
  const identity = Buffer.concat([Buffer.from(`${group.key}\n`), body]) // Two groups may push the same.
  const key = batchId === undefined ? undefined : batchKey(batchId, identity)
  const batch = {
    body: deltas,
    key,
    digest: key === undefined ? digestOf(identity) : undefined,
    connection: answer.connection,
    settle: (refusal: Refusal | undefined, receipt: { rejected: number; message: string }) => {
      if (refusal !== undefined) return answer.settle(refusal)
      const { rejected, message } = receipt
      const said = rejected === 0 ? '' : `not counted: ${message}\n`
      return behind.desk.touch(group, ttlMs, () => answer.settle(undefined, 200, said))
    },
  }
  if (key !== undefined) behind.receiver.batch(batch)
  else setImmediate(() => behind.receiver.batch(batch)) // An end that came with the request is read before it is answered.
}

/** One response, in plain text. */
class Answer {
  readonly connection: Connection
  release: () => void = () => undefined
  readonly #response: ServerResponse
  readonly #stats: Stats
  readonly #intake: Intake

  constructor(response: ServerResponse, stats: Stats, intake: Intake, connection: Connection) {
    this.#response = response
    this.#stats = stats
    this.#intake = intake
    this.connection = connection
    response.on('close', () => {
      if (response.writableFinished) connection.flushed()
      this.release()
    })
  }

  settle(refusal: Refusal | undefined, status = 200, said = ''): void {
    if (refusal === undefined) return this.#send(status, said)
    const { http, again } = refusals[refusal.code]
    countRefusal(this.#stats, refusal.code, refusal.message, this.#response.req.socket)
    if (again) this.#response.setHeader('retry-after', String(this.#intake.retryAfter.next()))
    if (refusal.code === 'METHOD_NOT_ALLOWED') this.#response.setHeader('allow', 'POST, PUT, DELETE')
    return this.#send(http, `${refusal.message}\n`)
  }

  #send(status: number, said: string): void {
    if (this.#response.headersSent) return
    countUp(this.#stats.pushRequests, status)
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(said) }
    this.#response.writeHead(status, headers)
    this.#response.end(said)
  }
}
