import { metricTypes, type MetricType } from '../ledger/metric-types.ts'
import type { PushedGroups } from '../ledger/pushed/groups.ts'
import type { Series } from '../ledger/series.ts'
import { ExponentialText } from './exponential-text.ts'
import { histogramHeads, HistogramText, type HistogramHeads } from './histogram-text.ts'
import { isHistogram, isKeptGauge, Lines, type Family } from './lines.ts'
import { escapedHelp } from './names.ts'
import { Pushed, pushedHead } from './pushed.ts'
import { TextWriter } from './text-writer.ts'

/** A larger buffer is not kept between two scrapes. */
const spareBytesMax: number = 32 * 1024 * 1024

/** What a family's lines begin with, rendered. */
interface FamilyText {
  /** What `head` was made of. */
  type: MetricType
  description: string
  /** HELP and TYPE. */
  head: string
  histogram: HistogramHeads | undefined
}

/** The series as text 0.0.4 (CONFORMANCE E5). A scrape only puts values behind what its lines are called. */
export class TextExposition {
  readonly #lines: Lines
  readonly #texts: FamilyText[] = [] // By the family's number.
  readonly #histograms: HistogramText
  readonly #exponentials: ExponentialText
  readonly #pushed: Pushed
  /** Names of which what was pushed stands behind the ledger's lines. */
  readonly #written = new Set<string>()
  #bytesWritten = 0
  /** What is rendered now shows at 0 what is held. */
  #holds = false
  #spare: Uint8Array | undefined

  constructor(series: Series, pushed: PushedGroups) {
    this.#lines = new Lines(series)
    this.#histograms = new HistogramText(series)
    this.#exponentials = new ExponentialText(series)
    this.#pushed = new Pushed(pushed)
  }

  keepUp(born: readonly number[]): void {
    this.#lines.keepUp(born)
  }

  endable(idle: Uint8Array, countMax: number): number[] {
    return this.#lines.endable(idle, countMax)
  }

  end(ended: readonly number[]): void {
    this.#lines.end(ended)
  }

  /**
   * All lines, ending with a line feed. `room`: bytes that will be written behind them. `forScraper`: what is held is at 0.
   */
  render(room = 0, bytesMax: number = Infinity, forScraper = false): TextWriter {
    this.#holds = forScraper && this.#lines.series.held.count > 0
    const capacity = Math.ceil(this.#bytesWritten * 1.06) + room // Some grow until the next scrape.
    const writer = new TextWriter(Math.min(capacity, bytesMax), this.#spare, bytesMax)
    this.#spare = undefined
    for (const family of this.#lines.families()) {
      if (family.count === 0) continue // All that would be in it were refused.
      const { head, histogram } = this.#textOf(family)
      writer.text(head)
      if (histogram !== undefined) this.#renderHistograms(writer, family, histogram)
      else this.#renderNumbers(writer, family)
      this.#renderPushed(writer, family)
    }
    this.#renderPushed(writer)
    this.#bytesWritten = writer.length
    return writer
  }

  /** Gives back what `render` wrote, when it was sent: the next scrape writes into the same memory. */
  recycle(writer: TextWriter): void {
    if (writer.buffer.length <= spareBytesMax) this.#spare = writer.buffer
  }

  #renderNumbers(writer: TextWriter, { type, lines, count }: Family): void {
    const all = this.#lines
    const { index, series } = all
    const { pages } = series
    const mayBeMerged = all.hasMerged
    const isOneOfMany = isKeptGauge(type)
    for (let at = 0; at < count; at++) {
      const line = lines[at] as number
      if (isOneOfMany && all.isGone(line)) continue
      const isMerged = mayBeMerged && all.moreOf(line) !== undefined
      const value = isMerged ? all.merged(type, line) : pages.value(series.slotOf(all.firstOf(line)))
      writer.line(index, line, this.#holds && all.isHeld(line) ? 0 : value)
    }
  }

  #renderHistograms(writer: TextWriter, { type, lines, count }: Family, heads: HistogramHeads): void {
    const { index, series } = this.#lines
    for (let at = 0; at < count; at++) {
      const line = lines[at] as number
      const slot = series.slotOf(this.#lines.firstOf(line))
      const more = this.#lines.moreOf(line)?.map((other) => series.slotOf(other))
      const slots = more === undefined ? [slot] : [slot, ...more]
      const by = this.#holds && this.#lines.isHeld(line) ? 0 : 1
      if (type === metricTypes.exponentialHistogram)
        this.#exponentials.write(writer, heads, index, line, slots, by)
      else if (more === undefined) this.#histograms.write(writer, heads, index, line, slot, by)
      else this.#histograms.writeMerged(writer, heads, index, line, slots, by)
    }
  }

  /** What was pushed under the name of a family, behind its lines; at the end all that is of another name. */
  #renderPushed(writer: TextWriter, family?: Family): void {
    const pushed = this.#pushed.families()
    if (pushed.size === 0) return
    if (family !== undefined) {
      const same = pushed.get(family.name)
      if (same !== undefined) this.#written.add(family.name)
      if (same?.type === typeNames[family.type]) writer.text(same.lines)
      return
    }
    for (const other of pushed.values()) {
      if (this.#written.has(other.name)) continue
      writer.text(pushedHead(other))
      writer.text(other.lines)
    }
    this.#written.clear()
  }

  #textOf({ number, type, name, description }: Family): FamilyText {
    let text = this.#texts[number]
    if (text === undefined || text.type !== type || text.description !== description) {
      const histogram = isHistogram(type) ? histogramHeads(name) : undefined
      text = { type, description, head: headOf(name, type, description), histogram }
      this.#texts[number] = text
    }
    return text
  }
}

function headOf(name: string, type: MetricType, description: string): string {
  const help = description === '' ? '' : `# HELP ${name} ${escapedHelp(description)}\n`
  return `${help}# TYPE ${name} ${typeNames[type]}\n`
}

const typeNames: Readonly<Record<MetricType, string>> = {
  [metricTypes.counter]: 'counter',
  [metricTypes.upDownCounter]: 'gauge',
  [metricTypes.gauge]: 'gauge',
  [metricTypes.gaugeMin]: 'gauge',
  [metricTypes.gaugeMax]: 'gauge',
  [metricTypes.gaugeSum]: 'gauge',
  [metricTypes.histogram]: 'histogram',
  [metricTypes.exponentialHistogram]: 'histogram',
}
