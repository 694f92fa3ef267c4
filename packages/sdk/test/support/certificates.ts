import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificates {
  /** The path of `ca.pem`, `other-ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`. */
  path: (name: string) => string
  text: (name: string) => string
  remove: () => void
}

/** Two authorities, and of the first a server for 127.0.0.1 and localhost, and a client. By the openssl of the machine. */
export function makeCertificates(): Certificates {
  const directory = mkdtempSync(join(tmpdir(), 'swansong-tls-'))
  const path = (name: string): string => join(directory, name)
  const openssl = (...given: string[]): void =>
    void execFileSync('openssl', given, { stdio: 'pipe', timeout: 30_000 })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  for (const ca of ['ca', 'other-ca']) {
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      path(`${ca}.key`),
      '-out',
      path(`${ca}.pem`),
      '-days',
      '2',
      '-subj',
      `/CN=${ca}`
    )
  }
  for (const [name, extension] of [
    ['server', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
    ['client', 'extendedKeyUsage=clientAuth'],
  ] as const) {
    writeFileSync(path(`${name}.ext`), extension)
    openssl(
      'req',
      ...key,
      '-keyout',
      path(`${name}.key`),
      '-out',
      path(`${name}.csr`),
      '-subj',
      `/CN=${name}`
    )
    const signed = [
      '-CA',
      path('ca.pem'),
      '-CAkey',
      path('ca.key'),
      '-CAcreateserial',
      '-extfile',
      path(`${name}.ext`),
    ]
    openssl('x509', '-req', '-in', path(`${name}.csr`), ...signed, '-days', '2', '-out', path(`${name}.pem`))
  }
  return {
    path,
    text: (name) => readFileSync(path(name), 'utf8'),
    remove: () => rmSync(directory, { recursive: true }),
  }
}
