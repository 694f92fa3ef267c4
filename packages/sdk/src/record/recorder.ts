import type { Pair } from './attributes.ts'
import { encodeAttributes } from './attributes.ts'
import { cardinalityLimitDefault } from '../options/options.ts'

/** A countdown for who need not be asked: it stays a small integer to V8, and one that runs out does no harm. */
export const never: number = 2 ** 30
/** Cells to begin with; the column doubles from there. */
const cellCountStart = 128

/** Where instruments come from: what a library gave to `getMeter`. */
export interface Scope {
  readonly name: string
  readonly version: string
  readonly schemaUrl: string
  /** Sorted by key. */
  readonly attributes: readonly Pair[]
}

/** What is recorded, whether by calls or by callbacks: a sum that only grows, any sum, a distribution, a last value. */
export type Kind = 'counter' | 'upDownCounter' | 'histogram' | 'gauge'

/** What an instrument is called, and which series it has. */
export interface Instrument {
  readonly scope: Scope
  readonly kind: Kind
  readonly name: string
  readonly unit: string
  readonly description: string
  /** Of a histogram: inclusive upper bounds, rising. Empty for any other. */
  readonly bounds: readonly number[]
  /** Read by callbacks, as a whole. */
  readonly isObserved: boolean
  readonly series: Series[]
}

/** A set of attributes under an instrument; `slot` is the first of its cells. */
export interface Series {
  readonly slot: number
  /** Encoded, behind the tags that a point of this kind has for them. */
  readonly attributes: Uint8Array
}

/*
 * The cells of a slot. Sums are two doubles (what was added, and what its rounding lost), so that ten million times 0.1 is
 * a million, and counting goes on past 2^53.
 *
 *   counter, upDownCounter   sum, rounding
 *   gauge                    value, when it was set in Unix milliseconds (0: never)
 *   histogram                sum, rounding, min, max, a count for each bucket
 */
export const minCell = 2
export const maxCell = 3
export const bucketsCell = 4

/** What this process has recorded: one flat column of running totals, a run of cells to each series. */
export class Recorder {
  readonly instruments: Instrument[] = []
  /** When this recorder began, Unix milliseconds. */
  readonly startMs: number
  /** Replaced when it grows. */
  cells: Float64Array = new Float64Array(cellCountStart)
  /** Grows whenever there is another series to show. */
  revision = 0
  /** Records until `look` is called: a way out sets it, so that it need not look at the clock on every one. */
  countdown = 1
  /** What is recorded is for a test: nothing of it leaves, and the cells are not the running totals. */
  isCaptured = false
  /** What was recorded into when `look` was called. */
  lastSlot = -1
  /** How many sets of attributes each instrument keeps that does not say so itself. */
  cardinalityLimit: number = cardinalityLimitDefault
  #used = 0
  #look: () => void

  /** `look` is called at the first record, and from then on when the countdown that it set has run out. */
  constructor(startMs: number, look: () => void) {
    this.startMs = startMs
    this.#look = look
  }

  born(instrument: Instrument, pairs: readonly Pair[]): number {
    const slot = this.#used
    const isHistogram = instrument.kind === 'histogram'
    this.#used += isHistogram ? bucketsCell + instrument.bounds.length + 1 : 2
    while (this.#used > this.cells.length) {
      const twice = new Float64Array(this.cells.length * 2)
      twice.set(this.cells)
      this.cells = twice
    }
    if (isHistogram) forgetExtremes(this.cells, slot)
    instrument.series.push({ slot, attributes: encodeAttributes(attributesField(instrument.kind), pairs) })
    if (instrument.kind === 'counter' || instrument.kind === 'upDownCounter') this.revision++
    return slot
  }

  /** Adds to a sum. `value` is finite. */
  add(slot: number, value: number): void {
    const { cells } = this
    // As `addTo`, which is written out here: a job of a thousand adds pays for each function that V8 finds hot.
    const total = cells[slot] as number
    const sum = total + value
    const back = sum - total
    const lost = total - (sum - back) + (value - back)
    if (lost !== 0) cells[slot + 1] = (cells[slot + 1] as number) + lost
    cells[slot] = sum
    if (--this.countdown <= 0) this.#lookAfter(slot)
  }

  /** Sets a sum that was observed as a whole. `value` is finite. */
  setSum(slot: number, value: number): void {
    this.cells[slot] = value
    this.cells[slot + 1] = 0
    if (--this.countdown <= 0) this.#lookAfter(slot)
  }

  /** Sets a gauge. `value` is finite. */
  set(slot: number, value: number): void {
    const { cells } = this
    if (cells[slot + 1] === 0) this.revision++
    cells[slot] = value
    cells[slot + 1] = Date.now()
    if (--this.countdown <= 0) this.#lookAfter(slot)
  }

  /** Records into a histogram with these bounds. `value` is finite. */
  record(slot: number, bounds: readonly number[], value: number): void {
    const { cells } = this
    let low = 0
    for (let high = bounds.length; low < high;) {
      const middle = (low + high) >>> 1
      if ((bounds[middle] as number) < value) low = middle + 1
      else high = middle
    }
    addTo(cells, slot, value)
    if (value < (cells[slot + minCell] as number)) {
      if (cells[slot + minCell] === Infinity) this.revision++
      cells[slot + minCell] = value
    }
    if (value > (cells[slot + maxCell] as number)) cells[slot + maxCell] = value
    cells[slot + bucketsCell + low] = (cells[slot + bucketsCell + low] as number) + 1
    if (--this.countdown <= 0) this.#lookAfter(slot)
  }

  /** There is something to observe at collection: a way out is needed though nothing is recorded yet. */
  wake(): void {
    this.#lookAfter(-1)
  }

  #lookAfter(slot: number): void {
    this.lastSlot = slot
    this.#look()
  }
}

/** `attributes` of a HistogramDataPoint is field 9, of a NumberDataPoint field 7, by metrics.proto. */
export function attributesField(kind: Kind): number {
  return kind === 'histogram' ? 9 : 7
}

/** Whether a series has anything to show yet: a gauge was set, a histogram recorded into. */
export function isRecorded(kind: Kind, cells: Float64Array, slot: number): boolean {
  if (kind === 'gauge') return cells[slot + 1] !== 0
  return kind !== 'histogram' || cells[slot + minCell] !== Infinity
}

/** From here on a histogram's min and max are of what comes. */
export function forgetExtremes(cells: Float64Array, slot: number): void {
  cells[slot + minCell] = Infinity
  cells[slot + maxCell] = -Infinity
}

/** Adds to a sum and to what its rounding has lost (Knuth's two-sum: whatever the signs). */
export function addTo(cells: Float64Array, slot: number, value: number): void {
  const total = cells[slot] as number
  const sum = total + value
  const back = sum - total
  const lost = total - (sum - back) + (value - back)
  if (lost !== 0) cells[slot + 1] = (cells[slot + 1] as number) + lost // Of whole numbers nothing is.
  cells[slot] = sum
}

/** Milliseconds that only grow. Not by `performance`: the first touch of that global loads eight modules. */
export function nowMs(): number {
  const time = process.hrtime()
  return time[0] * 1e3 + time[1] / 1e6
}
