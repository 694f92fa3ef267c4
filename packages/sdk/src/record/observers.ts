import type { Slots } from './slots.ts'
import { type Callbacks, openCallbacks, type SlotObservable } from './observables.ts'

/** The observable instruments of this process. Most have none, so all that these need is loaded with the first of them. */
export class Observers {
  #callbacks: Callbacks | undefined
  #wake: () => void

  /** `wake` is called when there is something to observe. */
  constructor(wake: () => void) {
    this.#wake = wake
  }

  get any(): boolean {
    return this.#callbacks?.any === true
  }

  get callbacks(): Callbacks {
    this.#callbacks ??= openCallbacks(this.#wake)
    return this.#callbacks
  }

  make(slots: Slots): SlotObservable {
    return this.callbacks.make(slots)
  }

  /** Calls every callback once. What it gives back resolves when the last one has settled; it never throws or rejects. */
  observe(): Promise<void> | undefined {
    return this.#callbacks?.observe()
  }
}
