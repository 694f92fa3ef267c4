import type { AttributesGiven } from './attributes.ts'
import type { Recorder } from './recorder.ts'
import type { Slots } from './slots.ts'

/** Counter of the API. */
export class SlotCounter {
  readonly slots: Slots
  #recorder: Recorder

  constructor(slots: Slots) {
    this.slots = slots
    this.#recorder = slots.recorder
  }

  add(value: number, attributes?: AttributesGiven): void {
    if (typeof value !== 'number' || !(value >= 0 && value < Infinity)) return this.slots.refuse(value)
    this.#recorder.add(this.slots.of(attributes), value)
  }

  bind(attributes: AttributesGiven): BoundCounter {
    return new BoundCounter(this.slots, this.slots.of(attributes))
  }
}

/** A counter and its attributes, looked up once: for hot loops. */
export class BoundCounter {
  #slots: Slots
  #recorder: Recorder
  #slot: number

  constructor(slots: Slots, slot: number) {
    this.#slots = slots
    this.#recorder = slots.recorder
    this.#slot = slot
  }

  add(value: number): void {
    if (typeof value !== 'number' || !(value >= 0 && value < Infinity)) return this.#slots.refuse(value)
    this.#recorder.add(this.#slot, value)
  }
}

/** UpDownCounter of the API. */
export class SlotUpDownCounter {
  readonly slots: Slots

  constructor(slots: Slots) {
    this.slots = slots
  }

  add(value: number, attributes?: AttributesGiven): void {
    if (!Number.isFinite(value)) return this.slots.refuse(value)
    this.slots.recorder.add(this.slots.of(attributes), value)
  }

  bind(attributes: AttributesGiven): { add(value: number): void } {
    const { slots } = this
    const slot = slots.of(attributes)
    const add = (value: number): void => {
      if (Number.isFinite(value)) slots.recorder.add(slot, value)
      else slots.refuse(value)
    }
    return { add }
  }
}

/** Histogram of the API. */
export class SlotHistogram {
  readonly slots: Slots

  constructor(slots: Slots) {
    this.slots = slots
  }

  record(value: number, attributes?: AttributesGiven): void {
    if (typeof value !== 'number' || !(value >= 0 && value < Infinity)) return this.slots.refuse(value)
    this.slots.recorder.record(this.slots.of(attributes), this.slots.instrument.bounds, value)
  }

  bind(attributes: AttributesGiven): { record(value: number): void } {
    const { slots } = this
    const { bounds } = slots.instrument
    const slot = slots.of(attributes)
    const record = (value: number): void => {
      if (typeof value === 'number' && value >= 0 && value < Infinity)
        slots.recorder.record(slot, bounds, value)
      else slots.refuse(value)
    }
    return { record }
  }
}

/** Gauge of the API. */
export class SlotGauge {
  readonly slots: Slots

  constructor(slots: Slots) {
    this.slots = slots
  }

  record(value: number, attributes?: AttributesGiven): void {
    if (!Number.isFinite(value)) return this.slots.refuse(value)
    this.slots.recorder.set(this.slots.of(attributes), value)
  }

  bind(attributes: AttributesGiven): { record(value: number): void } {
    const { slots } = this
    const slot = slots.of(attributes)
    const record = (value: number): void => {
      if (Number.isFinite(value)) slots.recorder.set(slot, value)
      else slots.refuse(value)
    }
    return { record }
  }
}
