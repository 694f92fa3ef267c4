import { committed, open, rendered, valuesOf, type OpenOptions, type Opened } from './ledgers.ts'
import { SimStore, type Fault } from './sim-store.ts'

const begun = 1_700_000_000_000
/** A gateway looks so often for what is to be done. */
const tickMs = 2000

/** A ledger whose clock is turned by hand, seen by scrapers and by others; started again whenever it is gone. */
export class Turned {
  store: SimStore
  opened: Opened
  /** How long what is born is held. */
  holdMs: number
  restarts = 0
  #ms = 0
  readonly #options: OpenOptions

  constructor(holdMs: number, options: OpenOptions = {}, faults?: ReadonlyMap<number, Fault>) {
    this.holdMs = holdMs
    const times = { clock: () => this.#ms, now: () => begun + this.#ms }
    this.#options = { ...options, ...times, holdMs: () => this.holdMs }
    this.store = new SimStore(faults)
    this.opened = this.#open()
  }

  get ms(): number {
    return this.#ms
  }

  pass(ms: number): void {
    for (const end = this.#ms + ms; this.#ms < end;) {
      this.#ms = Math.min(end, this.#ms + tickMs)
      this.opened.ledger.tick()
      this.#startIfGone()
    }
  }

  /** What a scrape answers now: `value` of a line as a scraper sees it. */
  scraped(): Map<string, number> {
    const { ledger, exposition } = this.opened
    ledger.reveal()
    if (this.#startIfGone()) return this.scraped()
    return valuesOf(Buffer.from(exposition.render(0, Infinity, true).finish()).toString())
  }

  /** The same for who is no scraper. */
  seen(): Map<string, number> {
    return valuesOf(rendered(this.opened.exposition))
  }

  /** Lets what was posted be committed, or the process die of it. */
  async turn(): Promise<void> {
    await committed()
    this.#startIfGone()
  }

  restart(how: 'stopped' | 'killed'): void {
    if (how === 'stopped') this.opened.ledger.close()
    this.store = this.store.restarted()
    this.opened = this.#open()
    this.restarts++
  }

  #startIfGone(): boolean {
    if (!this.store.crashed) return false
    this.restart('killed')
    return true
  }

  #open(): Opened {
    const opened = open(this.store, this.#options)
    opened.ledger.holdExpiry(false)
    return opened
  }
}
