import type { StatsdSettings } from '../../config/config.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Log } from '../../log.ts'
import type { Refusal } from '../../refusal.ts'
import { countUp, type Stats, type StatsdStats } from '../../stats.ts'
import type { Receiver } from '../receive.ts'
import { Aggregate, type Entry } from './aggregate.ts'
import { GaugeValues } from './gauge-values.ts'
import { type Line, type LineRejection, readLine } from './line.ts'
import { requestOf } from './request.ts'

/** What was refused for now is told again after this. */
const againMs = 1000
/** An example of a line that is not counted is said so often at most. */
const sayMs = 60_000
const replaced = '\uFFFD'

export interface StatsdLimits {
  statsdEntryCountMax: number
  statsdSetValueCountMax: number
  statsdGaugeCountMax: number
  statsdLineBytesMax: number
}

export interface TellerOptions {
  settings: StatsdSettings
  limits: StatsdLimits
  stats: Stats
  statsd: StatsdStats
  log: Log
  /** Unix milliseconds. */
  now: () => number
}

/**
 * Lines of StatsD become deltas: they are added up while a batch is under way, and are the next one when that is durable. So
 * a commit serves as many lines as came meanwhile. What the store refuses for now is kept, and told again.
 */
export class Teller {
  readonly #receiver: Receiver
  readonly #options: TellerOptions
  readonly #aggregate: Aggregate
  readonly #gauges: GaugeValues
  readonly #line: Line = { type: 'c', name: '', values: '', rate: 1, tags: '', timeS: 0 }
  readonly #windows: NodeJS.Timeout
  /** Of windows that are over, and not told yet. */
  readonly #sets: Entry[] = []
  #isUnderWay = false
  #again: NodeJS.Timeout | undefined
  #isClosing = false
  #saidAt = -Infinity
  #waiting: (() => void)[] = []

  constructor(receiver: Receiver, ledger: Ledger, options: TellerOptions) {
    const { settings, limits } = options
    this.#receiver = receiver
    this.#options = options
    this.#aggregate = new Aggregate({ ...settings, limits })
    this.#gauges = new GaugeValues(ledger, settings.serviceName, limits)
    options.stats.used.statsdGaugeCountMax = () => this.#gauges.count
    this.#windows = setInterval(() => this.#endWindow(), settings.setWindowMs)
  }

  /** There is no more room for other lines until what there is was told. */
  get isFull(): boolean {
    return this.#aggregate.isFull
  }

  /** Lines with line feeds between. */
  take(bytes: Uint8Array): void {
    const text = utf8.decode(bytes)
    for (let start = 0; start < text.length;) {
      let end = text.indexOf('\n', start)
      if (end < 0) end = text.length
      if (end > start)
        this.#takeLine(
          text.charCodeAt(end - 1) === 0x0d ? text.slice(start, end - 1) : text.slice(start, end)
        )
      start = end + 1
    }
    this.#tell()
  }

  /** Called once, when there is room again, or nothing more to tell. */
  whenTold(then: () => void): void {
    if (!this.#isUnderWay && this.#isEmpty) then()
    else this.#waiting.push(then)
  }

  /** Tells all there is; gives up what the store does not take. */
  close(): Promise<void> {
    clearInterval(this.#windows)
    this.#isClosing = true
    if (this.#again !== undefined) {
      clearTimeout(this.#again)
      this.#again = undefined
      this.#isUnderWay = false
    }
    this.#endWindow()
    return new Promise((resolve) => this.whenTold(resolve))
  }

  #takeLine(text: string): void {
    if (text === '') return
    const { statsd, limits } = this.#options
    statsd.lines++
    const rejected = this.#rejectionOf(text, limits)
    if (rejected === undefined) return
    countUp(statsd.rejected, rejected)
    this.#say(rejected, text)
  }

  #rejectionOf(text: string, { statsdLineBytesMax }: StatsdLimits): LineRejection | undefined {
    if (text.length > statsdLineBytesMax) return 'too_long'
    if (text.includes(replaced)) return 'not_utf8'
    return readLine(text, this.#line) ?? this.#aggregate.add(this.#line)
  }

  #endWindow(): void {
    this.#sets.push(...this.#aggregate.takeSets())
    this.#tell()
  }

  get #isEmpty(): boolean {
    return this.#aggregate.isEmpty && this.#sets.length === 0
  }

  #tell(): void {
    if (this.#isUnderWay || this.#isEmpty) return
    this.#isUnderWay = true
    const entries = [...this.#resolved(this.#aggregate.take()), ...this.#sets.splice(0)]
    this.#post(entries, () => {
      this.#isUnderWay = false
      this.#tell()
      const waiting = this.#waiting
      if (this.#isUnderWay && this.#isClosing) return
      this.#waiting = []
      for (const then of waiting) then()
    })
  }

  /** Gauges that change by a difference as what they are then. */
  #resolved(entries: Entry[]): Entry[] {
    return entries.filter((entry) => {
      if (entry.type !== 'g') return true
      const next = this.#gauges.next(entry.name, entry.tags, entry.value, entry.isRelative)
      if (next === undefined) countUp(this.#options.statsd.rejected, 'gauges_full')
      else entry.value = next
      return next !== undefined
    })
  }

  #post(entries: readonly Entry[], then: () => void): void {
    const body = requestOf(entries, this.#options.settings, this.#options.now())
    const settle = (refusal: Refusal | undefined): void => {
      if (refusal === undefined || this.#isClosing) return then()
      this.#again = setTimeout(post, againMs) // Nothing of it was applied.
    }
    const post = (): void => {
      this.#again = undefined
      this.#receiver.batch({ body, key: undefined, digest: undefined, connection: undefined, settle })
    }
    post()
  }

  #say(rejected: LineRejection, text: string): void {
    const { log, now } = this.#options
    if (now() - this.#saidAt < sayMs) return
    this.#saidAt = now()
    log.warn({ reason: rejected, line: text.slice(0, 200) }, 'statsd: a line was not counted')
  }
}

const utf8 = new TextDecoder()
