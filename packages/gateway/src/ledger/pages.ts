import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { FreeRuns } from './free-runs.ts'
import { addToSum } from './values/sum.ts'

/** Slots of a page. With its checksum a page is 4,056 bytes, the most that stays on one 4 KiB page of the database. */
export const slotsPerPage = 506
export const pageBytes: number = (slotsPerPage + 1) * 8

/** How far slots were allocated. */
export interface PagesMark {
  next: number
  taken: number
}

/** A page that does not match its checksum. */
export class PageError extends Error {}

/** Slots that are somebody's: a set of numbers, a bit each. */
export class Used {
  /** The first slot behind all of them. */
  end = 0
  #bits: Uint32Array = new Uint32Array(64)

  add(slot: number, count: number): void {
    const end = slot + count
    if (end > this.end) this.end = end
    if (end > this.#bits.length * 32) {
      const bits = new Uint32Array(Math.ceil((end * 1.5) / 32))
      bits.set(this.#bits)
      this.#bits = bits
    }
    for (let at = slot; at < end; at++)
      this.#bits[at >>> 5] = (this.#bits[at >>> 5] as number) | (1 << (at & 31))
  }

  has(slot: number): boolean {
    return (((this.#bits[slot >>> 5] ?? 0) >>> (slot & 31)) & 1) === 1
  }
}

/**
 * One flat column of float64 slots in pages. A page that was written to is dirty until the group it was written in is
 * committed (`clean`) or rolled back (`restore`); any other is as the store has it. What stands in slots that nobody has
 * means nothing.
 */
export class Pages {
  readonly dirty: number[] = []
  #pages: Float64Array[] = []
  #isDirty: Uint8Array = new Uint8Array(64)
  #next = 0
  readonly #free = new FreeRuns(slotsPerPage)
  /** Runs of #free that were allocated since the last commit: first slots and lengths. */
  readonly #taken: [number, number][] = []

  /** The first slot that no series has. */
  get next(): number {
    return this.#next
  }

  /** Room for a run of slots that does not cross a page; returns its first slot. The slots are 0. */
  allocate(count: number): number {
    assert(count <= slotsPerPage, `BUG: a run of ${count} slots does not fit a page`)
    let slot = this.#free.take(count)
    if (slot >= 0) this.#taken.push([slot, count])
    else {
      const left = slotsPerPage - (this.#next % slotsPerPage)
      slot = left < count ? this.#next + left : this.#next
      this.#next = slot + count
      this.#have(Math.floor(slot / slotsPerPage))
    }
    this.#zero(slot, count)
    return slot
  }

  /** Whether a run of so many slots can be allocated without one at or past `slotCountMax`. */
  hasRoom(count: number, slotCountMax: number): boolean {
    return this.#next + count <= slotCountMax || this.#free.has(count)
  }

  /** A point for `release` to go back to. */
  mark(): PagesMark {
    return { next: this.#next, taken: this.#taken.length }
  }

  /** Takes back what was allocated since the mark. */
  release({ next, taken }: PagesMark): void {
    this.#next = next
    for (const [slot, count] of this.#taken.splice(taken)) this.#free.give(slot, count)
  }

  add(slot: number, amount: number): void {
    const page = (slot / slotsPerPage) | 0
    if (this.#isDirty[page] === 0) {
      this.#isDirty[page] = 1
      this.dirty.push(page)
    }
    addToSum(this.#pages[page] as Float64Array, slot - page * slotsPerPage, amount)
  }

  /** The slots of the page that a slot is in, to be written to. */
  touch(slot: number): Float64Array {
    const page = (slot / slotsPerPage) | 0
    if (this.#isDirty[page] === 0) {
      this.#isDirty[page] = 1
      this.dirty.push(page)
    }
    return this.#pages[page] as Float64Array
  }

  /** The same to be read. */
  slotsOf(slot: number): Float64Array {
    return this.#pages[(slot / slotsPerPage) | 0] as Float64Array
  }

  /** Where in its page a slot is. */
  offsetOf(slot: number): number {
    return slot - ((slot / slotsPerPage) | 0) * slotsPerPage
  }

  value(slot: number): number {
    const page = (slot / slotsPerPage) | 0
    return (this.#pages[page] as Float64Array)[slot - page * slotsPerPage] as number
  }

  /** The bytes of a page for the store, its checksum set. A view: valid until the page is written to again. */
  seal(page: number): Uint8Array {
    const slots = this.#pages[page] as Float64Array
    const bytes = new Uint8Array(slots.buffer)
    new DataView(slots.buffer).setUint32(slotsPerPage * 8, crc32(bytes.subarray(0, slotsPerPage * 8)), true)
    return bytes
  }

  /** What was allocated is taken for good. */
  keep(): void {
    this.#taken.length = 0
  }

  /** All that is dirty is on disk now. */
  clean(): void {
    for (const page of this.dirty) this.#isDirty[page] = 0
    this.dirty.length = 0
  }

  /** Sets a page to what the store holds, or to zeros where it holds none. Throws PageError when the bytes are no whole page. */
  restore(page: number, bytes: Uint8Array | undefined): void {
    this.#have(page)
    const slots = this.#pages[page] as Float64Array
    if (bytes === undefined) {
      slots.fill(0)
      return
    }
    const found = bytes.length === pageBytes ? crc32(bytes.subarray(0, slotsPerPage * 8)) : -1
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (found === -1 || view.getUint32(slotsPerPage * 8, true) !== found) {
      throw new PageError(`page ${page} does not match its checksum (${bytes.length} bytes)`)
    }
    new Uint8Array(slots.buffer).set(bytes)
  }

  /**
   * After loading, and after series ended: says anew which slots are somebody's, by a bit each; of a run all are. What lies
   * between them is allocated again.
   */
  claim(used: Used): void {
    this.#free.clear()
    this.#taken.length = 0
    const end = used.end
    this.#next = end
    if (end > 0) this.#have(Math.floor((end - 1) / slotsPerPage))
    let first = 0
    for (let slot = 0; slot <= end; slot++) {
      const isBreak = slot % slotsPerPage === 0 || used.has(slot)
      if (!isBreak) continue
      this.#free.give(first, slot - first)
      first = used.has(slot) ? slot + 1 : slot
    }
  }

  /** Slots that were somebody's else may hold anything; on the disk they are cleared with what comes in there. */
  #zero(slot: number, count: number): void {
    const slots = this.slotsOf(slot)
    const offset = this.offsetOf(slot)
    for (let at = offset; at < offset + count; at++) {
      if (slots[at] === 0) continue
      this.touch(slot).fill(0, offset, offset + count)
      return
    }
  }

  #have(page: number): void {
    while (this.#pages.length <= page) this.#pages.push(new Float64Array(slotsPerPage + 1))
    if (page < this.#isDirty.length) return
    const isDirty = new Uint8Array(Math.max(page + 1, this.#isDirty.length * 2))
    isDirty.set(this.#isDirty)
    this.#isDirty = isDirty
  }
}
