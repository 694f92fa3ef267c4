import { release } from '@swansong/otlp/wire'

/** Room at first. */
const roomBytesMin = 4 * 1024
const noBytes: Buffer = Buffer.alloc(0)

/**
 * A body as it comes in, copied into one piece of memory that grows: pieces that were kept would each hold an object of a
 * hundred bytes and the whole packet that it came in, so that a body sent byte by byte would take a hundred times what is
 * counted. The first is kept as it came, as most bodies are of one.
 */
export class Pieces {
  /** Bytes so far. */
  length = 0
  readonly #expected: number
  #first: Buffer | undefined
  #room: Buffer | undefined

  /** `expected` bytes are announced; 0 where that is not told. Room is made as they come. */
  constructor(expected: number) {
    this.#expected = expected
  }

  add(piece: Buffer): void {
    const used = this.length
    this.length += piece.length
    if (used === 0) {
      this.#first = piece
      return
    }
    this.#makeRoom(used).set(piece, used)
  }

  /** What came so far, in one, as long as nothing more comes. */
  get bytes(): Buffer {
    const all = this.#room ?? this.#first ?? noBytes
    return all.subarray(0, this.length)
  }

  /** Gives its memory back. */
  clear(): void {
    if (this.#room !== undefined) release(this.#room)
    this.#room = undefined
    this.#first = undefined
    this.length = 0
  }

  /** Memory is not touched, and so not taken, before something is written there. */
  #makeRoom(used: number): Buffer {
    const before = this.#room
    if (before !== undefined && before.length >= this.length) return before
    const doubled = Math.max(roomBytesMin, this.length * 2)
    const room = Buffer.allocUnsafeSlow(Math.max(this.length, Math.min(doubled, this.#expected || doubled)))
    room.set((before ?? this.#first ?? noBytes).subarray(0, used))
    if (before !== undefined) release(before)
    this.#first = undefined
    this.#room = room
    return room
  }
}
