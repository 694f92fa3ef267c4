import type { Credentials } from './credentials.ts'

/** What the environment, and the job, ask of this SDK. Every default stands in this file. */
export interface Options {
  /** False: nothing leaves this process, and nothing is installed in it. */
  exports: boolean
  /** Where to POST; `undefined` if nobody said. */
  endpoint: URL | undefined
  /** For an endpoint of `https:`. */
  credentials: Credentials
  /** Why nothing may be sent to the endpoint: who asks for a certificate is not to be served without it. */
  endpointFault: string | undefined
  headers: Readonly<Record<string, string>>
  compression: 'gzip' | 'none'
  timeoutMs: number
  intervalMs: number
  exitBudgetMs: number
  /** The spool directory that was given; `undefined` if nobody said. */
  spoolDirectory: string | undefined
  /** Spool files are synced to the disk before they are renamed. */
  spoolSync: boolean
  journal: 'interval' | 'always'
  signals: 'handle' | 'ignore'
  serviceName: string
  /** A `service.instance.id` that was given: not used, as all processes of a pod may have been given the same. */
  instanceIdIgnored: string | undefined
  /** Of the resource, without `service.name` and `service.instance.id`. */
  resourceAttributes: Readonly<Record<string, string>>
  /** Attribute sets of one instrument. */
  cardinalityLimit: number
  /** What was set wrong, a sentence each, for one warning. */
  complaints: readonly string[]
}

export const endpointDefault = 'http://127.0.0.1:4318/v1/metrics'
export const spoolDirectoryDefault = '/var/spool/swansong'
export const timeoutMsDefault = 10_000
export const intervalMsDefault = 60_000
export const exitBudgetMsDefault = 2000
export const cardinalityLimitDefault = 2000
export const serviceNameDefault = 'unknown_service:node'
