const chunkBits = 20
const chunkBytes: number = 1 << chunkBits

/** Drawn once a process, so that nobody outside can choose keys that collide. */
const seed: number = Math.trunc(Math.random() * 0x7fffffff)

/** Numbers of an entry, side by side so that a look-up touches one line of memory. */
const stride = 5
const hashField = 0
const parentField = 1
const startField = 2
const lengthField = 3
const valueField = 4

/**
 * A map from (parent, bytes) to a small number, without an object or a string a key: 20 bytes, its place in the table and
 * the key's own. Keys are copied in, values are not negative. The latest can be taken back (`truncate`), which is how births
 * that were not committed end; any can be removed.
 */
export class ByteIndex {
  /** Entries, those that were removed included. The entry of the first key is 0. */
  count = 0
  /** Entries that were removed, and whose room `compact` gives back. */
  removed = 0
  /** The bytes of all keys. */
  byteLength = 0
  #chunks: Uint8Array[] = []
  #words: Int32Array[] = [] // The same memory as #chunks. Keys begin at a whole word.
  #next = 0 // Where the next key goes, over all chunks.
  #entries: Int32Array = new Int32Array(64 * stride)
  #table: Int32Array = new Int32Array(128) // Entry + 1; 0 is free. At most half full.
  #bytes: Uint8Array = new Uint8Array(0) // What #view looks at: the last body.
  #view: DataView = new DataView(new ArrayBuffer(0))

