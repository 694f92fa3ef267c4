import { attributeText, type Attribute } from '@swansong/otlp'

/*
 * OTLP names as Prometheus has them: strategy UnderscoreEscapingWithSuffixes (CONFORMANCE D1 to D4, D7).
 */

/** UCUM units as the words that Prometheus uses. */
const unitWords: ReadonlyMap<string, string> = new Map(
  Object.entries({
    d: 'days',
    h: 'hours',
    min: 'minutes',
    s: 'seconds',
    ms: 'milliseconds',
    us: 'microseconds',
    ns: 'nanoseconds',
    By: 'bytes',
    KiBy: 'kibibytes',
    MiBy: 'mebibytes',
    GiBy: 'gibibytes',
    TiBy: 'tebibytes',
    KBy: 'kilobytes',
    MBy: 'megabytes',
    GBy: 'gigabytes',
    TBy: 'terabytes',
    m: 'meters',
    V: 'volts',
    A: 'amperes',
    J: 'joules',
    W: 'watts',
    g: 'grams',
    Cel: 'celsius',
    Hz: 'hertz',
    '%': 'percent',
  })
)

const perWords: ReadonlyMap<string, string> = new Map(
  Object.entries({
    s: 'second',
    m: 'minute',
    h: 'hour',
    d: 'day',
    w: 'week',
    mo: 'month',
    y: 'year',
  })
)

/** What the gateway calls its own metrics: a worker's of such a name is told apart. */
const ownPrefix = 'swansong_'

/** The name of a counter's family: `jobs.done` in `{job}` is `jobs_done_total`, `io` in `By` is `io_bytes_total`. */
export function counterName(name: string, unit: string): string {
  let base = sanitized(name)
  if (base.endsWith('_total')) base = base.slice(0, -'_total'.length)
  if (base === 'total') base = ''
  const suffix = unitSuffix(unit)
  if (suffix !== '' && base !== suffix && !base.endsWith(`_${suffix}`))
    base = base === '' ? suffix : `${base}_${suffix}`
  const full = base === '' ? 'total' : `${base}_total`
  if (full.startsWith(ownPrefix)) return `exported_${full}`
  return /^\d/.test(full) ? `_${full}` : full
}

/** `By` is `bytes`, `By/s` is `bytes_per_second`, `{request}` and `1` are nothing. */
function unitSuffix(unit: string): string {
  const [main = '', per = ''] = unit
    .replaceAll(/\{[^}]*\}/g, '')
    .split('/', 2)
    .map((part) => part.trim())
  const mainWord = main === '1' ? '' : word(unitWords.get(main) ?? main)
  const perWord = word(perWords.get(per) ?? per)
  if (perWord === '') return mainWord
  return mainWord === '' ? `per_${perWord}` : `${mainWord}_per_${perWord}`
}

function word(unit: string): string {
  return sanitized(unit).replace(/^_/, '')
}

/** Other characters become `_`, runs of them one; none at the ends but a leading one that was there. */
function sanitized(name: string): string {
  return name
    .replaceAll(/[^a-zA-Z0-9:]+/g, '_')
    .replace(/^_+(?=.)/, leading(name))
    .replace(/_+$/, '')
}

function leading(name: string): string {
  return name.startsWith('_') ? '_' : ''
}

/** A label's name: like a metric's, without colons. */
export function labelName(key: string): string {
  const name = key.replaceAll(/[^a-zA-Z0-9]+/g, '_')
  return /^\d/.test(name) ? `key_${name}` : name
}

/** Label names that a point's attribute may not take: they say whose series it is. */
const reservedLabels: ReadonlySet<string> = new Set(['job', 'instance'])

/** What the scope of an instrument says of it. */
export interface ScopeLabels {
  name: string
  version: string
  schemaUrl: string
  attributes: readonly Attribute[]
}

/** The labels that all series of a metric have: whose they are, and which scope's. */
export function metricLabels(
  resource: readonly Attribute[],
  scope: ScopeLabels
): ReadonlyMap<string, string> {
  const labels = new Map<string, string>()
  addScope(labels, scope)
  addResource(labels, resource)
  return labels
}

/** The labels of one series, as they stand between the braces of an exposition. */
export function labelsText(metric: ReadonlyMap<string, string>, point: readonly Attribute[]): string {
  const labels = new Map<string, string>()
  addAttributes(labels, point, (name) => (reservedLabels.has(name) ? `exported_${name}` : name))
  for (const [name, value] of metric) {
    const taken = labels.get(name)
    if (taken !== undefined) labels.set(`exported_${name}`, taken)
    labels.set(name, value)
  }
  let text = ''
  for (const name of [...labels.keys()].toSorted()) {
    const value = labels.get(name) as string
    if (value === '') continue // An empty label is no label.
    text += `${text === '' ? '' : ','}${name}="${escaped(value)}"`
  }
  return text
}

/** Keys that become one name are joined: the values by `;`, in the order of the keys (CONFORMANCE D7). */
function addAttributes(
  into: Map<string, string>,
  attributes: readonly Attribute[],
  rename: (name: string) => string
): void {
  for (const { key, value } of attributes.toSorted(byKey)) {
    const name = rename(labelName(key))
    const text = attributeText(value)
    const before = into.get(name)
    into.set(name, before === undefined ? text : `${before};${text}`)
  }
}

function byKey(a: Attribute, b: Attribute): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}

/** `job` is `namespace/name`, or the name alone (CONFORMANCE D11); other kept attributes are labels. */
function addResource(into: Map<string, string>, attributes: readonly Attribute[]): void {
  const text = new Map(attributes.map(({ key, value }) => [key, attributeText(value)]))
  const namespace = text.get('service.namespace') ?? ''
  const name = text.get('service.name') ?? ''
  const others = attributes.filter(({ key }) => key !== 'service.namespace' && key !== 'service.name')
  addAttributes(into, others, (label) => label)
  if (name !== '') into.set('job', namespace === '' ? name : `${namespace}/${name}`)
}

/** `otel_scope_*` (CONFORMANCE D10); a scope attribute that collides with name, version or schema_url is dropped. */
function addScope(into: Map<string, string>, scope: ScopeLabels): void {
  addAttributes(into, scope.attributes, (name) => `otel_scope_${name}`)
  for (const [name, value] of Object.entries({
    name: scope.name,
    version: scope.version,
    schema_url: scope.schemaUrl,
  })) {
    into.delete(`otel_scope_${name}`)
    if (value !== '') into.set(`otel_scope_${name}`, value)
  }
}

/** A label's value in text 0.0.4: `\`, `"` and the line feed escaped (CONFORMANCE E5). */
function escaped(value: string): string {
  return /[\\"\n]/.test(value)
    ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    : value
}

/** A HELP text in text 0.0.4: `\` and the line feed escaped. */
export function escapedHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
