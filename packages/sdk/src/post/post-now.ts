import { connectByDescriptor, type ConnectionNow, hasDescriptors } from './connect-now.ts'
import { connectByThread } from './connect-thread.ts'
import { type Endpoint, isAddress } from './endpoint.ts'
import { nowMs } from '../record/recorder.ts'
import { type Reply, ReplyParser, whyOf } from './reply.ts'

/** Waits grow by an eighth of what was waited already, between these: nothing is late by more than that. */
const pauseMsMin = 0.2
const pauseMsMax = 10
const readBytesMax: number = 64 * 1024

/**
 * The same POST where nothing asynchronous can run, or nothing is left that could: it blocks until there is an answer or
 * the deadline (by `nowMs`) has come. Never throws.
 */
export function postNow(endpoint: Endpoint, request: Uint8Array, deadline: number): Reply {
  let last: Reply = { status: undefined, why: 'no way to connect', sent: false }
  for (const connect of waysTo(endpoint)) {
    let connection: ConnectionNow | undefined
    try {
      connection = connect()
      if (connection === undefined) continue // This runtime does not have that way.
      last = exchange(connection, request, deadline)
    } catch (error) {
      last = { status: undefined, why: whyOf(error), sent: false }
    } finally {
      connection?.close()
    }
    if (last.status !== undefined || last.sent || nowMs() >= deadline) break
  }
  return last
}

/** Whether a POST that blocks costs next to nothing: no thread is needed for it. */
export function isCheapNow(endpoint: Endpoint): boolean {
  if (endpoint.secure || !hasDescriptors) return false
  return endpoint.socketPath !== undefined || addressesOf(endpoint).length > 0
}

/** Blocks this thread. */
export function sleepNow(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** What may be tried one after the other, as long as nothing was sent. */
function waysTo(endpoint: Endpoint): (() => ConnectionNow | undefined)[] {
  if (endpoint.secure || !hasDescriptors) return [() => connectByThread(endpoint)]
  if (endpoint.socketPath !== undefined) return [() => connectByDescriptor(endpoint, '')]
  const addresses = addressesOf(endpoint)
  const ways = addresses.map((address) => () => connectByDescriptor(endpoint, address))
  // A name's address of a while ago may be nobody's now.
  return isAddress(endpoint.host) || endpoint.host === 'localhost'
    ? ways
    : [...ways, () => connectByThread(endpoint)]
}

function addressesOf(endpoint: Endpoint): readonly string[] {
  if (isAddress(endpoint.host)) return [endpoint.host]
  if (endpoint.host === 'localhost') return ['127.0.0.1', '::1']
  return endpoint.address === undefined ? [] : [endpoint.address]
}

function exchange(connection: ConnectionNow, request: Uint8Array, deadline: number): Reply {
  const parser = new ReplyParser()
  const into = new Uint8Array(readBytesMax)
  let sent = 0
  let waitedMs = 0
  try {
    for (;;) {
      const wrote = sent < request.length ? connection.write(request, sent) : 0
      sent += wrote
      // Read also while the request is under way: who refuses it need not take all of it.
      const got = sent > 0 ? connection.read(into) : undefined
      if (got === 0) return parser.finished() ?? closed(sent > 0)
      const reply = got === undefined ? undefined : parser.take(into.subarray(0, got))
      if (reply !== undefined) return reply
      const now = nowMs()
      // A process that was stopped just here: what came meanwhile is an answer in time.
      if (now >= deadline) return lastWords(connection, parser, into) ?? late(sent > 0)
      if (wrote > 0 || got !== undefined) {
        waitedMs = 0
        continue
      }
      const pauseMs = Math.min(Math.max(waitedMs / 8, pauseMsMin), pauseMsMax, deadline - now)
      sleepNow(pauseMs)
      waitedMs += pauseMs
    }
  } catch (error) {
    return lastWords(connection, parser, into) ?? { status: undefined, why: whyOf(error), sent: sent > 0 }
  }
}

/** A receiver may have refused, and closed, while we were writing: its answer still stands in the socket. */
function lastWords(connection: ConnectionNow, parser: ReplyParser, into: Uint8Array): Reply | undefined {
  try {
    for (let got = connection.read(into); got !== undefined && got > 0; got = connection.read(into)) {
      const reply = parser.take(into.subarray(0, got))
      if (reply !== undefined) return reply
    }
  } catch {
    // Nothing more to be heard.
  }
  return parser.finished()
}

function closed(sent: boolean): Reply {
  return { status: undefined, why: 'the connection was closed', sent }
}

function late(sent: boolean): Reply {
  const why = sent ? 'no answer' : 'no connection'
  return {
    status: undefined,
    why: `${why} within the time that the end of the process allows`,
    sent,
    late: true,
  }
}
