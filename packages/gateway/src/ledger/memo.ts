import { ByteIndex } from './byte-index.ts'

/** What an entry takes beside its key. */
const entryBytes = 40

/** A place in a memo to go back to. */
export interface MemoMark {
  count: number
  clears: number
}

/**
 * Which series raw attributes are added to that are not its own, under the rules as they are: some were dropped, or there
 * are too many series. Only what saves decoding them again: past its limit, and when rules change, it begins anew.
 */
export class Memo {
  /** The stream of what `find` has found: 0 where it is the series' own set of attributes. */
  part = 0
  #index = new ByteIndex()
  #series: Int32Array = new Int32Array(64)
  #parts: Float64Array = new Float64Array(64)
  #clears = 0

  get isEmpty(): boolean {
    return this.#index.count === 0
  }

  /** The series of these raw attributes of a metric, or -1. */
  find(metric: number, bytes: Uint8Array, start: number, end: number): number {
    const entry = this.#index.find(metric, bytes, start, end)
    if (entry < 0) return -1
    this.part = this.#parts[entry] as number
    return this.#series[entry] as number
  }

  /** Adds what `find` does not know. `bytesMax`: what all of it may take. */
  insert(metric: number, raw: Uint8Array, series: number, part: number, bytesMax: number): void {
    if (this.#index.byteLength + raw.length + (this.#index.count + 1) * entryBytes > bytesMax) this.clear()
    const entry = this.#index.count
    if (entry === this.#series.length) this.#grow()
    this.#series[entry] = series
    this.#parts[entry] = part
    this.#index.insert(metric, raw, 0, raw.length, entry)
  }

  clear(): void {
    if (this.isEmpty) return
    this.#index = new ByteIndex()
    this.#series = new Int32Array(64)
    this.#parts = new Float64Array(64)
    this.#clears++
  }

  mark(): MemoMark {
    return { count: this.#index.count, clears: this.#clears }
  }

  /** Takes back what came since the mark, and perhaps more. */
  undo(mark: MemoMark): void {
    if (mark.clears === this.#clears) this.#index.truncate(mark.count)
    else this.clear()
  }

  #grow(): void {
    const series = new Int32Array(this.#series.length * 2)
    const parts = new Float64Array(this.#series.length * 2)
    series.set(this.#series)
    parts.set(this.#parts)
    this.#series = series
    this.#parts = parts
  }
}
