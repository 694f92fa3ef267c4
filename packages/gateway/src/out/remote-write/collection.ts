import type { Exemplar } from '../../ledger/exemplars.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { isGaugeType, metricTypes } from '../../ledger/metric-types.ts'
import { countsFromZero } from './line-values.ts'
import { LineLabels } from './line-labels.ts'
import type { Family, RemoteLines } from './lines.ts'
import type { PushedLine, PushedLines } from './pushed-lines.ts'
import type { RequestWriter } from './request-writer.ts'
import { live, stale, untold, type Told } from './told.ts'

/** Samples that are written in one turn of the event loop: one or two milliseconds. */
const samplesPerTurnMax = 1000
/** A request ends with the sample that reaches this, or so many samples. */
const requestBytesMax: number = 1024 * 1024
/** Lines that are looked at in one turn for something to write. */
const linesPerTurnMax = 50_000
/** Native histograms are no finer, and no coarser (CONFORMANCE D14). */
const scaleMax = 8
const scaleMin = -4

/** What is told first is of other times than what is told next: the order in which requests must arrive. */
export type Phase = 'ended' | 'zeros' | 'values'

/** When, in Unix milliseconds. Each is later than the one before, and all than anything that was told before. */
export interface Times {
  /** Lines end that ended since. */
  ended: number
  /** New lines were 0. */
  zeros: number
  /** Values are of then. */
  values: number
}

export interface CollectedRequest {
  phase: Phase
  samples: number
  histograms: number
  exemplars: number
  /** Not compressed. */
  body: Uint8Array
}

export interface CollectionOptions {
  times: Times
  requestSamplesMax: number
  pushed: PushedLines
  /** Exponential histograms go as native ones; else they have buckets. */
  sendsNative: boolean
}

/**
 * All lines once, as requests: first those that ended, as stale; then a zero of each that is new and counts from zero, as
 * Prometheus would not see the increase to its first value otherwise (CONFORMANCE F10, G2); then values. `step` does what
 * one turn of the event loop has room for; between two steps the ledger may go on: each sample is of what was durable when it was
 * written (law 3). Nothing is noted as told before `keep`.
 */
export class Collection {
  /** Histograms that have no native form, and were left out. */
  shapeless = 0
  readonly #ledger: Ledger
  readonly #lines: RemoteLines
  readonly #told: Told
  readonly #writer: RequestWriter
  readonly #times: Times
  readonly #requestSamplesMax: number
  readonly #labels: LineLabels
  readonly #pushed: PushedLines
  readonly #sendsNative: boolean
  readonly #end: number
  readonly #endedCount: number
  readonly #endedNow = new Set<number>()
  readonly #states: [line: number, state: number][] = []
  readonly #bounds: [line: number, bounds: Float64Array][] = []
  readonly #newExemplars: Exemplar[] = []
  #phase: Phase = 'ended'
  #at = 0
  #samples = 0
  #histograms = 0
  #exemplars = 0

  /** All that was born is named. */
  constructor(
    ledger: Ledger,
    lines: RemoteLines,
    told: Told,
    writer: RequestWriter,
    { times, requestSamplesMax, pushed, sendsNative }: CollectionOptions
  ) {
    this.#ledger = ledger
    this.#lines = lines
    this.#told = told
    this.#writer = writer
    this.#times = times
    this.#pushed = pushed
    this.#sendsNative = sendsNative
    this.#requestSamplesMax = requestSamplesMax
    this.#labels = new LineLabels(lines)
    this.#end = lines.end
    this.#endedCount = lines.ended.length
  }

