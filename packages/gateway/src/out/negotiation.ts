/** What a scrape can be answered in. */
export type Format = 'text-0.0.4' | 'text-1.0.0' | 'openmetrics-1.0' | 'protobuf'

/** What becomes of names with other characters than `[a-zA-Z0-9_:]`: escaping.ts. */
export type Escaping = 'allow-utf-8' | 'underscores' | 'dots' | 'values'

/** How one scrape is answered. */
export interface Negotiated {
  format: Format
  escaping: Escaping
  contentType: string
}

/** The answer to whoever names nothing that we have (CONFORMANCE E1). */
const fallback: Negotiated = {
  format: 'text-0.0.4',
  escaping: 'underscores',
  contentType: 'text/plain; version=0.0.4; charset=utf-8',
}

/**
 * The format and the escaping of names that an Accept header asks for, of those formats that can be rendered: by `q`, then
 * what is named before what is meant by a `*`, then by place (CONFORMANCE E1 to E4).
 */
export function negotiate(accept: string | undefined, formats: ReadonlySet<Format>): Negotiated {
  let best: Negotiated = fallback
  let bestRank = 0
  for (const range of rangesOf(accept)) {
    const format = formatOf(range)
    const rank = range.q * 2 + (range.type.includes('*') ? 0 : 1e-4)
    if (format === undefined || !formats.has(format) || rank <= bestRank || range.q === 0) continue
    best = answerIn(format, range)
    bestRank = rank
  }
  return best
}

/** Who names what Prometheus reads is a scraper: curl and a browser do not. */
export function isScraper(accept: string | undefined): boolean {
  return rangesOf(accept).some((range) => range.q > 0 && scraped.has(range.type))
}

const textType = 'text/plain'
const openMetricsType = 'application/openmetrics-text'
const protobufType = 'application/vnd.google.protobuf'
const scraped: ReadonlySet<string> = new Set([textType, openMetricsType, protobufType])
const anything: ReadonlySet<string> = new Set(['*/*', 'text/*'])

/** One of what a header accepts. */
interface Range {
  /** In lower case, as `text/plain`. */
  type: string
  /** Names in lower case. */
  parameters: ReadonlyMap<string, string>
  q: number
}

/** A header that names more than this is looked at no further. */
const rangesMax = 64

function rangesOf(accept = ''): Range[] {
  return accept
    .split(',', rangesMax)
    .map((part) => {
      const [type = '', ...rest] = part.split(';').map((piece) => piece.trim())
      const parameters = new Map(rest.map(parameterOf))
      return { type: type.toLowerCase(), parameters, q: qualityOf(parameters.get('q')) }
    })
    .filter(({ type }) => type !== '')
}

function parameterOf(text: string): [name: string, value: string] {
  const equals = text.indexOf('=')
  if (equals < 0) return [text.toLowerCase(), '']
  const name = text.slice(0, equals).trim().toLowerCase()
  return [
    name,
    text
      .slice(equals + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1'),
  ]
}

/** Of RFC 9110, 12.4.2; what is no such number counts as 0. */
function qualityOf(text: string | undefined): number {
  if (text === undefined) return 1
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 0
}

/** What of ours a range asks for; a version that we do not have is not guessed at. */
function formatOf({ type, parameters }: Range): Format | undefined {
  if (anything.has(type)) return 'text-0.0.4'
  const version = parameters.get('version')
  if (type === textType) {
    if (version === '1.0.0') return 'text-1.0.0'
    return version === undefined || version === '0.0.4' ? 'text-0.0.4' : undefined
  }
  if (type === openMetricsType)
    return version === undefined || version === '1.0.0' ? 'openmetrics-1.0' : undefined
  const isDelimited =
    parameters.get('proto') === 'io.prometheus.client.MetricFamily' &&
    parameters.get('encoding') === 'delimited'
  return type === protobufType && isDelimited ? 'protobuf' : undefined
}

function answerIn(format: Format, { parameters }: Range): Negotiated {
  if (format === 'text-0.0.4') return fallback // It has no other names, and says nothing of escaping.
  const escaping = escapingOf(parameters.get('escaping'))
  return { format, escaping, contentType: `${mediaTypes[format]}; escaping=${escaping}` }
}

/** What is no scheme is not asked for (CONFORMANCE E4): never what a header says goes back in ours. */
function escapingOf(told: string | undefined): Escaping {
  return escapings.find((escaping) => escaping === told) ?? 'underscores'
}

const escapings: readonly Escaping[] = ['allow-utf-8', 'underscores', 'dots', 'values']

const mediaTypes: Readonly<Record<Exclude<Format, 'text-0.0.4'>, string>> = {
  'text-1.0.0': `${textType}; version=1.0.0; charset=utf-8`,
  'openmetrics-1.0': `${openMetricsType}; version=1.0.0; charset=utf-8`,
  protobuf: `${protobufType}; proto=io.prometheus.client.MetricFamily; encoding=delimited`,
}
