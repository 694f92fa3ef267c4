/** Readers of single variables. Each says `undefined` for what is not set, or set wrong; then it has complained. */

export type Environment = Readonly<Record<string, string | undefined>>

/** Timers of Node hold no more. */
export const msMax: number = 2 ** 31 - 1

/** An empty variable is one that is not set, as the OpenTelemetry specification has it. */
export function read(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim()
  return value === '' ? undefined : value
}

/** The variable of metrics, else the general one: `OTEL_EXPORTER_OTLP_METRICS_…`, `OTEL_EXPORTER_OTLP_…`. */
export function readOtlp(env: Environment, end: string): { name: string; text: string } | undefined {
  for (const name of [`OTEL_EXPORTER_OTLP_METRICS_${end}`, `OTEL_EXPORTER_OTLP_${end}`]) {
    const text = read(env, name)
    if (text !== undefined) return { name, text }
  }
  return undefined
}

/** Milliseconds, 0 included. */
export function parseMs(name: string, text: string | undefined, complaints: string[]): number | undefined {
  if (text === undefined) return undefined
  if (/^\d+$/.test(text) && Number(text) <= msMax) return Number(text)
  complaints.push(`${name}=${text} is no number of milliseconds: the default is used`)
  return undefined
}

export function readFlag(env: Environment, name: string, complaints: string[]): boolean | undefined {
  const text = read(env, name)?.toLowerCase()
  if (text === undefined) return undefined
  if (text === '1' || text === 'true') return true
  if (text === '0' || text === 'false') return false
  complaints.push(`${name}=${text} is neither 1 nor 0: it is not used`)
  return undefined
}

/** `http:`, `https:` and `unix:` with an absolute path. */
export function parseEndpoint(name: string, text: string | undefined, complaints: string[]): URL | undefined {
  if (text === undefined) return undefined
  if (URL.canParse(text)) {
    const url = new URL(text)
    const isHttp = url.protocol === 'http:' || url.protocol === 'https:'
    if (isHttp && url.hostname !== '') return url
    if (
      url.protocol === 'unix:' &&
      url.host === '' &&
      url.pathname.length > 1 &&
      url.pathname.startsWith('/')
    )
      return url
  }
  complaints.push(`${name}=${text} is no http://, https:// or unix:/ address: it is not used`)
  return undefined
}

/** `key=value,key=value`, percent-encoded (W3C Baggage). A list with a fault is left out as a whole, by specification. */
export function readPairs(env: Environment, name: string, complaints: string[]): Record<string, string> {
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

/** By RFC 9110: a token, and no control characters, which would start a header of their own. */
export function isHeader(name: string, value: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}
