import { clashOf } from '../../ledger/pushed/clashes.ts'
import type { Family, FamilyType } from '../../ledger/pushed/family.ts'
import type { PushedFamily, PushedGroup } from '../../ledger/pushed/groups.ts'
import { lineOfOthers, lineText } from '../../ledger/pushed/same-lines.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { Refusal } from '../../refusal.ts'
import { checkedFamilies, encodedFamilies, inconsistent, type LabelLimits } from './checked.ts'
import type { GroupPath } from './group-path.ts'

/** What becomes of the families of a group that a push does not name: PUT and POST. */
export type Replaces = 'group' | 'names'

export interface PushLimits extends LabelLimits {
  pushGroupCountMax: number
  pushBytesTotalMax: number
  pushGroupBytesMax: number
}

export interface DeskOptions {
  limits: PushLimits
  /** Unix milliseconds. */
  now: () => number
}

type Settle = (refusal: Refusal | undefined) => void

/**
 * What Pushgateway's API says of groups becomes postings of the ledger: decided within a turn, stored with all else, and
 * only then answered. A push counts whole or not at all.
 */
export class PushDesk {
  readonly #ledger: Ledger
  readonly #options: DeskOptions

  constructor(ledger: Ledger, options: DeskOptions) {
    this.#ledger = ledger
    this.#options = options
  }

