/** What the environment asks of this SDK. Every default stands in this file. */
export interface Options {
  /** False: nothing leaves this process, and nothing is installed in it. */
  exports: boolean
  /** Where to POST; `undefined` if nobody said. */
  endpoint: URL | undefined
  headers: Readonly<Record<string, string>>
  timeoutMs: number
  intervalMs: number
  exitBudgetMs: number
  /** The spool directory that was given; `undefined` if nobody said. */
  spoolDirectory: string | undefined
  /** Spool files are synced to the disk before they are renamed. */
  spoolSync: boolean
  serviceName: string
  /** A `service.instance.id` that was given: not used, as all processes of a pod may have been given the same. */
  instanceIdIgnored: string | undefined
  /** Of the resource, without `service.name` and `service.instance.id`. */
  resourceAttributes: Readonly<Record<string, string>>
  /** What was set wrong, a sentence each, for one warning. */
  complaints: readonly string[]
}

export const endpointDefault = 'http://127.0.0.1:4318/v1/metrics'
export const spoolDirectoryDefault = '/var/spool/swansong'
export const timeoutMsDefault = 10_000
export const intervalMsDefault = 60_000
export const exitBudgetMsDefault = 2000
const serviceNameDefault = 'unknown_service:node'
/** Timers of Node hold no more. */
const msMax = 2 ** 31 - 1

type Environment = Readonly<Record<string, string | undefined>>

/** Reads the variables of OpenTelemetry and our own. What is set wrong is complained of, and its default used. */
export function readOptions(env: Environment): Options {
  const complaints: string[] = []
  const resource = readPairs(env, 'OTEL_RESOURCE_ATTRIBUTES', complaints)
  const { 'service.name': serviceName, 'service.instance.id': instanceId, ...resourceAttributes } = resource
  return {
    exports: readExports(env, complaints),
    endpoint: readEndpoint(env, complaints),
    headers: readHeaders(env, complaints),
    timeoutMs:
      readMs(env, 'OTEL_EXPORTER_OTLP_METRICS_TIMEOUT', complaints) ??
      readMs(env, 'OTEL_EXPORTER_OTLP_TIMEOUT', complaints) ??
      timeoutMsDefault,
    intervalMs: readMs(env, 'OTEL_METRIC_EXPORT_INTERVAL', complaints) || intervalMsDefault,
    exitBudgetMs: readMs(env, 'SWANSONG_EXIT_BUDGET_MS', complaints) ?? exitBudgetMsDefault,
    spoolDirectory: read(env, 'SWANSONG_SPOOL_DIR'),
    spoolSync: readFlag(env, 'SWANSONG_SPOOL_SYNC', complaints) ?? false,
    serviceName: read(env, 'OTEL_SERVICE_NAME') ?? serviceName ?? serviceNameDefault,
    instanceIdIgnored: instanceId,
    resourceAttributes,
    complaints,
  }
}

/** An empty variable is one that is not set, as the OpenTelemetry specification has it. */
function read(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim()
  return value === '' ? undefined : value
}

function readExports(env: Environment, complaints: string[]): boolean {
  if (read(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false
  const exporter = read(env, 'OTEL_METRICS_EXPORTER')
  if (exporter === 'none') return false
  if (exporter !== undefined && exporter !== 'otlp') {
    complaints.push(`OTEL_METRICS_EXPORTER=${exporter} is not known: otlp is used (none turns it off)`)
  }
  const asked = readFlag(env, 'SWANSONG_EXPORT', complaints)
  if (asked !== undefined) return asked
  const testing = [env['NODE_ENV'] === 'test' || undefined, read(env, 'VITEST'), read(env, 'JEST_WORKER_ID')]
  return testing.every((sign) => sign === undefined)
}

function readEndpoint(env: Environment, complaints: string[]): URL | undefined {
  for (const name of ['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL']) {
    const protocol = read(env, name)
    if (protocol === undefined) continue
    if (protocol === 'grpc')
      complaints.push(`${name}=grpc is not spoken: http/protobuf is, usually on port 4318`)
    else if (protocol !== 'http/protobuf')
      complaints.push(`${name}=${protocol} is not spoken: http/protobuf is used`)
    break
  }
  const verbatim = readUrl(env, 'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', complaints)
  if (verbatim !== undefined) return verbatim
  const base = readUrl(env, 'OTEL_EXPORTER_OTLP_ENDPOINT', complaints)
  if (base !== undefined) base.pathname += base.pathname.endsWith('/') ? 'v1/metrics' : '/v1/metrics'
  return base
}

function readUrl(env: Environment, name: string, complaints: string[]): URL | undefined {
  const text = read(env, name)
  if (text === undefined) return undefined
  if (URL.canParse(text)) {
    const url = new URL(text)
    if ((url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '') return url
  }
  complaints.push(`${name}=${text} is no http:// or https:// address: it is not used`)
  return undefined
}

function readHeaders(env: Environment, complaints: string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const variable of ['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_METRICS_HEADERS']) {
    for (const [name, value] of Object.entries(readPairs(env, variable, complaints))) {
      // By RFC 9110: a token, and no control characters, which would start a header of their own.
      if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
        headers[name.toLowerCase()] = value
      } else complaints.push(`${variable} holds '${name}', which is no header: it is left out`)
    }
  }
  return headers
}

/** `key=value,key=value`, percent-encoded (W3C Baggage). A list with a fault is left out as a whole, by specification. */
function readPairs(env: Environment, name: string, complaints: string[]): Record<string, string> {
  const pairs: Record<string, string> = {}
  const text = read(env, name)
  if (text === undefined) return pairs
  try {
    for (const pair of text.split(',')) {
      if (pair.trim() === '') continue
      const equals = pair.indexOf('=')
      const key = decodeURIComponent(pair.slice(0, Math.max(equals, 0)).trim())
      if (key === '') throw new Error(`'${pair.trim()}' is not key=value`)
      pairs[key] = decodeURIComponent(pair.slice(equals + 1).trim())
    }
    return pairs
  } catch (error) {
    complaints.push(`${name} is not used: ${error instanceof Error ? error.message : String(error)}`)
    return {}
  }
}

/** Milliseconds, 0 included; `undefined` if not set, or set wrong. */
function readMs(env: Environment, name: string, complaints: string[]): number | undefined {
  const text = read(env, name)
  if (text === undefined) return undefined
  if (/^\d+$/.test(text) && Number(text) <= msMax) return Number(text)
  complaints.push(`${name}=${text} is no number of milliseconds: the default is used`)
  return undefined
}

function readFlag(env: Environment, name: string, complaints: string[]): boolean | undefined {
  const text = read(env, name)?.toLowerCase()
  if (text === undefined) return undefined
  if (text === '1' || text === 'true') return true
  if (text === '0' || text === 'false') return false
  complaints.push(`${name}=${text} is neither 1 nor 0: it is not used`)
  return undefined
}
