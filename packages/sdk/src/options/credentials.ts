import type { Given } from './given.ts'
import { type Environment, readOtlp } from './variables.ts'

/** For `https:`: texts in PEM. What is `undefined` was not given. */
export interface Credentials {
  /** Whom to trust, instead of the authorities that Node trusts. */
  ca?: string | undefined
  key?: string | undefined
  cert?: string | undefined
}

/**
 * The PEM files of an `https:` endpoint. If one that was asked for cannot be read, or half of a pair is missing, nothing
 * may be sent there: neither to somebody whom that file would not have trusted, nor as somebody without a name.
 */
export function readCredentials(
  env: Environment,
  given: Given,
  endpoint: URL | undefined,
  complaints: string[]
): { credentials: Credentials; fault: string | undefined } {
  const paths = {
    ca: { name: 'the option certificate', path: given.text('certificate') },
    key: { name: 'the option clientKey', path: given.text('clientKey') },
    cert: { name: 'the option clientCertificate', path: given.text('clientCertificate') },
  }
  if (endpoint?.protocol !== 'https:') return { credentials: {}, fault: undefined }
  const faults: string[] = []
  const readPem = (one: keyof typeof paths, variable: string): string | undefined => {
    const set = readOtlp(env, variable)
    const name = paths[one].path === undefined ? set?.name : paths[one].name
    const path = paths[one].path ?? set?.text
    if (path === undefined) return undefined
    try {
      return process.getBuiltinModule('node:fs').readFileSync(path, 'utf8')
    } catch (error) {
      faults.push(`${name ?? ''}: ${error instanceof Error ? error.message : String(error)}`)
      return ''
    }
  }
  const ca = readPem('ca', 'CERTIFICATE')
  const key = readPem('key', 'CLIENT_KEY')
  const cert = readPem('cert', 'CLIENT_CERTIFICATE')
  if ((key === undefined) !== (cert === undefined)) {
    faults.push(
      key === undefined ? 'a client certificate without its key' : 'a client key without its certificate'
    )
  }
  if (faults.length === 0) return { credentials: { ca, key, cert }, fault: undefined }
  const fault = faults.join('; ')
  complaints.push(`nothing is sent to ${endpoint.origin}: ${fault}`)
  return { credentials: {}, fault }
}
