/** Names beyond so many are counted together. */
const namesMax = 100

/** What was left out by name: so many names, and the rest as `other`. */
export class DroppedNames {
  readonly #slots = new Map<string, number>()
  readonly #names: string[] = ['other']
  readonly #counts: number[] = [0]

  /** Where a name is counted. */
  slotOf(name: string): number {
    const known = this.#slots.get(name)
    if (known !== undefined) return known
    const isOther = this.#names.length > namesMax || name === 'other'
    if (isOther) return 0
    this.#counts.push(0)
    const slot = this.#names.push(name) - 1
    this.#slots.set(name, slot)
    return slot
  }

  count(slot: number): void {
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1
  }

  /** How often each was left out that was. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const [slot, count] of this.#counts.entries())
      if (count > 0) counts.set(this.#names[slot] as string, count)
    return counts
  }
}
