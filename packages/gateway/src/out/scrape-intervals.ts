/** What asked: a socket. */
export interface Asker {
  readonly destroyed: boolean
}

const holdMsMin = 2000
/** Twice the longest interval that is usual, and some. */
const holdMsMax = 130_000
/** While an interval is not known: more than that of most. */
const holdMsUnknown = 70_000
/** An interval counts for so long at least, and at most twice as long. */
const memoryMs: number = 10 * 60 * 1000
/** Scrapers that are told apart; past it, those that were not seen for longest are forgotten. */
const scrapersMax = 1000

/**
 * How often scrapers come, so that a newborn series is held until each of them has seen it at 0: for twice the longest
 * interval that any one of them showed. A connection is one scraper, as those on one machine, behind one address, may
 * scrape at different intervals; one that comes by another connection each time is known by its address and agent.
 */
export class ScrapeIntervals {
  readonly #clock: () => number
  #isReadElsewhere = false
  #longestMs = 0
  #longestBeforeMs = 0
  #turnedAtMs: number
  readonly #lastOf = new Map<string, number>()
  readonly #lastBy = new WeakMap<Asker, number>()
  /** Seen once, and will come again: when that was. */
  readonly #once = new Map<Asker, number>()

  constructor(clock: () => number) {
    this.#clock = clock
    this.#turnedAtMs = clock()
  }

  /** Somebody reads who is never seen here: node_exporter, by the textfile, or the exporter of an application. */
  expectUnseen(): void {
    this.#isReadElsewhere = true
  }

  /** What was known when the gateway was started: until scrapers have shown it again. */
  restore(longestMs: number): void {
    this.#longestBeforeMs = longestMs
  }

  /** The longest interval that any scraper showed of late; 0 where none was seen twice. */
  get longestMs(): number {
    return Math.max(this.#longestMs, this.#longestBeforeMs)
  }

  /** How long what is born is held. */
  get holdMs(): number {
    const { longestMs } = this
    if (longestMs === 0) return holdMsUnknown
    const holdMs = Math.max(holdMsMin, Math.min(holdMsMax, 2 * longestMs))
    return this.#isReadElsewhere || this.#awaits() ? Math.max(holdMs, holdMsUnknown) : holdMs
  }

  /** Somebody scrapes: `name` is the address and agent. `returns`: who asks says that it does so at intervals. */
  seen(name: string, asker: Asker, returns: boolean): void {
    const now = this.#clock()
    const lastBy = this.#lastBy.get(asker)
    const last = lastBy ?? this.#lastOf.get(name)
    if (last !== undefined) this.#note(now, now - last)
    if (lastBy !== undefined) this.#once.delete(asker)
    else if (returns) this.#once.set(asker, now)
    if (this.#once.size > scrapersMax) this.#awaits()
    this.#lastBy.set(asker, now)
    this.#lastOf.delete(name) // So that the first of them is the one that was not seen for longest.
    this.#lastOf.set(name, now)
    for (const first of this.#lastOf.keys()) {
      if (this.#lastOf.size <= scrapersMax) break
      this.#lastOf.delete(first)
    }
  }

  #note(now: number, intervalMs: number): void {
    if (now - this.#turnedAtMs > memoryMs) {
      this.#longestBeforeMs = this.#longestMs
      this.#longestMs = 0
      this.#turnedAtMs = now
    }
    this.#longestMs = Math.max(this.#longestMs, intervalMs)
  }

  /** Whether one that was seen once may be about to show how long its interval is. */
  #awaits(): boolean {
    const now = this.#clock()
    for (const [asker, firstMs] of this.#once)
      if (asker.destroyed || now - firstMs > holdMsUnknown) this.#once.delete(asker)
    return this.#once.size > 0
  }
}
