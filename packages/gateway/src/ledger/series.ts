import { attributeText, OtlpError, readAttributes, type Attribute, type AttributeValue } from '@swansong/otlp'
import { Reader, Writer } from '@swansong/otlp/wire'
import type { RejectionReason } from '../refusal.ts'
import { ByteIndex } from './byte-index.ts'
import { Metrics, type MetricsMark } from './metrics.ts'
import { Pages } from './pages.ts'
import { sumSlots } from './values/sum.ts'

export interface SeriesLimits {
  seriesCountMax: number
  attributesBytesMax: number
  attributesBytesTotalMax: number
  labelCountMax: number
  labelValueBytesMax: number
}

export interface SeriesMark {
  metrics: MetricsMark
  series: number
  keys: number
  next: number
}

/**
 * The series: a metric and a set of attributes each, with a run of slots. A point finds its series by its raw bytes; only
 * bytes that were never seen are decoded. Two orders of the same attributes are one series: the second is kept as another
 * key of it. Ids count up from 0 and are kept.
 */
export class Series {
  readonly metrics: Metrics = new Metrics()
  readonly pages: Pages = new Pages()
  /** How many there are. */
  count = 0
  #limits: SeriesLimits
  #index = new ByteIndex()
  #keys: Int32Array = new Int32Array(64) // Series → its first key in #index.
  #slots: Int32Array = new Int32Array(64)

  constructor(limits: SeriesLimits) {
    this.#limits = limits
  }

  /** The series of a metric with these raw attributes, or -1 where they were never seen. */
  find(metric: number, bytes: Uint8Array, start: number, end: number): number {
    return this.#index.find(metric, bytes, start, end)
  }

  /** The same for attributes that `find` does not know: decodes, checks, sorts them. A reason where they cannot count. */
  resolve(metric: number, bytes: Uint8Array, start: number, end: number): number | RejectionReason {
    const limits = this.#limits
    if (end - start > limits.attributesBytesMax) return 'ATTRIBUTES_TOO_LARGE'
    const raw = bytes.subarray(start, end)
    let attributes: Attribute[]
    try {
      attributes = readAttributes(bytes, start, end)
    } catch (error) {
      const unreadable =
        error instanceof OtlpError && (error.code === 'NOT_UTF8' || error.code === 'TOO_DEEP')
      if (unreadable) return 'ATTRIBUTES_INVALID'
      throw error // Torn bytes: the whole body is not OTLP.
    }
    if (attributes.length > limits.labelCountMax) return 'ATTRIBUTES_TOO_LARGE'
    for (const { key, value } of attributes) {
      if (key === '') return 'ATTRIBUTES_INVALID'
      if (labelBytes(value) > limits.labelValueBytesMax) return 'LABEL_VALUE_TOO_LONG'
    }
    const canonical = sortedKeyValues(raw, attributes)
    let series = this.#index.find(metric, canonical, 0, canonical.length)
    if (series < 0) {
      if (this.#index.byteLength + canonical.length > limits.attributesBytesTotalMax)
        return 'LABEL_BYTES_FULL'
      if (this.count >= limits.seriesCountMax) return this.#overflow(metric)
      series = this.bear(metric, canonical)
    }
    const aliases = this.#index.count - this.count
    if (aliases < limits.seriesCountMax && this.#index.find(metric, raw, 0, raw.length) < 0) {
      if (this.#index.byteLength + raw.length <= limits.attributesBytesTotalMax) {
        this.#index.insert(metric, raw, 0, raw.length, series)
      }
    }
    return series
  }

  /** A new series, by its sorted attributes. */
  bear(metric: number, attributes: Uint8Array, slot: number = this.pages.allocate(sumSlots)): number {
    const series = this.count++
    if (series === this.#slots.length) this.#grow()
    this.#keys[series] = this.#index.count
    this.#slots[series] = slot
    this.#index.insert(metric, attributes, 0, attributes.length, series)
    return series
  }

  metricOf(series: number): number {
    return this.#index.parentOf(this.#keys[series] as number)
  }

  /** The sorted attributes: KeyValue fields with their tags. */
  attributesOf(series: number): Uint8Array {
    return this.#index.keyOf(this.#keys[series] as number)
  }

  slotOf(series: number): number {
    return this.#slots[series] as number
  }

  mark(): SeriesMark {
    return {
      metrics: this.metrics.mark(),
      series: this.count,
      keys: this.#index.count,
      next: this.pages.next,
    }
  }

  /** Takes back what was born since the mark. Their slots must be zero again. */
  undo(mark: SeriesMark): void {
    this.#index.truncate(mark.keys)
    this.count = mark.series
    this.pages.release(mark.next)
    this.metrics.undo(mark.metrics)
  }

  /** Past the limit every further series of a metric is counted in this one. */
  #overflow(metric: number): number {
    const series = this.#index.find(metric, overflowAttributes, 0, overflowAttributes.length)
    return series >= 0 ? series : this.bear(metric, overflowAttributes)
  }

  #grow(): void {
    const capacity = Math.ceil(this.#slots.length * 1.5)
    const keys = new Int32Array(capacity)
    const slots = new Int32Array(capacity)
    keys.set(this.#keys)
    slots.set(this.#slots)
    this.#keys = keys
    this.#slots = slots
  }
}

/** How long a value is as a label's, in UTF-8. */
export function labelBytes(value: AttributeValue): number {
  if (typeof value === 'string' || typeof value === 'object') return Buffer.byteLength(attributeText(value))
  return 0 // Numbers and truths are short.
}

/** The KeyValue fields of `raw` in the order of their keys; of a key that occurs twice the last. */
function sortedKeyValues(raw: Uint8Array, attributes: readonly Attribute[]): Uint8Array {
  const ranges = keyValueRanges(raw)
  const last = new Map<string, Uint8Array>()
  for (const [at, { key }] of attributes.entries()) last.set(key, ranges[at] as Uint8Array)
  const keys = [...last.keys()].toSorted(byCodePoint)
  const writer = new Writer(raw.length + 1)
  for (const key of keys) writer.raw(last.get(key) as Uint8Array)
  return writer.finish()
}

function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Each KeyValue field with its tag, for bytes that `readAttributes` has read. */
function keyValueRanges(raw: Uint8Array): Uint8Array[] {
  const ranges: Uint8Array[] = []
  const reader = new Reader(raw)
  while (reader.at < raw.length) {
    const start = reader.at
    reader.skip(reader.tag())
    ranges.push(raw.subarray(start, reader.at))
  }
  return ranges
}

/** `otel.metric.overflow: true` (CONFORMANCE G6), as a point's attribute. */
const overflowAttributes: Uint8Array = (() => {
  const writer = new Writer(32)
  const keyValue = writer.open(7)
  writer.string(1, 'otel.metric.overflow')
  const value = writer.open(2)
  writer.bool(2, true)
  writer.close(value)
  writer.close(keyValue)
  return writer.finish()
})()