  /** A request, when one is whole; `more` where another turn is needed; undefined when all was written. */
  step(): CollectedRequest | 'more' | undefined {
    const end = this.#phaseEnd
    const before = this.#written
    const lookedAtEnd = this.#at + linesPerTurnMax
    while (this.#at < end && this.#at < lookedAtEnd && this.#written - before < samplesPerTurnMax) {
      if (this.#isFull()) return this.#finish()
      this.#write(this.#at++)
    }
    if (this.#at < end) return 'more'
    if (this.#written > 0) return this.#finish()
    if (this.#phase === 'values') return undefined
    this.#phase = this.#phase === 'ended' ? 'zeros' : 'values'
    this.#at = 0
    return 'more'
  }

  /** All of it is in the queue: it is noted as told. */
  keep(): void {
    for (const [line, state] of this.#states) this.#told.set(line, state)
    for (const [line, bounds] of this.#bounds) this.#told.setBounds(line, bounds)
    for (const exemplar of this.#newExemplars) this.#told.exemplars.add(exemplar)
    for (const { line } of this.#lines.ended.slice(0, this.#endedCount)) {
      if (this.#lines.isLive(line)) continue
      this.#told.set(line, untold)
      this.#told.setBounds(line, undefined)
    }
    this.#lines.forgetEnded(this.#endedCount)
    this.#pushed.keep()
  }

  /** Behind what the ledger has stands what was pushed. */
  get #phaseEnd(): number {
    if (this.#phase === 'ended') return this.#endedCount + this.#pushed.gone.length
    return this.#phase === 'zeros' ? this.#end : this.#end + this.#pushed.lines.length
  }

  get #written(): number {
    return this.#samples + this.#histograms
  }

  #isFull(): boolean {
    return this.#written >= this.#requestSamplesMax || this.#writer.length >= requestBytesMax
  }

  #finish(): CollectedRequest {
    const [samples, histograms, exemplars] = [this.#samples, this.#histograms, this.#exemplars]
    this.#samples = this.#histograms = this.#exemplars = 0
    return { phase: this.#phase, samples, histograms, exemplars, body: this.#writer.finish() }
  }

  #write(at: number): void {
    if (this.#phase === 'ended')
      return at < this.#endedCount
        ? this.#writeEnded(at)
        : this.#writePushed(this.#pushed.gone[at - this.#endedCount], true)
    if (at >= this.#end) return this.#writePushed(this.#pushed.lines[at - this.#end], false)
    const isNew = this.#stateOf(at) === untold
    if ((this.#phase === 'zeros' && !isNew) || !this.#lines.isLive(at)) return
    // What began in this very millisecond may have begun after this collection did: a restart could not tell.
    const start = isNew ? this.#lines.startOf(at) : 0
    if (isNew && start >= this.#times.values - 1 && start <= this.#times.values + slackMs) return
    const family = this.#lines.familyOf(at)
    if (this.#phase === 'values') this.#writeLine(at, family, isNew)
    else if (countsFromZero(family.type)) this.#writeZeros(at, family)
  }

  #writePushed(line: PushedLine | undefined, isGone: boolean): void {
    const { labels, family, value } = line as PushedLine
    this.#writer.begin(labels, labels.length, family)
    if (isGone) this.#writer.staleSample(this.#times.ended)
    else this.#writer.sample(value, this.#times.values, 0)
    this.#writer.end()
    this.#samples++
  }

  /** One that ended and began anew is new, and told as such. */
  #stateOf(line: number): number {
    return this.#endedNow.has(line) ? untold : this.#told.of(line)
  }

  #writeEnded(at: number): void {
    const { line, family, bounds } = this.#lines.ended[at] as RemoteLines['ended'][number]
    const isToldTwice = this.#endedNow.has(line) // It ended, began anew and ended: as nothing was told of that, once is enough.
    this.#endedNow.add(line)
    if (isToldTwice || this.#told.of(line) !== live) return
    this.#labels.read(line)
    if (family.bucket < 0) return this.#stale(family.plain, -1, family)
    if (this.#isNative(family)) return this.#staleNative(family)
    const { symbols } = this.#lines
    for (const bound of bounds) this.#stale(family.bucket, symbols.boundOf(bound), family)
    this.#stale(family.bucket, symbols.boundOf(Infinity), family)
    this.#stale(family.sum, -1, family)
    this.#stale(family.count, -1, family)
  }

  #isNative({ type }: Family): boolean {
    return this.#sendsNative && type === metricTypes.exponentialHistogram
  }

  #writeZeros(line: number, family: Family): void {
    const { zeros } = this.#times
    this.#labels.read(line)
    if (family.bucket < 0) return this.#sample(family.plain, -1, family, 0, zeros, 0)
    if (this.#isNative(family)) {
      if (!this.#readNative(line)) return
      const { exponential } = this.#lines.values
      exponential.positive.clear()
      exponential.negative.clear()
      exponential.zeroCount = 0
      return this.#native(family, 0, zeros, 0)
    }
    const { values, symbols } = this.#lines
    this.#readBuckets(line, family)
    for (let bucket = 0; bucket <= values.boundCount; bucket++) {
      const bound = bucket < values.boundCount ? (values.bounds[bucket] as number) : Infinity
      this.#sample(family.bucket, symbols.boundOf(bound), family, 0, zeros, 0)
    }
    if (values.sum !== undefined) this.#sample(family.sum, -1, family, 0, zeros, 0)
    this.#sample(family.count, -1, family, 0, zeros, 0)
  }

  #writeLine(line: number, family: Family, isNew: boolean): void {
    this.#labels.read(line)
    if (family.bucket < 0) return this.#writeNumber(line, family)
    const start = this.#startOf(line, family)
    if (this.#isNative(family)) return this.#writeNative(line, family, start, isNew)
    if (isNew) this.#states.push([line, live])
    const { values, symbols } = this.#lines
    this.#readBuckets(line, family)
    this.#staleBounds(line, family)
    const exemplars = this.#exemplarsOf(line, family)
    for (let bucket = 0; bucket <= values.boundCount; bucket++) {
      const bound = bucket < values.boundCount ? (values.bounds[bucket] as number) : Infinity
      const count = values.counts[bucket] as number
      const exemplar = exemplars?.get(bucket)
      this.#sample(family.bucket, symbols.boundOf(bound), family, count, this.#times.values, start, exemplar)
    }
    if (values.sum !== undefined) this.#sample(family.sum, -1, family, values.sum, this.#times.values, start)
    const count = values.counts[values.boundCount] as number
    this.#sample(family.count, -1, family, count, this.#times.values, start)
  }

  #writeNumber(line: number, family: Family): void {
    const { type } = family
    const state = this.#stateOf(line)
    const value = this.#lines.values.number(type, this.#lines.firstOf(line), this.#lines.moreOf(line))
    if (value === undefined) {
      if (state !== live) return
      this.#states.push([line, stale])
      return this.#stale(family.plain, -1, family)
    }
    if (state !== live) this.#states.push([line, live])
    const start = this.#startOf(line, family)
    const exemplar = type === metricTypes.counter ? this.#exemplarsOf(line, family)?.get(0) : undefined
    this.#sample(family.plain, -1, family, value, this.#times.values, start, exemplar)
  }

  #writeNative(line: number, family: Family, start: number, isNew: boolean): void {
    const { values } = this.#lines
    if (!this.#readNative(line)) return
    if (isNew) this.#states.push([line, live])
    const exemplars = this.#exemplarsOf(line, family)
    this.#writer.begin(this.#labels.symbols, this.#labels.put(family.plain, -1), family)
    this.#writer.histogram(values.exponential, values.sum as number, this.#times.values, start)
    for (const exemplar of exemplars?.values() ?? []) this.#exemplar(exemplar)
    this.#writer.end()
    this.#histograms++
  }

  /** False where there is nothing yet, or no native form of it. */
  #readNative(line: number): boolean {
    const { values } = this.#lines
    if (!values.exponentials(this.#lines.firstOf(line), this.#lines.moreOf(line), scaleMax)) return false
    if (values.sum !== undefined && values.exponential.scale >= scaleMin) return true
    if (this.#phase === 'values') this.shapeless++
    return false
  }

  #readBuckets(line: number, { type }: Family): void {
    const { values } = this.#lines
    const [first, more] = [this.#lines.firstOf(line), this.#lines.moreOf(line)]
    if (type === metricTypes.histogram) values.histogram(first, more)
    else values.exponentialBuckets(first, more)
  }

  /** Buckets only become coarser: those that are gone are told to be stale, once. */
  #staleBounds(line: number, family: Family): void {
    const { values, symbols } = this.#lines
    const before = this.#told.boundsOf(line)
    const now = values.bounds.subarray(0, values.boundCount)
    if (before !== undefined && isSame(before, now)) return
    this.#bounds.push([line, now.slice()])
    for (const bound of before ?? [])
      if (!now.includes(bound)) this.#stale(family.bucket, symbols.boundOf(bound), family)
  }

  /** Those that are new. Which series of a line with several an exemplar is of does not matter; its bounds do. */
  #exemplarsOf(line: number, family: Family): ReadonlyMap<number, Exemplar> | undefined {
    const { type } = family
    if (!this.#writer.isVersion2 || isGaugeType(type) || this.#lines.moreOf(line).length > 0) return undefined
    if (type === metricTypes.exponentialHistogram && !this.#isNative(family)) return undefined // They are of finer buckets.
    const exemplars = this.#ledger.exemplars.of(this.#lines.firstOf(line))
    return exemplars.size > 0 ? exemplars : undefined
  }

  #exemplar(exemplar: Exemplar | undefined): void {
    if (exemplar === undefined || this.#told.exemplars.has(exemplar)) return
    this.#writer.exemplar(exemplar, this.#times.values)
    this.#newExemplars.push(exemplar)
    this.#exemplars++
  }

  /** Before any time at which it is told (CONFORMANCE B7); gauges have none. */
  #startOf(line: number, { type }: Family): number {
    if (!this.#writer.isVersion2 || !countsFromZero(type)) return 0
    return Math.min(this.#lines.startOf(line), this.#times.values - 1)
  }

  #sample(
    name: number,
    bound: number,
    family: Family,
    value: number,
    unixMs: number,
    start: number,
    exemplar?: Exemplar
  ): void {
    this.#writer.begin(this.#labels.symbols, this.#labels.put(name, bound), family)
    this.#writer.sample(value, unixMs, start)
    this.#exemplar(exemplar)
    this.#writer.end()
    this.#samples++
  }

  #stale(name: number, bound: number, family: Family): void {
    this.#writer.begin(this.#labels.symbols, this.#labels.put(name, bound), family)
    this.#writer.staleSample(this.#phase === 'ended' ? this.#times.ended : this.#times.values)
    this.#writer.end()
    this.#samples++
  }

  #staleNative(family: Family): void {
    this.#writer.begin(this.#labels.symbols, this.#labels.put(family.plain, -1), family)
    this.#writer.staleHistogram(this.#times.ended)
    this.#writer.end()
    this.#histograms++
  }

  #native(family: Family, sum: number, unixMs: number, start: number): void {
    this.#writer.begin(this.#labels.symbols, this.#labels.put(family.plain, -1), family)
    this.#writer.histogram(this.#lines.values.exponential, sum, unixMs, start)
    this.#writer.end()
    this.#histograms++
  }
}

/** A clock that was ahead by so much when a line began was set back since. */
const slackMs = 1000

function isSame(one: Float64Array, other: Float64Array): boolean {
  if (one.length !== other.length) return false
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false
  return true
}
