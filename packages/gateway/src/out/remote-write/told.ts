import type { Exemplar } from '../../ledger/exemplars.ts'
import type { RemoteLines } from './lines.ts'

/* What a receiver was told of a line: nothing yet; values; that it is stale. */
export const untold = 0
export const live = 1
export const stale = 2

/** A clock that was ahead by so much when a line began was set back since. */
const clockSlackMs = 1000

/** What is in a receiver's queue, or was delivered: so what is new of a line, and what has ended of it, is told once. */
export class Told {
  #states: Uint8Array = new Uint8Array(64)
  /** The bounds of histograms, as they were told. */
  readonly #bounds = new Map<number, Float64Array>()
  readonly exemplars: WeakSet<Exemplar> = new WeakSet()
  #lastUnixMs = 0
  #nowUnixMs = 0

  /**
   * Of lines that were there before this process: those are untold that began since all lines were told last, at
   * `lastUnixMs`. Should the clock have been set back meanwhile, they count as told: too little rather than twice.
   */
  resume(lines: RemoteLines, lastUnixMs: number, nowUnixMs: number): void {
    this.#lastUnixMs = lastUnixMs
    this.#nowUnixMs = nowUnixMs
    this.#states = new Uint8Array(Math.max(64, lines.end))
    for (let line = 0; line < lines.end; line++) {
      if (lines.isLive(line)) this.#states[line] = this.#isLater(lines.startOf(line)) ? untold : live
    }
  }

  #isLater(startUnixMs: number): boolean {
    return startUnixMs >= this.#lastUnixMs - 1 && startUnixMs <= this.#nowUnixMs + clockSlackMs
  }

  of(line: number): number {
    return line < this.#states.length ? (this.#states[line] as number) : untold
  }

  set(line: number, state: number): void {
    if (line >= this.#states.length) {
      const states = new Uint8Array(Math.ceil(line * 1.5) + 1)
      states.set(this.#states)
      this.#states = states
    }
    this.#states[line] = state
  }

  boundsOf(line: number): Float64Array | undefined {
    return this.#bounds.get(line)
  }

  setBounds(line: number, bounds: Float64Array | undefined): void {
    if (bounds === undefined) this.#bounds.delete(line)
    else this.#bounds.set(line, bounds)
  }
}
