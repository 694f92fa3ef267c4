/** Runs of slots that nobody has, by their length: a shorter run is cut from a longer one. No run crosses a page. */
export class FreeRuns {
  readonly #byLength: number[][]
  #count = 0

  constructor(lengthMax: number) {
    this.#byLength = Array.from({ length: lengthMax + 1 }, () => [])
  }

  clear(): void {
    for (const runs of this.#byLength) runs.length = 0
    this.#count = 0
  }

  give(slot: number, length: number): void {
    if (length === 0) return
    this.#byLength[length]?.push(slot)
    this.#count++
  }

  /** The first slot of a run of this length, or -1. */
  take(length: number): number {
    const found = this.#atLeast(length)
    if (found < 0) return -1
    const slot = this.#byLength[found]?.pop() as number
    this.#count--
    this.give(slot + length, found - length)
    return slot
  }

  has(length: number): boolean {
    return this.#atLeast(length) >= 0
  }

  /** The shortest length that is as long, and of which there is a run. */
  #atLeast(length: number): number {
    if (this.#count === 0) return -1
    for (let at = length; at < this.#byLength.length; at++) if (this.#byLength[at]?.length !== 0) return at
    return -1
  }
}
