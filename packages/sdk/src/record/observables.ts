import type { AttributesGiven } from './attributes.ts'
import { becauseOf } from '../process/exit.ts'
import type { Slots } from './slots.ts'
import { warnOnce } from '../process/say.ts'

/** What a callback observes into. */
export interface ObservableResult {
  observe(value: number, attributes?: AttributesGiven): void
}
export type ObservableCallback = (result: ObservableResult) => void | Promise<void>

/** What a callback for several instruments observes into. */
export interface BatchObservableResult {
  observe(instrument: SlotObservable, value: number, attributes?: AttributesGiven): void
}
export type BatchObservableCallback = (result: BatchObservableResult) => void | Promise<void>

/** Observed values by slot, of one instrument in one collection: what is observed twice counts once. */
type Observed = Map<number, number>

/** Everything behind this function is loaded when it is called (bundle.js). */
export function openCallbacks(wake: () => void): Callbacks {
  return new Callbacks(wake)
}

/**
 * The callbacks of this process's observable instruments. They are called at collection: on the interval, at a flush,
 * and at the end, where what they observe at once is recorded; a promise of theirs is waited for by who still can.
 */
export class Callbacks {
  #instruments = new Set<SlotObservable>()
  #batches: { callback: BatchObservableCallback; instruments: readonly SlotObservable[] }[] = []
  #pending = new Map<object, Promise<void>>()
  #wake: () => void

  /** `wake` is called when there is something to observe. */
  constructor(wake: () => void) {
    this.#wake = wake
  }

  get any(): boolean {
    return this.#instruments.size > 0 || this.#batches.length > 0
  }

  make(slots: Slots): SlotObservable {
    return new SlotObservable(slots, this)
  }

  /** Which instruments have callbacks of their own. */
  keep(instrument: SlotObservable): void {
    if (instrument.callbacks.size === 0) this.#instruments.delete(instrument)
    else {
      this.#instruments.add(instrument)
      this.#wake()
    }
  }

  addBatch(callback: unknown, instruments: unknown): void {
    const known = Array.isArray(instruments)
      ? (instruments as unknown[]).filter((each) => each instanceof SlotObservable)
      : []
    if (typeof callback !== 'function' || known.length === 0) {
      warnOnce('a batch callback that is no function, or has no observable instruments, is never called')
      return
    }
    this.#batches.push({ callback: callback as BatchObservableCallback, instruments: known })
    this.#wake()
  }

  removeBatch(callback: unknown, instruments: unknown): void {
    const given = new Set(Array.isArray(instruments) ? (instruments as unknown[]) : [])
    this.#batches = this.#batches.filter(
      (each) =>
        each.callback !== callback ||
        each.instruments.length !== given.size ||
        !each.instruments.every((instrument) => given.has(instrument))
    )
  }

  /**
   * Calls every callback once, but for those that have not settled since the last time. What it gives back resolves when
   * the last one has; it never throws or rejects.
   */
  observe(): Promise<void> | undefined {
    const seen = new Map<SlotObservable, Observed>()
    // Instruments that something is observed for later: for this collection, or for an earlier one.
    const waiting = new Set<SlotObservable>()
    const carried = new Set<SlotObservable>()
    const waits: Promise<void>[] = []
    const call: Call = (callback, run, instruments) => {
      for (const each of instruments) if (!seen.has(each)) seen.set(each, new Map())
      const before = this.#pending.get(callback)
      const wait = before ?? this.#start(callback, run)
      if (wait === undefined) return
      const late = before === undefined ? waiting : carried
      for (const each of instruments) late.add(each)
      waits.push(wait)
    }
    this.#callAll(seen, call)
    for (const [instrument, observed] of seen) {
      instrument.take(observed, !waiting.has(instrument) && !carried.has(instrument))
    }
    if (waits.length === 0) return undefined
    return Promise.all(waits).then(() => {
      for (const each of waiting) each.take(seen.get(each) ?? new Map(), !carried.has(each))
    })
  }

  /** The promise of a callback that gave one; it never rejects. */
  #start(callback: object, run: () => unknown): Promise<void> | undefined {
    try {
      const promise = run()
      if (typeof (promise as Promise<void> | undefined)?.then !== 'function') return undefined
      const settled = async (): Promise<void> => {
        await Promise.resolve(promise).catch(callbackFailed)
        this.#pending.delete(callback)
      }
      const wait = settled()
      this.#pending.set(callback, wait)
      return wait
    } catch (error) {
      callbackFailed(error)
      return undefined
    }
  }

  #callAll(seen: Map<SlotObservable, Observed>, call: Call): void {
    const observe = (instrument: SlotObservable, value: number, attributes?: AttributesGiven): void =>
      instrument.observe(seen.get(instrument) as Observed, value, attributes)
    for (const instrument of this.#instruments) {
      const result: ObservableResult = {
        observe: (value, attributes) => observe(instrument, value, attributes),
      }
      for (const callback of instrument.callbacks) call(callback, () => callback(result), [instrument])
    }
    for (const { callback, instruments } of this.#batches) {
      const result: BatchObservableResult = {
        observe: (instrument, value, attributes) => {
          if (instruments.includes(instrument)) observe(instrument, value, attributes)
          else warnOnce('an observation of an instrument that its callback was not added for is ignored')
        },
      }
      call(callback, () => callback(result), instruments)
    }
  }
}

type Call = (callback: object, run: () => unknown, instruments: readonly SlotObservable[]) => void

/** ObservableCounter, ObservableUpDownCounter and ObservableGauge of the API. */
export class SlotObservable {
  readonly slots: Slots
  readonly callbacks: Set<ObservableCallback> = new Set()
  #all: Callbacks
  /** What each slot of an observed counter was at last. */
  #last: Observed = new Map()

  constructor(slots: Slots, all: Callbacks) {
    this.slots = slots
    this.#all = all
  }

  addCallback(callback: ObservableCallback): void {
    if (typeof callback !== 'function') {
      warnOnce(`${this.slots.instrument.name}: a callback that is no function is never called`)
      return
    }
    this.callbacks.add(callback)
    this.#all.keep(this)
  }

  removeCallback(callback: ObservableCallback): void {
    this.callbacks.delete(callback)
    this.#all.keep(this)
  }

  observe(observed: Observed, value: number, attributes: AttributesGiven | undefined): void {
    const { slots } = this
    if (!Number.isFinite(value) || (slots.instrument.kind === 'counter' && value < 0)) slots.refuse(value)
    else observed.set(slots.of(attributes), value)
  }

  /** Records what a collection has observed so far; `isWhole`: nothing more comes. */
  take(observed: Observed, isWhole: boolean): void {
    const { recorder, instrument } = this.slots
    for (const [slot, value] of observed) {
      if (instrument.kind === 'gauge') recorder.set(slot, value)
      else if (instrument.kind === 'upDownCounter') recorder.setSum(slot, value)
      else {
        const last = this.#last.get(slot) ?? 0
        // What has fallen began anew, and counts from nothing.
        recorder.add(slot, value >= last ? value - last : value)
        this.#last.set(slot, value)
      }
    }
    if (instrument.kind !== 'upDownCounter' || !isWhole) return
    // What is not there any more is no part of the sum.
    for (const { slot } of instrument.series) if (!observed.has(slot)) recorder.setSum(slot, 0)
  }
}

function callbackFailed(error: unknown): void {
  warnOnce(`a callback of an observable instrument failed: ${becauseOf(error)}`)
}
