/** Pieces of at least so many bytes are kept as they came. */
const copiedBytesMax = 16 * 1024
/** What smaller ones are copied into, at first and at most. */
const roomBytesMin = 4 * 1024
const roomBytesMax: number = 1024 * 1024

/**
 * A body as it comes in. Small pieces are copied together: each of them, if kept, would hold an object of a hundred bytes
 * and the whole packet that it came in, so that a body sent byte by byte would take a hundred times what is counted.
 */
export class Pieces {
  /** Bytes so far. */
  length = 0
  #parts: Uint8Array[] = []
  #room: Uint8Array | undefined
  #used = 0

  add(piece: Uint8Array): void {
    const isFirst = this.length === 0
    this.length += piece.length
    if (isFirst || piece.length >= copiedBytesMax) {
      this.#closeRoom()
      this.#parts.push(piece)
      return
    }
    if (this.#room === undefined || this.#used + piece.length > this.#room.length)
      this.#makeRoom(piece.length)
    ;(this.#room as Uint8Array).set(piece, this.#used)
    this.#used += piece.length
  }

  /** All of it, in one. */
  take(): Buffer {
    this.#closeRoom()
    const parts = this.#parts
    const length = this.length
    this.clear()
    const [only] = parts
    if (parts.length === 1 && Buffer.isBuffer(only)) return only
    return Buffer.concat(parts, length)
  }

  clear(): void {
    this.length = 0
    this.#parts = []
    this.#room = undefined
    this.#used = 0
  }

  #makeRoom(count: number): void {
    const before = this.#room
    const bytes = Math.max(roomBytesMin, count * 2, before === undefined ? 0 : before.length * 2)
    if (before === undefined || bytes > roomBytesMax) {
      this.#closeRoom()
      this.#room = Buffer.allocUnsafeSlow(Math.min(roomBytesMax, bytes))
      return
    }
    this.#room = Buffer.allocUnsafeSlow(bytes)
    this.#room.set(before.subarray(0, this.#used))
  }

  #closeRoom(): void {
    if (this.#room !== undefined) this.#parts.push(this.#room.subarray(0, this.#used))
    this.#room = undefined
    this.#used = 0
  }
}
