import type { Credentials } from '../options/credentials.ts'

/** Where batches are posted to, taken apart once. */
export interface Endpoint {
  /** What messages call it: an origin, or `unix:` and a path. */
  name: string
  /** Speaks TLS. */
  secure: boolean
  /** Of a Unix socket; then host and port mean nothing. */
  socketPath: string | undefined
  /** A name, or an address without brackets. */
  host: string
  port: number
  /** What the request line asks for, and the header that names the host. */
  target: string
  hostHeader: string
  credentials: Credentials
  /** Why nothing may be sent there, whatever the network says; `undefined` if it may. */
  fault: string | undefined
  /** Where a connection was last made: host names need not be resolved again when nothing asynchronous can run. */
  address: string | undefined
}

/** What a receiver that is reached by a Unix socket is asked for. */
const unixTarget = '/v1/metrics'

/** The URL is one of `http:`, `https:` or `unix:`, as readOptions gives them. */
export function openEndpoint(url: URL, credentials: Credentials, fault: string | undefined): Endpoint {
  const shared = { credentials, fault, address: undefined }
  if (url.protocol === 'unix:') {
    const socketPath = decodeURIComponent(url.pathname)
    const name = `unix:${socketPath}`
    return {
      ...shared,
      name,
      secure: false,
      socketPath,
      host: '',
      port: 0,
      target: unixTarget,
      hostHeader: 'localhost',
    }
  }
  const secure = url.protocol === 'https:'
  return {
    ...shared,
    name: url.origin,
    secure,
    socketPath: undefined,
    host: url.hostname.replace(/^\[|\]$/g, ''), // An IPv6 address stands in brackets.
    port: Number(url.port) || (secure ? 443 : 80),
    target: `${url.pathname}${url.search}`,
    hostHeader: url.host,
  }
}

/** The options of `net.connect`, or of `tls.connect`, for this endpoint. They can be sent to another thread. */
export function connectOptions(endpoint: Endpoint): ConnectOptions {
  const { socketPath, host, port } = endpoint
  if (socketPath !== undefined) return { path: socketPath }
  if (!endpoint.secure) return { host, port, noDelay: true }
  const { ca, key, cert } = endpoint.credentials
  return {
    host,
    port,
    ALPNProtocols: ['http/1.1'],
    ...(isAddress(host) ? {} : { servername: host }), // A name, by the standard: no address.
    ...(ca === undefined ? {} : { ca }),
    ...(key === undefined ? {} : { key }),
    ...(cert === undefined ? {} : { cert }),
  }
}

export interface ConnectOptions {
  path?: string
  host?: string
  port?: number
  noDelay?: boolean
  ALPNProtocols?: string[]
  servername?: string
  ca?: string
  key?: string
  cert?: string
}

/** An IPv4 or IPv6 address, as a URL writes it: no name looks so. */
export function isAddress(host: string): boolean {
  return host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host)
}

/** The whole request, so that what is sent again is the same, byte by byte. */
export function encodeRequest(
  endpoint: Endpoint,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array
): Uint8Array {
  let head = `POST ${endpoint.target} HTTP/1.1\r\nhost: ${endpoint.hostHeader}\r\n`
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`
  head += `content-length: ${body.length}\r\nconnection: close\r\n\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}
