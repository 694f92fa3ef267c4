import { ByteIndex } from '../../ledger/byte-index.ts'

/** Keys that were let go of are taken out of memory when they are more than this, and more than the others. */
const removedCountMin = 1024

/**
 * Byte strings by small numbers: each is kept once, for as long as somebody holds it. The numbers of those that nobody
 * holds any more are given to others.
 */
export class Interned {
  /** Numbers are below. */
  end = 0
  readonly #index = new ByteIndex()
  #entries: Int32Array = new Int32Array(64) // Number → its entry in #index.
  #holds: Int32Array = new Int32Array(64)
  readonly #free: number[] = []

  /** The number of a key, or -1 where nobody holds it. */
  find(parent: number, bytes: Uint8Array, length: number): number {
    return this.#index.find(parent, bytes, 0, length)
  }

  /** The number of a key, which is held once more. */
  hold(parent: number, bytes: Uint8Array, length: number): number {
    const known = this.#index.find(parent, bytes, 0, length)
    if (known >= 0) {
      this.#holds[known] = (this.#holds[known] as number) + 1
      return known
    }
    const number = this.#free.pop() ?? this.end++
    if (number === this.#entries.length) this.#grow()
    this.#entries[number] = this.#index.count
    this.#holds[number] = 1
    this.#index.insert(parent, bytes, 0, length, number)
    return number
  }

  /** Holds it once less. */
  release(number: number): void {
    const holds = (this.#holds[number] as number) - 1
    this.#holds[number] = holds
    if (holds > 0) return
    this.#index.remove(this.#entries[number] as number)
    this.#free.push(number)
    const { removed, count } = this.#index
    if (removed > removedCountMin && removed > count / 2) this.#compact()
  }

  lengthOf(number: number): number {
    return this.#index.lengthOf(this.#entries[number] as number)
  }

  parentOf(number: number): number {
    return this.#index.parentOf(this.#entries[number] as number)
  }

  /** Copies a key to `at`, where there must be room; returns where it ends. */
  copy(number: number, into: DataView, at: number): number {
    return this.#index.copyKey(this.#entries[number] as number, into, at)
  }

  #compact(): void {
    const places = this.#index.compact()
    for (let number = 0; number < this.end; number++)
      if ((this.#holds[number] as number) > 0)
        this.#entries[number] = places[this.#entries[number] as number] as number
  }

  #grow(): void {
    const capacity = Math.ceil(this.#entries.length * 1.5)
    const entries = new Int32Array(capacity)
    const holds = new Int32Array(capacity)
    entries.set(this.#entries)
    holds.set(this.#holds)
    this.#entries = entries
    this.#holds = holds
  }
}
