import { ByteIndex } from './byte-index.ts'
import type { BoundsRow } from './store.ts'

/**
 * The sets of explicit bounds that histograms have, each once: a series names its set by a number. Ids count up from 0;
 * those of sets that nobody has any more are given to others, after a start (`freeUnused`).
 */
export class Bounds {
  /** Ascending, finite, no two alike; -0 is 0. */
  readonly sets: Float64Array[] = []
  #index = new ByteIndex()
  readonly #free: number[] = []
  /** Since the last commit. */
  readonly #born: number[] = []
  #key: Float64Array = new Float64Array(64)
  #last = -1

  /** How many there are. */
  get count(): number {
    return this.sets.length - this.#free.length
  }

  /** The id of the first `length` of `values`, or -1. */
  find(values: Float64Array, length: number): number {
    if (this.#last >= 0 && isSame(this.sets[this.#last] as Float64Array, values, length)) return this.#last
    if (length > this.#key.length) this.#key = new Float64Array(length * 2)
    for (let at = 0; at < length; at++) this.#key[at] = (values[at] as number) + 0 // -0 + 0 is 0.
    const found = this.#index.find(0, new Uint8Array(this.#key.buffer), 0, length * 8)
    if (found >= 0) this.#last = found
    return found
  }

  /** Adds a set that `find` does not know. */
  bear(values: Float64Array): number {
    const set = values.map((value) => value + 0)
    const id = this.#free.pop() ?? this.sets.length
    this.sets[id] = set
    this.#index.insert(0, new Uint8Array(set.buffer), 0, set.byteLength, id)
    this.#born.push(id)
    return id
  }

  /** A point for `undo` to go back to, and for `since` to begin at. */
  mark(): number {
    return this.#born.length
  }

  /** What was born since the mark, for the store. */
  since(mark: number): BoundsRow[] {
    return this.#born.slice(mark).map((id) => ({ id, values: this.sets[id] as Float64Array }))
  }

  /** Takes back what was born since the mark. */
  undo(mark: number): void {
    const undone = this.#born.splice(mark)
    this.#index.truncate(this.#index.count - undone.length)
    for (const id of undone.toReversed()) this.#free.push(id)
    this.#last = -1
  }

  /** What was born is durable. */
  commit(): void {
    this.#born.length = 0
  }

  /** Sets that nobody has are gone, and their ids free; the store keeps their rows until others come in their place. */
  freeUnused(isUsed: Uint8Array): void {
    this.#index = new ByteIndex()
    this.#last = -1
    for (const [id, set] of this.sets.entries()) {
      if (isUsed[id] === 1) this.#index.insert(0, new Uint8Array(set.buffer), 0, set.byteLength, id)
      else this.#free.push(id)
    }
  }

  /**
   * What two sets have in common where one contains the other: the id of the smaller one. Undefined where neither does:
   * then counts of one cannot be told exactly in the other (CONFORMANCE B12).
   */
  common(one: number, other: number): number | undefined {
    if (one === other) return one
    const a = this.sets[one] as Float64Array
    const b = this.sets[other] as Float64Array
    if (a.length <= b.length) return contains(b, a) ? one : undefined
    return contains(a, b) ? other : undefined
  }

  /** What two sets have in common, born where it is new: counts of both can be told in it. */
  met(one: number, other: number): number {
    const common = this.common(one, other)
    if (common !== undefined) return common
    const held = new Set(this.sets[other])
    const both = (this.sets[one] as Float64Array).filter((bound) => held.has(bound))
    const known = this.find(both, both.length)
    return known >= 0 ? known : this.bear(both)
  }

  /**
   * Adds bucket counts under the set `from` into those under `to`, which `from` contains: what lies between two bounds of
   * `to` is one bucket. Upper bounds are inclusive, so that this is exact. `sign` -1 takes them away.
   */
  project(
    from: number,
    counts: Float64Array,
    at: number,
    to: number,
    into: Float64Array,
    intoAt: number,
    sign = 1
  ): void {
    const fine = this.sets[from] as Float64Array
    const coarse = this.sets[to] as Float64Array
    let bucket = 0
    for (let index = 0; index <= fine.length; index++) {
      while (
        bucket < coarse.length &&
        index < fine.length &&
        (fine[index] as number) > (coarse[bucket] as number)
      )
        bucket++
      if (index === fine.length) bucket = coarse.length
      into[intoAt + bucket] = (into[intoAt + bucket] as number) + sign * (counts[at + index] as number)
    }
  }
}

function isSame(set: Float64Array, values: Float64Array, length: number): boolean {
  if (set.length !== length) return false
  for (let at = 0; at < length; at++) if (set[at] !== values[at]) return false
  return true
}

/** Whether each of the bounds is one of the set's. */
function contains(set: Float64Array, bounds: Float64Array): boolean {
  let at = 0
  for (const bound of bounds) {
    while (at < set.length && (set[at] as number) < bound) at++
    if (set[at] !== bound) return false
    at++
  }
  return true
}
