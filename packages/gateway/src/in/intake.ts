import { Refusal } from '../refusal.ts'
import { RetryAfter } from './retry-after.ts'

export interface IntakeLimits {
  bytesInFlightMax: number
  retryAfterSecondsMax: number
}

/**
 * Room for bodies under way: received in part, waiting to be inflated, or waiting for their commit. Whatever is sent at
 * once, memory stays within it (CONFORMANCE A10: a sender that finds none is told to try again, before it is read).
 */
export class Intake {
  /** Bytes of bodies under way. */
  bytes = 0
  /** What senders are told that are refused for now, here and wherever else. */
  readonly retryAfter: RetryAfter
  readonly #limits: IntakeLimits
  #isBusy = false
  readonly #waiting: ((done: () => void) => void)[] = []

  constructor(limits: IntakeLimits) {
    this.#limits = limits
    this.retryAfter = new RetryAfter(() => limits.retryAfterSecondsMax)
  }

  /** A request's share of the room: empty at first. */
  hold(): Hold {
    return new Hold(this)
  }

  /** Throws OVERLOADED where there is no room. */
  requireRoomFor(count: number): void {
    const max = this.#limits.bytesInFlightMax
    if (this.bytes === 0 || this.bytes + count <= max) return
    const full = `bodies of ${this.bytes} bytes are under way, and ${max} is the limit`
    throw new Refusal('OVERLOADED', `${full}; nothing of this was applied, try again`)
  }

  take(count: number): void {
    this.bytes += count
  }

  give(count: number): void {
    this.bytes -= count
  }

  /** What becomes larger than it was counted for, inflated or turned from JSON: one at a time, as each may need as much as the largest body. */
  alone(job: (done: () => void) => void): void {
    this.#waiting.push(job)
    if (!this.#isBusy) this.#next()
  }

  #next(): void {
    const job = this.#waiting.shift()
    this.#isBusy = job !== undefined
    job?.(() => this.#next())
  }
}

/** What one request has of the room. */
export class Hold {
  readonly #intake: Intake
  #bytes = 0
  #isOver = false
  #isKept = false

  constructor(intake: Intake) {
    this.#intake = intake
  }

  /** What it has stays taken until `letGo`, also where its sender is gone: its bytes are still there. */
  keep(): void {
    this.#isKept = true
  }

  letGo(): void {
    this.#isKept = false
    if (this.#isOver) this.#giveAll()
  }

  /** Throws OVERLOADED where there is no room. */
  take(count: number): void {
    if (this.#isOver && !this.#isKept) return // Its sender is gone.
    if (this.#intake.bytes > this.#bytes) this.#intake.requireRoomFor(count) // Alone, a legal body always has room.
    this.#intake.take(count)
    this.#bytes += count
  }

  /** Part of what it has is not needed any more. */
  give(count: number): void {
    if (this.#isOver && !this.#isKept) return
    this.#intake.give(count)
    this.#bytes -= count
  }

  /** When the request is answered, or its sender gone. */
  release(): void {
    this.#isOver = true
    if (!this.#isKept) this.#giveAll()
  }

  #giveAll(): void {
    this.#intake.give(this.#bytes)
    this.#bytes = 0
  }
}
