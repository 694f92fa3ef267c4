import { readAllOptions } from './all-options.ts'
import type { SdkOptions } from './given.ts'
import {
  cardinalityLimitDefault,
  exitBudgetMsDefault,
  intervalMsDefault,
  type Options,
  serviceNameDefault,
  timeoutMsDefault,
} from './options.ts'
import { type Environment, read } from './variables.ts'

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
