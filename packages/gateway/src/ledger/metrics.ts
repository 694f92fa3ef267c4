import type { TranslationStrategy } from '../config/config.ts'
import { ByteIndex } from './byte-index.ts'
import { Families } from './families.ts'
import { identityType, type MetricType } from './metric-types.ts'
import { streamHash } from './stream.ts'

export interface Metric {
  scope: number
  type: MetricType
  name: string
  unit: string
  description: string
  /**
   * Its sender says that nobody knows what kind it is (`prometheus.type` in its metadata). Known while the gateway runs, and
   * after a start as soon as it is told of again.
   */
  isUnknown?: boolean
}

/** The scope of an instrument and the resource that it belongs to, as its bytes in OTLP. */
export interface ScopeRow {
  resource: number
  /** An InstrumentationScope message. */
  scope: Uint8Array
  schemaUrl: Uint8Array
}

/** How many of each there are: a point to go back to. */
export interface MetricsMark {
  resources: number
  scopes: number
  metrics: number
  byteLength: number
}

export interface MetricsLimits {
  metricCountMax: number
  metricBytesTotalMax: number
}

/**
 * The metrics that series belong to, found by raw bytes: a resource (its kept attributes), in it a scope, in that a
 * metric of one type, name and unit (CONFORMANCE B1; the description is not identity). Ids count up from 0 and are kept.
 */
export class Metrics {
  /** The kept attributes of each resource: KeyValue fields of a Resource message, in the order of the allow list. */
  readonly resources: Uint8Array[] = []
  readonly scopes: ScopeRow[] = []
  readonly metrics: Metric[] = []
  /** What metrics are called where they are shown. */
  readonly strategy: TranslationStrategy
  readonly families: Families
  /** How often a description was replaced by a longer one, or a gauge's type by another: what shows them looks again. */
  changeCount = 0
  /** Names, units, descriptions, scopes and kept attributes of resources, together. */
  byteLength = 0
  /** Metrics whose description or type is not the one that is stored, and the type that is. */
  readonly #changed = new Map<number, MetricType>()
  #resources = new ByteIndex()
  #scopes = new ByteIndex()
  #metrics = new ByteIndex()
  #key: Uint8Array = new Uint8Array(4096)
  /** How many series each has. */
  readonly #seriesCounts: number[] = []
  /** Hashes of the metrics that were asked for. */
  readonly #streams: (number | undefined)[] = []

  constructor(strategy: TranslationStrategy) {
    this.strategy = strategy
    this.families = new Families(strategy)
  }

  /** The id of a resource by its kept attributes, or -1. */
  findResource(bytes: Uint8Array, start: number, end: number): number {
    return this.#resources.find(0, bytes, start, end)
  }

  bearResource(attributes: Uint8Array): number {
    const id = this.resources.push(attributes) - 1
    this.byteLength += attributes.length
    this.#resources.insert(0, attributes, 0, attributes.length, id)
    return id
  }

  /** The id of a scope, or -1. */
  findScope(resource: number, scope: Uint8Array, schemaUrl: Uint8Array): number {
    const length = this.#scopeKey(scope, schemaUrl)
    return this.#scopes.find(resource, this.#key, 0, length)
  }

  bearScope(row: ScopeRow): number {
    const id = this.scopes.push(row) - 1
    this.byteLength += row.scope.length + row.schemaUrl.length
    const length = this.#scopeKey(row.scope, row.schemaUrl)
    this.#scopes.insert(row.resource, this.#key, 0, length, id)
    return id
  }

