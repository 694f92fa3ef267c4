import type { FamilyType, Label } from './family.ts'

/** A family of a group, as it is stored: it is never changed, only replaced. */
export interface PushedFamily {
  name: string
  type: FamilyType
  /** An io.prometheus.client.MetricFamily, whose metrics have the labels of their group. */
  bytes: Uint8Array
}

/** What was pushed under one set of grouping labels. Never changed, only replaced. */
export interface PushedGroup {
  /** In the order of their names, `job` among them. */
  labels: readonly Label[]
  families: ReadonlyMap<string, PushedFamily>
  /** The last push that was taken, and the last that was not; Unix milliseconds, 0 where there was none. */
  pushedUnixMs: number
  failedUnixMs: number
  /** The ledger's uptime at the last push, and how long the group is shown after it; Infinity: for good. */
  pushedUptimeMs: number
  ttlMs: number
}

/** A group as stored. */
export interface PushedRow {
  key: string
  /** Undefined: the group is gone. */
  group: PushedGroup | undefined
}

/** What a group takes besides the bytes of its families. */
const groupBytes = 512

/**
 * The groups of Pushgateway's API. They are no sums: what is pushed to a group replaces what was there. But they are kept
 * as sums are: changed within a turn, stored with all else of its group, taken back where that fails.
 */
export class PushedGroups {
  /** Families and labels of all groups together. */
  byteLength = 0
  /** How often something changed: what shows them looks again. */
  changeCount = 0
  readonly #groups = new Map<string, PushedGroup>()
  /** What each changed group was before; of those that were not there undefined. */
  readonly #changed = new Map<string, PushedGroup | undefined>()
  /** Which names are shown of which type, and by how many groups. */
  readonly #types = new Map<string, { type: FamilyType; groups: number }>()

  get count(): number {
    return this.#groups.size
  }

  get(key: string): PushedGroup | undefined {
    return this.#groups.get(key)
  }

  entries(): Iterable<[string, PushedGroup]> {
    return this.#groups
  }

  /** The type of a family that other groups than one have; undefined where there is none. */
  typeOf(name: string, besidesKey?: string): FamilyType | undefined {
    const shown = this.#types.get(name)
    const own = besidesKey === undefined ? undefined : this.#groups.get(besidesKey)?.families.get(name)
    return shown === undefined || (own !== undefined && shown.groups === 1) ? undefined : shown.type
  }

  /** Within `apply`, when nothing can fail any more. Undefined: the group is gone. */
  set(key: string, group: PushedGroup | undefined): void {
    const before = this.#groups.get(key)
    if (before === group) return
    if (!this.#changed.has(key)) this.#changed.set(key, before)
    this.#put(key, group)
  }

  get isChanged(): boolean {
    return this.#changed.size > 0
  }

  /** What changed since the last commit, for the store. */
  rows(): PushedRow[] {
    return [...this.#changed.keys()].map((key) => ({ key, group: this.#groups.get(key) }))
  }

  restore(key: string, group: PushedGroup): void {
    this.#put(key, group)
  }

  commit(): void {
    if (this.#changed.size > 0) this.changeCount++
    this.#changed.clear()
  }

  rollBack(): void {
    for (const [key, before] of this.#changed) this.#put(key, before)
    this.#changed.clear()
  }

  #put(key: string, group: PushedGroup | undefined): void {
    const before = this.#groups.get(key)
    if (before !== undefined) this.#count(key, before, -1)
    if (group === undefined) this.#groups.delete(key)
    else {
      this.#groups.set(key, group)
      this.#count(key, group, 1)
    }
  }

  #count(key: string, { families }: PushedGroup, by: 1 | -1): void {
    this.byteLength += by * (groupBytes + key.length)
    for (const { name, type, bytes } of families.values()) {
      this.byteLength += by * bytes.length
      const groups = (this.#types.get(name)?.groups ?? 0) + by
      if (groups === 0) this.#types.delete(name)
      else this.#types.set(name, { type, groups })
    }
  }
}

/** What a group is known by: its labels, in the order of their names. */
export function groupKey(labels: readonly Label[]): string {
  return JSON.stringify(labels.map(({ name, value }) => [name, value]))
}

/** The labels of a key. */
export function labelsOfKey(key: string): Label[] {
  return (JSON.parse(key) as [string, string][]).map(([name, value]) => ({ name, value }))
}
