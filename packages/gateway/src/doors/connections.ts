import { readFileSync } from 'node:fs'
import { Server as HttpServer, type ServerOptions } from 'node:http'
import { Server as HttpsServer } from 'node:https'
import type { Server, Socket } from 'node:net'
import type { Log } from '../log.ts'
import { countUp, type Stats } from '../stats.ts'
import { refuseMalformed } from './malformed.ts'

export interface ConnectionLimits {
  connectionCountMax: number
  descriptorReserveCount: number
  headersMs: number
  requestMs: number
  stallMs: number
  keepAliveMs: number
}

/** The same thing is said this often at most. */
const sayMs = 60_000
/** Who reads finds room where senders have taken all of theirs: a share of the reserve, so that it can be seen what is wrong. */
const readersShare = 0.25
const readers: ReadonlySet<string> = new Set(['metrics', 'admin'])
const outOfDescriptors =
  'as many connections are open on all doors as the limit of open files has room for, and further ones are closed; raise ' +
  'it (ulimit -n, LimitNOFILE of systemd)'
/** Between two looks for requests that take too long. */
const lookMsMax = 5000

/** For the server of a door: how long a request may take to come, and how long an idle connection is kept. */
export function timesOf({ headersMs, requestMs, keepAliveMs }: ConnectionLimits): ServerOptions {
  return {
    headersTimeout: Math.min(headersMs, requestMs),
    requestTimeout: requestMs,
    connectionsCheckingInterval: Math.min(lookMsMax, Math.ceil(Math.min(headersMs, requestMs) / 4)),
    keepAliveTimeout: keepAliveMs,
    noDelay: true,
    requireHostHeader: false, // Nothing here goes by it; Node would refuse it by itself, uncounted.
  }
}

/**
 * Bounds the connections of a server that listens: how many there are, of it and of all doors together, and, where it speaks HTTP/1.1, how long one may
 * stall while something is under way. What is refused or cut is counted, and said once a minute.
 */
export function guardConnections(
  server: Server,
  door: string,
  limits: ConnectionLimits,
  stats: Stats,
  log: Log
): void {
  const say = sayer(log, door)
  stats.used.connectionCountMax = () => Math.max(0, ...stats.connections.values())
  retime(server, limits)
  server.on('connection', (socket) => {
    if (!hasDescriptor(door, limits, stats)) {
      socket.destroy()
      countUp(stats.connectionsRefused, door)
      say(outOfDescriptors)
      return
    }
    countUp(stats.connections, door)
    socket.once('close', () => countUp(stats.connections, door, -1))
  })
  server.on('drop', () => {
    countUp(stats.connectionsRefused, door)
    say(`${server.maxConnections} connections are open, which is the limit: further ones are closed`)
  })
  // Without this a failing accept(2), as with no descriptor left, would end the process.
  server.on('error', (error) => {
    countUp(stats.connectionsRefused, door)
    say(`a connection could not be accepted: ${error.message}`)
  })
  if (!isHttp(server)) return
  cutStalled(server, limits, stats)
  refuseMalformed(server, stats)
}

function isHttp(server: Server): server is HttpServer {
  return server instanceof HttpServer || server instanceof HttpsServer
}

/** Bounds a server by what the limits are now; also after they have changed. */
export function retime(server: Server, limits: ConnectionLimits): void {
  const { connectionCountMax, descriptorReserveCount, stallMs } = limits
  server.maxConnections = Math.max(1, Math.min(connectionCountMax, descriptorMax() - descriptorReserveCount))
  if (!isHttp(server)) return
  const { headersTimeout = 0, requestTimeout = 0, keepAliveTimeout = 0 } = timesOf(limits)
  Object.assign(server, { headersTimeout, requestTimeout, keepAliveTimeout, timeout: stallMs })
}

function cutStalled(server: HttpServer, limits: ConnectionLimits, stats: Stats): void {
  server.on('timeout', (socket: Socket) => {
    if (socket.timeout !== limits.stallMs) {
      socket.destroy() // Idle, and kept for long enough.
      return
    }
    // The loop may have been busy while bytes waited: they are seen before the next immediate runs.
    const { bytesRead } = socket
    setImmediate(() => {
      if (socket.destroyed || socket.bytesRead > bytesRead) return
      countUp(stats.connectionsCut, 'stalled')
      socket.destroy()
    })
  })
}

/** Whether the process has a descriptor for one more connection of this door. */
function hasDescriptor(
  door: string,
  { descriptorReserveCount }: ConnectionLimits,
  { connections }: Stats
): boolean {
  const room = descriptorMax() - descriptorReserveCount
  const share = descriptorReserveCount * readersShare
  let senders = 0
  let reading = 0
  for (const [name, count] of connections) {
    if (readers.has(name)) reading += count
    else senders += count
  }
  if (readers.has(door)) return senders + reading < room + share
  return senders + Math.max(0, reading - share) < room
}

let descriptors: number | undefined

/** How many files and connections this process may have open; Infinity where that is not told. */
function descriptorMax(): number {
  descriptors ??= readDescriptorMax()
  return descriptors
}

function readDescriptorMax(): number {
  try {
    const max = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return max === undefined ? Infinity : Number(max)
  } catch {
    return Infinity // Not on Linux.
  }
}

function sayer(log: Log, door: string): (text: string) => void {
  let nextMs = -Infinity
  return (text) => {
    if (performance.now() < nextMs) return
    nextMs = performance.now() + sayMs
    log.warn({ door }, text)
  }
}
