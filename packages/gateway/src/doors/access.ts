import { createServer as createHttp, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { Server as TlsServer } from 'node:tls'
import type { AuthFiles, TlsFiles } from '../config/config.ts'
import type { Peer, Stats } from '../stats.ts'
import { Auth } from './auth.ts'
import { Certificates } from './certificates.ts'
import type { Refreshing } from './files.ts'

/** How one comes in at a door: who may, and whether it is by TLS. */
export class Access {
  readonly auth: Auth
  /** undefined: plain text. */
  readonly certificates: Certificates | undefined
  /** Whoever connects shows a certificate. */
  readonly asksForCertificates: boolean
  readonly #stats: Stats

  /** Throws DoorFileError where a file cannot be used. */
  constructor(tls: TlsFiles, auth: AuthFiles, stats: Stats) {
    const isPlain = Object.values(tls).every((file) => file === undefined)
    this.auth = new Auth(auth)
    this.certificates = isPlain ? undefined : new Certificates(tls)
    this.asksForCertificates = tls.clientCaFile !== undefined
    this.#stats = stats
  }

  /** What is made of files. */
  parts(): Refreshing[] {
    return this.certificates === undefined ? [this.auth] : [this.auth, this.certificates]
  }

  /** A server of HTTP, or HTTPS. It is not listening yet. */
  httpServer(options: ServerOptions, listener: RequestListener): Server {
    if (this.certificates === undefined) return createHttp(options, listener)
    return this.secured(createHttps({ ...options, ...this.certificates.options() }, listener))
  }

  /** Counts failed handshakes, and takes up certificates when they change. */
  secured<S extends TlsServer>(server: S): S {
    this.certificates?.follow(server)
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: Peer) => {
      this.#stats.tlsHandshakesFailed++
      if (error.code?.startsWith('ERR_SSL') === true) this.#stats.onRefused('TLS', tlsFault(error), socket)
    })
    return server
  }
}

/** What a client did wrong, in its operator's words. */
function tlsFault({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ERR_SSL_HTTP_REQUEST')
    return 'plain HTTP came to a door with TLS: write https: instead of http:'
  return message
}
