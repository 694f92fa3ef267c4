import { readAttributes, readScope, readString, resourceAttributesField } from '@swansong/otlp'
import type { Series } from '../ledger/series.ts'
import { counterName, escapedHelp, labelsText } from './names.ts'

/** One exposed name with its lines. */
interface Family {
  /** HELP and TYPE, rendered. */
  head: string
  /** Its lines, by number. */
  lines: number[]
}

/**
 * The series as text 0.0.4 (CONFORMANCE E5). What a line is called is rendered once, when its series is born; a scrape
 * only puts the values behind. Series whose names and labels are equal after translation are one line, their sum
 * (CONFORMANCE D8).
 */
export class TextExposition {
  readonly #series: Series
  readonly #families = new Map<string, Family>()
  #known = 0 // Series that have a line.
  #texts: string[] = [] // Line → name and labels.
  #lines = new Map<string, number>() // Name and labels → line.
  #slots: Int32Array = new Int32Array(64) // Line → slot of its first series.
  #more = new Map<number, number[]>() // Line → slots of its further series.

  constructor(series: Series) {
    this.#series = series
    this.keepUp()
  }

  /** Renders the names of what was born. To be called after each commit, so that no scrape pays for it. */
  keepUp(): void {
    for (; this.#known < this.#series.count; this.#known++) this.#name(this.#known)
  }

  /** All lines, ending with a line feed. */
  render(): string {
    const texts = this.#texts
    const slots = this.#slots
    const { pages } = this.#series
    let text = ''
    for (const { head, lines } of this.#families.values()) {
      text += head
      for (let at = 0; at < lines.length; at++) {
        const line = lines[at] as number
        let value = pages.value(slots[line] as number)
        if (this.#more.size > 0) value = this.#sum(line, value)
        text += `${texts[line] as string} ${value}\n`
      }
    }
    return text
  }

  #sum(line: number, first: number): number {
    let sum = first
    for (const slot of this.#more.get(line) ?? []) sum += this.#series.pages.value(slot)
    return sum
  }

  #name(series: number): void {
    const { metrics } = this.#series
    const metric = metrics.metrics[this.#series.metricOf(series)]
    const scopeRow = metrics.scopes[metric?.scope ?? -1]
    const resource = metrics.resources[scopeRow?.resource ?? -1]
    if (metric === undefined || scopeRow === undefined || resource === undefined) {
      throw new Error(`BUG: series ${series} has no metric, scope or resource`)
    }
    const attributes = this.#series.attributesOf(series)
    const name = counterName(metric.name, metric.unit)
    const labels = labelsText({
      resource: readAttributes(resource, 0, resource.length, resourceAttributesField),
      scope: {
        ...readScope(scopeRow.scope, 0, scopeRow.scope.length),
        schemaUrl: readString(scopeRow.schemaUrl),
      },
      point: readAttributes(attributes, 0, attributes.length),
    })
    const text = labels === '' ? name : `${name}{${labels}}`
    const slot = this.#series.slotOf(series)
    const known = this.#lines.get(text)
    if (known === undefined) this.#family(name, metric.description).lines.push(this.#addLine(text, slot))
    else this.#more.set(known, [...(this.#more.get(known) ?? []), slot])
  }

  #addLine(text: string, slot: number): number {
    const line = this.#texts.push(text) - 1
    if (line === this.#slots.length) {
      const slots = new Int32Array(Math.ceil(line * 1.5))
      slots.set(this.#slots)
      this.#slots = slots
    }
    this.#slots[line] = slot
    this.#lines.set(text, line)
    return line
  }

  #family(name: string, description: string): Family {
    const known = this.#families.get(name)
    if (known !== undefined) return known
    const help = description === '' ? '' : `# HELP ${name} ${escapedHelp(description)}\n`
    const family: Family = { head: `${help}# TYPE ${name} counter\n`, lines: [] }
    this.#families.set(name, family)
    return family
  }
}