  /** The value under `parent` and bytes [start, end), or -1. */
  find(parent: number, bytes: Uint8Array, start: number, end: number): number {
    const hash = this.#hashOf(parent, bytes, start, end)
    const entries = this.#entries
    const table = this.#table
    const mask = table.length - 1
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const entry = (table[at] as number) - 1
      if (entry < 0) return -1
      const from = entry * stride
      if (entries[from + hashField] !== hash || entries[from + parentField] !== parent) continue
      if (entries[from + lengthField] !== end - start) continue
      if (this.#equals(entries[from + startField] as number, bytes, start, end)) {
        return entries[from + valueField] as number
      }
    }
  }

  /** Adds a key that is not there yet. Keys are at most 1 MiB. */
  insert(parent: number, bytes: Uint8Array, start: number, end: number, value: number): void {
    if ((this.count + 1) * stride > this.#entries.length) this.#grow()
    const entry = this.count++
    const length = end - start
    let offset = (this.#next + 3) & ~3
    if ((offset & (chunkBytes - 1)) + length > chunkBytes) offset = ((offset >>> chunkBits) + 1) << chunkBits
    while (this.#chunks.length <= offset >>> chunkBits) {
      const chunk = new Uint8Array(chunkBytes)
      this.#chunks.push(chunk)
      this.#words.push(new Int32Array(chunk.buffer))
    }
    const chunk = this.#chunks[offset >>> chunkBits] as Uint8Array
    const within = offset & (chunkBytes - 1)
    for (let at = 0; at < length; at++) chunk[within + at] = bytes[start + at] as number
    this.#next = offset + length
    this.byteLength += length
    const from = entry * stride
    this.#entries[from + hashField] = this.#hashOf(parent, bytes, start, end)
    this.#entries[from + parentField] = parent
    this.#entries[from + startField] = offset
    this.#entries[from + lengthField] = length
    this.#entries[from + valueField] = value
    this.#place(entry)
  }

  /** A copy of an entry's key. */
  keyOf(entry: number): Uint8Array {
    const offset = this.#entries[entry * stride + startField] as number
    const within = offset & (chunkBytes - 1)
    const chunk = this.#chunks[offset >>> chunkBits] as Uint8Array
    return chunk.slice(within, within + (this.#entries[entry * stride + lengthField] as number))
  }

  /** Copies an entry's key to `at` in `into`, where there must be room for it; returns where it ends. */
  copyKey(entry: number, into: DataView, at: number): number {
    const from = entry * stride
    const offset = this.#entries[from + startField] as number
    const words = this.#words[offset >>> chunkBits] as Int32Array
    const end = at + (this.#entries[from + lengthField] as number)
    let word = (offset & (chunkBytes - 1)) >>> 2
    for (; at + 4 <= end; at += 4) into.setInt32(at, words[word++] as number, true)
    let rest = (words[word] as number) | 0 // The arena is whole words: this reads at most what follows the key.
    for (; at < end; at++, rest >>>= 8) into.setUint8(at, rest & 0xff)
    return end
  }

  lengthOf(entry: number): number {
    return this.#entries[entry * stride + lengthField] as number
  }

  parentOf(entry: number): number {
    return this.#entries[entry * stride + parentField] as number
  }

  /** What stands for an entry, or -1 where it was removed. */
  valueOf(entry: number): number {
    return this.#entries[entry * stride + valueField] as number
  }

  /** Takes out one key for good. Its entry and its bytes stay until `compact`. */
  remove(entry: number): void {
    const entries = this.#entries
    const table = this.#table
    const mask = table.length - 1
    let hole = (entries[entry * stride + hashField] as number) & mask
    while (table[hole] !== entry + 1) hole = (hole + 1) & mask
    // Those behind move up, unless they would then stand before the place at which they are looked for first.
    for (let at = (hole + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = (entries[((table[at] as number) - 1) * stride + hashField] as number) & mask
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      table[hole] = table[at] as number
      hole = at
    }
    table[hole] = 0
    this.byteLength -= entries[entry * stride + lengthField] as number
    entries[entry * stride + valueField] = -1
    this.removed++
  }

  /**
   * Gives back what removed entries took: the others move up in their order. Returns where each went. `numbered`: what
   * stands for an entry is its own number, also afterwards.
   */
  compact(numbered = false): Int32Array {
    const places = new Int32Array(this.count).fill(-1)
    const compacted = new ByteIndex()
    for (let entry = 0; entry < this.count; entry++) {
      if (this.valueOf(entry) < 0) continue
      const key = this.keyOf(entry)
      places[entry] = compacted.count
      const value = numbered ? compacted.count : this.valueOf(entry)
      compacted.insert(this.parentOf(entry), key, 0, key.length, value)
    }
    this.count = compacted.count
    this.removed = 0
    this.#chunks = compacted.#chunks
    this.#words = compacted.#words
    this.#next = compacted.#next
    this.#entries = compacted.#entries
    this.#table = compacted.#table
    return places
  }

  /** Takes back all but the first `count` entries, the latest first: so each leaves the table as it found it. */
  truncate(count: number): void {
    if (count >= this.count) return
    this.#next = this.#entries[count * stride + startField] as number
    const mask = this.#table.length - 1
    for (let entry = this.count - 1; entry >= count; entry--) {
      this.byteLength -= this.#entries[entry * stride + lengthField] as number
      let at = (this.#entries[entry * stride + hashField] as number) & mask
      while (this.#table[at] !== entry + 1) at = (at + 1) & mask
      this.#table[at] = 0
    }
    this.count = count
  }

  #place(entry: number): void {
    const mask = this.#table.length - 1
    let at = (this.#entries[entry * stride + hashField] as number) & mask
    while (this.#table[at] !== 0) at = (at + 1) & mask
    this.#table[at] = entry + 1
  }

  /** Whether the key at `offset` is bytes [start, end), which are as long. Four bytes a step. */
  #equals(offset: number, bytes: Uint8Array, start: number, end: number): boolean {
    const words = this.#words[offset >>> chunkBits] as Int32Array
    const view = this.#view // #hashOf has just set it to these bytes.
    let word = (offset & (chunkBytes - 1)) >>> 2
    let at = start
    for (; at + 4 <= end; at += 4) {
      if (words[word++] !== view.getInt32(at, true)) return false
    }
    const chunk = this.#chunks[offset >>> chunkBits] as Uint8Array
    for (let rest = word << 2; at < end; at++, rest++) {
      if (chunk[rest] !== bytes[at]) return false
    }
    return true
  }

  #grow(): void {
    const capacity = Math.ceil((this.#entries.length / stride) * 1.5)
    const entries = new Int32Array(capacity * stride)
    entries.set(this.#entries)
    this.#entries = entries
    if (capacity * 1.5 <= this.#table.length) return
    this.#table = new Int32Array(this.#table.length * 2)
    for (let entry = 0; entry < this.count; entry++) if (this.valueOf(entry) >= 0) this.#place(entry)
  }

  /** Four bytes a step; the last ones singly. */
  #hashOf(parent: number, bytes: Uint8Array, start: number, end: number): number {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    const view = this.#view
    let hash = Math.imul(seed ^ parent, 0x9e3779b1) ^ (end - start)
    let at = start
    for (; at + 4 <= end; at += 4) {
      hash = Math.imul(hash ^ view.getInt32(at, true), 0x85ebca6b)
      hash ^= hash >>> 15
    }
    for (; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
    return hash ^ (hash >>> 15)
  }
}