  /** The id of a metric by the byte ranges of its name and unit, or -1. What is kept of gauges is not their identity. */
  findMetric(
    scope: number,
    type: MetricType,
    bytes: Uint8Array,
    nameStart: number,
    nameEnd: number,
    unitStart: number,
    unitEnd: number
  ): number {
    const nameLength = nameEnd - nameStart
    const length = 3 + nameLength + (unitEnd - unitStart)
    if (length > this.#key.length) this.#key = new Uint8Array(length * 2)
    const key = this.#key
    key[0] = identityType(type)
    key[1] = nameLength & 0xff // The name's length keeps name and unit apart.
    key[2] = nameLength >>> 8
    let at = 3
    for (let from = nameStart; from < nameEnd; from++) key[at++] = bytes[from] as number
    for (let from = unitStart; from < unitEnd; from++) key[at++] = bytes[from] as number
    return this.#metrics.find(scope, key, 0, length)
  }

  bearMetric(metric: Metric): number {
    const id = this.metrics.push(metric) - 1
    this.byteLength += metricBytes(metric)
    const name = encoder.encode(metric.name)
    const unit = encoder.encode(metric.unit)
    const key = new Uint8Array(3 + name.length + unit.length)
    key[0] = identityType(metric.type)
    key[1] = name.length & 0xff
    key[2] = name.length >>> 8
    key.set(name, 3)
    key.set(unit, 3 + name.length)
    this.#metrics.insert(metric.scope, key, 0, key.length, id)
    return id
  }

  /** False where all of its series are over, or none was born yet: then its name may be another's. */
  hasSeries(id: number): boolean {
    return (this.#seriesCounts[id] ?? 0) > 0
  }

  /** A series of it was born. */
  addSeries(id: number): void {
    const count = this.#seriesCounts[id] ?? 0
    this.#seriesCounts[id] = count + 1
    if (count > 0) return
    const { type, name, unit } = this.metrics[id] as Metric
    this.families.claim(type, name, unit, id)
  }

  /** One is over. */
  removeSeries(id: number): void {
    const count = (this.#seriesCounts[id] as number) - 1
    this.#seriesCounts[id] = count
    if (count > 0) return
    const { type, name, unit } = this.metrics[id] as Metric
    this.families.release(type, name, unit)
  }

  /**
   * The hash of a metric of a scope, as a sender knows it: what is kept of its resource is not part of it, as that may
   * change while senders live.
   */
  streamOf(id: number): number {
    const known = this.#streams[id]
    if (known !== undefined) return known
    const { scope, type, name, unit } = this.metrics[id] as Metric
    const row = this.scopes[scope] as ScopeRow
    const length = this.#scopeKey(row.scope, row.schemaUrl)
    const key = encoder.encode(`${identityType(type)} ${unit}\0${name}`)
    const stream = streamHash(streamHash(0, this.#key, 0, length), key, 0, key.length)
    this.#streams[id] = stream
    return stream
  }

  /** Of several descriptions of a metric the longer is kept (CONFORMANCE B17). */
  describe(id: number, description: string, limits: MetricsLimits): void {
    const metric = this.metrics[id] as Metric
    const more = description.length - metric.description.length
    if (more <= 0 || this.byteLength + more > limits.metricBytesTotalMax) return
    this.byteLength += more
    this.#change(id, { ...metric, description })
  }

  /** Nobody knows what kind it is. */
  markUnknown(id: number): void {
    const metric = this.metrics[id] as Metric
    if (metric.isUnknown === true) return
    this.metrics[id] = { ...metric, isUnknown: true }
    this.changeCount++
  }

  /** Another thing is kept of a gauge from now on. */
  changeType(id: number, type: MetricType): void {
    const metric = this.metrics[id] as Metric
    this.#change(id, { ...metric, type })
    if (this.hasSeries(id)) this.families.changeGauge(metric.name, metric.unit, type)
  }

  #change(id: number, metric: Metric): void {
    if (!this.#changed.has(id)) this.#changed.set(id, (this.metrics[id] as Metric).type)
    this.metrics[id] = metric
    this.changeCount++
  }

  get isTypeChanged(): boolean {
    for (const [id, type] of this.#changed) if (this.metrics[id]?.type !== type) return true
    return false
  }

  /** What is to be stored of metrics that there are. */
  changed(): { metric: number; type: MetricType; description: string }[] {
    return [...this.#changed.keys()].map((metric) => {
      const { type, description } = this.metrics[metric] as Metric
      return { metric, type, description }
    })
  }

  /** It is stored. */
  commit(): void {
    this.#changed.clear()
  }

  /** It could not be stored: types are as before. Longer descriptions are kept for the next commit. */
  rollBack(): void {
    for (const [id, type] of this.#changed) {
      const metric = this.metrics[id]
      if (metric !== undefined && metric.type !== type) this.changeType(id, type)
    }
  }

  /** Whether there may be one more, where so many are, of so many bytes. */
  hasRoomFor(count: number, bytes: number, limits: MetricsLimits): boolean {
    return count < limits.metricCountMax && this.byteLength + bytes <= limits.metricBytesTotalMax
  }

  /** The bytes of a metric's resource and scope: what all of its series have as labels besides their own. */
  inheritedBytes(id: number): number {
    const row = this.scopes[this.metrics[id]?.scope ?? -1]
    if (row === undefined) return 0
    return (this.resources[row.resource]?.length ?? 0) + row.scope.length + row.schemaUrl.length
  }

  mark(): MetricsMark {
    const { byteLength } = this
    return {
      resources: this.resources.length,
      scopes: this.scopes.length,
      metrics: this.metrics.length,
      byteLength,
    }
  }

  undo(mark: MetricsMark): void {
    this.#resources.truncate(mark.resources)
    this.#scopes.truncate(mark.scopes)
    this.#metrics.truncate(mark.metrics)
    this.resources.length = mark.resources
    this.scopes.length = mark.scopes
    this.metrics.length = mark.metrics
    this.byteLength = mark.byteLength
    if (this.#streams.length > mark.metrics) this.#streams.length = mark.metrics
    if (this.#seriesCounts.length > mark.metrics) this.#seriesCounts.length = mark.metrics
    for (const id of this.#changed.keys()) if (id >= mark.metrics) this.#changed.delete(id)
  }

  /** A scope and its schema's URL in one key, the URL behind a zero: no message continues with a tag of 0. */
  #scopeKey(scope: Uint8Array, schemaUrl: Uint8Array): number {
    const length = scope.length + 1 + schemaUrl.length
    if (length > this.#key.length) this.#key = new Uint8Array(length * 2)
    this.#key.set(scope)
    this.#key[scope.length] = 0
    this.#key.set(schemaUrl, scope.length + 1)
    return length
  }
}

function metricBytes({ name, unit, description }: Metric): number {
  return name.length + unit.length + description.length
}

const encoder = new TextEncoder()
