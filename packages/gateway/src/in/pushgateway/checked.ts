import { encodeFamily, type Family, type Label, type Sample } from '../../ledger/pushed/family.ts'
import { clashOf } from '../../ledger/pushed/clashes.ts'
import type { PushedFamily } from '../../ledger/pushed/groups.ts'
import { lineText } from '../../ledger/pushed/same-lines.ts'
import { Refusal } from '../../refusal.ts'

/** What the group's own times are called. What is pushed under these names is replaced by them. */
const ownNames: ReadonlySet<string> = new Set(['push_time_seconds', 'push_failure_time_seconds'])
/** The gateway's own metrics. */
const ownPrefix = 'swansong_'
const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const labelPattern = /^[a-zA-Z_][a-zA-Z0-9_]*$/

export interface LabelLimits {
  labelCountMax: number
  labelValueBytesMax: number
}

/**
 * The families of a push under the labels of its group, each sample with an `instance` (CONFORMANCE H2 to H4). Throws
 * PUSH_INCONSISTENT for what cannot be shown: a timestamp, a line that stands twice, names that cannot stand side by side.
 */
export function checkedFamilies(
  families: readonly Family[],
  group: readonly Label[],
  limits: LabelLimits
): Family[] {
  const checked = new Map<string, Family>()
  for (const family of families) {
    if (ownNames.has(family.name)) continue
    if (!namePattern.test(family.name))
      throw inconsistent(`${JSON.stringify(family.name)} is no name of a metric`)
    if (family.name.startsWith(ownPrefix))
      throw inconsistent(
        `${family.name}: names that begin with ${ownPrefix} are the gateway's own; rename it`
      )
    if (checked.has(family.name)) throw inconsistent(`the family ${family.name} stands twice`)
    const samples = family.samples.map((sample) => ({
      ...sample,
      labels: labelsIn(group, sample, family, limits),
    }))
    requireOnce({ ...family, samples })
    requireCounts(family)
    checked.set(family.name, { ...family, samples })
  }
  const typeOf = (name: string): Family['type'] | undefined => checked.get(name)?.type
  for (const { name, type } of checked.values()) {
    const conflict = clashOf(name, type, typeOf)
    if (conflict !== undefined)
      throw inconsistent(`${name} cannot stand beside ${conflict}; rename one of them`)
  }
  return [...checked.values()]
}

/** The labels of a sample in its group, by name: those of the group win, and there is always an instance. */
function labelsIn(
  group: readonly Label[],
  sample: Sample,
  { name, type }: Family,
  limits: LabelLimits
): Label[] {
  if (sample.hasTimestamp)
    throw inconsistent(
      `${name} has a timestamp: what is pushed is shown until it is replaced, and would be old soon; leave it out`
    )
  const labels = new Map<string, string>()
  for (const label of sample.labels) {
    if (!labelPattern.test(label.name))
      throw inconsistent(`${JSON.stringify(label.name)} of ${name} is no name of a label`)
    if (labels.has(label.name)) throw inconsistent(`${name} has the label ${label.name} twice`)
    const isTaken =
      (type === 'summary' && label.name === 'quantile') || (type === 'histogram' && label.name === 'le')
    if (isTaken) throw inconsistent(`the ${type} ${name} has a label ${label.name} of its own; rename it`)
    labels.set(label.name, label.value)
  }
  for (const label of group) labels.set(label.name, label.value)
  if (!labels.has('instance')) labels.set('instance', '')
  if (labels.size > limits.labelCountMax)
    throw inconsistent(`${name} has more than ${limits.labelCountMax} labels, which is the limit`)
  for (const [label, value] of labels) {
    if (Buffer.byteLength(value) > limits.labelValueBytesMax)
      throw inconsistent(
        `the label ${label} of ${name} is over the limit of ${limits.labelValueBytesMax} bytes`
      )
  }
  return [...labels.keys()].toSorted().map((label) => ({ name: label, value: labels.get(label) as string }))
}

function requireOnce({ name, samples }: Family): void {
  const seen = new Set<string>()
  for (const { labels, parts } of samples) {
    const key = lineText(name, labels)
    if (seen.has(key)) throw inconsistent(`${name} stands twice with the same labels`)
    seen.add(key)
    if (new Set(parts.map(({ at }) => at)).size < parts.length)
      throw inconsistent(`${name} has a quantile or a bucket twice`)
  }
}

/** What is counted is no less than nothing, and no more than doubles count exactly. */
function requireCounts({ name, type, samples }: Family): void {
  for (const { count, parts } of samples) {
    const isCount = (value: number): boolean => value >= 0 && value <= Number.MAX_SAFE_INTEGER
    const areCounts = isCount(count) && (type !== 'histogram' || parts.every(({ value }) => isCount(value)))
    if (!areCounts) throw inconsistent(`${name} has a count that is none: write a number from 0 on`)
  }
}

/** As they are stored. */
export function encodedFamilies(families: readonly Family[]): Map<string, PushedFamily> {
  return new Map(
    families.map((family) => [
      family.name,
      { name: family.name, type: family.type, bytes: encodeFamily(family) },
    ])
  )
}

export function inconsistent(why: string): Refusal {
  return new Refusal('PUSH_INCONSISTENT', `pushed metrics are invalid or inconsistent: ${why}`)
}
