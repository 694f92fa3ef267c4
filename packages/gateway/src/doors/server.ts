import type { Server } from 'node:http'
import type { Http2Session } from 'node:http2'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'

/** An address to listen on; port 0 lets the system choose. */
export interface Address {
  host: string
  port: number
}

/** An address that cannot be listened on, and the flag that changes it. */
export class ListenError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ListenError'
  }
}

/** Begins to listen. `flag` is what the message names when the port is taken. Returns where it listens. */
export function listen(server: NetServer, address: Address, flag: string): Promise<Address> {
  trackConnections(server)
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const at = `${address.host}:${address.port}`
      const why = error.code === 'EADDRINUSE' ? 'another process listens there' : error.message
      reject(new ListenError(`cannot listen on ${at}: ${why}; choose another address with ${flag} HOST:PORT`))
    })
    server.listen({ host: address.host, port: address.port, backlog: 4096 }, () => {
      server.removeAllListeners('error')
      const { address: host, port } = server.address() as AddressInfo
      resolve({ host, port })
    })
  })
}

/** The connections of each server that listens, also those on which nothing was said yet, as before a TLS handshake. */
const connections = new WeakMap<NetServer, Set<Socket>>()

/** To be called before a server listens. */
export function trackConnections(server: NetServer): void {
  const open = new Set<Socket>()
  connections.set(server, open)
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
}

export function cutConnections(server: NetServer): void {
  for (const socket of connections.get(server) ?? []) socket.destroy()
}

/** Between two looks for connections that have become idle, while a server shuts. */
const idleLookMs = 50

/**
 * Takes no further connection, lets what was accepted be answered, and cuts what is left after `waitMs`. A connection goes
 * with its next answer, or when it has none to give: else a busy sender, or an idle one that is kept alive, would hold it.
 */
export function shut(server: Server, waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    server.prependListener('request', (_request, response) => response.setHeader('connection', 'close'))
    const idle = setInterval(() => server.closeIdleConnections(), idleLookMs)
    const timer = setTimeout(() => cutConnections(server), waitMs)
    server.close(() => {
      clearInterval(idle)
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}

/** The same of HTTP/2: each connection is told that it ends (GOAWAY), and goes with the last answer that it waits for. */
export function shutSessions(
  server: NetServer,
  sessions: ReadonlySet<Http2Session>,
  waitMs: number
): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => cutConnections(server), waitMs)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    for (const session of sessions) session.close()
  })
}
