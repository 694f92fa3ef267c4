import {
  metricMetadataField,
  OtlpError,
  readAttributes,
  readScope,
  readString,
  resourceAttributesField,
  type MetricFrame,
} from '@swansong/otlp'
import type { RuleSettings } from '../config/rules.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { gaugeTypes, isGaugeType, metricTypes, type MetricType } from '../ledger/metric-types.ts'
import type { Metric, Metrics } from '../ledger/metrics.ts'
import type { RejectionReason } from '../refusal.ts'
import type { DroppedNames } from './dropped-names.ts'
import { Identifier, type Identity } from './identity.ts'
import { descriptionOf, labelsRefused } from './labels.ts'
import { Rules, type Decision } from './rules.ts'

/** Attributes that the rules leave out, counted by name. */
export interface DroppedAttributes {
  resource: DroppedNames
  point: DroppedNames
}

/** The ledger's resource, scope and metric of what a body says, born where they are new, under the rules as they are. */
export class MetricFinder {
  /** Of the frame that was found last: its metric, what type that has, and what the rules say of it. */
  metric = -1
  type: MetricType = metricTypes.counter
  decision: Decision
  /** The rules as they are. */
  rules: Rules
  readonly #ledger: Ledger
  readonly #dropped: DroppedAttributes
  #identifier: Identifier
  #resource = -1
  #scope = -1
  #refused: RejectionReason | undefined

  constructor(ledger: Ledger, settings: RuleSettings, dropped: DroppedAttributes) {
    this.#ledger = ledger
    this.#dropped = dropped
    this.rules = new Rules(settings, dropped.point)
    this.decision = this.rules.decide('', '')
    this.#identifier = new Identifier(settings.resourceAttributes, dropped.resource)
  }

