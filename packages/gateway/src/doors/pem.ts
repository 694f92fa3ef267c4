import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { DoorFileError } from './files.ts'

/** What a file in PEM holds, called `what` where it cannot be read. Throws DoorFileError. */
export function readPem(file: string, what: string): Buffer {
  let pem: Buffer
  try {
    pem = readFileSync(file)
  } catch (error) {
    throw new DoorFileError(`cannot read the ${what}: ${(error as Error).message}`, { cause: error })
  }
  if (!pem.includes('-----BEGIN ')) throw new DoorFileError(`${file} holds no ${what} in PEM`)
  return pem
}

/** Throws DoorFileError where what these files hold does not go together, as a key and a certificate. */
export function requireContext(context: SecureContextOptions, files: readonly (string | undefined)[]): void {
  try {
    createSecureContext(context)
  } catch (error) {
    const named = files.filter((file) => file !== undefined).join(', ')
    throw new DoorFileError(`cannot use ${named}: ${(error as Error).message}`, { cause: error })
  }
}
