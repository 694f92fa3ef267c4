import { readAttributes, readScope, readString, resourceAttributesField } from '@swansong/otlp'
import { ByteIndex } from '../ledger/byte-index.ts'
import type { Series } from '../ledger/series.ts'
import { counterName, escapedHelp, labelsText, metricLabels } from './names.ts'
import { TextWriter } from './text-writer.ts'

/** A larger buffer is not kept between two scrapes. */
const spareBytesMax: number = 32 * 1024 * 1024

/** One exposed name with its lines. */
interface Family {
  /** HELP and TYPE, rendered. */
  head: string
  /** Its lines, by number: the first `count`. */
  lines: Int32Array
  count: number
}

/** What the series of a metric share. */
interface MetricText {
  name: string
  labels: ReadonlyMap<string, string>
  description: string
}

/**
 * The series as text 0.0.4 (CONFORMANCE E5). What a line is called is rendered once, when its series is born; a scrape
 * only puts the values behind. Series whose names and labels are equal after translation are one line, their sum
 * (CONFORMANCE D8).
 */
export class TextExposition {
  readonly #series: Series
  readonly #metrics: MetricText[] = [] // By the metric's id.
  readonly #families = new Map<string, Family>()
  /** Name, labels in braces and a space → line. The entries are the lines: both count up together. */
  readonly #lines = new ByteIndex()
  #slots: Int32Array = new Int32Array(64) // Line → slot of its first series.
  readonly #more = new Map<number, number[]>() // Line → slots of its further series.
  #known = 0 // Series that have a line.
  #bytesWritten = 0
  #spare: Uint8Array | undefined

  constructor(series: Series) {
    this.#series = series
    this.keepUp()
  }

  /** Renders the names of what was born. To be called after each commit, so that no scrape pays for it. */
  keepUp(): void {
    for (; this.#known < this.#series.count; this.#known++) this.#name(this.#known)
  }

  /** All lines, ending with a line feed. `room`: bytes that will be written behind them. */
  render(room = 0): TextWriter {
    const capacity = Math.ceil(this.#bytesWritten * 1.06) + room // Some grow until the next scrape.
    const writer = new TextWriter(capacity, this.#spare)
    this.#spare = undefined
    const index = this.#lines
    const slots = this.#slots
    const { pages } = this.#series
    const mayHaveMore = this.#more.size > 0
    for (const { head, lines, count } of this.#families.values()) {
      writer.text(head)
      for (let at = 0; at < count; at++) {
        const line = lines[at] as number
        const value = pages.value(slots[line] as number)
        writer.line(index, line, mayHaveMore ? this.#sum(line, value) : value)
      }
    }
    this.#bytesWritten = writer.length
    return writer
  }

  /** Gives back what `render` wrote, when it was sent: the next scrape writes into the same memory. */
  recycle(writer: TextWriter): void {
    if (writer.buffer.length <= spareBytesMax) this.#spare = writer.buffer
  }

  #sum(line: number, first: number): number {
    let sum = first
    for (const slot of this.#more.get(line) ?? []) sum += this.#series.pages.value(slot)
    return sum
  }

  #name(series: number): void {
    const { name, labels, description } = this.#metric(this.#series.metricOf(series))
    const attributes = this.#series.attributesOf(series)
    const inner = labelsText(labels, readAttributes(attributes, 0, attributes.length))
    const text = encoder.encode(inner === '' ? `${name} ` : `${name}{${inner}} `)
    const slot = this.#series.slotOf(series)
    const known = this.#lines.find(0, text, 0, text.length)
    if (known === -1) this.#addLine(this.#family(name, description), text, slot)
    else this.#more.set(known, [...(this.#more.get(known) ?? []), slot])
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
    const name = counterName(metric.name, metric.unit)
    const text = { name, labels, description: metric.description }
    this.#metrics[id] = text
    return text
  }

  #addLine(family: Family, text: Uint8Array, slot: number): void {
    const line = this.#lines.count
    this.#lines.insert(0, text, 0, text.length, line)
    if (line === this.#slots.length) this.#slots = grown(this.#slots)
    this.#slots[line] = slot
    if (family.count === family.lines.length) family.lines = grown(family.lines)
    family.lines[family.count++] = line
  }

  #family(name: string, description: string): Family {
    const known = this.#families.get(name)
    if (known !== undefined) return known
    const help = description === '' ? '' : `# HELP ${name} ${escapedHelp(description)}\n`
    const family: Family = {
      head: `${help}# TYPE ${name} counter\n`,
      lines: new Int32Array(4),
      count: 0,
    }
    this.#families.set(name, family)
    return family
  }
}

function grown(numbers: Int32Array): Int32Array {
  const larger = new Int32Array(Math.ceil(numbers.length * 1.5))
  larger.set(numbers)
  return larger
}

const encoder = new TextEncoder()
