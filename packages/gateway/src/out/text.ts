import type { Exemplars } from '../ledger/exemplars.ts'
import { isLegacyName } from '../ledger/family-names.ts'
import { metricTypes, type MetricType } from '../ledger/metric-types.ts'
import type { Label } from '../ledger/pushed/family.ts'
import type { PushedGroups } from '../ledger/pushed/groups.ts'
import type { Series } from '../ledger/series.ts'
import { LineRenderer, type Dialect } from './line-renderer.ts'
import { Lines, type Family, type OnHidden } from './lines.ts'
import { boundText, escapedHelp, escapedValue } from './names.ts'
import { sameNames } from './naming.ts'
import type { Escaping, Format } from './negotiation.ts'
import { openMetrics } from './openmetrics.ts'
import { ProtobufWriter } from './protobuf.ts'
import { labelsText } from './names.ts'
import { messagesOf } from './protobuf-text.ts'
import { Pushed, type Hidden } from './pushed.ts'
import { estimatedBytes, inSlices, type FamilyWriter } from './slices.ts'
import { targetInfo } from './target-info.ts'
import { TextWriter } from './text-writer.ts'

/** A larger buffer is not kept between two scrapes. */
const spareBytesMax: number = 32 * 1024 * 1024
/** So many series get their names for a further format in one turn of the event loop: some milliseconds. */
const namedPerTurn = 2000

/** What is shown, and what of it cannot be lost. */
export interface Shown {
  series: Series
  exemplars: Exemplars
  /** Groups of Pushgateway's API. */
  pushed: PushedGroups
}

export interface ExpositionOptions {
  /** Whether OpenMetrics says when each series began, in a line of its own. */
  openMetricsCreated: () => boolean
  onHidden: OnHidden
}

/** What of an answer may be chosen. */
export interface RenderOptions {
  format: Format
  escaping: Escaping
  /** Bytes that will be written behind. */
  room: number
  /** Past it a TextTooLarge is thrown. */
  bytesMax: number
  /** Newborn counters and histograms are at 0. */
  forScraper: boolean
}

/** Lines by one set of names, and what renders them in each format that was asked for. */
interface Named {
  lines: Lines
  isBuilt: boolean
  writers: Map<Format, FamilyWriter>
}

/** The series in the text formats (CONFORMANCE E). What only some scrapers ask for is made when one first does. */
export class TextExposition {
  readonly #shown: Shown
  readonly #options: ExpositionOptions
  readonly #openMetrics: Dialect
  readonly #pushed: { text: Pushed; openMetrics: Pushed }
  /** By what is made of names. Of all, those of `underscores` tell the fewest names apart: they say what is one line. */
  readonly #named = new Map<Escaping, Named>()
  readonly #coarsest: Lines
  readonly #bytesWritten = new Map<Format, number>()
  #spare: Uint8Array | undefined

  constructor(shown: Shown, options: ExpositionOptions) {
    this.#shown = shown
    this.#options = options
    this.#openMetrics = openMetrics(shown, options.openMetricsCreated, (name) => this.#pushed.text.has(name))
    const { pushed } = shown
    this.#pushed = { text: new Pushed(pushed, false), openMetrics: new Pushed(pushed, true) }
    const named = this.#namedBy('underscores')
    named.isBuilt = named.lines.build(Infinity)
    this.#coarsest = named.lines
  }

