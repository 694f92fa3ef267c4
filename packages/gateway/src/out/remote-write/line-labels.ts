import type { RemoteLines } from './lines.ts'
import { beforeBound, beforeName } from './symbols.ts'

/** The labels of one line after the other, with the name and the bound of each of its series put in where they belong. */
export class LineLabels {
  /** Symbols, name by value, sorted by names. */
  symbols: Uint32Array = new Uint32Array(64)
  readonly #lines: RemoteLines
  #own: Uint32Array = new Uint32Array(64)
  #view: DataView = new DataView(this.#own.buffer)
  #count = 0

  constructor(lines: RemoteLines) {
    this.#lines = lines
  }

  read(line: number): void {
    const room = this.#lines.labelCountOf(line)
    if (room > this.#own.length) {
      this.#own = new Uint32Array(room * 2)
      this.symbols = new Uint32Array(room * 2)
      this.#view = new DataView(this.#own.buffer)
    }
    this.#count = this.#lines.copyLabels(line, this.#view)
  }

  /** Puts them together; `bound` -1: without one. Returns how many symbols they are. */
  put(name: number, bound: number): number {
    const { symbols: known } = this.#lines
    const into = this.symbols
    let to = 0
    let needsName = true
    let needsBound = bound >= 0
    for (let at = 0; at < this.#count; at += 2) {
      const label = this.#own[at] as number
      const order = known.orderOf(label)
      if (needsName && (order & beforeName) === 0) {
        needsName = false
        into[to++] = known.name
        into[to++] = name
      }
      if (needsBound && (order & beforeBound) === 0) {
        needsBound = false
        into[to++] = known.bound
        into[to++] = bound
      }
      into[to++] = label
      into[to++] = this.#own[at + 1] as number
    }
    if (needsName) {
      into[to++] = known.name
      into[to++] = name
    }
    if (needsBound) {
      into[to++] = known.bound
      into[to++] = bound
    }
    return to
  }
}
