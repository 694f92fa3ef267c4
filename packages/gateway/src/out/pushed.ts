import { shownType } from '../ledger/families.ts'
import { readFamily, type FamilyType, type Label, type Sample } from '../ledger/pushed/family.ts'
import type { PushedFamily, PushedGroups } from '../ledger/pushed/groups.ts'
import type { Family } from './lines.ts'
import { boundText, escapedHelp, escapedValue, labelsText } from './names.ts'
import { canonicalBound, withoutTotal } from './openmetrics.ts'

/** One name of what was pushed, over all groups. */
interface PushedName {
  type: FamilyType
  help: string
  /** Each with its line feed. */
  lines: string
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
  readonly #rendered = new WeakMap<PushedFamily, { help: string; lines: string }>()
  #names = new Map<string, PushedName>()
  #changeCount = -1

  constructor(groups: PushedGroups, isOpenMetrics: boolean) {
    this.#groups = groups
    this.#isOpenMetrics = isOpenMetrics
  }

  /** The lines that stand behind those of a family of the same name and type. */
  behind({ name, type }: Family): string {
    const pushed = this.#current().get(name)
    return pushed?.type === shownType(type) ? pushed.lines : ''
  }

  /** All that is of another name than these families, which have lines. */
  apartFrom(families: Iterable<Family>): string {
    const pushed = this.#current()
    if (pushed.size === 0) return ''
    const taken = new Set<string>()
    for (const { name, count } of families) if (count > 0 && pushed.has(name)) taken.add(name)
    let text = ''
    for (const [name, family] of pushed)
      if (!taken.has(name)) text += this.#headOf(name, family) + family.lines
    return text
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
      const text = labelsText(pairsOf(labels).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      for (const [name, field, help] of times)
        this.#add(name, 'gauge', help, `${name}{${text}} ${numberText(group[field] / 1000)}\n`)
    }
    return this.#names
  }

  /** Of several helps the longest is shown, as elsewhere. */
  #add(name: string, type: FamilyType, help: string, lines: string): void {
    const family = this.#names.get(name)
    if (family === undefined) this.#names.set(name, { type, help, lines })
    else {
      family.lines += lines
      if (help.length > family.help.length) family.help = help
    }
  }

  #textOf(family: PushedFamily): { help: string; lines: string } {
    const known = this.#rendered.get(family)
    if (known !== undefined) return known
    const { name, type, help, samples } = readFamily(family.bytes)
    let lines = ''
    for (const sample of samples)
      lines += sampleText(name, type, sample, this.#isOpenMetrics ? canonicalBound : boundText)
    const text = { help, lines }
    this.#rendered.set(family, text)
    return text
  }

  #headOf(name: string, { type, help }: PushedName): string {
    const word = this.#isOpenMetrics ? openMetricsType(name, type) : type
    const family = word === 'counter' && this.#isOpenMetrics ? withoutTotal(name) : name
    const said = this.#isOpenMetrics ? escapedValue(help) : escapedHelp(help)
    return `${help === '' ? '' : `# HELP ${family} ${said}\n`}# TYPE ${family} ${word}\n`
  }
}

/** A counter's sample ends in _total there, or it is none (CONFORMANCE E7). */
function openMetricsType(name: string, type: FamilyType): string {
  const isNone = type === 'untyped' || (type === 'counter' && withoutTotal(name) === name)
  return isNone ? 'unknown' : type
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
