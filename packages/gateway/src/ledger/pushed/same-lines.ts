import { readFamily, type Family, type Label } from './family.ts'
import type { PushedGroups } from './groups.ts'

/**
 * A line of these families, of a group that is known by `key`, which another group shows too; undefined where there is none. Only
 * groups whose own labels do not differ can have lines in common, and most differ in one.
 */
export function lineOfOthers(
  groups: PushedGroups,
  key: string,
  labels: readonly Label[],
  families: readonly Family[]
): string | undefined {
  for (const [other, group] of groups.entries()) {
    if (other === key || differ(labels, group.labels)) continue
    for (const { name, samples } of families) {
      const theirs = group.families.get(name)
      if (theirs === undefined) continue
      const taken = new Set(readFamily(theirs.bytes).samples.map((sample) => lineText(name, sample.labels)))
      for (const sample of samples) {
        const line = lineText(name, sample.labels)
        if (taken.has(line)) return line
      }
    }
  }
  return undefined
}

/** What a line is called. A label without a value is none: to Prometheus `a=""` says that there is no `a`. */
export function lineText(name: string, labels: readonly Label[]): string {
  const told = labels.filter(({ value }) => value !== '')
  return `${name}{${told.map((label) => `${label.name}=${JSON.stringify(label.value)}`).join()}}`
}

/** Whether a label that both have is of two values. */
function differ(labels: readonly Label[], others: readonly Label[]): boolean {
  for (const { name, value } of labels)
    for (const other of others) if (other.name === name && other.value !== value) return true
  return false
}
