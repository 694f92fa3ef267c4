import { readFamily, type FamilyType, type Sample } from '../ledger/pushed/family.ts'
import type { PushedFamily, PushedGroups } from '../ledger/pushed/groups.ts'
import { boundText, escapedHelp, escapedValue } from './names.ts'

/** One name of what was pushed, over all groups. */
export interface PushedName {
  name: string
  type: FamilyType
  help: string
  /** As text 0.0.4, each line with its line feed. */
  lines: string
}

const times = {
  pushedUnixMs: ['push_time_seconds', 'Last Unix time when changing this group succeeded.'],
  failedUnixMs: ['push_failure_time_seconds', 'Last Unix time when changing this group failed.'],
} as const

/**
 * The groups of Pushgateway's API as families, merged by name (CONFORMANCE H4). What a family of a group says is rendered
 * once, as it is never changed; all of it is put together again when a group has changed.
 */
export class Pushed {
  readonly #groups: PushedGroups
  readonly #rendered = new WeakMap<PushedFamily, { help: string; lines: string }>()
  #families = new Map<string, PushedName>()
  #changeCount = -1

  constructor(groups: PushedGroups) {
    this.#groups = groups
  }

  /** By name. */
  families(): ReadonlyMap<string, PushedName> {
    if (this.#changeCount === this.#groups.changeCount) return this.#families
    this.#changeCount = this.#groups.changeCount
    const families = new Map<string, PushedName>()
    for (const [, group] of this.#groups.entries()) {
      for (const family of group.families.values()) {
        const { help, lines } = this.#textOf(family)
        add(families, family.name, family.type, help, lines)
      }
      const labels = timeLabels(group.labels)
      for (const [field, [name, help]] of Object.entries(times)) {
        const seconds = group[field as keyof typeof times] / 1000
        add(families, name, 'gauge', help, `${name}{${labels}} ${numberText(seconds)}\n`)
      }
    }
    this.#families = families
    return families
  }

  #textOf(family: PushedFamily): { help: string; lines: string } {
    const known = this.#rendered.get(family)
    if (known !== undefined) return known
    const { name, type, help, samples } = readFamily(family.bytes)
    let lines = ''
    for (const sample of samples) lines += sampleText(name, type, sample)
    const text = { help, lines }
    this.#rendered.set(family, text)
    return text
  }
}

/** HELP and TYPE. */
export function pushedHead({ name, type, help }: PushedName): string {
  return `${help === '' ? '' : `# HELP ${name} ${escapedHelp(help)}\n`}# TYPE ${name} ${type}\n`
}

/** Of several helps the longest is shown, as elsewhere. */
function add(
  families: Map<string, PushedName>,
  name: string,
  type: FamilyType,
  help: string,
  lines: string
): void {
  const family = families.get(name)
  if (family === undefined) families.set(name, { name, type, help, lines })
  else {
    family.lines += lines
    if (help.length > family.help.length) family.help = help
  }
}

function timeLabels(labels: readonly { name: string; value: string }[]): string {
  const hasInstance = labels.some(({ name }) => name === 'instance')
  const all = hasInstance ? labels : [...labels, { name: 'instance', value: '' }]
  const sorted = all.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return sorted.map(({ name, value }) => `${name}="${escapedValue(value)}"`).join(',')
}

function sampleText(name: string, type: FamilyType, { labels, value = 0, count, parts }: Sample): string {
  const inner = labels.map((label) => `${label.name}="${escapedValue(label.value)}"`).join(',')
  const own = inner === '' ? '' : `{${inner}}`
  if (type !== 'summary' && type !== 'histogram') return `${name}${own} ${numberText(value)}\n`
  const before = inner === '' ? '' : `${inner},`
  let text = ''
  if (type === 'summary') {
    for (const { at, value: quantile } of parts)
      text += `${name}{${before}quantile="${numberText(at)}"} ${numberText(quantile)}\n`
  } else {
    for (const { at, value: counted } of parts)
      text += `${name}_bucket{${before}le="${numberText(at)}"} ${numberText(counted)}\n`
    const hasInfinity = parts.some(({ at }) => at === Infinity)
    if (!hasInfinity) text += `${name}_bucket{${before}le="+Inf"} ${numberText(count)}\n`
  }
  return `${text}${name}_sum${own} ${numberText(value)}\n${name}_count${own} ${numberText(count)}\n`
}

/** As Go's strconv has it, which wrote them before. */
function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  return value === -Infinity ? '-Inf' : boundText(value)
}
