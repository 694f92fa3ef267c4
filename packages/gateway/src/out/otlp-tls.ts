import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { DoorFileError } from '../doors/files.ts'

/** Files in PEM that a client speaks TLS by. */
export interface ClientTlsFiles {
  /** Authorities, instead of those that Node trusts. */
  caFile: string | undefined
  /** What the client shows of itself, and its key: both or none. */
  certFile: string | undefined
  keyFile: string | undefined
}

/** What they hold, for an https agent. Throws DoorFileError where they cannot be used. */
export function readClientTls(files: ClientTlsFiles): { ca?: Buffer; cert?: Buffer; key?: Buffer } {
  const { caFile, certFile, keyFile } = files
  const tls = {
    ...(caFile === undefined ? {} : { ca: readPem(caFile, 'authority') }),
    ...(certFile === undefined ? {} : { cert: readPem(certFile, 'certificate') }),
    ...(keyFile === undefined ? {} : { key: readPem(keyFile, 'key') }),
  }
  try {
    createSecureContext(tls) // Throws where key and certificate do not belong together.
  } catch (error) {
    const named = [caFile, certFile, keyFile].filter((file) => file !== undefined).join(', ')
    throw new DoorFileError(`cannot use ${named}: ${(error as Error).message}`, { cause: error })
  }
  return tls
}

function readPem(file: string, what: string): Buffer {
  let pem: Buffer
  try {
    pem = readFileSync(file)
  } catch (error) {
    throw new DoorFileError(`cannot read the ${what}: ${(error as Error).message}`, { cause: error })
  }
  if (!pem.includes('-----BEGIN ')) throw new DoorFileError(`${file} holds no ${what} in PEM`)
  return pem
}