  /** To be called after each commit, so that no scrape pays for the names of what was born. */
  keepUp(born: readonly number[]): void {
    for (const { lines } of this.#named.values()) lines.keepUp(born)
  }

  endable(idle: Uint8Array, countMax: number): number[] {
    return this.#coarsest.endable(idle, countMax)
  }

  end(ended: readonly number[]): void {
    for (const { lines } of this.#named.values()) lines.end(ended)
  }

  has(name: string, labels: readonly Label[]): boolean {
    const told = labels.filter(({ value }) => value !== '')
    return this.#coarsest.has(name, labelsText(told.map((label) => [label.name, label.value])))
  }

  /** What was pushed and is not shown, as series have its names and labels. */
  hiddenOfPushed(): Hidden {
    return this.#pushed.text.hiddenBy(this.#coarsest)
  }

  /** All lines as text 0.0.4, ending with a line feed, at once. */
  render(room = 0, bytesMax: number = Infinity, forScraper = false): TextWriter {
    const steps = this.steps({ format: 'text-0.0.4', escaping: 'underscores', room, bytesMax, forScraper })
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
    }
  }

  /** All lines in some steps, between which other things may happen. What ends a text of OpenMetrics is not written. */
  *steps(options: RenderOptions): Generator<undefined, TextWriter> {
    const { format, escaping, room, bytesMax, forScraper } = options
    const named = this.#namedBy(sameNames(this.#shown.series.metrics.strategy, escaping))
    while (!named.isBuilt) {
      named.isBuilt = named.lines.build(namedPerTurn)
      yield
    }
    const kind = format === 'text-1.0.0' ? 'text-0.0.4' : format
    const families = named.writers.get(kind) ?? this.#writerOf(named.lines, kind)
    named.writers.set(kind, families)
    const before = this.#bytesWritten.get(kind) ?? estimatedBytes(named.lines, kind === 'protobuf')
    const capacity = Math.ceil(before * 1.06) + room // Some grow until the next scrape.
    const writer = new TextWriter(Math.min(capacity, bytesMax), this.#spare, bytesMax)
    this.#spare = undefined
    yield* inSlices(named.lines, families, writer, forScraper)
    const pushed = format === 'openmetrics-1.0' ? this.#pushed.openMetrics : this.#pushed.text
    writeText(writer, format, pushed.apartFrom(named.lines))
    // Where one is pushed, it is that of its job, and a name has one family.
    const info = pushed.has('target_info')
      ? ''
      : targetInfo(named.lines, escaping, format === 'openmetrics-1.0')
    writeText(writer, format, info)
    this.#bytesWritten.set(kind, writer.length)
    return writer
  }

  /** Gives back what `render` wrote, when it was sent: the next scrape writes into the same memory. */
  recycle(writer: TextWriter): void {
    if (writer.buffer.length <= spareBytesMax) this.#spare = writer.buffer
  }

  #writerOf(lines: Lines, format: Format): FamilyWriter {
    const pushed = this.#pushed
    if (format === 'protobuf') return new ProtobufWriter(lines, this.#shown.exemplars, pushed.text)
    if (format === 'openmetrics-1.0') return new LineRenderer(lines, this.#openMetrics, pushed.openMetrics)
    return new LineRenderer(lines, text, pushed.text)
  }

  #namedBy(escaping: Escaping): Named {
    let named = this.#named.get(escaping)
    if (named === undefined) {
      const isFirst = this.#named.size === 0
      const lines = new Lines(this.#shown.series, escaping, isFirst ? this.#options.onHidden : () => {})
      named = { lines, isBuilt: false, writers: new Map() }
      this.#named.set(escaping, named)
    }
    return named
  }
}

/** Writes a few families that there is a text of, in any format. */
export function writeText(writer: TextWriter, format: Format, families: string): void {
  if (format !== 'protobuf') return writer.text(families)
  const messages = messagesOf(families)
  writer.bytes(messages, messages.length)
}

/** Text 0.0.4 and 1.0.0 (CONFORMANCE E5), which differ in the names that there may be. */
const text: Dialect = {
  isCounter: () => true,
  headOf({ name, type, isUnknown, description }: Family): string {
    const shown = isLegacyName(name) ? name : `"${escapedValue(name)}"`
    const help = description === '' ? '' : `# HELP ${shown} ${escapedHelp(description)}\n`
    return `${help}# TYPE ${shown} ${isUnknown ? 'untyped' : typeNames[type]}\n`
  },
  boundText,
  extras: () => undefined,
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
