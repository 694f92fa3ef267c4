import type { TranslationStrategy } from '../config/config.ts'
import { familyName } from './family-names.ts'
import { isGaugeType, metricTypes, type MetricType } from './metric-types.ts'
import { clashOf } from './pushed/clashes.ts'
import type { FamilyType } from './pushed/family.ts'

interface Claim {
  type: MetricType
  /** The first metric of this name that had series, by its id; and how many have. */
  metric: number
  count: number
}

/** What stands behind a histogram's name in its lines, or may stand there (CONFORMANCE D16). */
const histogramSuffixes = ['_bucket', '_count', '_sum', '_created'] as const
const counterSuffixes = ['_total', '_created'] as const

/**
 * Which type each name has, so that a metric of another type under it is refused (CONFORMANCE B17, D9, D16). A family is one
 * name of one type; what the ledger adds up must not meet another kind under the same name when it is shown. A name is claimed by the
 * metrics that have series: when the last of them is over, the next metric may be of another type.
 */
export class Families {
  readonly #strategy: TranslationStrategy
  /** By the name without a counter's `_total`: a gauge may not have a counter's name either. */
  readonly #claims = new Map<string, Claim>()
  /** What is shown beside these under a name: groups of Pushgateway's API. */
  besides: (name: string) => FamilyType | undefined = () => undefined

  constructor(strategy: TranslationStrategy) {
    this.#strategy = strategy
  }

  /** The name and type that a metric cannot stand beside; undefined where it can. */
  conflict(type: MetricType, name: string, unit: string): string | undefined {
    const family = familyName(this.#strategy, type, name, unit)
    const typeOf = (base: string): MetricType | undefined => this.#claims.get(base)?.type
    return (
      conflictOf(type, claimedName(type, family), typeOf) ?? clashOf(family, shownType(type), this.besides)
    )
  }

  /** As which type a name is shown; undefined where it is not. */
  shownTypeOf(shown: string): FamilyType | undefined {
    const counter = shown.endsWith('_total') ? this.#claims.get(shown.slice(0, -'_total'.length)) : undefined
    if (counter?.type === metricTypes.counter) return 'counter'
    const claim = this.#claims.get(shown)
    return claim === undefined || claim.type === metricTypes.counter ? undefined : shownType(claim.type)
  }

  /** What is kept of the gauges that are shown under a metric's name; undefined where no gauge has it. */
  gaugeTypeOf(name: string, unit: string): MetricType | undefined {
    const claim = this.#claims.get(this.#claimed(metricTypes.gauge, name, unit))
    return claim !== undefined && isGaugeType(claim.type) ? claim.type : undefined
  }

  /** The name that a gauge is shown under. */
  gaugeName(name: string, unit: string): string {
    return this.#claimed(metricTypes.gauge, name, unit)
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
    const claim = this.#claims.get(this.#claimed(type, name, unit))
    if (claim !== undefined) claim.type = type
  }

  claim(type: MetricType, name: string, unit: string, metric: number): void {
    const base = this.#claimed(type, name, unit)
    const claim = this.#claims.get(base)
    if (claim === undefined) this.#claims.set(base, { type, metric, count: 1 })
    else {
      claim.count++
      claim.metric = Math.min(claim.metric, metric)
    }
  }

  /** A metric that has claimed its name has no series any more. */
  release(type: MetricType, name: string, unit: string): void {
    const base = this.#claimed(type, name, unit)
    const claim = this.#claims.get(base) as Claim
    if (--claim.count === 0) this.#claims.delete(base)
  }

  #claimed(type: MetricType, name: string, unit: string): string {
    return claimedName(type, familyName(this.#strategy, type, name, unit))
  }
}

/** A counter claims its name without `_total`. */
export function claimedName(type: MetricType, family: string): string {
  return type === metricTypes.counter && family.endsWith('_total') ? family.slice(0, -6) : family
}

/** The name and type that a metric cannot stand beside; undefined where it can. `typeOf`: of the names that are claimed. */
export function conflictOf(
  type: MetricType,
  claimed: string,
  typeOf: (claimed: string) => MetricType | undefined
): string | undefined {
  const same = typeOf(claimed)
  if (same !== undefined) return same === type ? undefined : describe(claimed, same)
  const taken = (names: readonly string[]): string | undefined => {
    for (const name of names) {
      const other = typeOf(name)
      if (other !== undefined && other !== metricTypes.counter) return describe(name, other)
    }
    return undefined
  }
  if (type === metricTypes.counter) return taken([`${claimed}_total`])
  for (const suffix of histogramSuffixes) {
    const base = claimed.endsWith(suffix) ? claimed.slice(0, -suffix.length) : ''
    if (base !== '' && isHistogram(typeOf(base))) return describe(base, metricTypes.histogram)
  }
  for (const suffix of counterSuffixes) {
    const base = claimed.endsWith(suffix) ? claimed.slice(0, -suffix.length) : ''
    if (base !== '' && typeOf(base) === metricTypes.counter) return describe(base, metricTypes.counter)
  }
  return isHistogram(type) ? taken(histogramSuffixes.map((suffix) => claimed + suffix)) : undefined
}

/** In the words of Prometheus. */
export function shownType(type: MetricType): FamilyType {
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
