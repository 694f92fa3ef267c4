import type { Door } from '../config/config.ts'
import type { Log } from '../log.ts'
import type { Address } from './server.ts'
import type { Access } from './access.ts'

/** What the configuration calls each door, and what may be done there. */
const doors: Record<Door, { key: string; may: string }> = {
  otlpHttp: { key: 'otlp.http', may: 'add counts' },
  otlpGrpc: { key: 'otlp.grpc', may: 'add counts' },
  pushgateway: { key: 'pushgateway', may: 'add, replace and delete counts' },
  metrics: { key: 'metrics', may: 'read all counts' },
  admin: { key: 'admin', may: 'read all counts, and manage the gateway' },
}

/** Says what an operator should know of a door that is bound beyond this machine, a line each. */
export function warnOfExposed(door: Door, at: Address, access: Access, flag: string, log: Log): void {
  if (isLoopback(at.host)) return
  const { key, may } = doors[door]
  const listens = `${key} listens on ${at.host}:${at.port}`
  if (access.auth.isOpen && !access.asksForCertificates) {
    const either = `set ${key}.auth (bearer_tokens_file, basic) or ${key}.tls.client_ca_file`
    const or = `or keep it on this machine: ${flag} 127.0.0.1:${at.port}`
    log.warn(
      { door: key },
      `${listens} without authentication: whoever reaches it may ${may}; ${either}, ${or}`
    )
  }
  if (!access.auth.isOpen && access.certificates === undefined) {
    const instead = `set ${key}.tls.cert_file and key_file`
    log.warn({ door: key }, `${listens} without TLS: its tokens and passwords go in plain text; ${instead}`)
  }
}

/** True for what only this machine can reach. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127\./.test(host)
}
