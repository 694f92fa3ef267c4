import type { ReceiptsRow } from './store.ts'

/**
 * Fixed-size record of an id: 16 bytes of id, 8 of the body's digest, 4 of uptime in seconds, 4 of rejected points. Of an
 * anonymous batch the highest bit of the last is set, and the last 4 bytes of the digest are how many records ago the same
 * body came, or 0.
 */
export const receiptBytes = 32
const words: number = receiptBytes / 4
const linkWord = 5
const secondsWord = 6
const rejectedWord = 7
const anonymousBit = 0x8000_0000
/** Its answer certainly arrived: known in memory alone. */
const deliveredBit = 0x4000_0000
const rejectedMask = 0x3fff_ffff

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

/** What is known of a body that is its own id. */
export interface SeenBody {
  receipt: Receipt
  /** Not every resource in it said whose it is: somebody else may send the same. */
  isAnonymous: boolean
  /** An answer to the anonymous batch certainly arrived: who sends the same again is somebody else. */
  isDelivered: boolean
}

/** Messages of receipts are remembered up to this many characters in all; past it a duplicate gets a shorter one. */
const messageCharactersMax = 4_000_000
const forgotten = 'points of this batch were rejected when it first came; the gateway remembers only how many'

/**
 * The ids of batches that were counted, with what was answered: CONFORMANCE C3 to C7. A ring of fixed-size records in the
 * order they came, and a table into it. Nothing is evicted inside the window; the caller refuses when `count` is at its
 * bound. What was inserted since the last `commit` can be taken back.
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
  #inGroup = 0

  get count(): number {
    return this.#tail - this.#head
  }

  /** Some were inserted since the last commit. */
  get isChanged(): boolean {
    return this.#inGroup > 0
  }

  /** The receipt of an id: `undefined` when it was not seen, `other` when it came with another body. */
  find(key: BatchKey): Receipt | 'other' | undefined {
    const wanted = this.#read(key)
    const record = this.#recordOf(wanted)
    if (record < 0) return undefined
    const from = record * words
    if (this.#records[from + 4] !== wanted[4] || this.#records[from + linkWord] !== wanted[5]) return 'other'
    return this.#receiptOf(record)
  }

  /** What is known of a body by the digest that is its id; `undefined` when it was not seen. */
  findBody(key: BatchKey): SeenBody | undefined {
    const record = this.#recordOf(this.#read(key))
    if (record < 0) return undefined
    const last = this.#records[record * words + rejectedWord] as number
    return {
      receipt: this.#receiptOf(record),
      isAnonymous: (last & anonymousBit) !== 0,
      isDelivered: (last & deliveredBit) !== 0,
    }
  }

  /** An answer to an anonymous batch has certainly arrived. Nothing where it is not remembered any more. */
  deliver(key: BatchKey): void {
    const record = this.#recordOf(this.#read(key))
    if (record < 0) return
    const at = record * words + rejectedWord
    if (((this.#records[at] as number) & anonymousBit) !== 0) {
      this.#records[at] = (this.#records[at] as number) | deliveredBit
    }
  }

  /** Remembers an id that `find` does not know. `uptimeMs` must not go back. */
  insert(key: BatchKey, uptimeMs: number, receipt: Receipt): void {
    this.#insert(this.#read(key), uptimeMs, receipt, 0)
  }

  /** Remembers an anonymous body, also in place of the same one that was delivered. */
  insertAnonymous(key: BatchKey, uptimeMs: number, receipt: Receipt): void {
    this.#insert(this.#read(key), uptimeMs, receipt, anonymousBit)
  }

  #insert(wanted: Uint32Array, uptimeMs: number, receipt: Receipt, bits: number): void {
    const record = this.#room()
    const from = record * words
    this.#records.set(wanted, from)
    this.#records[from + secondsWord] = Math.floor(uptimeMs / 1000)
    this.#records[from + rejectedWord] = Math.min(receipt.rejected, rejectedMask) | bits
    if (receipt.rejected > 0 && this.#messageCharacters + receipt.message.length <= messageCharactersMax) {
      this.#messages.set(this.#base + record, receipt.message)
      this.#messageCharacters += receipt.message.length
    }
    this.#place(record)
    this.#inGroup++
  }

  /** What was inserted so far cannot be taken back any more, and what is older than an uptime may go. */
  commit(expireBeforeUptimeMs = 0): void {
    this.#inGroup = 0
    if (expireBeforeUptimeMs > 0) this.expire(expireBeforeUptimeMs)
  }

  /** What was inserted since the last commit, for the store. */
  row(uptimeMs: number): ReceiptsRow | undefined {
    return this.isChanged ? { uptimeMs, ...this.latest(this.#inGroup) } : undefined
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
  restore({ records, messages }: Pick<ReceiptsRow, 'records' | 'messages'>): void {
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
  undo(count: number = this.#inGroup): void {
    const mask = this.#table.length - 1
    this.#inGroup = Math.max(0, this.#inGroup - count)
    for (; count > 0; count--) {
      const record = --this.#tail
      this.#forgetMessage(record)
      let at = hashOf(this.#records, record * words) & mask
      while (this.#table[at] !== record + 1) at = (at + 1) & mask
      const link = this.#isAnonymous(record) ? (this.#records[record * words + linkWord] as number) : 0
      this.#table[at] = link === 0 ? 0 : record - link + 1
    }
  }

  /** Forgets what is older than an uptime. */
  expire(beforeUptimeMs: number): void {
    const before = Math.floor(beforeUptimeMs / 1000)
    while (this.#head < this.#tail && (this.#records[this.#head * words + secondsWord] as number) < before) {
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
    const from = record * words
    const mask = this.#table.length - 1
    const isAnonymous = this.#isAnonymous(record)
    if (isAnonymous) this.#records[from + linkWord] = 0
    let at = hashOf(this.#records, from) & mask
    for (; this.#table[at] !== 0; at = (at + 1) & mask) {
      if (!isAnonymous) continue
      const before = (this.#table[at] as number) - 1
      if (before < this.#head || !this.#hasId(before, this.#records, from)) continue
      // In its place: otherwise a body that comes again and again would make a chain that is walked each time.
      this.#records[from + linkWord] = record - before
      break
    }
    this.#table[at] = record + 1
  }

  /** The record of an id, or -1. */
  #recordOf(wanted: Uint32Array): number {
    const mask = this.#table.length - 1
    for (let at = hashOf(wanted, 0) & mask; ; at = (at + 1) & mask) {
      const record = (this.#table[at] as number) - 1
      if (record < 0) return -1
      if (record >= this.#head && this.#hasId(record, wanted, 0)) return record
    }
  }

  #receiptOf(record: number): Receipt {
    const rejected = (this.#records[record * words + rejectedWord] as number) & rejectedMask
    const message = rejected === 0 ? '' : (this.#messages.get(this.#base + record) ?? forgotten)
    return { rejected, message }
  }

  #isAnonymous(record: number): boolean {
    return ((this.#records[record * words + rejectedWord] as number) & anonymousBit) !== 0
  }

  #hasId(record: number, ids: Uint32Array, start: number): boolean {
    const from = record * words
    for (let word = 0; word < 4; word++) {
      if (this.#records[from + word] !== ids[start + word]) return false
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
