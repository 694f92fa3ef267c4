import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory, type Ending } from './directories.ts'

export interface Authority {
  /** The path of NAME.pem or NAME.key; its own is `ca.pem`. */
  path: (name: string) => string
  text: (name: string) => Buffer
  /** Makes NAME.pem and NAME.key, signed by it: of 127.0.0.1 and localhost, for servers and clients. */
  issue: (name: string) => void
}

/** An authority in a directory of its own, by the openssl of the machine. Removed after the test. */
export function makeAuthority(context: Ending): Authority {
  const directory = temporaryDirectory(context)
  const path = (name: string): string => join(directory, name)
  const openssl = (...given: string[]): void =>
    void execFileSync('openssl', given, { stdio: 'pipe', timeout: 30_000 })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  openssl('req', '-x509', ...key, '-keyout', path('ca.key'), '-out', path('ca.pem'), '-subj', '/CN=authority')
  const issue = (name: string): void => {
    writeFileSync(path('names.ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost')
    const request = ['-keyout', path(`${name}.key`), '-out', path(`${name}.csr`), '-subj', `/CN=${name}`]
    openssl('req', ...key.slice(0, -2), ...request)
    const signer = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '2']
    const signed = ['-extfile', path('names.ext'), '-in', path(`${name}.csr`), '-out', path(`${name}.pem`)]
    openssl('x509', '-req', ...signer, ...signed)
  }
  return { path, text: (name) => readFileSync(path(name)), issue }
}
