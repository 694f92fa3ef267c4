import { NanoClock } from './clock.ts'
import {
  addTo,
  bucketsCell,
  forgetExtremes,
  isRecorded,
  type Kind,
  type Recorder,
} from '../record/recorder.ts'
import { delta, Template } from './template.ts'

/** A request that is posted, or spooled, under one id until somebody has answered for it. */
export interface Batch {
  readonly id: string
  readonly body: Uint8Array
  readonly points: number
}

/** What is collected for: the process lives on, somebody waits, or it ends. */
export type Moment = 'interval' | 'flush' | 'end'

/** What was recorded since it was last taken, as batches of deltas. */
export class Deltas {
  #recorder: Recorder
  #resource: Uint8Array
  #observe: () => Promise<void> | undefined
  #clock: NanoClock
  #makeId: () => string
  /** What earlier batches hold, in the recorder's cells: what is left to send never gathers rounding errors. */
  #taken = new Float64Array(0)
  /** What is left to send, in the recorder's cells, while a batch is made. */
  #waiting = new Float64Array(0)
  /** The slots of up-down counters that a batch has told of, and whether they are due to be told again, or taken back. */
  #told = new Set<number>()
  #tellAgain = false
  #retires = false

  constructor(
    recorder: Recorder,
    resource: Uint8Array,
    makeId: () => string,
    observe: () => Promise<void> | undefined = () => undefined
  ) {
    this.#recorder = recorder
    this.#resource = resource
    this.#observe = observe
    this.#clock = new NanoClock(recorder.startMs)
    this.#makeId = makeId
  }

  /**
   * Calls the callbacks of observable instruments; resolves when those that wait have observed. Up-down counters count as
   * long as their process is heard of: each interval tells of them again, and the end takes them back.
   */
  collect(moment: Moment): Promise<void> | undefined {
    this.#tellAgain = moment === 'interval'
    this.#retires = moment === 'end'
    return this.#observe()
  }

  /** A batch of all that was recorded since the last one, or `undefined` if that is nothing. */
  take(): Batch | undefined {
    if (this.#recorder.isCaptured) return undefined
    const slots = this.#findWaiting()
    const retires = this.#retires
    this.#tellAgain = false
    if (slots.size === 0) return undefined
    const shape = { temporality: delta, start: this.#clock.last, reserved: 0, retires } as const
    const includes = (series: { slot: number }): boolean => slots.has(series.slot)
    const template = new Template(this.#recorder, this.#resource, { ...shape, includes })
    template.fill(this.#clock.next(), this.#waiting)
    for (const { kind, bounds, series } of this.#recorder.instruments) {
      for (const { slot } of series) if (slots.has(slot)) this.#take(kind, slot, bounds.length + 1)
    }
    return { id: this.#makeId(), body: template.body, points: template.pointCount }
  }

  /** Which slots have something to tell; what that is goes into `#waiting`. */
  #findWaiting(): Set<number> {
    const { cells, instruments } = this.#recorder
    if (this.#taken.length < cells.length) {
      const taken = new Float64Array(cells.length)
      taken.set(this.#taken)
      this.#taken = taken
      this.#waiting = new Float64Array(cells.length)
    }
    const slots = new Set<number>()
    for (const { kind, bounds, series } of instruments) {
      for (const { slot } of series) {
        if (isRecorded(kind, cells, slot) && this.#waits(kind, slot, bounds.length + 1)) slots.add(slot)
      }
    }
    return slots
  }

  #waits(kind: Kind, slot: number, bucketCount: number): boolean {
    const { cells } = this.#recorder
    const taken = this.#taken
    const waiting = this.#waiting
    if (kind === 'gauge') {
      waiting.set(cells.subarray(slot, slot + 2), slot)
      return cells[slot] !== taken[slot] || cells[slot + 1] !== taken[slot + 1]
    }
    if (kind === 'upDownCounter') {
      waiting.set(cells.subarray(slot, slot + 2), slot)
      const isTold = this.#told.has(slot)
      if (this.#retires) return isTold
      return !isTold || this.#tellAgain || cells[slot] !== taken[slot] || cells[slot + 1] !== taken[slot + 1]
    }
    // Rounded as late as can be.
    waiting[slot] = at(cells, slot) - at(taken, slot) + (at(cells, slot + 1) - at(taken, slot + 1))
    waiting[slot + 1] = 0
    if (kind === 'counter') return at(waiting, slot) > 0
    let count = 0
    for (let cell = slot + 2; cell < slot + bucketsCell + bucketCount; cell++) {
      const isBucket = cell >= slot + bucketsCell
      waiting[cell] = isBucket ? at(cells, cell) - at(taken, cell) : at(cells, cell)
      if (isBucket) count += at(waiting, cell)
    }
    return count > 0
  }

  #take(kind: Kind, slot: number, bucketCount: number): void {
    const { cells } = this.#recorder
    const taken = this.#taken
    if (kind === 'gauge' || kind === 'upDownCounter') {
      taken.set(cells.subarray(slot, slot + 2), slot)
      if (kind === 'gauge') return
      if (this.#retires) this.#told.delete(slot)
      else this.#told.add(slot)
      return
    }
    addTo(taken, slot, at(this.#waiting, slot))
    if (kind === 'counter') return
    const buckets = slot + bucketsCell
    taken.set(cells.subarray(buckets, buckets + bucketCount), buckets)
    forgetExtremes(cells, slot) // Of a delta they are those of its own time.
  }
}

function at(cells: Float64Array, cell: number): number {
  return cells[cell] as number
}
