import { canonicalBound } from '../openmetrics.ts'
import { Interned } from './interned.ts'

/** Bounds whose texts are kept; a gateway has few sets of them. */
const boundCountMax = 100_000
/** Bits: a label of this name stands before `__name__`, before `le`, as labels are sorted (CONFORMANCE F3). */
export const beforeName = 1
export const beforeBound = 2

/** Names, values and bounds, each once: what labels are made of, in both versions of remote write. */
export class Symbols {
  readonly texts: Interned = new Interned()
  readonly name: number
  readonly bound: number
  #orders: Uint8Array = new Uint8Array(64)
  readonly #bounds = new Map<number, number>()
  #scratch: Uint8Array = new Uint8Array(1024)

  constructor() {
    this.name = this.hold('__name__')
    this.bound = this.hold('le')
  }

  hold(text: string): number {
    const length = this.#encode(text)
    return this.texts.hold(0, this.#scratch, length)
  }

  release(symbol: number): void {
    this.texts.release(symbol)
  }

  /** The same of a label's name, of which it is noted where it stands among others. */
  holdName(name: string): number {
    const symbol = this.hold(name)
    if (symbol >= this.#orders.length) {
      const orders = new Uint8Array(Math.ceil(symbol * 1.5))
      orders.set(this.#orders)
      this.#orders = orders
    }
    this.#orders[symbol] = (name < '__name__' ? beforeName : 0) | (name < 'le' ? beforeBound : 0)
    return symbol
  }

  orderOf(name: number): number {
    return this.#orders[name] as number
  }

  /** The value of `le` for a bound, as /metrics writes it. */
  boundOf(bound: number): number {
    const known = this.#bounds.get(bound)
    if (known !== undefined) return known
    const symbol = this.hold(canonicalBound(bound))
    this.#bounds.set(bound, symbol)
    return symbol
  }

  /** Lets go of bounds where there are many. Not while a request is written that may name them. */
  trim(): void {
    if (this.#bounds.size < boundCountMax) return
    for (const symbol of this.#bounds.values()) this.release(symbol)
    this.#bounds.clear()
  }

  #encode(text: string): number {
    if (this.#scratch.length < text.length * 3) this.#scratch = new Uint8Array(text.length * 3)
    return encoder.encodeInto(text, this.#scratch).written
  }
}

const encoder = new TextEncoder()
