import { spoolFileBytesMin, spoolHeaderBytes } from '@swansong/otlp/spool'
import { NanoClock } from './clock.ts'
import {
  addTo,
  bucketsCell,
  forgetExtremes,
  isRecorded,
  type Kind,
  type Recorder,
} from '../record/recorder.ts'
import { slotsWithin } from './part.ts'
import { delta, Template } from './template.ts'

/** A body up to this length is taken by everybody, also as a file. */
export const bodyBytesMin: number = spoolFileBytesMin - spoolHeaderBytes

/** A request that is posted, or spooled, under one id until somebody has answered for it. */
export interface Batch {
  readonly id: string
  readonly body: Uint8Array
  readonly points: number
  /** What was taken with it did not fit: the next batch is another part of the same. */
  readonly more?: boolean
}

/** What is collected for: the process lives on, somebody waits, or it ends. */
export type Moment = 'interval' | 'flush' | 'end'

/** All that waited at one time, as far as no batch holds it yet. */
interface Taking {
  slots: Set<number>
  start: bigint
  time: bigint
  retires: boolean
  /** It is known to be too long for one body. */
  isLong: boolean
}

/** What was recorded since it was last taken, as batches of deltas. */
export class Deltas {
  #recorder: Recorder
  #resource: Uint8Array
  #observe: () => Promise<void> | undefined
  #clock: NanoClock
  #makeId: () => string
  #bodyBytesMax: () => number
  #taking: Taking | undefined
  /** What earlier batches hold, in the recorder's cells: what is left to send never gathers rounding errors. */
  #taken = new Float64Array(0)
  /** What is left to send, in the recorder's cells, while batches are made of it. */
  #waiting = new Float64Array(0)
  /** The slots of up-down counters that a batch has told of, and whether they are due to be told again, or taken back. */
  #told = new Set<number>()
  #tellAgain = false
  #retires = false

  /** `bodyBytesMax`: how long a body may be; asked for only where one is over what everybody takes. */
  constructor(
    recorder: Recorder,
    resource: Uint8Array,
    makeId: () => string,
    observe: () => Promise<void> | undefined = () => undefined,
    bodyBytesMax: () => number = () => Infinity
  ) {
    this.#recorder = recorder
    this.#resource = resource
    this.#observe = observe
    this.#clock = new NanoClock(recorder.startMs)
    this.#makeId = makeId
    this.#bodyBytesMax = bodyBytesMax
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

  /**
   * A batch of all that was recorded since the last one, or `undefined` if that is nothing. What is too long for a body
   * becomes several, each with an id of its own; what is recorded meanwhile waits until all of them are taken.
   */
  take(): Batch | undefined {
    if (this.#recorder.isCaptured) return undefined
    const taking = (this.#taking ??= this.#takeAll())
    if (taking === undefined) return undefined
    const { template, slots } = this.#encodePart(taking)
    template.fill(taking.time, this.#waiting)
    const more = slots.size < taking.slots.size
    if (more) for (const slot of slots) taking.slots.delete(slot)
    else this.#taking = undefined
    return { id: this.#makeId(), body: template.body, points: template.pointCount, more }
  }

  /** All of it is in `#waiting` from here on, and nowhere else. */
  #takeAll(): Taking | undefined {
    const slots = this.#findWaiting()
    this.#tellAgain = false
    if (slots.size === 0) return undefined
    const start = this.#clock.last
    for (const { kind, bounds, series } of this.#recorder.instruments) {
      for (const { slot } of series) if (slots.has(slot)) this.#take(kind, slot, bounds.length + 1)
    }
    return { slots, start, time: this.#clock.next(), retires: this.#retires, isLong: false }
  }

  /** As much of it as a body holds. Most is short enough to be encoded without asking how long it may be. */
  #encodePart(taking: Taking): { template: Template; slots: Set<number> } {
    if (!taking.isLong) {
      const template = this.#encode(taking, taking.slots)
      const { length } = template.body
      taking.isLong = length > bodyBytesMin && length > this.#bodyBytesMax()
      if (!taking.isLong) return { template, slots: taking.slots }
    }
    const bytesMax = this.#bodyBytesMax()
    const slots = slotsWithin(bytesMax, this.#recorder, this.#resource, taking.slots, taking.retires)
    return { template: this.#encode(taking, slots), slots }
  }

  #encode({ start, retires }: Taking, slots: Set<number>): Template {
    const shape = { temporality: delta, start, reserved: 0, retires } as const
    const includes = (series: { slot: number }): boolean => slots.has(series.slot)
    return new Template(this.#recorder, this.#resource, { ...shape, includes })
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
