import {
  decodeExportRequest,
  metricKinds,
  OtlpError,
  readAttributes,
  readScope,
  readString,
  resourceAttributesField,
  type AttributeValue,
  type ExportVisitor,
  type MetricFrame,
  type NumberPoint,
} from '@swansong/otlp'
import type { Ledger } from '../ledger/ledger.ts'
import type { MetricType } from '../ledger/metrics.ts'
import { labelBytes } from '../ledger/series.ts'
import { Refusal, rejections, type RejectionReason } from '../refusal.ts'
import { identifier } from './identity.ts'

const monotonicSum: MetricType = 1
const deltaTemporality = 1
const cumulativeTemporality = 2
const noRecordedValueFlag = 1

/** How points are meant: deltas of a request, or the running totals of a journal. */
export type Temporality = 'delta' | 'cumulative'

/**
 * Decodes a body and decides which of its points count: `series[i]` by `values[i]` for i < `count`. Adds nothing; series
 * that are new are born (and taken back by the ledger when the body turns out not to be OTLP). One object, used for one
 * body after the other.
 */
export class Admission implements ExportVisitor {
  count = 0
  series: Int32Array = new Int32Array(1024)
  values: Float64Array = new Float64Array(1024)
  rejected = 0
  readonly reasons: Map<RejectionReason, { count: number; metric: string }> = new Map()
  /** True when every resource has a service.instance.id: then the body's digest identifies the batch (CONFORMANCE C3). */
  identified = false
  /** The earliest start of a counted point, Unix nanoseconds; Infinity where there is none. */
  startTimeUnixNano: number = Infinity
  readonly #ledger: Ledger
  readonly #identify: ReturnType<typeof identifier>
  #temporality: Temporality = 'delta'
  #resources = 0
  #anonymous = 0
  #resource = -1
  #scope = -1
  #metric = -1
  #refused: RejectionReason | undefined
  #scopeRefused: RejectionReason | undefined
  #frame: MetricFrame | undefined

  constructor(ledger: Ledger, keptKeys: readonly string[]) {
    this.#ledger = ledger
    this.#identify = identifier(keptKeys)
  }

  /** Throws a Refusal NOT_OTLP for bytes that are no ExportMetricsServiceRequest. */
  read(body: Uint8Array, temporality: Temporality): void {
    this.count = 0
    this.rejected = 0
    this.reasons.clear()
    this.startTimeUnixNano = Infinity
    this.#temporality = temporality
    this.#resources = 0
    this.#anonymous = 0
    try {
      decodeExportRequest(body, this)
    } catch (error) {
      if (error instanceof OtlpError)
        throw new Refusal('NOT_OTLP', `not OTLP metrics: ${error.message}`, { cause: error })
      throw error
    }
    this.identified = this.#resources > 0 && this.#anonymous === 0
  }

  /** Why points were rejected, in one sentence for the sender; empty where none was. */
  get message(): string {
    let text = ''
    for (const [reason, { count, metric }] of this.reasons) {
      if (text !== '') text += '; '
      text += `${count} × ${reason} (first in ${JSON.stringify(metric)}): ${rejections[reason]}`
    }
    return text
  }