  /**
   * What a group is from now on. `read` is called within the turn, so that of many pushes only one is more than its bytes.
   * Of a push that cannot be shown the group says when it failed.
   */
  push(group: GroupPath, read: () => Family[], replaces: Replaces, ttlMs: number, settle: Settle): void {
    const { pushed } = this.#ledger
    const apply = (): undefined => {
      const checked = checkedFamilies(read(), group.labels, this.#options.limits)
      const before = pushed.get(group.key)
      const own = encodedFamilies(checked)
      const all = replaces === 'names' ? new Map([...(before?.families ?? []), ...own]) : own
      this.#requireFit(group, checked, all)
      pushed.set(group.key, this.#grown(group, before, all, ttlMs))
    }
    this.#ledger.post({ apply, settle: (refusal) => this.#settlePush(group, refusal, settle) })
  }

  /** The group adds to the ledger what is pushed to it, and shows when that was last done. */
  touch(group: GroupPath, ttlMs: number, settle: Settle): void {
    const { pushed } = this.#ledger
    const apply = (): undefined => {
      const before = pushed.get(group.key)
      const families = before?.families ?? new Map<string, PushedFamily>()
      this.#requireRoom(group, families)
      pushed.set(group.key, this.#grown(group, before, families, ttlMs))
    }
    this.#ledger.post({ apply, settle })
  }

  remove(group: GroupPath, settle: Settle): void {
    const apply = (): undefined => {
      this.#ledger.pushed.set(group.key, undefined)
    }
    this.#ledger.post({ apply, settle })
  }

  /** A push to it came that was not taken. */
  fail(group: GroupPath, settle: () => void): void {
    const { pushed } = this.#ledger
    const apply = (): undefined => {
      const before = pushed.get(group.key)
      if (before === undefined) this.#requireRoom(group, new Map())
      const none = { labels: group.labels, families: new Map<string, PushedFamily>(), pushedUnixMs: 0 }
      const times = { pushedUptimeMs: this.#ledger.uptimeMs, ttlMs: Infinity }
      pushed.set(group.key, { ...times, ...none, ...before, failedUnixMs: this.#options.now() })
    }
    this.#ledger.post({ apply, settle }) // Where there is no room for that, what is answered says why all the same.
  }

  /** Groups that nobody pushed to for their time to live go. To be called every few seconds. */
  expire(): void {
    const { pushed, uptimeMs, failed } = this.#ledger
    if (failed) return
    const over: string[] = []
    for (const [key, group] of pushed.entries())
      if (group.pushedUptimeMs + group.ttlMs <= uptimeMs) over.push(key)
    if (over.length === 0) return
    const apply = (): undefined => {
      for (const key of over) pushed.set(key, undefined)
    }
    this.#ledger.post({ apply, settle: () => undefined })
  }

  #settlePush(group: GroupPath, refusal: Refusal | undefined, settle: Settle): void {
    if (refusal?.code !== 'PUSH_INCONSISTENT') return settle(refusal)
    this.fail(group, () => settle(refusal))
  }

  #grown(
    { labels }: GroupPath,
    before: PushedGroup | undefined,
    families: ReadonlyMap<string, PushedFamily>,
    ttlMs: number
  ): PushedGroup {
    const pushedUnixMs = this.#options.now()
    const { failedUnixMs = 0 } = before ?? {}
    return { labels, families, pushedUnixMs, failedUnixMs, pushedUptimeMs: this.#ledger.uptimeMs, ttlMs }
  }

  /** Throws where what is new cannot stand beside what is shown. */
  #requireFit(group: GroupPath, checked: readonly Family[], all: ReadonlyMap<string, PushedFamily>): void {
    const { pushed, series } = this.#ledger
    const { families } = series.metrics
    const typeOf = (name: string): FamilyType | undefined =>
      all.get(name)?.type ?? pushed.typeOf(name, group.key) ?? families.shownTypeOf(name)
    const typeOfOthers = (name: string): FamilyType | undefined =>
      pushed.typeOf(name, group.key) ?? families.shownTypeOf(name)
    for (const { name, type } of checked) {
      const conflict = clashOf(name, type, typeOf) ?? clashOf(name, type, typeOfOthers)
      if (conflict !== undefined)
        throw inconsistent(
          `${name} (${type}) cannot stand beside ${conflict}, which is shown already; rename one of them`
        )
    }
    this.#requireNoLineTwice(group, checked)
    this.#requireRoom(group, all)
  }

  /** Throws where a line of this push stands in another group, or is a series of the ledger. */
  #requireNoLineTwice({ key, labels }: GroupPath, checked: readonly Family[]): void {
    const line = lineOfOthers(this.#ledger.pushed, key, labels, checked)
    if (line !== undefined)
      throw inconsistent(
        `${line} was pushed to another group already; delete that, or tell them apart by a label`
      )
    for (const { name, samples } of checked) {
      const shown = samples.find((sample) => this.#ledger.shows(name, sample.labels))
      if (shown === undefined) continue
      throw inconsistent(
        `${lineText(name, shown.labels)} is a sum already, of what others add to it; rename it, or let this push add up, too`
      )
    }
  }

  #requireRoom(group: GroupPath, families: ReadonlyMap<string, PushedFamily>): void {
    const { pushed } = this.#ledger
    const { pushGroupCountMax, pushBytesTotalMax, pushGroupBytesMax } = this.#options.limits
    const before = pushed.get(group.key)
    const bytes = byteLengthOf(families)
    if (bytes > pushGroupBytesMax)
      throw new Refusal(
        'BODY_TOO_LARGE',
        `the group would hold ${bytes} bytes, and ${pushGroupBytesMax} is the limit; push less, or to several groups`
      )
    const total = pushed.byteLength + bytes - byteLengthOf(before?.families ?? new Map())
    if (before === undefined && pushed.count >= pushGroupCountMax)
      throw new Refusal(
        'PUSH_GROUPS_FULL',
        `there are ${pushed.count} groups, which is the limit; delete some, or give them a time to live`
      )
    if (total > pushBytesTotalMax)
      throw new Refusal(
        'PUSH_GROUPS_FULL',
        `all groups would hold ${total} bytes, and ${pushBytesTotalMax} is the limit; delete some, or give them a time to live`
      )
  }
}

function byteLengthOf(families: ReadonlyMap<string, PushedFamily>): number {
  let length = 0
  for (const { bytes } of families.values()) length += bytes.length
  return length
}
