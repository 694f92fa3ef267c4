import { attributeText, readAttributes, resourceAttributesField } from '@swansong/otlp'
import type { Ledger } from '../../ledger/ledger.ts'
import { isGaugeType, isLevel } from '../../ledger/metric-types.ts'
import { labelsOfTags } from './request.ts'

/**
 * The last value of each gauge, so that one can be changed by a difference. At the start they are what the ledger has of
 * this service.
 */
export class GaugeValues {
  readonly #values = new Map<string, number>()
  readonly #limits: { statsdGaugeCountMax: number }

  constructor(ledger: Ledger, serviceName: string, limits: { statsdGaugeCountMax: number }) {
    this.#limits = limits
    const { series } = ledger
    const { metrics } = series
    const isOurs = metrics.metrics.map(({ scope, type }) => {
      const row = metrics.scopes[scope]
      if (row === undefined || row.scope.length > 0 || !isGaugeType(type) || isLevel(type)) return false
      return serviceOf(metrics.resources[row.resource] ?? new Uint8Array(0)) === serviceName
    })
    for (let id = 0; id < series.idEnd; id++) {
      const metric = series.isLive(id) ? series.metricOf(id) : -1
      if (isOurs[metric] !== true || this.isFull) continue
      const bytes = series.attributesOf(id)
      const labels = readAttributes(bytes, 0, bytes.length).map(({ key, value }): [string, string] => [
        key,
        attributeText(value),
      ])
      const key = keyOf(metrics.metrics[metric]?.name ?? '', new Map(labels))
      this.#values.set(key, series.pages.value(series.slotOf(id)))
    }
  }

  get count(): number {
    return this.#values.size
  }

  get isFull(): boolean {
    return this.#values.size >= this.#limits.statsdGaugeCountMax
  }

  /** What a gauge is from now on; undefined where it changes by a difference and its value is not known for lack of room. */
  next(name: string, tags: string, value: number, isRelative: boolean): number | undefined {
    const key = keyOf(name, labelsOfTags(tags))
    const before = this.#values.get(key)
    if (before === undefined && this.isFull) return isRelative ? undefined : value
    const next = isRelative ? (before ?? 0) + value : value
    this.#values.set(key, next)
    return next
  }
}

function keyOf(name: string, labels: ReadonlyMap<string, string>): string {
  return JSON.stringify([name, ...[...labels].toSorted(([one], [other]) => (one < other ? -1 : 1))])
}

function serviceOf(resource: Uint8Array): string | undefined {
  const attributes = readAttributes(resource, 0, resource.length, resourceAttributesField)
  const name = attributes.find(({ key }) => key === 'service.name')?.value
  return typeof name === 'string' ? name : undefined
}
