import { createHash } from 'node:crypto'
import { hostname } from 'node:os'

/** How much is kept for a receiver that is away, and how it is sent. */
export interface RemoteWriteQueueSettings {
  /** Bytes on the disk; past it, nothing more is queued until there is room. */
  bytesMax: number
  /** What is older is not sent any more. */
  ageMaxMs: number
  /** Requests that are under way at once, each with series of its own. */
  shardCount: number
  requestSamplesMax: number
  backoffMinMs: number
  backoffMaxMs: number
}

/** One receiver of remote write. */
export interface RemoteWriteSettings {
  /** Names it in the log and in metrics, and its queue's directory. */
  name: string
  url: string
  protocol: 1 | 2
  /** With protocol 2: exponential histograms go as native ones. */
  sendsNativeHistograms: boolean
  intervalMs: number
  /** Of one request, until its answer is read. */
  timeoutMs: number
  /** By lower-case names. */
  headers: Readonly<Record<string, string>>
  basicUsername: string | undefined
  basicPasswordFile: string | undefined
  authorizationType: string
  credentialsFile: string | undefined
  /** In PEM: authorities, instead of those that Node trusts; what the gateway shows of itself, and its key. */
  caFile: string | undefined
  certFile: string | undefined
  keyFile: string | undefined
  /** The name that the receiver's certificate is for, where that is not the URL's. */
  serverName: string | undefined
  externalLabels: Readonly<Record<string, string>>
  queue: RemoteWriteQueueSettings
}

/** What is told of a receiver: the rest has its default. */
export type RemoteWriteInput = Partial<Omit<RemoteWriteSettings, 'url' | 'queue'>> & {
  url: string
  queue?: Partial<RemoteWriteQueueSettings>
}

/** Those of its settings that name files, which must be there. */
export const remoteWriteFiles = [
  'basicPasswordFile',
  'credentialsFile',
  'caFile',
  'certFile',
  'keyFile',
] as const

const hourMs = 60 * 60 * 1000

/** `instance` tells nodes apart: without it, two of them would be one series. */
export function completeRemoteWrite(input: RemoteWriteInput): RemoteWriteSettings {
  return {
    name: nameOf(input.url),
    protocol: 1,
    sendsNativeHistograms: true,
    intervalMs: 15_000,
    timeoutMs: 30_000,
    headers: {},
    basicUsername: undefined,
    basicPasswordFile: undefined,
    authorizationType: 'Bearer',
    credentialsFile: undefined,
    caFile: undefined,
    certFile: undefined,
    keyFile: undefined,
    serverName: undefined,
    ...input,
    externalLabels: { instance: hostname(), ...input.externalLabels },
    queue: {
      bytesMax: 4 * 1024 ** 3,
      ageMaxMs: 6 * hourMs,
      shardCount: 4,
      requestSamplesMax: 2000,
      backoffMinMs: 500,
      backoffMaxMs: 30_000,
      ...input.queue,
    },
  }
}

/** Of a URL: its host, and some digits that tell it from others there. */
function nameOf(url: string): string {
  const digits = createHash('sha256').update(url).digest('hex').slice(0, 8)
  const host = new URL(url).host.replaceAll(/[^a-zA-Z0-9.-]+/g, '-').replace(/^[.-]+/, '')
  return `${host.slice(0, 50)}-${digits}`
}
