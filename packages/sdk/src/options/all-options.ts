import { readCredentials } from './credentials.ts'
import { Given, type SdkOptions } from './given.ts'
import {
  cardinalityLimitDefault,
  exitBudgetMsDefault,
  intervalMsDefault,
  type Options,
  serviceNameDefault,
  timeoutMsDefault,
} from './options.ts'
import { isLogLevel } from '../process/say.ts'
import {
  type Environment,
  isHeader,
  parseEndpoint,
  parseMs,
  read,
  readFlag,
  readOtlp,
  readPairs,
} from './variables.ts'

/** Every variable and every option; `readOptions` (read-options.ts) says what it does. */
export function readAllOptions(env: Environment, options?: SdkOptions): Options {
  const complaints: string[] = []
  const given = new Given(options, complaints)
  const resource = {
    ...readPairs(env, 'OTEL_RESOURCE_ATTRIBUTES', complaints),
    ...given.texts('resourceAttributes'),
  }
  const { 'service.name': serviceName, 'service.instance.id': instanceId, ...resourceAttributes } = resource
  const endpoint = readEndpoint(env, given, complaints)
  const { credentials, fault } = readCredentials(env, given, endpoint, complaints)
  const timeout = readOtlp(env, 'TIMEOUT')
  if (!isLogLevel(read(env, 'OTEL_LOG_LEVEL'))) {
    complaints.push(`OTEL_LOG_LEVEL=${env['OTEL_LOG_LEVEL']} is no level: it is not used`)
  }
  return {
    exports: readExports(env, given, complaints),
    endpoint,
    credentials,
    endpointFault: fault,
    headers: readHeaders(env, given, complaints),
    compression: given.choice('compression', ['gzip', 'none']) ?? readCompression(env, complaints) ?? 'none',
    timeoutMs:
      given.ms('timeoutMs') ?? parseMs(timeout?.name ?? '', timeout?.text, complaints) ?? timeoutMsDefault,
    intervalMs:
      (given.ms('intervalMs') ?? readMs(env, 'OTEL_METRIC_EXPORT_INTERVAL', complaints)) || intervalMsDefault,
    exitBudgetMs:
      given.ms('exitBudgetMs') ?? readMs(env, 'SWANSONG_EXIT_BUDGET_MS', complaints) ?? exitBudgetMsDefault,
    spoolDirectory: given.text('spoolDirectory') ?? read(env, 'SWANSONG_SPOOL_DIR'),
    spoolSync: given.flag('spoolSync') ?? readFlag(env, 'SWANSONG_SPOOL_SYNC', complaints) ?? false,
    journal: given.choice('journal', ['interval', 'always']) ?? 'interval',
    signals: given.choice('signals', ['handle', 'ignore']) ?? 'handle',
    serviceName:
      given.text('serviceName') ?? read(env, 'OTEL_SERVICE_NAME') ?? serviceName ?? serviceNameDefault,
    instanceIdIgnored: instanceId,
    resourceAttributes,
    cardinalityLimit: given.count('cardinalityLimit') ?? cardinalityLimitDefault,
    complaints,
  }
}

/** The operator's switches are above the job's; the job's above ours. */
function readExports(env: Environment, given: Given, complaints: string[]): boolean {
  if (read(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false
  const exporter = read(env, 'OTEL_METRICS_EXPORTER')
  if (exporter === 'none') return false
  if (exporter !== undefined && exporter !== 'otlp') {
    complaints.push(`OTEL_METRICS_EXPORTER=${exporter} is not known: otlp is used (none turns it off)`)
  }
  const asked = given.flag('export') ?? readFlag(env, 'SWANSONG_EXPORT', complaints)
  if (asked !== undefined) return asked
  const testing = [env['NODE_ENV'] === 'test' || undefined, read(env, 'VITEST'), read(env, 'JEST_WORKER_ID')]
  return testing.every((sign) => sign === undefined)
}

function readEndpoint(env: Environment, given: Given, complaints: string[]): URL | undefined {
  const endpoint = given.endpoint()
  if (endpoint !== undefined) return endpoint
  const protocol = readOtlp(env, 'PROTOCOL')
  if (protocol?.text === 'grpc')
    complaints.push(`${protocol.name}=grpc is not spoken: http/protobuf is, usually on port 4318`)
  else if (protocol !== undefined && protocol.text !== 'http/protobuf')
    complaints.push(`${protocol.name}=${protocol.text} is not spoken: http/protobuf is used`)
  const verbatim = readUrl(env, 'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', complaints)
  if (verbatim !== undefined) return verbatim
  const base = readUrl(env, 'OTEL_EXPORTER_OTLP_ENDPOINT', complaints)
  // The path of `unix:` is the socket's; what is asked for there is always the same.
  if (base !== undefined && base.protocol !== 'unix:')
    base.pathname += base.pathname.endsWith('/') ? 'v1/metrics' : '/v1/metrics'
  return base
}

function readUrl(env: Environment, name: string, complaints: string[]): URL | undefined {
  return parseEndpoint(name, read(env, name), complaints)
}

/** By name: those of metrics above the general ones, those that the job gave above both. */
function readHeaders(env: Environment, given: Given, complaints: string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  const add = (from: string, pairs: Readonly<Record<string, string>>): void => {
    for (const [name, value] of Object.entries(pairs)) {
      if (isHeader(name, value)) headers[name.toLowerCase()] = value
      else complaints.push(`${from} holds '${name}', which is no header: it is left out`)
    }
  }
  for (const name of ['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_METRICS_HEADERS']) {
    add(name, readPairs(env, name, complaints))
  }
  add('the option headers', given.texts('headers'))
  return headers
}

function readCompression(env: Environment, complaints: string[]): 'gzip' | 'none' | undefined {
  const compression = readOtlp(env, 'COMPRESSION')
  if (compression === undefined) return undefined
  if (compression.text === 'gzip' || compression.text === 'none') return compression.text
  complaints.push(`${compression.name}=${compression.text} is neither gzip nor none: none is used`)
  return undefined
}

function readMs(env: Environment, name: string, complaints: string[]): number | undefined {
  return parseMs(name, read(env, name), complaints)
}
