import { readFamily, type FamilyType, type Label, type Sample } from '../../ledger/pushed/family.ts'
import type { PushedFamily, PushedGroups } from '../../ledger/pushed/groups.ts'
import { canonicalBound } from '../openmetrics.ts'
import { escaped } from '../naming.ts'
import type { RemoteLines } from './lines.ts'
import type { Described } from './request-writer.ts'

/** A line of what was pushed by Pushgateway's API. */
export interface PushedLine {
  /** Symbols, name by value, sorted by names. */
  labels: Uint32Array
  value: number
  family: Described
}

/** A line before it has symbols. */
interface Rendered {
  family: string
  name: string
  labels: readonly Label[]
  /** Its quantile, or the upper bound of its bucket. */
  edge?: Label
  value: number
}

/** By io.prometheus.write.v2: what metadata calls each type. */
const metadataTypes: Readonly<Record<FamilyType, number>> = {
  untyped: 0,
  counter: 1,
  gauge: 2,
  histogram: 3,
  summary: 5,
}

/**
 * What was pushed by Pushgateway's API, as lines. It is no sum of ours: so it has no zero and no start, and what is pushed
 * replaces what was there. A line that is gone is stale; so is one that the ledger has, too, since it was pushed.
 */
export class PushedLines {
  #lines: readonly PushedLine[] = []
  #byKey = new Map<string, PushedLine>()
  /** Those that were told and are not there any more. */
  #gone: PushedLine[] = []
  #told = new Set<PushedLine>()
  #changeCount = 0
  /** The families of all, and what the ledger had when it was last looked whether they are there, too. */
  #families = new Set<string>()
  #ledgerChangeCount = 0
  readonly #groups: PushedGroups
  readonly #ledgerLines: RemoteLines
  readonly #external: readonly Label[]
  readonly #rendered = new WeakMap<PushedFamily, { help: string; lines: readonly Rendered[] }>()

  constructor(
    groups: PushedGroups,
    ledgerLines: RemoteLines,
    externalLabels: Readonly<Record<string, string>>
  ) {
    this.#groups = groups
    this.#ledgerLines = ledgerLines
    this.#external = Object.entries(externalLabels).map(([name, value]) => ({ name, value }))
  }

  get lines(): readonly PushedLine[] {
    return this.#lines
  }

  get gone(): readonly PushedLine[] {
    return this.#gone
  }

  /** Looks what there is now, a group a step. Not while a request is written. */
  *update(): Generator<undefined, void> {
    const ledgerLines = this.#ledgerLines
    const isSame =
      ledgerLines.changeCount === this.#ledgerChangeCount ||
      ![...this.#families].some((name) => ledgerLines.hasFamily(name))
    const { changeCount } = this.#groups
    if (isSame && this.#changeCount === changeCount) return
    const ledgerChangeCount = ledgerLines.changeCount
    const families = new Set<string>()
    const before = this.#byKey
    const now = new Map<string, PushedLine>()
    for (const [, group] of this.#groups.entries()) {
      for (const family of group.families.values()) {
        const { help, lines } = this.#linesOf(family)
        families.add(family.name)
        for (const line of lines) this.#add(now, before, line, metadataTypes[family.type], help)
      }
      const name = 'push_time_seconds'
      const pushed = { family: name, name, labels: group.labels, value: group.pushedUnixMs / 1000 }
      families.add(name)
      this.#add(now, before, pushed, metadataTypes.gauge, '')
      yield
    }
    for (const [key, line] of before) {
      if (now.has(key)) continue
      if (this.#told.delete(line)) this.#gone.push(line)
      else this.#release(line)
    }
    this.#changeCount = changeCount
    this.#ledgerChangeCount = ledgerChangeCount
    this.#families = families
    this.#byKey = now
    this.#lines = [...now.values()]
  }

  /** All of it was told, that those are gone included. Not while a request is written. */
  keep(): void {
    for (const line of this.#gone.splice(0)) this.#release(line)
    this.#told = new Set(this.#lines)
  }

  /** Of two lines of one name and labels the first is told, and before all that of the ledger. */
  #add(
    now: Map<string, PushedLine>,
    before: ReadonlyMap<string, PushedLine>,
    { family, name, labels: own, edge, value }: Rendered,
    metadata: number,
    help: string
  ): void {
    const labels = new Map<string, string>()
    for (const { name: label, value: text } of [...own, ...this.#external]) {
      const shown = escaped(label, 'underscores', true)
      if (text !== '' && !labels.has(shown)) labels.set(shown, text)
    }
    if (this.#ledgerLines.hasFamily(family) && this.#ledgerLines.has(family, sortedOf(labels))) return
    labels.set('__name__', escaped(name, 'underscores'))
    if (edge !== undefined) labels.set(edge.name, edge.value)
    const sorted = sortedOf(labels)
    const key = JSON.stringify(sorted)
    if (now.has(key)) return
    const known = before.get(key)
    if (known !== undefined) known.value = value
    now.set(key, known ?? this.#newLine(sorted, value, metadata, help))
  }

  #newLine(labels: readonly [string, string][], value: number, metadata: number, help: string): PushedLine {
    const { symbols } = this.#ledgerLines
    const pairs = labels.flatMap(([name, text]) => [symbols.holdName(name), symbols.hold(text)])
    const family = { metadata, help: help === '' ? -1 : symbols.hold(help), unit: -1 }
    return { labels: Uint32Array.from(pairs), value, family }
  }

  #release({ labels, family }: PushedLine): void {
    const { symbols } = this.#ledgerLines
    for (const symbol of labels) symbols.release(symbol)
    if (family.help >= 0) symbols.release(family.help)
  }

  /** A family is never changed, only replaced. */
  #linesOf(pushed: PushedFamily): { help: string; lines: readonly Rendered[] } {
    const known = this.#rendered.get(pushed)
    if (known !== undefined) return known
    const { name, type, help, samples } = readFamily(pushed.bytes)
    const made = { help, lines: samples.flatMap((sample) => renderedOf(name, type, sample)) }
    this.#rendered.set(pushed, made)
    return made
  }
}

function sortedOf(labels: ReadonlyMap<string, string>): [string, string][] {
  return [...labels].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function renderedOf(name: string, type: FamilyType, { labels, value = 0, count, parts }: Sample): Rendered[] {
  if (type !== 'summary' && type !== 'histogram') return [{ family: name, name, labels, value }]
  const isSummary = type === 'summary'
  const part = (at: number, of: number): Rendered => {
    const edge = { name: isSummary ? 'quantile' : 'le', value: canonicalBound(at) }
    return { family: name, name: isSummary ? name : `${name}_bucket`, labels, edge, value: of }
  }
  const all = parts.map(({ at, value: of }) => part(at, of))
  if (!isSummary && !parts.some(({ at }) => at === Infinity)) all.push(part(Infinity, count))
  const whole = (suffix: string, of: number): Rendered => {
    return { family: name, name: name + suffix, labels, value: of }
  }
  return [...all, whole('_sum', value), whole('_count', count)]
}
