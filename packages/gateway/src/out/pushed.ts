import { readFamily, type FamilyType, type Label, type Sample } from '../ledger/pushed/family.ts'
import type { PushedFamily, PushedGroups } from '../ledger/pushed/groups.ts'
import type { Lines } from './lines.ts'
import { boundText, escapedHelp, escapedValue, labelsText } from './names.ts'
import { canonicalBound, isCounterName, withoutTotal } from './openmetrics.ts'

/** One name of what was pushed, over all groups. */
interface PushedName {
  type: FamilyType
  help: string
  lines: PushedLine[]
}

/** A line, or the lines of one summary or histogram. */
interface PushedLine {
  /** What it has between its braces. A label without a value is none. */
  inner: string
  /** Each line with its line feed. */
  text: string
}

/** Lines that are not shown, as others of the same name and labels are, or of another type. */
export interface Hidden {
  count: number
  /** One of them, by its name and labels. */
  first?: string
}

const times = [
  ['push_time_seconds', 'pushedUnixMs', 'Last Unix time when changing this group succeeded.'],
  ['push_failure_time_seconds', 'failedUnixMs', 'Last Unix time when changing this group failed.'],
] as const

/**
 * The groups of Pushgateway's API as families, merged by name (CONFORMANCE H4), in one of the text formats. What a family of
 * a group says is rendered once, as it is never changed; all of it is put together again when a group has changed.
 */
export class Pushed {
  readonly #groups: PushedGroups
  readonly #isOpenMetrics: boolean
  readonly #rendered = new WeakMap<PushedFamily, { help: string; lines: PushedLine[] }>()
  #names = new Map<string, PushedName>()
  #changeCount = -1

  constructor(groups: PushedGroups, isOpenMetrics: boolean) {
    this.#groups = groups
    this.#isOpenMetrics = isOpenMetrics
  }

  /**
   * The lines that stand behind those of a family of the same name and type: but those that are one of its lines, too, which may have
   * been born since they were pushed. A sum is what others have added to it, and no line may stand twice.
   */
  behind(name: string, lines: Lines): string {
    const pushed = this.#current().get(name)
    if (pushed === undefined || pushed.type !== lines.shownTypeOf(name)) return ''
    let text = ''
    for (const line of pushed.lines) if (!lines.has(name, line.inner)) text += line.text
    return text
  }

  /** All that is of another name than the families which have lines. */
  apartFrom(lines: Lines): string {
    let text = ''
    for (const [name, family] of this.#current()) {
      if (lines.shownTypeOf(name) !== undefined) continue
      text += this.#headOf(name, family, (other) => this.has(other) || lines.shownTypeOf(other) !== undefined)
      for (const line of family.lines) text += line.text
    }
    return text
  }

  /** What is left out beside these lines. */
  hiddenBy(lines: Lines): Hidden {
    const hidden: Hidden = { count: 0 }
    for (const [name, family] of this.#current()) {
      const type = lines.shownTypeOf(name)
      if (type === undefined) continue
      for (const { inner } of family.lines) {
        if (type === family.type && !lines.has(name, inner)) continue
        hidden.count++
        hidden.first ??= `${name}{${inner}}`
      }
    }
    return hidden
  }

  has(name: string): boolean {
    return this.#current().has(name)
  }

  #current(): ReadonlyMap<string, PushedName> {
    if (this.#changeCount === this.#groups.changeCount) return this.#names
    this.#changeCount = this.#groups.changeCount
    this.#names = new Map()
    for (const [, group] of this.#groups.entries()) {
      for (const family of group.families.values()) {
        const { help, lines } = this.#textOf(family)
        this.#add(family.name, family.type, help, lines)
      }
      const hasInstance = group.labels.some(({ name }) => name === 'instance')
      const labels = hasInstance ? group.labels : [...group.labels, { name: 'instance', value: '' }]
      const sorted = labels.toSorted((one, other) => (one.name < other.name ? -1 : 1))
      for (const [name, field, help] of times) {
        const sample = {
          labels: sorted,
          value: group[field] / 1000,
          count: 0,
          parts: [],
          hasTimestamp: false,
        }
        this.#add(name, 'gauge', help, [lineOf(name, 'gauge', sample, boundText)])
      }
    }
    return this.#names
  }

  /** Of several helps the longest is shown, as elsewhere. */
  #add(name: string, type: FamilyType, help: string, lines: readonly PushedLine[]): void {
    const family = this.#names.get(name)
    if (family === undefined) this.#names.set(name, { type, help, lines: [...lines] })
    else {
      for (const line of lines) family.lines.push(line)
      if (help.length > family.help.length) family.help = help
    }
  }

  #textOf(family: PushedFamily): { help: string; lines: PushedLine[] } {
    const known = this.#rendered.get(family)
    if (known !== undefined) return known
    const { name, type, help, samples } = readFamily(family.bytes)
    const edgeText = this.#isOpenMetrics ? canonicalBound : boundText
    const lines = samples.map((sample) => lineOf(name, type, sample, edgeText))
    const text = { help, lines }
    this.#rendered.set(family, text)
    return text
  }

  #headOf(name: string, { type, help }: PushedName, isTaken: (name: string) => boolean): string {
    const word = this.#isOpenMetrics ? openMetricsType(name, type, isTaken) : type
    const family = word === 'counter' && this.#isOpenMetrics ? withoutTotal(name) : name
    const said = this.#isOpenMetrics ? escapedValue(help) : escapedHelp(help)
    return `${help === '' ? '' : `# HELP ${family} ${said}\n`}# TYPE ${family} ${word}\n`
  }
}

function openMetricsType(name: string, type: FamilyType, isTaken: (name: string) => boolean): string {
  const isNone = type === 'untyped' || (type === 'counter' && !isCounterName(name, isTaken))
  return isNone ? 'unknown' : type
}

function lineOf(
  name: string,
  type: FamilyType,
  sample: Sample,
  edgeText: (edge: number) => string
): PushedLine {
  const told = sample.labels.filter(({ value }) => value !== '')
  return { inner: labelsText(pairsOf(told)), text: sampleText(name, type, sample, edgeText) }
}

function sampleText(
  name: string,
  type: FamilyType,
  { labels, value = 0, count, parts }: Sample,
  edgeText: (edge: number) => string
): string {
  const inner = labelsText(pairsOf(labels))
  if (type !== 'summary' && type !== 'histogram') return `${name}{${inner}} ${numberText(value)}\n`
  const [line, edge] = type === 'summary' ? [name, 'quantile'] : [`${name}_bucket`, 'le']
  let text = ''
  for (const part of parts)
    text += `${line}{${inner},${edge}="${Number.isFinite(part.at) ? edgeText(part.at) : numberText(part.at)}"} ${numberText(part.value)}\n`
  if (type === 'histogram' && !parts.some(({ at }) => at === Infinity))
    text += `${line}{${inner},le="+Inf"} ${numberText(count)}\n`
  return `${text}${name}_sum{${inner}} ${numberText(value)}\n${name}_count{${inner}} ${numberText(count)}\n`
}

function pairsOf(labels: readonly Label[]): [string, string][] {
  return labels.map(({ name, value }) => [name, value])
}

/** As Go's strconv has it, which wrote them before. */
function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  return value === -Infinity ? '-Inf' : boundText(value)
}
