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
  #isInflating = false
  readonly #inflations: ((done: () => void) => void)[] = []

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

  /** One at a time, as each may need as much as the largest body. */
  inflate(inflation: (done: () => void) => void): void {
    this.#inflations.push(inflation)
    if (!this.#isInflating) this.#next()
  }

  #next(): void {
    const inflation = this.#inflations.shift()
    this.#isInflating = inflation !== undefined
    inflation?.(() => this.#next())
  }
}

/** What one request has of the room. */
export class Hold {
  readonly #intake: Intake
  #bytes = 0
  #isOver = false

  constructor(intake: Intake) {
    this.#intake = intake
  }

  /** The request was answered, or its sender is gone. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Throws OVERLOADED where there is no room. */
  take(count: number): void {
    if (this.#isOver) return // Its sender is gone.
    if (this.#intake.bytes > this.#bytes) this.#intake.requireRoomFor(count) // Alone, a legal body always has room.
    this.#intake.take(count)
    this.#bytes += count
  }

  /** Part of what it has is not needed any more. */
  give(count: number): void {
    if (this.#isOver) return
    this.#intake.give(count)
    this.#bytes -= count
  }

  /** When the request is answered, or its sender gone. */
  release(): void {
    this.#isOver = true
    this.#intake.give(this.#bytes)
    this.#bytes = 0
  }
}
