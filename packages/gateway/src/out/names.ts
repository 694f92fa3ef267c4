import { attributeText, type Attribute } from '@swansong/otlp'
import { isLegacyName } from '../ledger/family-names.ts'
import { metricTypes, type MetricType } from '../ledger/metric-types.ts'
import type { Naming } from './naming.ts'

/* Attributes as labels (CONFORMANCE D7, D10, D11). What they and metrics are called: naming.ts. */

/** Label names that a point's attribute may not take: they say whose series it is, or of a histogram which bucket. */
const reservedLabels: ReadonlySet<string> = new Set(['job', 'instance'])
const histogramLabels: ReadonlySet<string> = new Set([...reservedLabels, 'le'])

/** What the scope of an instrument says of it. */
export interface ScopeLabels {
  name: string
  version: string
  schemaUrl: string
  attributes: readonly Attribute[]
}

/** The labels that all series of a metric have: whose they are, and which scope's. */
export function metricLabels(
  naming: Naming,
  resource: readonly Attribute[],
  scope: ScopeLabels
): ReadonlyMap<string, string> {
  const labels = new Map<string, string>()
  addScope(naming, labels, scope)
  addResource(naming, labels, resource)
  return labels
}

/** The labels of one series, in the order of their names. */
export function labelsOf(
  naming: Naming,
  type: MetricType,
  metric: ReadonlyMap<string, string>,
  point: readonly Attribute[]
): Map<string, string> {
  const isHistogram = type === metricTypes.histogram || type === metricTypes.exponentialHistogram
  const reserved = isHistogram ? histogramLabels : reservedLabels
  const labels = new Map<string, string>()
  addAttributes(labels, point, (key) => {
    const name = naming.labelName(key)
    return reserved.has(name) ? `exported_${name}` : name
  })
  for (const [name, value] of metric) {
    const taken = labels.get(name)
    if (taken !== undefined) labels.set(`exported_${name}`, taken)
    labels.set(name, value)
  }
  const sorted = new Map<string, string>()
  for (const name of [...labels.keys()].toSorted()) {
    const value = labels.get(name) as string
    if (value !== '') sorted.set(name, value) // An empty label is no label.
  }
  return sorted
}

/** The same as they stand between the braces of an exposition. Names that Prometheus did not always take are quoted. */
export function labelsText(labels: Iterable<readonly [name: string, value: string]>): string {
  let text = ''
  for (const [name, value] of labels) {
    const label = isLegacyName(name, true) ? name : `"${escapedValue(name)}"`
    text += `${text === '' ? '' : ','}${label}="${escapedValue(value)}"`
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
    const name = rename(key)
    const text = attributeText(value)
    const before = into.get(name)
    into.set(name, before === undefined ? text : `${before};${text}`)
  }
}

function byKey(a: Attribute, b: Attribute): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}

/** `job` is `namespace/name`, or the name alone (CONFORMANCE D11); other kept attributes are labels. */
function addResource(naming: Naming, into: Map<string, string>, attributes: readonly Attribute[]): void {
  const text = new Map(attributes.map(({ key, value }) => [key, attributeText(value)]))
  const namespace = text.get('service.namespace') ?? ''
  const name = text.get('service.name') ?? ''
  const others = attributes.filter(({ key }) => key !== 'service.namespace' && key !== 'service.name')
  addAttributes(into, others, (key) => naming.labelName(key))
  if (name !== '') into.set('job', namespace === '' ? name : `${namespace}/${name}`)
}

/** `otel_scope_*` (CONFORMANCE D10); a scope attribute that collides with name, version or schema_url is dropped. */
function addScope(naming: Naming, into: Map<string, string>, scope: ScopeLabels): void {
  addAttributes(into, scope.attributes, (key) => naming.labelName(key, 'otel_scope_'))
  const own = { name: scope.name, version: scope.version, schema_url: scope.schemaUrl }
  for (const [key, value] of Object.entries(own)) {
    const name = naming.labelName(key, 'otel_scope_')
    into.delete(name)
    if (value !== '') into.set(name, value)
  }
}

/** A label's value in text 0.0.4: `\`, `"` and the line feed escaped (CONFORMANCE E5). */
export function escapedValue(value: string): string {
  return /[\\"\n]/.test(value)
    ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    : value
}

/** A HELP text in text 0.0.4: `\` and the line feed escaped. */
export function escapedHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

/** The bound of a bucket, as Go's strconv has it: `le` is a label, so that `1e+06` and `1000000` would be two series. */
export function boundText(bound: number): string {
  if (bound === Infinity) return '+Inf'
  const [digits = '', exponent = '0'] = bound.toExponential().split('e')
  const power = Number(exponent)
  if (power >= -4 && power < 6) return String(bound)
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}
