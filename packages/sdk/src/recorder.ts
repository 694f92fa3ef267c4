import { AttributeIndex, type AttributesGiven, encodeAttributes, type Pair } from './attributes.ts'
import { warnOnce } from './say.ts'

/** Attribute sets of one instrument; those past it are counted together under `otel.metric.overflow`. */
export const seriesCountMax = 2000
/** A countdown for who need not be asked: it stays a small integer to V8, and one that runs out does no harm. */
export const never: number = 2 ** 30
/** Slots to begin with; the columns double from there. */
const slotCountStart = 64
/** `attributes` of a NumberDataPoint, by metrics.proto. */
const pointAttributesField = 7

/** Where instruments come from: name, version and schema URL, as a library gave them to `getMeter`. */
export interface Scope {
  readonly name: string
  readonly version: string
  readonly schemaUrl: string
}

/** What an instrument is called, and which slots hold its series. */
export interface Instrument {
  readonly scope: Scope
  readonly name: string
  readonly unit: string
  readonly description: string
  readonly slots: number[]
}

/**
 * What this process has counted: a slot a series, in columns of running totals. Each total is two doubles (Neumaier's
 * sum and what its rounding lost), so that ten million times 0.1 is a million, and counting goes on past 2^53.
 */
export class Recorder {
  readonly instruments: Instrument[] = []
  /** By slot: the encoded attributes of each series, behind their tags. */
  readonly attributes: Uint8Array[] = []
  /** When this recorder began, Unix milliseconds. */
  readonly startMs: number
  /** Adds until `look` is called: a way out sets it, so that it need not look at the clock on every add. */
  countdown = 1
  #totals = new Float64Array(slotCountStart)
  #roundings = new Float64Array(slotCountStart)
  #look: () => void

  /** `look` is called at the first add, and from then on when the countdown that it set has run out. */
  constructor(startMs: number, look: () => void) {
    this.startMs = startMs
    this.#look = look
  }

  instrument(scope: Scope, name: string, unit: string, description: string): Instrument {
    const instrument: Instrument = { scope, name, unit, description, slots: [] }
    this.instruments.push(instrument)
    return instrument
  }

  born(instrument: Instrument, pairs: readonly Pair[]): number {
    const slot = this.attributes.push(encodeAttributes(pointAttributesField, pairs)) - 1
    instrument.slots.push(slot)
    if (slot >= this.#totals.length) {
      this.#totals = grown(this.#totals)
      this.#roundings = grown(this.#roundings)
    }
    return slot
  }

  /** `value` is finite and not negative: that is for the instrument to see to. */
  add(slot: number, value: number): void {
    const total = this.#totals[slot] as number
    const sum = total + value
    this.#roundings[slot] =
      (this.#roundings[slot] as number) + (total >= value ? total - sum + value : value - sum + total)
    this.#totals[slot] = sum
    if (--this.countdown <= 0) this.#look()
  }

  /** The running total of a slot, rounded once. */
  total(slot: number): number {
    return (this.#totals[slot] as number) + (this.#roundings[slot] as number)
  }

  /** The total of a slot less what two doubles say of it, rounded as late as can be. */
  totalSince(slot: number, sum: number, rounding: number): number {
    return (this.#totals[slot] as number) - sum + ((this.#roundings[slot] as number) - rounding)
  }
}

/** What an instrument counts with: finds the slot, refuses what would make a counter go down, and never throws. */
export class SlotCounter {
  readonly instrument: Instrument
  #recorder: Recorder
  #index = new AttributeIndex(seriesCountMax)
  #bareSlot = -1
  #born: (pairs: Pair[]) => number

  constructor(recorder: Recorder, instrument: Instrument) {
    this.#recorder = recorder
    this.instrument = instrument
    this.#born = (pairs) => recorder.born(instrument, pairs)
  }

  add(value: number, attributes?: AttributesGiven): void {
    if (typeof value !== 'number' || !(value >= 0 && value < Infinity)) return this.#refuse(value)
    this.#recorder.add(this.#slot(attributes), value)
  }

  bind(attributes: AttributesGiven): BoundCounter {
    return new BoundCounter(this.#recorder, this.#slot(attributes), (value) => this.#refuse(value))
  }

  #slot(attributes: AttributesGiven | undefined): number {
    if (attributes === undefined && this.#bareSlot >= 0) return this.#bareSlot
    const given = typeof attributes === 'object' && attributes !== null ? attributes : noAttributes
    try {
      const slot = this.#index.find(given)
      if (attributes === undefined) this.#bareSlot = slot
      return slot >= 0 ? slot : this.#index.meet(given, this.#born)
    } catch (error) {
      warnOnce(`attributes of ${this.instrument.name} cannot be read, counted without: ${String(error)}`)
      return this.#index.meet(noAttributes, this.#born)
    }
  }

  #refuse(value: unknown): void {
    const name = this.instrument.name
    warnOnce(
      `${name}: an increment of ${String(value)} is ignored, as a counter only takes finite numbers from 0 up`
    )
  }
}

/** A counter and its attributes, looked up once: for hot loops. */
export class BoundCounter {
  #recorder: Recorder
  #slot: number
  #refuse: (value: unknown) => void

  constructor(recorder: Recorder, slot: number, refuse: (value: unknown) => void) {
    this.#recorder = recorder
    this.#slot = slot
    this.#refuse = refuse
  }

  add(value: number): void {
    if (typeof value !== 'number' || !(value >= 0 && value < Infinity)) return this.#refuse(value)
    this.#recorder.add(this.#slot, value)
  }
}

/** Milliseconds that only grow. Not by `performance`: the first touch of that global loads eight modules. */
export function nowMs(): number {
  const [seconds, nanos] = process.hrtime()
  return seconds * 1e3 + nanos / 1e6
}

const noAttributes: AttributesGiven = {}

function grown(column: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const twice = new Float64Array(column.length * 2)
  twice.set(column)
  return twice
}
