import { readAttributes, readScope, readString, resourceAttributesField } from '@swansong/otlp'
import { ByteIndex } from '../ledger/byte-index.ts'
import { familyName } from '../ledger/families.ts'
import { isGaugeType, isLevel, metricTypes, type MetricType } from '../ledger/metric-types.ts'
import type { Series } from '../ledger/series.ts'
import { changesGauge } from '../ledger/values/gauge.ts'
import { ExponentialText } from './exponential-text.ts'
import { histogramHeads, HistogramText, type HistogramHeads } from './histogram-text.ts'
import { escapedHelp, labelsText, metricLabels } from './names.ts'
import { TextWriter } from './text-writer.ts'

/** A larger buffer is not kept between two scrapes. */
const spareBytesMax: number = 32 * 1024 * 1024

/** One exposed name with its lines. */
interface Family {
  /** Under which its lines are in the index: 0 where a line's key is all of it, else the key is the labels alone. */
  number: number
  type: MetricType
  name: string
  description: string
  /** HELP and TYPE, rendered. */
  head: string
  histogram: HistogramHeads | undefined
  /** Its lines, by number: the first `count`. */
  lines: Int32Array
  count: number
}

/** What the series of a metric share. */
interface MetricText {
  family: Family
  labels: ReadonlyMap<string, string>
}

/**
 * The series as text 0.0.4 (CONFORMANCE E5). What a line is called is rendered once, when its series is born; a scrape
 * only puts the values behind. Series whose names and labels are equal after translation are one line, their sum
 * (CONFORMANCE D8).
 */
export class TextExposition {
  readonly #series: Series
  readonly #metrics: (MetricText | undefined)[] = [] // By the metric's id.
  readonly #families = new Map<string, Family>()
  readonly #histograms: HistogramText
  readonly #exponentials: ExponentialText
  /**
   * Name, labels in braces and a space → line; of histograms the labels under their family's number. The entries are the
   * lines: both count up together.
   */
  readonly #lines = new ByteIndex()
  #slots: Int32Array = new Int32Array(64) // Line → slot of its first series.
  readonly #more = new Map<number, number[]>() // Line → slots of its further series.
  #lineOf: Int32Array = new Int32Array(64) // Series → its line, -1 where it has none.
  #changeCount = 0
  #bytesWritten = 0
  #spare: Uint8Array | undefined

  constructor(series: Series) {
    this.#series = series
    this.#histograms = new HistogramText(series)
    this.#exponentials = new ExponentialText(series)
    this.keepUp(Array.from({ length: series.idEnd }, (_, id) => id).filter((id) => series.isLive(id)))
  }

