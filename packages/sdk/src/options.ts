import { readAllOptions } from './all-options.ts'
import type { Credentials } from './endpoint.ts'
import type { SdkOptions } from './given.ts'
import { type Environment, read } from './variables.ts'

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

/** Variables that are read here. Where no other of ours is set, the reader of all of them need not be loaded (bundle.js). */
const plainNames = new Set(['OTEL_SERVICE_NAME', 'SWANSONG_SPOOL_DIR'])
const otherNames = new Set(['VITEST', 'JEST_WORKER_ID'])

/**
 * Reads the variables of OpenTelemetry and our own, and what the job gave to `configure`, which wins. What is set wrong,
 * here or there, is complained of, and its default used. Never throws.
 */
export function readOptions(env: Environment, given?: SdkOptions): Options {
  if (given !== undefined || Object.keys(env).some(isForAll)) return readAllOptions(env, given)
  return {
    exports: env['NODE_ENV'] !== 'test',
    endpoint: undefined,
    credentials: {},
    endpointFault: undefined,
    headers: {},
    compression: 'none',
    timeoutMs: timeoutMsDefault,
    intervalMs: intervalMsDefault,
    exitBudgetMs: exitBudgetMsDefault,
    spoolDirectory: read(env, 'SWANSONG_SPOOL_DIR'),
    spoolSync: false,
    journal: 'interval',
    signals: 'handle',
    serviceName: read(env, 'OTEL_SERVICE_NAME') ?? serviceNameDefault,
    instanceIdIgnored: undefined,
    resourceAttributes: {},
    cardinalityLimit: cardinalityLimitDefault,
    complaints: [],
  }
}

function isForAll(name: string): boolean {
  const isOurs = name.startsWith('OTEL_') || name.startsWith('SWANSONG_')
  return isOurs ? !plainNames.has(name) : otherNames.has(name)
}
