import { isGaugeType, metricTypes, type MetricType } from './metric-types.ts'
import { conflictOf } from './pushed/conflicts.ts'
import type { FamilyType } from './pushed/family.ts'

/*
 * Metrics as Prometheus names them: strategy UnderscoreEscapingWithSuffixes (CONFORMANCE D1 to D4). A family is one name
 * of one type; what the ledger adds up must not meet another kind under the same name when it is shown.
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

/**
 * The name of a metric's family: the counter `jobs.done` in `{job}` is `jobs_done_total`, `io` in `By` is
 * `io_bytes_total`, the gauge `temperature` in `Cel` is `temperature_celsius`.
 */
export function familyName(type: MetricType, name: string, unit: string): string {
  if (type !== metricTypes.counter) return baseName(sanitized(name), unit) || '_'
  let base = sanitized(name)
  if (base.endsWith('_total')) base = base.slice(0, -'_total'.length)
  if (base === 'total') base = ''
  const full = baseName(base, unit)
  return full === '' ? 'total' : `${full}_total`
}

function baseName(base: string, unit: string): string {
  const suffix = unitSuffix(unit)
  let full = base
  if (suffix !== '' && base !== suffix && !base.endsWith(`_${suffix}`))
    full = base === '' ? suffix : `${base}_${suffix}`
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
    .replace(/^_+(?=.)/, name.startsWith('_') ? '_' : '')
    .replace(/_+$/, '')
}

interface Claim {
  type: MetricType
  /** The metric that was first of this name. */
  metric: number
}

/** What stands behind a histogram's name in its lines, or may stand there (CONFORMANCE D16). */
const histogramSuffixes = ['_bucket', '_count', '_sum', '_created'] as const
const counterSuffixes = ['_total', '_created'] as const

/** Which type each name has, so that a metric of another type under it is refused (CONFORMANCE B17, D9, D16). */
export class Families {
  /** By the name without a counter's `_total`: a gauge may not have a counter's name either. */
  readonly #claims = new Map<string, Claim>()
  readonly #order: string[] = []
  /** What is shown beside these under a name: groups of Pushgateway's API. */
  besides: (name: string) => FamilyType | undefined = () => undefined

  /** The name and type that a metric cannot stand beside; undefined where it can. */
  conflict(type: MetricType, name: string, unit: string): string | undefined {
    return (
      this.#conflict(type, name, unit) ?? conflictOf(familyName(type, name, unit), wordOf(type), this.besides)
    )
  }

  /** As which type a name is shown; undefined where it is not. */
  shownTypeOf(shown: string): FamilyType | undefined {
    const counter = shown.endsWith('_total') ? this.#claims.get(shown.slice(0, -'_total'.length)) : undefined
    if (counter?.type === metricTypes.counter) return 'counter'
    const claim = this.#claims.get(shown)
    return claim === undefined || claim.type === metricTypes.counter ? undefined : wordOf(claim.type)
  }

  #conflict(type: MetricType, name: string, unit: string): string | undefined {
    const base = claimedName(type, name, unit)
    const same = this.#claims.get(base)
    if (same !== undefined) return same.type === type ? undefined : describe(base, same.type)
    if (type === metricTypes.counter) return this.#taken([`${base}_total`])
    for (const suffix of histogramSuffixes) {
      if (base.endsWith(suffix) && isHistogram(this.#claims.get(base.slice(0, -suffix.length))?.type))
        return describe(base.slice(0, -suffix.length), metricTypes.histogram)
    }
    for (const suffix of counterSuffixes) {
      const counter = base.endsWith(suffix) ? this.#claims.get(base.slice(0, -suffix.length)) : undefined
      if (counter?.type === metricTypes.counter)
        return describe(base.slice(0, -suffix.length), metricTypes.counter)
    }
    return isHistogram(type) ? this.#taken(histogramSuffixes.map((suffix) => base + suffix)) : undefined
  }

  /** What is kept of the gauges that are shown under a metric's name; undefined where no gauge has it. */
  gaugeTypeOf(name: string, unit: string): MetricType | undefined {
    const claim = this.#claims.get(claimedName(metricTypes.gauge, name, unit))
    return claim !== undefined && isGaugeType(claim.type) ? claim.type : undefined
  }

  /** The name that a gauge is shown under. */
  gaugeName(name: string, unit: string): string {
    return claimedName(metricTypes.gauge, name, unit)
  }

  /** The names of gauges that are to be of another type, by the first metric of each, and what type that is. */
  gaugesUnlike(wantedOf: (first: number) => MetricType): Map<string, MetricType> {
    const unlike = new Map<string, MetricType>()
    for (const [base, { type, metric }] of this.#claims) {
      const wanted = isGaugeType(type) ? wantedOf(metric) : type
      if (wanted !== type) unlike.set(base, wanted)
    }
    return unlike
  }

  /** The gauges of a name are of this type now. */
  changeGauge(name: string, unit: string, type: MetricType): void {
    const claim = this.#claims.get(claimedName(type, name, unit))
    if (claim !== undefined) claim.type = type
  }

  claim(type: MetricType, name: string, unit: string, metric: number): void {
    const base = claimedName(type, name, unit)
    if (this.#claims.has(base)) return
    this.#claims.set(base, { type, metric })
    this.#order.push(base)
  }

  /** Takes back what metrics from this one on have claimed. */
  undo(metric: number): void {
    for (let at = this.#order.length - 1; at >= 0; at--) {
      const base = this.#order[at] as string
      if ((this.#claims.get(base) as Claim).metric < metric) return
      this.#claims.delete(base)
      this.#order.pop()
    }
  }

  /** The first of these names that another than a counter, which ends in `_total`, has. */
  #taken(names: readonly string[]): string | undefined {
    for (const name of names) {
      const claim = this.#claims.get(name)
      if (claim !== undefined && claim.type !== metricTypes.counter) return describe(name, claim.type)
    }
    return undefined
  }
}

function claimedName(type: MetricType, name: string, unit: string): string {
  const family = familyName(type, name, unit)
  return type === metricTypes.counter && family.endsWith('_total') ? family.slice(0, -6) : family
}

function wordOf(type: MetricType): FamilyType {
  if (isHistogram(type)) return 'histogram'
  return type === metricTypes.counter ? 'counter' : 'gauge'
}

function isHistogram(type: MetricType | undefined): boolean {
  return type === metricTypes.histogram || type === metricTypes.exponentialHistogram
}

function describe(name: string, type: MetricType): string {
  const words = Object.entries(metricTypes).find(([, value]) => value === type)?.[0] ?? ''
  return `${name} (${words.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)})`
}
