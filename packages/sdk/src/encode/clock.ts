const nanosPerMs = 1_000_000n

/**
 * Unix nanoseconds that only grow: a gateway takes a point not later than the last one for an old one, but two
 * checkpoints may fall into one millisecond, and the clock of the machine may be set back.
 */
export class NanoClock {
  /** The last time given; at first the start, which every time is later than. */
  last: bigint
  #nowMs: () => number

  constructor(startMs: number, nowMs: () => number = Date.now) {
    this.last = BigInt(startMs) * nanosPerMs
    this.#nowMs = nowMs
  }

  next(): bigint {
    const now = BigInt(this.#nowMs()) * nanosPerMs
    this.last = now > this.last ? now : this.last + 1n
    return this.last
  }
}
