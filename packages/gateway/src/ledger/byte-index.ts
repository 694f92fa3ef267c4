const chunkBits = 20
const chunkBytes: number = 1 << chunkBits

/** Drawn once a process, so that nobody outside can choose keys that collide. */
const seed: number = Math.trunc(Math.random() * 0x7fffffff)

/**
 * A map from (parent, bytes) to a small number, without an object or a string a key: 24 bytes and the key's own.
 * Keys are copied in. The latest can be taken back (`truncate`), which is how births that were not committed end.
 */
export class ByteIndex {
  /** Entries. The entry of the first key is 0. */
  count = 0
  /** The bytes of all keys. */
  byteLength = 0
  #chunks: Uint8Array[] = []
  #next = 0 // Where the next key goes, over all chunks.
  #starts: Uint32Array = new Uint32Array(64)
  #lengths: Uint32Array = new Uint32Array(64)
  #parents: Int32Array = new Int32Array(64)
  #values: Int32Array = new Int32Array(64)
  #hashes: Int32Array = new Int32Array(64)
  #table: Int32Array = new Int32Array(128) // Entry + 1; 0 is free. At most half full.

  /** The value under `parent` and bytes [start, end), or -1. */
  find(parent: number, bytes: Uint8Array, start: number, end: number): number {
    const hash = hashOf(parent, bytes, start, end)
    const mask = this.#table.length - 1
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const entry = (this.#table[at] as number) - 1
      if (entry < 0) return -1
      if (
        this.#hashes[entry] === hash &&
        this.#parents[entry] === parent &&
        this.#equals(entry, bytes, start, end)
      ) {
        return this.#values[entry] as number
      }
    }
  }

  /** Adds a key that is not there yet. Keys are at most 1 MiB. */
  insert(parent: number, bytes: Uint8Array, start: number, end: number, value: number): void {
    if (this.count === this.#starts.length) this.#grow()
    const entry = this.count++
    const length = end - start
    let offset = this.#next
    if ((offset & (chunkBytes - 1)) + length > chunkBytes) offset = ((offset >>> chunkBits) + 1) << chunkBits
    while (this.#chunks.length <= offset >>> chunkBits) this.#chunks.push(new Uint8Array(chunkBytes))
    const chunk = this.#chunks[offset >>> chunkBits] as Uint8Array
    const within = offset & (chunkBytes - 1)
    for (let at = 0; at < length; at++) chunk[within + at] = bytes[start + at] as number
    this.#next = offset + length
    this.byteLength += length
    this.#starts[entry] = offset
    this.#lengths[entry] = length
    this.#parents[entry] = parent
    this.#values[entry] = value
    this.#hashes[entry] = hashOf(parent, bytes, start, end)
    this.#place(entry)
  }

  /** A copy of an entry's key. */
  keyOf(entry: number): Uint8Array {
    const offset = this.#starts[entry] as number
    const within = offset & (chunkBytes - 1)
    const chunk = this.#chunks[offset >>> chunkBits] as Uint8Array
    return chunk.slice(within, within + (this.#lengths[entry] as number))
  }

  parentOf(entry: number): number {
    return this.#parents[entry] as number
  }

  valueOf(entry: number): number {
    return this.#values[entry] as number
  }

  /** Takes back all but the first `count` entries. Costs a rebuild of the table: for failures, not for the way in. */
  truncate(count: number): void {
    if (count >= this.count) return
    this.#next = this.#starts[count] as number
    for (let entry = count; entry < this.count; entry++) this.byteLength -= this.#lengths[entry] as number
    this.count = count
    this.#table.fill(0)
    for (let entry = 0; entry < count; entry++) this.#place(entry)
  }

  #place(entry: number): void {
    const mask = this.#table.length - 1
    let at = (this.#hashes[entry] as number) & mask
    while (this.#table[at] !== 0) at = (at + 1) & mask
    this.#table[at] = entry + 1
  }

  #equals(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start
    if (this.#lengths[entry] !== length) return false
    const offset = this.#starts[entry] as number
    const chunk = this.#chunks[offset >>> chunkBits] as Uint8Array
    const within = offset & (chunkBytes - 1)
    for (let at = 0; at < length; at++) {
      if (chunk[within + at] !== bytes[start + at]) return false
    }
    return true
  }

  #grow(): void {
    const capacity = Math.ceil(this.#starts.length * 1.5)
    this.#starts = grown(this.#starts, new Uint32Array(capacity))
    this.#lengths = grown(this.#lengths, new Uint32Array(capacity))
    this.#parents = grown(this.#parents, new Int32Array(capacity))
    this.#values = grown(this.#values, new Int32Array(capacity))
    this.#hashes = grown(this.#hashes, new Int32Array(capacity))
    if (capacity * 1.5 <= this.#table.length) return
    this.#table = new Int32Array(this.#table.length * 2)
    for (let entry = 0; entry < this.count; entry++) this.#place(entry)
  }
}

function grown<T extends Uint32Array | Int32Array>(from: T, into: T): T {
  into.set(from)
  return into
}

/** Four bytes a step; the last ones singly. */
function hashOf(parent: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = Math.imul(seed ^ parent, 0x9e3779b1) ^ (end - start)
  let at = start
  for (; at + 4 <= end; at += 4) {
    const word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    hash = Math.imul(hash ^ word, 0x85ebca6b)
    hash ^= hash >>> 15
  }
  for (; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
  return hash ^ (hash >>> 15)
}
