import { OtlpError, readAttributes, type Attribute } from '@swansong/otlp'
import type { TranslationStrategy } from '../config/config.ts'
import type { RejectionReason } from '../refusal.ts'
import { Bounds } from './bounds.ts'
import { ByteIndex } from './byte-index.ts'
import { isOverflow, labelBytes, overflowAttributes, sortedKeyValues } from './key-values.ts'
import { Held, type RevealedRow } from './held.ts'
import type { SeriesLimits } from './ledger-options.ts'
import { Lives } from './lives.ts'
import { metricTypes, type MetricType } from './metric-types.ts'
import { Memo, type MemoMark } from './memo.ts'
import { Metrics, type Metric, type MetricsMark } from './metrics.ts'
import { Pages, Used, type PagesMark } from './pages.ts'
import type { SeriesRow } from './store.ts'
import { streamHash } from './stream.ts'
import { eachRun, exponentialSlots } from './values/exponential.ts'
import { histogramHeadSlots } from './values/histogram.ts'
import { sumSlots } from './values/sum.ts'

export interface SeriesMark {
  labelBytes: number
  aliasBytes: number
  metrics: MetricsMark
  born: number
  keys: number
  pages: PagesMark
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
 * key of it. Ids count up from 0; that of a series that ended is given to another.
 */
export class Series {
  readonly metrics: Metrics
  readonly pages: Pages = new Pages()
  readonly bounds: Bounds = new Bounds()
  /**
   * Of the point whose series was found last: 0, or the hash of its stream where its attributes are not all that the series
   * has: some were dropped, or there are too many series.
   */
  part = 0
  /** Those that stand for all of a metric past the limit. */
  readonly overflows: Set<number> = new Set()
  readonly lives: Lives = new Lives()
  /** Those that scrapers are shown at 0 still. */
  readonly held: Held = new Held()
  /** How many there are. */
  count = 0
  /** The attributes of all, with those of their scopes and resources. */
  labelBytes = 0
  /** What other orders of the same attributes take: keys of theirs beside the sorted one. */
  aliasBytes = 0
  /** Ids are below. */
  idEnd = 0
  /** Those that were born since the last commit, in this order. */
  readonly born: number[] = []
  /** Ids of those that ended. */
  #freeIds: number[] = []
  #limits: SeriesLimits
  #index = new ByteIndex()
  #keys: Int32Array = new Int32Array(64) // Series → its first key in #index.
  #slots: Int32Array = new Int32Array(64) // Series → its first slot, -1 where it ended.
  readonly #memo = new Memo()
  /** Hashes of streams that were asked for; 0: not yet. */
  #streams: Float64Array = new Float64Array(64)