  resource(bytes: Uint8Array, start: number, end: number): void {
    const { metrics } = this.#ledger.series
    const identity = this.#identify(bytes, start, end)
    this.#resources++
    if (!identity.hasInstanceId) this.#anonymous++
    this.#scopeRefused = undefined
    this.#resource = metrics.findResource(identity.bytes, 0, identity.length)
    if (this.#resource >= 0) return
    const kept = identity.bytes.slice(0, identity.length)
    const refused = this.#labelsRefused(kept.length, () =>
      readAttributes(kept, 0, kept.length, resourceAttributesField).map(({ value }) => value)
    )
    if (refused !== undefined) this.#scopeRefused = refused
    else if (metrics.resources.length >= this.#ledger.limits.metricCountMax)
      this.#scopeRefused = 'METRICS_FULL'
    else this.#resource = metrics.bearResource(kept)
  }

  scope(bytes: Uint8Array, start: number, end: number, schemaUrlStart: number, schemaUrlEnd: number): void {
    if (this.#resource < 0) return
    const { metrics } = this.#ledger.series
    this.#scopeRefused = undefined
    const scope = bytes.subarray(start, end)
    const schemaUrl = bytes.subarray(schemaUrlStart, schemaUrlEnd)
    this.#scope = metrics.findScope(this.#resource, scope, schemaUrl)
    if (this.#scope >= 0) return
    const refused = this.#labelsRefused(scope.length + schemaUrl.length, () => {
      const { name, version, attributes } = readScope(bytes, start, end)
      const url = readString(bytes, schemaUrlStart, schemaUrlEnd)
      return [name, version, url, ...attributes.map(({ value }) => value)]
    })
    if (refused !== undefined) this.#scopeRefused = refused
    else if (metrics.scopes.length >= this.#ledger.limits.metricCountMax) this.#scopeRefused = 'METRICS_FULL'
    else {
      const row = { resource: this.#resource, scope: scope.slice(), schemaUrl: schemaUrl.slice() }
      this.#scope = metrics.bearScope(row)
    }
  }

  metric(frame: MetricFrame): void {
    this.#frame = frame
    this.#refused = this.#scopeRefused ?? this.#kindRefused(frame)
    if (this.#refused !== undefined) return
    const { metrics } = this.#ledger.series
    const { bytes, nameStart, nameEnd, unitStart, unitEnd } = frame
    this.#metric = metrics.findMetric(
      this.#scope,
      monotonicSum,
      bytes,
      nameStart,
      nameEnd,
      unitStart,
      unitEnd
    )
    if (this.#metric < 0) this.#bearMetric(frame)
  }

  numberPoint(point: NumberPoint): void {
    if (this.#refused !== undefined) return this.#reject(this.#refused)
    if ((point.flags & noRecordedValueFlag) !== 0) return // Whatever value it carries is none (CONFORMANCE B16).
    const value = point.value
    if (point.valueKind === 'none') return this.#reject('VALUE_MISSING')
    if (value < 0) return this.#reject('NEGATIVE_DELTA')
    if (!(value <= Number.MAX_VALUE)) return this.#reject('NOT_FINITE')
    if (point.timeUnixNano === 0) return this.#reject('TIME_MISSING')
    const { attributeBytes, attributesStart, attributesEnd } = point
    const { series } = this.#ledger
    let id = series.find(this.#metric, attributeBytes, attributesStart, attributesEnd)
    if (id < 0) {
      const found = series.resolve(this.#metric, attributeBytes, attributesStart, attributesEnd)
      if (typeof found === 'string') return this.#reject(found)
      id = found
    }
    if (point.startTimeUnixNano < this.startTimeUnixNano) this.startTimeUnixNano = point.startTimeUnixNano
    if (this.count === this.series.length) this.#grow()
    this.series[this.count] = id
    this.values[this.count] = value
    this.count++
  }

  histogramPoint(): void {
    this.#reject(this.#refused ?? 'KIND_NOT_SUPPORTED')
  }

  exponentialHistogramPoint(): void {
    this.#reject(this.#refused ?? 'KIND_NOT_SUPPORTED')
  }

  summaryPoint(): void {
    this.#reject(this.#refused ?? 'KIND_NOT_SUPPORTED')
  }

  #kindRefused(frame: MetricFrame): RejectionReason | undefined {
    if (frame.kind !== metricKinds.sum) return 'KIND_NOT_SUPPORTED'
    const journal = this.#temporality === 'cumulative'
    if (frame.temporality === cumulativeTemporality && !journal) return 'CUMULATIVE'
    if (frame.temporality === deltaTemporality && journal) return 'DELTA_IN_JOURNAL'
    if (frame.temporality !== deltaTemporality && !journal) return 'TEMPORALITY_MISSING'
    return frame.monotonic ? undefined : 'NOT_MONOTONIC'
  }

  #bearMetric(frame: MetricFrame): void {
    const { metrics } = this.#ledger.series
    const { metricCountMax, nameBytesMax } = this.#ledger.limits
    const { bytes, nameStart, nameEnd, unitStart, unitEnd, descriptionStart, descriptionEnd } = frame
    const fits =
      nameEnd > nameStart && nameEnd - nameStart <= nameBytesMax && unitEnd - unitStart <= nameBytesMax
    if (!fits) this.#refused = 'NAME_INVALID'
    else if (metrics.metrics.length >= metricCountMax) this.#refused = 'METRICS_FULL'
    else {
      try {
        this.#metric = metrics.bearMetric({
          scope: this.#scope,
          type: monotonicSum,
          name: readString(bytes, nameStart, nameEnd),
          unit: readString(bytes, unitStart, unitEnd),
          description: lenient.decode(
            bytes.subarray(descriptionStart, Math.min(descriptionEnd, descriptionStart + 4096))
          ),
        })
      } catch (error) {
        if (!(error instanceof OtlpError) || error.code !== 'NOT_UTF8') throw error
        this.#refused = 'NAME_INVALID'
      }
    }
  }

  /** Why a resource or a scope cannot give its points labels; undefined where it can. What is torn is thrown on. */
  #labelsRefused(length: number, read: () => AttributeValue[]): RejectionReason | undefined {
    const { attributesBytesMax, labelValueBytesMax } = this.#ledger.limits
    if (length > attributesBytesMax) return 'ATTRIBUTES_TOO_LARGE'
    try {
      const tooLong = read().some((value) => labelBytes(value) > labelValueBytesMax)
      return tooLong ? 'LABEL_VALUE_TOO_LONG' : undefined
    } catch (error) {
      const unreadable =
        error instanceof OtlpError && (error.code === 'NOT_UTF8' || error.code === 'TOO_DEEP')
      if (unreadable) return 'ATTRIBUTES_INVALID'
      throw error
    }
  }

  #reject(reason: RejectionReason): void {
    this.rejected++
    const known = this.reasons.get(reason)
    if (known === undefined) this.reasons.set(reason, { count: 1, metric: this.#nameForMessage() })
    else known.count++
  }

  #nameForMessage(): string {
    const frame = this.#frame
    if (frame === undefined) return ''
    const end = Math.min(frame.nameEnd, frame.nameStart + 100)
    return lenient.decode(frame.bytes.subarray(frame.nameStart, end))
  }

  #grow(): void {
    const series = new Int32Array(this.series.length * 2)
    const values = new Float64Array(this.values.length * 2)
    series.set(this.series)
    values.set(this.values)
    this.series = series
    this.values = values
  }
}

/** Text that is only for people: bytes that are not UTF-8 are replaced. */
const lenient = new TextDecoder()
