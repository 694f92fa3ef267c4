import { metricTypes, type MetricType } from './metric-types.ts'

/** How long newborn series are held, now. */
export interface Hold {
  /** 0: not at all. */
  ms: number
  /** The longest interval of a scraper that is known, to be known after a restart; 0 where none is. */
  scrapeIntervalMs: number
}

/** What is stored when series are revealed: up to which second of uptime they were born. */
export interface RevealedRow {
  uptimeS: number
  scrapeIntervalMs: number
}

/** Series whose bits are in one word. */
const wordBits = 32

/**
 * The newborn counters and histograms that scrapers are shown at 0 until a hold has passed: of a series that is born at 7
 * Prometheus would count no increase. A series is revealed once, for good, with all that were born before it: so one second
 * of uptime says in the store which ones are, and a reveal is durable before anybody sees it (law 3).
 */
export class Held {
  /** How many are. */
  count = 0
  #hold: Hold = { ms: 0, scrapeIntervalMs: 0 }
  #dueUptimeS = -1
  /** As it is stored. */
  #revealed: RevealedRow = { uptimeS: -1, scrapeIntervalMs: 0 }
  /** By the second of uptime in which they were born, which ascend: ids of series. */
  readonly #bornIn = new Map<number, number[]>()
  /** A bit for each series: 1 where it is held. */
  #bits: Uint32Array = new Uint32Array(64)

  /** The times of what comes next. */
  now(uptimeMs: number, hold: Hold): void {
    this.#hold = hold
    // Births are known to the second: the last of it are to have had the whole hold.
    this.#dueUptimeS = Math.floor((uptimeMs - hold.ms) / 1000) - (hold.ms > 0 ? 1 : 0)
  }

  /** Whether what is born now is held: what only grows is, as its first value is an increase. */
  holds(type: MetricType): boolean {
    return this.#hold.ms > 0 && isIncrease(type)
  }

  /** Whether scrapers are shown it at 0. */
  has(series: number): boolean {
    const word = series >>> 5
    return word < this.#bits.length && (((this.#bits[word] as number) >>> (series & 31)) & 1) === 1
  }

  /** Holds a series. Its birth is not earlier than that of others. */
  add(series: number, bornUptimeS: number): void {
    if (series >>> 5 >= this.#bits.length) this.#grow(series)
    const born = this.#bornIn.get(bornUptimeS)
    if (born === undefined) this.#bornIn.set(bornUptimeS, [series])
    else born.push(series)
    this.#bits[series >>> 5] = (this.#bits[series >>> 5] as number) | (1 << (series & 31))
    this.count++
  }

  /** It is over, or revealed. False where it was not held. */
  remove(series: number): boolean {
    if (!this.has(series)) return false
    this.#bits[series >>> 5] = (this.#bits[series >>> 5] as number) & ~(1 << (series & 31))
    this.count--
    return true
  }

  /** What is to be stored now; undefined where none has been held for long enough. */
  due(): RevealedRow | undefined {
    const [oldest = Infinity] = this.#bornIn.keys()
    if (oldest > this.#dueUptimeS) return undefined
    return { uptimeS: this.#dueUptimeS, scrapeIntervalMs: this.#hold.scrapeIntervalMs }
  }

  /**
   * What goes with a commit: what is due, or else how long the intervals of scrapers are, where that is news. So what is born
   * and held when the gateway is killed is held for as long after it.
   */
  row(): RevealedRow | undefined {
    const due = this.due()
    if (due !== undefined) return due
    const { scrapeIntervalMs } = this.#hold
    return scrapeIntervalMs === this.#revealed.scrapeIntervalMs
      ? undefined
      : { uptimeS: this.#revealed.uptimeS, scrapeIntervalMs }
  }

  /** It is stored: gives the ids of series that were born until then. Some of them may be over. */
  take(revealed: RevealedRow): number[] {
    this.#revealed = revealed
    const taken: number[] = []
    for (const [bornUptimeS, series] of this.#bornIn) {
      if (bornUptimeS > revealed.uptimeS) break
      for (const id of series) taken.push(id)
      this.#bornIn.delete(bornUptimeS)
    }
    return taken
  }

  #grow(series: number): void {
    const bits = new Uint32Array(Math.ceil((series / wordBits + 1) * 1.5))
    bits.set(this.#bits)
    this.#bits = bits
  }
}

/** What only grows within one start. */
function isIncrease(type: MetricType): boolean {
  return (
    type === metricTypes.counter ||
    type === metricTypes.histogram ||
    type === metricTypes.exponentialHistogram
  )
}
