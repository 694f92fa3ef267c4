import { attributeText, OtlpError, readAttributes, type Attribute, type AttributeValue } from '@swansong/otlp'
import { Reader, Writer } from '@swansong/otlp/wire'
import type { RejectionReason } from '../refusal.ts'
import { Bounds } from './bounds.ts'
import { ByteIndex } from './byte-index.ts'
import { metricTypes, type MetricType } from './metric-types.ts'
import { Memo, type MemoMark } from './memo.ts'
import { Metrics, type MetricsMark } from './metrics.ts'
import { Pages } from './pages.ts'
import { streamHash } from './stream.ts'
import { eachRunEnd, exponentialSlots } from './values/exponential.ts'
import { histogramHeadSlots } from './values/histogram.ts'
import { sumSlots } from './values/sum.ts'

export interface SeriesLimits {
  seriesCountMax: number
  attributesBytesMax: number
  attributesBytesTotalMax: number
  aliasBytesTotalMax: number
  labelCountMax: number
  labelValueBytesMax: number
  slotCountMax: number
  attributeMemoBytesMax: number
}

export interface SeriesMark {
  labelBytes: number
  aliasBytes: number
  metrics: MetricsMark
  series: number
  keys: number
  next: number
  bounds: number
  memo: MemoMark
}

/** What a series needs to know when it is born: what its slots mean, and of a histogram the id of its bounds. */
export interface Kind {
  type: MetricType
  bounds: number
}

/** Says of the attributes of a metric's points which become labels. */
export interface AttributeFilter {
  keeps(key: string): boolean
}

/**
 * The series: a metric and a set of attributes each, with a run of slots. A point finds its series by its raw bytes; only
 * bytes that were never seen are decoded. Two orders of the same attributes are one series: the second is kept as another
 * key of it. Ids count up from 0 and are kept.
 */
export class Series {
  readonly metrics: Metrics = new Metrics()
  readonly pages: Pages = new Pages()
  readonly bounds: Bounds = new Bounds()
  /**
   * Of the point whose series was found last: 0, or the hash of its stream where its attributes are not all that the series
   * has: some were dropped, or there are too many series.
   */
  part = 0
  /** Those that stand for all of a metric past the limit. */
  readonly overflows: Set<number> = new Set()
  /** How many there are. */
  count = 0
  /** The attributes of all, with those of their scopes and resources. */
  labelBytes = 0
  /** What other orders of the same attributes take: keys of theirs beside the sorted one. */
  aliasBytes = 0
  #limits: SeriesLimits
  #index = new ByteIndex()
  #keys: Int32Array = new Int32Array(64) // Series → its first key in #index.
  #slots: Int32Array = new Int32Array(64)
  readonly #memo = new Memo()
  /** Hashes of streams that were asked for; 0: not yet. */
  #streams: Float64Array = new Float64Array(64)

  constructor(limits: SeriesLimits) {
    this.#limits = limits
  }

