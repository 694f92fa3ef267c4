import { readFileSync } from 'node:fs'
import type { Server } from 'node:tls'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { TlsFiles } from '../config/config.ts'
import { DoorFileError, type Refreshing } from './files.ts'

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
    cert: readPem(certFile, 'certificate'),
    key: readPem(keyFile, 'key'),
    minVersion: 'TLSv1.2',
    ...(clientCaFile === undefined ? {} : { ca: readPem(clientCaFile, 'authority of clients') }),
  }
  try {
    createSecureContext(context) // Throws where key and certificate do not belong together.
  } catch (error) {
    const files = [certFile, keyFile, clientCaFile].filter((file) => file !== undefined).join(', ')
    throw new DoorFileError(`cannot use ${files}: ${(error as Error).message}`, { cause: error })
  }
  return context
}

function readPem(file: string | undefined, what: string): Buffer {
  if (file === undefined) throw new DoorFileError(`TLS needs a certificate and its key: there is no ${what}`)
  let pem: Buffer
  try {
    pem = readFileSync(file)
  } catch (error) {
    throw new DoorFileError(`cannot read the ${what}: ${(error as Error).message}`, { cause: error })
  }
  if (!pem.includes('-----BEGIN ')) throw new DoorFileError(`${file} holds no ${what} in PEM`)
  return pem
}
