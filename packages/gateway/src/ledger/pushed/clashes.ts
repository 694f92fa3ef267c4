import type { FamilyType } from './family.ts'

/** What stands behind a family's name in its lines. */
const suffixes: Readonly<Record<FamilyType, readonly string[]>> = {
  counter: [],
  gauge: [],
  untyped: [],
  summary: ['_sum', '_count'],
  histogram: ['_sum', '_count', '_bucket'],
}

/**
 * The family that one of a name and type cannot stand beside, for a name has one type, and lines belong to one family;
 * undefined where there is none. `typeOf`: what is shown under a name.
 */
export function clashOf(
  name: string,
  type: FamilyType,
  typeOf: (name: string) => FamilyType | undefined
): string | undefined {
  const same = typeOf(name)
  if (same !== undefined && same !== type) return `${name} (${same})`
  for (const suffix of suffixes[type]) {
    const other = typeOf(name + suffix)
    if (other !== undefined) return `${name}${suffix} (${other})`
  }
  for (const suffix of suffixes.histogram) {
    if (!name.endsWith(suffix)) continue
    const base = name.slice(0, -suffix.length)
    const other = typeOf(base)
    if (other !== undefined && suffixes[other].includes(suffix)) return `${base} (${other})`
  }
  return undefined
}
