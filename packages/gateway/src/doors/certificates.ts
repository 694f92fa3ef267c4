import type { SecureContextOptions, Server } from 'node:tls'
import type { TlsFiles } from '../config/config.ts'
import { DoorFileError, type Refreshing } from './files.ts'
import { readPem, requireContext } from './pem.ts'

/** Time for a handshake: less than what a stop waits for. */
const handshakeTimeoutMs = 10_000

/** What a server speaks TLS with. */
export interface TlsServerOptions extends SecureContextOptions {
  requestCert: boolean
  rejectUnauthorized: boolean
  handshakeTimeout: number
}

/** A door's certificate, its key, and who signs those of its clients. */
export class Certificates implements Refreshing {
  readonly #files: TlsFiles
  readonly #servers: Server[] = []
  #context: SecureContextOptions

  /** Throws DoorFileError where they cannot be used. */
  constructor(files: TlsFiles) {
    this.#files = files
    this.#context = readContext(files)
  }

  files(): readonly string[] {
    const { certFile, keyFile, clientCaFile } = this.#files
    return [certFile, keyFile, clientCaFile].filter((file) => file !== undefined)
  }

  options(): TlsServerOptions {
    const asksForOne = this.#files.clientCaFile !== undefined
    return {
      ...this.#context,
      requestCert: asksForOne,
      rejectUnauthorized: asksForOne,
      handshakeTimeout: handshakeTimeoutMs,
    }
  }

  /** A server that was made with `options`: its further connections follow the files. */
  follow(server: Server): void {
    this.#servers.push(server)
  }

  refresh(): void {
    this.#context = readContext(this.#files)
    for (const server of this.#servers) server.setSecureContext(this.#context)
  }
}

function readContext({ certFile, keyFile, clientCaFile }: TlsFiles): SecureContextOptions {
  const context: SecureContextOptions = {
    cert: readPem(required(certFile, 'certificate'), 'certificate'),
    key: readPem(required(keyFile, 'key'), 'key'),
    minVersion: 'TLSv1.2',
    ...(clientCaFile === undefined ? {} : { ca: readPem(clientCaFile, 'authority of clients') }),
  }
  requireContext(context, [certFile, keyFile, clientCaFile])
  return context
}

function required(file: string | undefined, what: string): string {
  if (file === undefined) throw new DoorFileError(`TLS needs a certificate and its key: there is no ${what}`)
  return file
}
