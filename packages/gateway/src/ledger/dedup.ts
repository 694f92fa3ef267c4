/** Fixed-size record of an id: 16 bytes of id, 8 of the body's digest, 4 of uptime in seconds, 4 of rejected points. */
export const receiptBytes = 32
const words: number = receiptBytes / 4

/** What the first sender of a batch was told, and every later one is. */
export interface Receipt {
  /** Points that were not counted. */
  rejected: number
  /** Why, in English; empty where all were counted. */
  message: string
}

/**
 * An id (the first 16 bytes count) and what tells the body that came under it from another (8 bytes; zeros where the id is
 * the body's own digest).
 */
export interface BatchKey {
  id: Uint8Array
  digest: Uint8Array
}

/** Messages of receipts are remembered up to this many characters in all; past it a duplicate gets a shorter one. */
const messageCharactersMax = 4_000_000
const forgotten = 'points of this batch were rejected when it first came; the gateway remembers only how many'

/**
 * The ids of batches that were counted, with what was answered: CONFORMANCE C3 to C7. A ring of fixed-size records in the
 * order they came, and a table into it. Nothing is evicted inside the window; the caller refuses when `count` is at its
 * bound.
 */
export class Dedup {
  #records: Uint32Array = new Uint32Array(64 * words)
  #table: Int32Array = new Int32Array(128) // Record + 1; 0 is free. Records before #head are dead.
  #head = 0
  #tail = 0
  #messages = new Map<number, string>() // By number of the record since the start: #base + record.
  #messageCharacters = 0
  #base = 0
  #key: Uint32Array = new Uint32Array(6)

  get count(): number {
    return this.#tail - this.#head
  }

  /** The receipt of an id: `undefined` when it was not seen, `other` when it came with another body. */
  find(key: BatchKey): Receipt | 'other' | undefined {
    const wanted = this.#read(key)
    const mask = this.#table.length - 1
    for (let at = hashOf(wanted, 0) & mask; ; at = (at + 1) & mask) {
      const record = (this.#table[at] as number) - 1
      if (record < 0) return undefined
      if (record < this.#head || !this.#hasId(record, wanted)) continue
      const from = record * words
      if (this.#records[from + 4] !== wanted[4] || this.#records[from + 5] !== wanted[5]) return 'other'
      const rejected = this.#records[from + 7] as number
      const message = rejected === 0 ? '' : (this.#messages.get(this.#base + record) ?? forgotten)
      return { rejected, message }
    }
  }

  /** Remembers an id that `find` does not know. `uptimeMs` must not go back. */
  insert(key: BatchKey, uptimeMs: number, receipt: Receipt): void {
    const wanted = this.#read(key)
    const record = this.#room()
    const from = record * words
    this.#records.set(wanted, from)
    this.#records[from + 6] = Math.floor(uptimeMs / 1000)
    this.#records[from + 7] = receipt.rejected
    if (receipt.rejected > 0 && this.#messageCharacters + receipt.message.length <= messageCharactersMax) {
      this.#messages.set(this.#base + record, receipt.message)
      this.#messageCharacters += receipt.message.length
    }
    this.#place(record)
  }

  /** The last `count` records as bytes for the store, and their messages (undefined where there is none). */
  latest(count: number): { records: Uint8Array; messages: (string | undefined)[] } {
    const start = this.#tail - count
    const records = new Uint8Array(this.#records.slice(start * words, this.#tail * words).buffer)
    const messages: (string | undefined)[] = []
    for (let record = start; record < this.#tail; record++)
      messages.push(this.#messages.get(this.#base + record))
    return { records, messages }
  }

  /** Puts back what `latest` gave, when the store is loaded. */
  restore(records: Uint8Array, messages: readonly (string | undefined | null)[]): void {
    const values = new Uint32Array(records.slice().buffer)
    for (let at = 0; at < values.length; at += words) {
      const record = this.#room()
      this.#records.set(values.subarray(at, at + words), record * words)
      const message = messages[at / words]
      if (typeof message === 'string') {
        this.#messages.set(this.#base + record, message)
        this.#messageCharacters += message.length
      }
      this.#place(record)
    }
  }

  /** Takes back the last `count` ids, whose commit failed, the latest first: so each leaves the table as it found it. */
  undo(count: number): void {
    const mask = this.#table.length - 1
    for (; count > 0; count--) {
      const record = --this.#tail
      this.#forgetMessage(record)
      let at = hashOf(this.#records, record * words) & mask
      while (this.#table[at] !== record + 1) at = (at + 1) & mask
      this.#table[at] = 0
    }
  }

  /** Forgets what is older than an uptime. */
  expire(beforeUptimeMs: number): void {
    const before = Math.floor(beforeUptimeMs / 1000)
    while (this.#head < this.#tail && (this.#records[this.#head * words + 6] as number) < before) {
      this.#forgetMessage(this.#head)
      this.#head++
    }
  }

  /** The next free record. Moves the living to the front when that frees half, else doubles. */
  #room(): number {
    if (this.#tail * words === this.#records.length) {
      const living = this.#records.subarray(this.#head * words, this.#tail * words)
      const half = this.count * 2 <= this.#tail
      const records = half ? this.#records : new Uint32Array(this.#records.length * 2)
      if (half) records.copyWithin(0, this.#head * words, this.#tail * words)
      else records.set(living)
      this.#base += this.#head
      this.#tail -= this.#head
      this.#head = 0
      this.#records = records
      this.#rebuild((records.length / words) * 2)
    }
    return this.#tail++
  }

  #rebuild(length: number): void {
    if (length !== this.#table.length) this.#table = new Int32Array(length)
    else this.#table.fill(0)
    for (let record = this.#head; record < this.#tail; record++) this.#place(record)
  }

  #place(record: number): void {
    const mask = this.#table.length - 1
    let at = hashOf(this.#records, record * words) & mask
    while (this.#table[at] !== 0) at = (at + 1) & mask
    this.#table[at] = record + 1
  }

  #hasId(record: number, wanted: Uint32Array): boolean {
    const from = record * words
    for (let word = 0; word < 4; word++) {
      if (this.#records[from + word] !== wanted[word]) return false
    }
    return true
  }

  #read(key: BatchKey): Uint32Array {
    for (let word = 0; word < 4; word++) this.#key[word] = littleEndian(key.id, word * 4)
    this.#key[4] = littleEndian(key.digest, 0)
    this.#key[5] = littleEndian(key.digest, 4)
    return this.#key
  }

  #forgetMessage(record: number): void {
    const message = this.#messages.get(this.#base + record)
    if (message === undefined) return
    this.#messages.delete(this.#base + record)
    this.#messageCharacters -= message.length
  }
}

/** Drawn once a process, so that nobody outside can choose ids that collide. */
const seed: number = Math.trunc(Math.random() * 0x7fffffff)

/** Of the four words of an id: a UUID of version 7 begins with the time, so no word alone will do. */
function hashOf(ids: Uint32Array, from: number): number {
  let hash = seed
  for (let word = from; word < from + 4; word++) {
    hash = Math.imul(hash ^ (ids[word] as number), 0x85ebca6b)
    hash ^= hash >>> 15
  }
  return hash
}

function littleEndian(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  )
}
