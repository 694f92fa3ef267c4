/** So many senders a second are asked to come back: as many as a gateway answers with ease. */
const sendersPerSecond = 500

/**
 * How long a refused sender is asked to wait. One that is alone comes back in a second; of ten thousand that are refused
 * at once each is given a second of its own, drawn at random, so that they do not come back together: stock SDKs add no
 * jitter to what they are told.
 */
export class RetryAfter {
  readonly #secondsMax: () => number
  readonly #clock: () => number
  readonly #random: () => number
  #refused = 0
  #countedAt = -Infinity

  /** `clock`: milliseconds from any fixed point. `random`: from 0 to below 1. */
  constructor(
    secondsMax: () => number,
    clock: () => number = () => performance.now(),
    random: () => number = Math.random
  ) {
    this.#secondsMax = secondsMax
    this.#clock = clock
    this.#random = random
  }

  /** Whole seconds, 1 at least, for the sender that is refused now. */
  next(): number {
    const now = this.#clock()
    const passedSeconds = Math.min(1e9, (now - this.#countedAt) / 1000)
    this.#countedAt = now
    this.#refused = Math.max(0, this.#refused - passedSeconds * sendersPerSecond) + 1 // Those who have come back since.
    const spread = Math.min(this.#secondsMax(), Math.ceil(this.#refused / sendersPerSecond))
    return 1 + Math.floor(this.#random() * spread)
  }
}
