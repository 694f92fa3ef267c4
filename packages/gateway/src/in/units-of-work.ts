import type { BatchKey } from '../ledger/dedup.ts'
import type { OnceKeys } from '../ledger/once-keys.ts'
import { digestOf } from './body.ts'

/** What a resource says of the unit of work that its points belong to: values as they were sent, of any type. */
export interface Attempted {
  /** `swansong.once`; undefined where its points count whenever they come. */
  once: Uint8Array | undefined
  /** `swansong.attempt`, else `service.instance.id`. */
  attempt: Uint8Array | undefined
}

/** Whether the points of a resource count: not those of another attempt, nor those of which nobody knows whose they are. */
export type UnitVerdict = 'counts' | 'superseded' | 'no attempt'

/**
 * The units of work of one body. Of a unit the attempt counts that was first to bring a point that counts, or nothing at
 * all: one of which all points are rejected leaves the unit to others.
 */
export class UnitsOfWork {
  /** What this body claims once it is added. */
  readonly claims: BatchKey[] = []
  readonly #onceKeys: OnceKeys
  #open: BatchKey | undefined
  #countedBefore = 0
  #rejectedBefore = 0

  constructor(onceKeys: OnceKeys) {
    this.#onceKeys = onceKeys
  }

  clear(): void {
    this.claims.length = 0
    this.#open = undefined
  }

  /** At each resource; how many points counted and were rejected of the body before it. */
  begin({ once, attempt }: Attempted, counted: number, rejected: number): UnitVerdict {
    if (once === undefined) return 'counts'
    if (attempt === undefined) return 'no attempt'
    const key = { id: digestOf(once).subarray(0, 16), digest: digestOf(attempt).subarray(0, 8) }
    const holder = this.#onceKeys.holder(key)
    if (holder !== 'nobody') return holder === 'this' ? 'counts' : 'superseded'
    const claim = this.claims.find(({ id }) => isSame(id, key.id))
    if (claim !== undefined) return isSame(claim.digest, key.digest) ? 'counts' : 'superseded'
    this.#open = key
    this.#countedBefore = counted
    this.#rejectedBefore = rejected
    return 'counts'
  }

  /** At the end of each resource. */
  end(counted: number, rejected: number): void {
    if (this.#open === undefined) return
    if (counted > this.#countedBefore || rejected === this.#rejectedBefore) this.claims.push(this.#open)
    this.#open = undefined
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.every((byte, at) => byte === other[at])
}