  /**
   * The series of a metric with these raw attributes, or -1 where they were never seen. `filter`: where some may be dropped,
   * these are not the key of a series.
   */
  find(metric: number, bytes: Uint8Array, start: number, end: number, filter?: AttributeFilter): number {
    if (filter === undefined) {
      const series = this.#index.find(metric, bytes, start, end)
      this.part = 0
      if (series >= 0 || this.#memo.isEmpty) return series
    }
    const series = this.#memo.find(metric, bytes, start, end)
    this.part = this.#memo.part
    return series
  }

  /** The same for attributes that `find` does not know: decodes, checks, sorts them. A reason where they cannot count. */
  resolve(
    metric: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    kind: Kind,
    filter?: AttributeFilter
  ): number | RejectionReason {
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
    if (attributes.some(({ key }) => key === '')) return 'ATTRIBUTES_INVALID'
    const isKept = attributes.map(({ key }) => filter === undefined || filter.keeps(key))
    const kept = attributes.filter((_, at) => isKept[at])
    if (kept.length > limits.labelCountMax) return 'ATTRIBUTES_TOO_LARGE'
    if (kept.some(({ value }) => labelBytes(value) > limits.labelValueBytesMax)) return 'LABEL_VALUE_TOO_LONG'
    const own = sortedKeyValues(raw, attributes)
    const canonical = kept.length === attributes.length ? own : sortedKeyValues(raw, attributes, isKept)
    let series = this.#index.find(metric, canonical, 0, canonical.length)
    if (series < 0) {
      const inherited = this.metrics.inheritedBytes(metric)
      if (this.labelBytes + inherited + canonical.length > limits.attributesBytesTotalMax)
        return 'LABEL_BYTES_FULL'
      const found = this.#bear(metric, canonical, kind)
      if (typeof found === 'string') return found
      series = found
    }
    // Past the limit of series it is not the one of these attributes.
    const isOwn = own === canonical && this.#index.find(metric, own, 0, own.length) === series
    this.part = isOwn ? 0 : streamHash(this.metrics.streamOf(metric), own, 0, own.length)
    this.#remember(metric, raw, series, isOwn && filter === undefined)
    return series
  }

  /** The stream that is the series' own set of attributes. */
  streamOf(series: number): number {
    const known = this.#streams[series]
    if (known !== undefined && known !== 0) return known
    const attributes = this.attributesOf(series)
    const stream = streamHash(this.metrics.streamOf(this.metricOf(series)), attributes, 0, attributes.length)
    if (series >= this.#streams.length) {
      const streams = new Float64Array(this.#slots.length)
      streams.set(this.#streams)
      this.#streams = streams
    }
    this.#streams[series] = stream
    return stream
  }

  /** Rules or limits have changed: what raw attributes are added to is looked at anew. */
  forgetRaw(): void {
    this.#memo.clear()
  }

  /** A new series, by its sorted attributes and its first slot. */
  bear(metric: number, attributes: Uint8Array, slot: number): number {
    const series = this.count++
    if (isOverflow(attributes)) this.overflows.add(series)
    if (series < this.#streams.length) this.#streams[series] = 0
    if (series === this.#slots.length) this.#grow()
    this.#keys[series] = this.#index.count
    this.#slots[series] = slot
    this.labelBytes += attributes.length + this.metrics.inheritedBytes(metric)
    this.#index.insert(metric, attributes, 0, attributes.length, series)
    return series
  }

  /** The series that stands for those of a metric past the limit, or -1 where it has none. */
  overflowOf(metric: number): number {
    if (this.overflows.size === 0) return -1
    return this.#index.find(metric, overflowAttributes, 0, overflowAttributes.length)
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

  /** The explicit bounds of a series, if it is a histogram that has them. */
  boundsOf(series: number): Float64Array | undefined {
    if (this.metrics.metrics[this.metricOf(series)]?.type !== metricTypes.histogram) return undefined
    return this.bounds.sets[this.boundsIdOf(series)]
  }

  /** The same by its id, of a series that is one. */
  boundsIdOf(series: number): number {
    return this.pages.value(this.slotOf(series)) - 1
  }

  mark(): SeriesMark {
    return {
      labelBytes: this.labelBytes,
      aliasBytes: this.aliasBytes,
      metrics: this.metrics.mark(),
      series: this.count,
      keys: this.#index.count,
      next: this.pages.next,
      bounds: this.bounds.sets.length,
      memo: this.#memo.mark(),
    }
  }

  /** After loading: the slots of all series are theirs. */
  claim(): void {
    for (let series = 0; series < this.count; series++) {
      const slot = this.slotOf(series)
      this.pages.claim(slot + sumSlots)
      const type = this.metrics.metrics[this.metricOf(series)]?.type
      if (type === metricTypes.histogram)
        this.pages.claim(slot + this.#histogramSlots(this.pages.value(slot) - 1))
      if (type === metricTypes.exponentialHistogram) {
        this.pages.claim(slot + exponentialSlots)
        eachRunEnd(this.pages, slot, (end) => this.pages.claim(end))
      }
    }
  }

  /** Takes back what was born since the mark. */
  undo(mark: SeriesMark): void {
    const isFewer = mark.series < this.count
    this.#memo.undo(mark.memo)
    this.#index.truncate(mark.keys)
    this.count = mark.series
    this.labelBytes = mark.labelBytes
    this.aliasBytes = mark.aliasBytes
    this.bounds.truncate(mark.bounds)
    if (isFewer) for (const series of this.overflows) if (series >= mark.series) this.overflows.delete(series)
    this.pages.release(mark.next)
    this.metrics.undo(mark.metrics)
  }

  /** What these raw attributes are added to: another key of their series, or in the memo where they are not its own. */
  #remember(metric: number, raw: Uint8Array, series: number, isKey: boolean): void {
    const limits = this.#limits
    if (!isKey) return this.#memo.insert(metric, raw, series, this.part, limits.attributeMemoBytesMax)
    const aliasBytes = raw.length + aliasEntryBytes
    if (this.aliasBytes + aliasBytes > limits.aliasBytesTotalMax) return
    if (this.#index.find(metric, raw, 0, raw.length) >= 0) return
    this.#index.insert(metric, raw, 0, raw.length, series)
    this.aliasBytes += aliasBytes
  }

  /** Past the limit every further series of a metric is counted in one. */
  #bear(metric: number, attributes: Uint8Array, kind: Kind): number | RejectionReason {
    let named = attributes
    if (this.count >= this.#limits.seriesCountMax) {
      const series = this.overflowOf(metric)
      if (series >= 0) return series
      named = overflowAttributes
    }
    const isHistogram = kind.type === metricTypes.histogram
    let run = sumSlots
    if (isHistogram) run = this.#histogramSlots(kind.bounds)
    else if (kind.type === metricTypes.exponentialHistogram) run = exponentialSlots
    if (run > sumSlots && !this.hasRoom(run)) return 'BUCKETS_FULL'
    const slot = this.pages.allocate(run)
    // Its bounds are known from its birth, so that a start finds out how long its run is.
    if (isHistogram) this.pages.touch(slot)[this.pages.offsetOf(slot)] = kind.bounds + 1
    return this.bear(metric, named, slot)
  }

  /** Whether so many slots may be allocated. */
  hasRoom(slotCount: number): boolean {
    return this.pages.next + slotCount <= this.#limits.slotCountMax
  }

  #histogramSlots(bounds: number): number {
    return histogramHeadSlots + (this.bounds.sets[bounds]?.length ?? 0) + 1
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

/** What an alias takes in the index beside its bytes: an entry, its place in the table, and the ends of words. */
const aliasEntryBytes = 36

function isOverflow(attributes: Uint8Array): boolean {
  if (attributes.length !== overflowAttributes.length) return false
  for (let at = 0; at < attributes.length; at++) if (attributes[at] !== overflowAttributes[at]) return false
  return true
}

/** How long a value is as a label's, in UTF-8. */
export function labelBytes(value: AttributeValue): number {
  if (typeof value === 'string' || typeof value === 'object') return Buffer.byteLength(attributeText(value))
  return 0 // Numbers and truths are short.
}

/** The KeyValue fields of `raw` that are kept in the order of their keys; of a key that occurs twice the last. */
function sortedKeyValues(
  raw: Uint8Array,
  attributes: readonly Attribute[],
  isKept?: readonly boolean[]
): Uint8Array {
  const ranges = keyValueRanges(raw)
  const last = new Map<string, Uint8Array>()
  for (const [at, { key }] of attributes.entries())
    if (isKept?.[at] !== false) last.set(key, ranges[at] as Uint8Array)
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