  constructor(limits: SeriesLimits, strategy: TranslationStrategy) {
    this.#limits = limits
    this.metrics = new Metrics(strategy)
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

  /** A series as it was stored, by its sorted attributes and its first slot. */
  restore(id: number, metric: number, attributes: Uint8Array, slot: number): void {
    while (this.#slots.length <= id) this.#grow()
    for (; this.idEnd < id; this.idEnd++) {
      this.#freeIds.push(this.idEnd)
      this.#slots[this.idEnd] = -1
    }
    this.idEnd = Math.max(this.idEnd, id + 1)
    this.count++
    this.metrics.addSeries(metric)
    if (isOverflow(attributes)) this.overflows.add(id)
    if (id < this.#streams.length) this.#streams[id] = 0
    this.labelBytes += attributes.length + this.metrics.inheritedBytes(metric)
    this.#keys[id] = this.#index.count
    this.#slots[id] = slot
    this.#index.insert(metric, attributes, 0, attributes.length, id)
  }

  /** False for an id that is free. */
  isLive(series: number): boolean {
    return (this.#slots[series] as number) >= 0
  }

  typeOf(series: number): MetricType {
    return (this.metrics.metrics[this.metricOf(series)] as Metric).type
  }

  /** When a series began, Unix milliseconds: before any time at which it was shown. */
  startOf(series: number): number {
    return this.lives.startOf(series)
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
    if (this.typeOf(series) !== metricTypes.histogram) return undefined
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
      born: this.born.length,
      keys: this.#index.count,
      pages: this.pages.mark(),
      bounds: this.bounds.mark(),
      memo: this.#memo.mark(),
    }
  }

  /** Says anew which slots are whose: after loading, and after series ended. */
  claim(): void {
    const used = new Used()
    for (let series = 0; series < this.idEnd; series++) {
      const slot = this.slotOf(series)
      if (slot < 0) continue
      used.add(slot, this.#runOf(series))
      if (this.typeOf(series) === metricTypes.exponentialHistogram)
        eachRun(this.pages, slot, (run, length) => used.add(run, length))
    }
    this.pages.claim(used)
  }

  /** What was born, to be stored. */
  rowsBorn(): SeriesRow[] {
    return this.born.map((id) => this.rowOf(id))
  }

  rowOf(id: number): SeriesRow {
    return {
      id,
      metric: this.metricOf(id),
      slot: this.slotOf(id),
      attributes: this.attributesOf(id),
      startUnixMs: this.startOf(id),
      bornUptimeS: this.lives.touchedOf(id),
      isHeld: this.held.holds(this.typeOf(id)),
    }
  }

  /** What was born is stored. */
  keep(): void {
    for (const id of this.born)
      if (this.held.holds(this.typeOf(id))) this.held.add(id, this.lives.touchedOf(id))
    this.born.length = 0
    this.bounds.commit()
    this.pages.keep()
  }

  /** These are revealed, for good: their time to live begins. */
  reveal(row: RevealedRow): void {
    for (const id of this.held.take(row)) if (this.isLive(id) && this.held.remove(id)) this.lives.touchOne(id)
  }

  /** Takes back what was born since the mark. */
  undo(mark: SeriesMark): void {
    this.#memo.undo(mark.memo)
    for (const series of this.born.splice(mark.born).toReversed()) this.#free(series)
    this.#index.truncate(mark.keys)
    this.labelBytes = mark.labelBytes
    this.aliasBytes = mark.aliasBytes
    this.bounds.undo(mark.bounds)
    this.pages.release(mark.pages)
    this.metrics.undo(mark.metrics)
  }

  /** These are over: their ids, slots and attributes are free for others. Nothing may be born or dirty meanwhile. */
  end(ended: readonly number[]): void {
    const index = this.#index
    this.#memo.clear() // It may name them.
    for (const series of ended) {
      this.labelBytes -= this.attributesOf(series).length + this.metrics.inheritedBytes(this.metricOf(series))
      this.held.remove(series)
      this.#free(series)
    }
    for (let key = 0; key < index.count; key++) {
      const series = index.valueOf(key)
      if (series < 0 || this.isLive(series)) continue
      if (key !== this.#keys[series]) this.aliasBytes -= index.lengthOf(key) + aliasEntryBytes
      index.remove(key)
    }
    if (index.removed > index.count / 2) {
      const places = index.compact()
      for (let series = 0; series < this.idEnd; series++)
        if (this.isLive(series)) this.#keys[series] = places[this.#keys[series] as number] as number
    }
    this.claim()
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
    const id = this.#freeIds.pop() ?? this.idEnd
    this.restore(id, metric, named, slot)
    this.lives.begin(id)
    this.born.push(id)
    return id
  }

  /** Whether so many slots may be allocated. */
  hasRoom(slotCount: number): boolean {
    return this.pages.hasRoom(slotCount, this.#limits.slotCountMax)
  }

  /** Gives back an id: the last one is counted down, so that what is taken back leaves no trace. */
  #free(series: number): void {
    this.count--
    this.metrics.removeSeries(this.metricOf(series))
    this.overflows.delete(series)
    this.#slots[series] = -1
    if (series === this.idEnd - 1) this.idEnd--
    else this.#freeIds.push(series)
  }

  /** How many slots a series has from its first on. */
  #runOf(series: number): number {
    const type = this.typeOf(series)
    if (type === metricTypes.exponentialHistogram) return exponentialSlots
    if (type !== metricTypes.histogram) return sumSlots
    return this.#histogramSlots(this.pages.value(this.slotOf(series)) - 1)
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
