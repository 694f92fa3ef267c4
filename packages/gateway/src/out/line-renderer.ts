import { metricTypes, type MetricType } from '../ledger/metric-types.ts'
import { ExponentialText } from './exponential-text.ts'
import { histogramHeads, HistogramText, type HistogramHeads } from './histogram-text.ts'
import { isHistogram, isKeptGauge, type Family, type Lines } from './lines.ts'
import type { Pushed } from './pushed.ts'
import type { FamilyWriter } from './slices.ts'
import type { TextWriter } from './text-writer.ts'

/** What of its lines is a format's own. */
export interface Dialect {
  /** Whether a family of counters is one here. */
  isCounter(family: Family): boolean
  /** HELP, TYPE and the like. */
  headOf(family: Family): string
  /** A bucket's `le`. */
  boundText(bound: number): string
  /** What stands behind the samples of a line; undefined in a format where nothing does. */
  extras(lines: Lines): Extras | undefined
}

/** Puts exemplars behind samples, and says when they began. */
export interface Extras {
  /** Whether something stands behind this family's samples, if it is one of counters. */
  marksCounters(family: Family): boolean
  /** The line of a counter was written. What is held at 0 has no exemplars yet. */
  counter(writer: TextWriter, family: Family, line: number, isHeld: boolean): void
  /** Whether a histogram with such a lowest bound has no sum. */
  hidesSum(lowest: number): boolean
  /** The buckets of a line are written next, in ascending order. */
  beginBuckets(line: number, isHeld: boolean): void
  /** One of them was written. */
  bucket(writer: TextWriter, upper: number): void
  /** All lines of a histogram were written. */
  histogram(writer: TextWriter, family: Family, line: number): void
}

/** What a family's lines begin with, rendered. */
interface FamilyText {
  /** What `head` was made of. */
  type: MetricType
  isCounter: boolean
  isUnknown: boolean
  description: string
  unit: string
  head: string
  histogram: HistogramHeads | undefined
}

/** Lines in one of the text formats. A scrape only puts values behind what its lines are called. */
export class LineRenderer implements FamilyWriter {
  readonly #lines: Lines
  readonly #dialect: Dialect
  readonly #extras: Extras | undefined
  readonly #pushed: Pushed
  readonly #texts: FamilyText[] = [] // By the family's number.
  readonly #histograms: HistogramText
  readonly #exponentials: ExponentialText
  /** What is written now shows at 0 what is held. */
  #holds = false

  constructor(lines: Lines, dialect: Dialect, pushed: Pushed) {
    this.#lines = lines
    this.#pushed = pushed
    this.#dialect = dialect
    this.#extras = dialect.extras(lines)
    this.#histograms = new HistogramText(lines.series, dialect, this.#extras)
    this.#exponentials = new ExponentialText(lines.series, dialect, this.#extras)
  }

  begin(writer: TextWriter, family: Family): number {
    writer.text(this.#textOf(family).head)
    return 0
  }

  write(writer: TextWriter, family: Family, start: number, end: number, holds: boolean): void {
    this.#holds = holds
    const { histogram } = this.#textOf(family)
    if (histogram !== undefined) this.#renderHistograms(writer, family, histogram, start, end)
    else this.#renderNumbers(writer, family, start, end)
  }

  end(writer: TextWriter, family: Family): void {
    writer.text(this.#pushed.behind(family.name, this.#lines))
  }

  #renderNumbers(writer: TextWriter, family: Family, start: number, end: number): void {
    const { type, lines } = family
    const all = this.#lines
    const { index, series } = all
    const { pages } = series
    const mayBeMerged = all.hasMerged
    const isOneOfMany = isKeptGauge(type)
    const marks = type === metricTypes.counter && this.#extras?.marksCounters(family) === true
    const extras = marks ? this.#extras : undefined
    for (let at = start; at < end; at++) {
      const line = lines[at] as number
      if (isOneOfMany && all.isGone(line)) continue
      const isMerged = mayBeMerged && all.moreOf(line) !== undefined
      const value = isMerged ? all.merged(type, line) : pages.value(series.slotOf(all.firstOf(line)))
      const isHeld = this.#holds && all.isHeld(line)
      writer.line(index, line, isHeld ? 0 : value)
      if (extras !== undefined) extras.counter(writer, family, line, isHeld)
    }
  }

  #renderHistograms(
    writer: TextWriter,
    family: Family,
    heads: HistogramHeads,
    start: number,
    end: number
  ): void {
    const { index, series } = this.#lines
    for (let at = start; at < end; at++) {
      const line = family.lines[at] as number
      const slot = series.slotOf(this.#lines.firstOf(line))
      const more = this.#lines.moreOf(line)?.map((other) => series.slotOf(other))
      const isHeld = this.#holds && this.#lines.isHeld(line)
      this.#extras?.beginBuckets(line, isHeld)
      const slots = more === undefined ? [slot] : [slot, ...more]
      const by = isHeld ? 0 : 1
      if (family.type === metricTypes.exponentialHistogram)
        this.#exponentials.write(writer, heads, index, line, slots, by)
      else if (more === undefined) this.#histograms.write(writer, heads, index, line, slot, by)
      else this.#histograms.writeMerged(writer, heads, index, line, slots, by)
      this.#extras?.histogram(writer, family, line)
    }
  }

  #textOf(family: Family): FamilyText {
    const { number, type, isUnknown, name, description, unit } = family
    const isCounter = type === metricTypes.counter && this.#dialect.isCounter(family)
    let text = this.#texts[number]
    const isSame =
      text?.type === type &&
      text.isCounter === isCounter &&
      text.isUnknown === isUnknown &&
      text.description === description &&
      text.unit === unit
    if (text === undefined || !isSame) {
      const histogram = isHistogram(type) ? histogramHeads(name) : undefined
      const head = this.#dialect.headOf(family)
      text = { type, isCounter, isUnknown, description, unit, head, histogram }
      this.#texts[number] = text
    }
    return text
  }
}