  /** From now on these rules. What is known of raw attributes under the ones before is to be forgotten too. */
  useRules(settings: RuleSettings): void {
    this.rules = new Rules(settings, this.#dropped.point)
    this.#identifier = new Identifier(settings.resourceAttributes, this.#dropped.resource)
  }

  /** The Resource message in [start, end): those that follow are of it. */
  useResource(bytes: Uint8Array, start: number, end: number): Identity {
    const { metrics } = this.#ledger.series
    const identity = this.#identifier.identify(bytes, start, end)
    this.#refused = undefined
    this.#resource = metrics.findResource(identity.bytes, 0, identity.length)
    if (this.#resource >= 0) return identity
    const kept = identity.bytes.slice(0, identity.length)
    this.#refused = labelsRefused(kept.length, this.#ledger.limits, () =>
      readAttributes(kept, 0, kept.length, resourceAttributesField).map(({ value }) => value)
    )
    if (this.#refused !== undefined) return identity
    if (!metrics.hasRoomFor(metrics.resources.length, kept.length, this.#ledger.limits))
      this.#refused = 'METRICS_FULL'
    else this.#resource = metrics.bearResource(kept)
    return identity
  }

  /** The scope in [start, end), in the resource that was used last. */
  useScope(
    bytes: Uint8Array,
    start: number,
    end: number,
    schemaUrlStart: number,
    schemaUrlEnd: number
  ): void {
    if (this.#resource < 0) return
    const { limits, series } = this.#ledger
    const { metrics } = series
    this.#refused = undefined
    const scope = bytes.subarray(start, end)
    const schemaUrl = bytes.subarray(schemaUrlStart, schemaUrlEnd)
    if (scope.length + schemaUrl.length > limits.attributesBytesMax) {
      this.#refused = 'ATTRIBUTES_TOO_LARGE' // Before it is looked up, so that no copy of it is made.
      return
    }
    this.#scope = metrics.findScope(this.#resource, scope, schemaUrl)
    if (this.#scope >= 0) return
    this.#refused = labelsRefused(scope.length + schemaUrl.length, limits, () => {
      const { name, version, attributes } = readScope(bytes, start, end)
      const url = readString(bytes, schemaUrlStart, schemaUrlEnd)
      return [name, version, url, ...attributes.map(({ value }) => value)]
    })
    if (this.#refused !== undefined) return
    if (!metrics.hasRoomFor(metrics.scopes.length, scope.length + schemaUrl.length, limits))
      this.#refused = 'METRICS_FULL'
    else {
      const row = { resource: this.#resource, scope: scope.slice(), schemaUrl: schemaUrl.slice() }
      this.#scope = metrics.bearScope(row)
    }
  }

  /** What the rules say of a metric of the scope, and whether its resource and scope can be counted at all. */
  decide(frame: MetricFrame): RejectionReason | undefined {
    if (this.#refused !== undefined) return this.#refused
    const { bytes, nameStart, nameEnd } = frame
    const { metrics } = this.#ledger.series
    const name = (): string => scopeNameOf(metrics, this.#scope)
    this.decision = this.rules.of(this.#scope, name, bytes, nameStart, nameEnd)
    return undefined
  }

  /** Finds a metric of the scope, by its type (any of gauges). After `decide`. */
  find(type: MetricType, frame: MetricFrame): RejectionReason | undefined {
    const { metrics } = this.#ledger.series
    const { bytes, nameStart, nameEnd, unitStart, unitEnd, descriptionStart, descriptionEnd } = frame
    const { nameBytesMax } = this.#ledger.limits
    const fits =
      nameEnd > nameStart && nameEnd - nameStart <= nameBytesMax && unitEnd - unitStart <= nameBytesMax
    if (!fits) return 'NAME_INVALID'
    this.metric = metrics.findMetric(this.#scope, type, bytes, nameStart, nameEnd, unitStart, unitEnd)
    const isUnknown = type === metricTypes.gauge && saysUnknown(frame)
    if (this.metric < 0) {
      const reason = this.#bear(type, frame)
      if (reason === undefined && isUnknown) metrics.markUnknown(this.metric)
      return reason
    }
    if (!metrics.hasSeries(this.metric) && !this.#revive(this.metric)) return 'NAME_CONFLICT'
    if (isUnknown) metrics.markUnknown(this.metric)
    const known = metrics.metrics[this.metric] as Metric
    this.type = known.type
    // In UTF-8 it is at least as many bytes as it has characters, so that most are not read.
    if (descriptionEnd - descriptionStart > known.description.length)
      metrics.describe(this.metric, descriptionOf(frame, this.#ledger.limits), this.#ledger.limits)
    return undefined
  }

  /** A metric whose series are over had no claim to its name meanwhile. False where another kind of metric has that now. */
  #revive(id: number): boolean {
    const { metrics } = this.#ledger.series
    const { type, name, unit } = metrics.metrics[id] as Metric
    const isGauge = isGaugeType(type)
    const now = isGauge ? this.#gaugeType(name, unit) : type
    if (metrics.families.conflict(now, name, unit) !== undefined) return false
    if (now !== type) metrics.changeType(id, now)
    return true
  }

  /** All that is shown under one name is of one policy: what the rules say of the first. */
  #gaugeType(name: string, unit: string): MetricType {
    return this.#ledger.series.metrics.families.gaugeTypeOf(name, unit) ?? gaugeTypes[this.decision.gauge]
  }

  #bear(type: MetricType, frame: MetricFrame): RejectionReason | undefined {
    const { metrics } = this.#ledger.series
    const { bytes, nameStart, nameEnd, unitStart, unitEnd } = frame
    const description = descriptionOf(frame, this.#ledger.limits)
    const length = nameEnd - nameStart + (unitEnd - unitStart) + description.length
    if (!metrics.hasRoomFor(metrics.metrics.length, length, this.#ledger.limits)) return 'METRICS_FULL'
    try {
      const name = readString(bytes, nameStart, nameEnd)
      const unit = readString(bytes, unitStart, unitEnd)
      this.type = type === metricTypes.gauge ? this.#gaugeType(name, unit) : type
      if (metrics.families.conflict(this.type, name, unit) !== undefined) return 'NAME_CONFLICT'
      this.metric = metrics.bearMetric({ scope: this.#scope, type: this.type, name, unit, description })
      return undefined
    } catch (error) {
      if (!(error instanceof OtlpError) || error.code !== 'NOT_UTF8') throw error
      return 'NAME_INVALID'
    }
  }
}

/** Whether a gauge is one because Prometheus, where it was read, did not know its type (CONFORMANCE D15). */
function saysUnknown({ bytes, metadataStart, metadataEnd }: MetricFrame): boolean {
  if (metadataEnd === metadataStart) return false
  try {
    const metadata = readAttributes(bytes, metadataStart, metadataEnd, metricMetadataField)
    return metadata.some(({ key, value }) => key === 'prometheus.type' && value === 'unknown')
  } catch (error) {
    if (error instanceof OtlpError) return false // It counts all the same.
    throw error
  }
}

/** The name of a scope that the ledger has. */
export function scopeNameOf(metrics: Metrics, scope: number): string {
  const bytes = metrics.scopes[scope]?.scope ?? new Uint8Array(0)
  return readScope(bytes, 0, bytes.length).name
}
