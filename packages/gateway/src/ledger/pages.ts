import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { addToSum } from './values/sum.ts'

/** Slots of a page. With its checksum a page is 4,056 bytes, the most that stays on one 4 KiB page of the database. */
export const slotsPerPage = 506
export const pageBytes: number = (slotsPerPage + 1) * 8

/**
 * One flat column of float64 slots in pages. A page that was written to is dirty until the group it was written in is
 * committed (`clean`) or rolled back (`restore`).
 */
export class Pages {
  readonly dirty: number[] = []
  #pages: Float64Array[] = []
  #isDirty: Uint8Array = new Uint8Array(64)
  #next = 0

  /** The first slot that no series has. */
  get next(): number {
    return this.#next
  }

  /** Room for a run of slots that does not cross a page; returns its first slot. The slots are 0. */
  allocate(count: number): number {
    assert(count <= slotsPerPage, `BUG: a run of ${count} slots does not fit a page`)
    const left = slotsPerPage - (this.#next % slotsPerPage)
    const slot = left < count ? this.#next + left : this.#next
    this.#next = slot + count
    this.#have(Math.floor(slot / slotsPerPage))
    return slot
  }

  /** Takes back what was allocated from `next` on: the slots are 0 again, as those are that no series has. */
  release(next: number): void {
    for (let slot = next; slot < this.#next;) {
      const offset = this.offsetOf(slot)
      const end = Math.min(slotsPerPage, offset + this.#next - slot)
      this.slotsOf(slot).fill(0, offset, end)
      slot += end - offset
    }
    this.#next = next
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

  /** All that is dirty is on disk now. */
  clean(): void {
    for (const page of this.dirty) this.#isDirty[page] = 0
    this.dirty.length = 0
  }

  /** Sets a page to what the store holds, or to zeros where it holds none. Throws when the bytes are no whole page. */
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
      throw new Error(`page ${page} does not match its checksum (${bytes.length} bytes)`)
    }
    new Uint8Array(slots.buffer).set(bytes)
  }

  /** After loading: the slots up to `next` belong to series. */
  claim(next: number): void {
    if (next > this.#next) this.#next = next
    if (next > 0) this.#have(Math.floor((next - 1) / slotsPerPage))
  }

  #have(page: number): void {
    while (this.#pages.length <= page) this.#pages.push(new Float64Array(slotsPerPage + 1))
    if (page < this.#isDirty.length) return
    const isDirty = new Uint8Array(Math.max(page + 1, this.#isDirty.length * 2))
    isDirty.set(this.#isDirty)
    this.#isDirty = isDirty
  }
}