  /** Renders the names of what was born. To be called after each commit, so that no scrape pays for it. */
  keepUp(born: readonly number[]): void {
    for (const series of born) this.#name(series)
    const { metrics, changeCount } = this.#series.metrics
    if (changeCount === this.#changeCount) return
    this.#changeCount = changeCount
    for (const [id, text] of this.#metrics.entries()) {
      const metric = metrics[id]
      if (text === undefined || metric === undefined) continue
      text.family.type = metric.type
      describe(text.family, metric.description)
    }
  }

  /** Of idle series (1 at their id) those of whose line all are idle: whole lines, until there are so many. */
  endable(idle: Uint8Array, countMax: number): number[] {
    const isBusy = new Uint8Array(this.#lines.count)
    for (let id = 0; id < this.#series.idEnd; id++)
      if (idle[id] === 0 && this.#series.isLive(id)) isBusy[this.#lineOf[id] as number] = 1
    const isChosen = new Uint8Array(this.#lines.count)
    const chosen: number[] = []
    for (let id = 0; id < idle.length; id++) {
      const line = this.#lineOf[id] as number
      if (idle[id] === 0 || isBusy[line] === 1 || (chosen.length >= countMax && isChosen[line] === 0))
        continue
      isChosen[line] = 1
      chosen.push(id)
    }
    return chosen
  }

  /** Takes out the lines of series that are over. */
  end(ended: readonly number[]): void {
    for (const series of ended) {
      const line = this.#lineOf[series] as number
      this.#lineOf[series] = -1
      if (this.#slots[line] === -1) continue // Another one of its series came before.
      this.#slots[line] = -1
      this.#more.delete(line)
      this.#lines.remove(line)
    }
    const isOver = (line: number): boolean => this.#slots[line] === -1
    for (const family of this.#families.values()) family.count = without(family.lines, family.count, isOver)
    if (this.#lines.removed > this.#lines.count / 2) this.#compact()
  }

  /** All lines, ending with a line feed. `room`: bytes that will be written behind them. */
  render(room = 0, bytesMax: number = Infinity): TextWriter {
    const capacity = Math.ceil(this.#bytesWritten * 1.06) + room // Some grow until the next scrape.
    const writer = new TextWriter(Math.min(capacity, bytesMax), this.#spare, bytesMax)
    this.#spare = undefined
    for (const family of this.#families.values()) {
      if (family.count === 0) continue // All that would be in it were refused.
      writer.text(family.head)
      if (family.histogram !== undefined) this.#renderHistograms(writer, family, family.histogram)
      else this.#renderNumbers(writer, family)
    }
    this.#bytesWritten = writer.length
    return writer
  }

  /** Gives back what `render` wrote, when it was sent: the next scrape writes into the same memory. */
  recycle(writer: TextWriter): void {
    if (writer.buffer.length <= spareBytesMax) this.#spare = writer.buffer
  }

  /** Gives back what lines took that are over: the others get other numbers. */
  #compact(): void {
    const places = this.#lines.compact(true)
    const slots = new Int32Array(Math.max(64, this.#lines.count))
    const more = [...this.#more]
    this.#more.clear()
    for (const [line, place] of places.entries()) if (place >= 0) slots[place] = this.#slots[line] as number
    for (const [line, others] of more) this.#more.set(places[line] as number, others)
    for (const { lines, count } of this.#families.values())
      for (let at = 0; at < count; at++) lines[at] = places[lines[at] as number] as number
    for (let id = 0; id < this.#series.idEnd; id++)
      if ((this.#lineOf[id] as number) >= 0) this.#lineOf[id] = places[this.#lineOf[id] as number] as number
    this.#slots = slots
  }

  #renderNumbers(writer: TextWriter, { type, lines, count }: Family): void {
    const index = this.#lines
    const slots = this.#slots
    const { pages } = this.#series
    const mayHaveMore = this.#more.size > 0
    const isOneOfMany = isKeptGauge(type)
    for (let at = 0; at < count; at++) {
      const line = lines[at] as number
      const slot = slots[line] as number
      if (isOneOfMany && this.#isGone(line, slot)) continue
      writer.line(index, line, mayHaveMore ? this.#merged(type, line, slot) : pages.value(slot))
    }
  }

  #renderHistograms(writer: TextWriter, { type, lines, count }: Family, heads: HistogramHeads): void {
    const index = this.#lines
    for (let at = 0; at < count; at++) {
      const line = lines[at] as number
      const slot = this.#slots[line] as number
      const more = this.#more.get(line)
      if (type === metricTypes.exponentialHistogram)
        this.#exponentials.write(writer, heads, index, line, more === undefined ? [slot] : [slot, ...more])
      else if (more === undefined) this.#histograms.write(writer, heads, index, line, slot)
      else this.#histograms.writeMerged(writer, heads, index, line, [slot, ...more])
    }
  }

  /** Whether all gauges of a line were ended by their senders (CONFORMANCE B16). */
  #isGone(line: number, first: number): boolean {
    const { pages } = this.#series
    if (pages.value(first + 1) >= 0) return false
    return (this.#more.get(line) ?? []).every((slot) => pages.value(slot + 1) < 0)
  }

  /** The value of a line: of several series their sum, or what the gauge's policy says of them. */
  #merged(type: MetricType, line: number, first: number): number {
    const { pages } = this.#series
    const isGauge = isKeptGauge(type)
    let kept = first
    let value = pages.value(first)
    for (const slot of this.#more.get(line) ?? []) {
      const other = pages.value(slot)
      const slots = pages.slotsOf(kept)
      if (!isGauge) value += other
      else if (pages.value(slot + 1) < 0) continue
      else if (
        pages.value(kept + 1) < 0 ||
        changesGauge(type, slots, pages.offsetOf(kept), other, pages.value(slot + 1))
      ) {
        kept = slot
        value = other
      }
    }
    return value
  }

  #name(series: number): void {
    const { family, labels } = this.#metric(this.#series.metricOf(series))
    const attributes = this.#series.attributesOf(series)
    const inner = labelsText(labels, readAttributes(attributes, 0, attributes.length))
    const { name, number } = family
    const text = encoder.encode(number > 0 ? inner : inner === '' ? `${name} ` : `${name}{${inner}} `)
    const slot = this.#series.slotOf(series)
    const known = this.#lines.find(number, text, 0, text.length)
    if (known === -1) this.#addLine(family, text, slot)
    else this.#more.set(known, [...(this.#more.get(known) ?? []), slot])
    while (series >= this.#lineOf.length) this.#lineOf = grown(this.#lineOf)
    this.#lineOf[series] = known === -1 ? this.#lines.count - 1 : known
  }

  /** What the series of a metric share, rendered once. */
  #metric(id: number): MetricText {
    const known = this.#metrics[id]
    if (known !== undefined) return known
    const { metrics } = this.#series
    const metric = metrics.metrics[id]
    const scopeRow = metrics.scopes[metric?.scope ?? -1]
    const resource = metrics.resources[scopeRow?.resource ?? -1]
    if (metric === undefined || scopeRow === undefined || resource === undefined) {
      throw new Error(`BUG: metric ${id} has no scope or resource`)
    }
    const labels = metricLabels(readAttributes(resource, 0, resource.length, resourceAttributesField), {
      ...readScope(scopeRow.scope, 0, scopeRow.scope.length),
      schemaUrl: readString(scopeRow.schemaUrl),
    })
    const { type, name, unit, description } = metric
    const text = { family: this.#family(familyName(type, name, unit), type, description), labels }
    this.#metrics[id] = text
    return text
  }

  #addLine(family: Family, text: Uint8Array, slot: number): void {
    const line = this.#lines.count
    this.#lines.insert(family.number, text, 0, text.length, line)
    if (line === this.#slots.length) this.#slots = grown(this.#slots)
    this.#slots[line] = slot
    if (family.count === family.lines.length) family.lines = grown(family.lines)
    family.lines[family.count++] = line
  }

  /** The family of a name. Of several descriptions the longer is kept (CONFORMANCE B17). */
  #family(name: string, type: MetricType, description: string): Family {
    let family = this.#families.get(name)
    if (family === undefined) {
      const isHistogram = type === metricTypes.histogram || type === metricTypes.exponentialHistogram
      family = {
        number: isHistogram ? this.#families.size + 1 : 0,
        type,
        name,
        description,
        head: headOf(name, type, description),
        histogram: isHistogram ? histogramHeads(name) : undefined,
        lines: new Int32Array(4),
        count: 0,
      }
      this.#families.set(name, family)
    } else describe(family, description)
    return family
  }
}

/** A gauge of which one value is kept, with its time. */
function isKeptGauge(type: MetricType): boolean {
  return isGaugeType(type) && !isLevel(type)
}

/** Moves together those of the first `count` numbers that are not to go; returns how many they are. */
function without(numbers: Int32Array, count: number, goes: (number: number) => boolean): number {
  let kept = 0
  for (let at = 0; at < count; at++) if (!goes(numbers[at] as number)) numbers[kept++] = numbers[at] as number
  return kept
}

function describe(family: Family, description: string): void {
  if (description.length <= family.description.length) return
  family.description = description
  family.head = headOf(family.name, family.type, description)
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

function grown(numbers: Int32Array): Int32Array {
  const larger = new Int32Array(Math.ceil(numbers.length * 1.5))
  larger.set(numbers)
  return larger
}

const encoder = new TextEncoder()
