import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Config, OtlpOutSettings } from '../config/config.ts'
import { watchFiles } from '../doors/files.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import { countUp, type OtlpOutStats, type Stats } from '../stats.ts'
import { OtlpRequests, type OtlpRequest } from './otlp-requests.ts'
import { OtlpSender, type OtlpAnswer } from './otlp-sender.ts'

/** Fast, as that of scrapes is: by connections of one machine or one site bytes are cheaper than time. */
const gzipLevel = 1
/** The first wait before a request is sent again; each further one is twice as long, up to the interval. */
const backoffMs = 500
/** A receiver cannot ask for more than this: what it says may be a mistake. */
const retryAfterMsMax: number = 10 * 60 * 1000
/** A stop tries again for so long where a receiver does not answer: the next start tells it all the same. */
const lastRetriesMs = 2000
/** Metrics that are told in requests of their own, as a receiver refused what they stood in. */
const aloneCountMax = 100
/** Statuses by which a receiver may mean something in the request, and not the request. */
const contentStatuses: ReadonlySet<number> = new Set([400, 422, 500])
/** The same complaint is said so often at most. */
const sayEveryMs = 60_000

/** What `otlp_out` says, if it says anything: to be started when the gateway is ready. Throws DoorFileError. */
export function openOtlpOut(
  ledger: Ledger,
  config: Pick<Config, 'otlpOut'>,
  { stats, ...rest }: { stats: Stats } & Pick<OtlpOutOptions, 'log' | 'clock' | 'now'>
): OtlpOut | undefined {
  const { endpoint, ...target } = config.otlpOut
  if (endpoint === undefined) return undefined
  const sender = new OtlpSender({ ...target, endpoint })
  const otlpOut = { points: 0, dropped: new Map<string, number>(), lastSuccessUnixMs: undefined }
  stats.otlpOut = otlpOut
  return new OtlpOut(ledger, { ...rest, sender, settings: () => config.otlpOut, stats: otlpOut })
}

export interface OtlpOutOptions {
  sender: OtlpSender
  /** A reload may change it: read anew each time. */
  settings: () => OtlpOutSettings
  stats: OtlpOutStats
  log: Log
  /** Milliseconds from any fixed point. */
  clock: () => number
  /** Unix milliseconds. */
  now: () => number
  /** From 0 to below 1. */
  random?: () => number
}

/**
 * Tells all living series by OTLP/HTTP every interval, as running totals (CONFORMANCE F11). A request that is not taken now
 * is sent again until the next interval, when newer values are told instead: nothing is kept for a receiver that is away,
 * as each total holds all that the ones before it held.
 */
export class OtlpOut {
  readonly #ledger: Ledger
  readonly #options: OtlpOutOptions
  readonly #random: () => number
  readonly #stop = new AbortController()
  readonly #endWatch: () => void
  #running: Promise<void> | undefined
  #lastUnixMs = 0
  #failureCount = 0
  /** Nothing is sent before: by the clock. */
  #notBefore = -Infinity
  #isAsked = false
  /** It was said that the receiver takes nothing. */
  #isAway = false
  /** By their numbers, until they are taken; and which of them were refused in this telling: a large one has several requests. */
  readonly #alone = new Set<number>()
  readonly #refused = new Set<number>()
  readonly #saidAt = new Map<string, number>()

  constructor(ledger: Ledger, options: OtlpOutOptions) {
    this.#ledger = ledger
    this.#options = options
    this.#random = options.random ?? Math.random
    this.#endWatch = watchFiles([options.sender], options.log)
  }

  /** Many gateways may start at once: each waits for a part of the interval that it draws. */
  start(): void {
    this.#running = this.#run(this.#stop.signal)
  }

  /** Tells all a last time, for so many milliseconds at most. */
  async close(withinMs: number): Promise<void> {
    this.#stop.abort()
    if (this.#running !== undefined) {
      await this.#running
      this.#failureCount = 0
      if (!this.#isAsked) this.#notBefore = -Infinity
      await this.#tellAll(AbortSignal.timeout(Math.ceil(withinMs)), true)
    }
    this.#endWatch()
    this.#options.sender.close()
  }

  async #run(stop: AbortSignal): Promise<void> {
    const { settings, clock, log } = this.#options
    await this.#pause(settings().intervalMs * this.#random(), stop)
    while (!stop.aborted) {
      const begun = clock()
      await this.#tellAll(stop, false).catch((error: unknown) =>
        log.error({ error: String(error) }, 'otlp_out: a bug')
      )
      await this.#pause(begun + settings().intervalMs - clock(), stop)
    }
  }

  async #tellAll(stop: AbortSignal, isLast: boolean): Promise<void> {
    const { metrics } = this.#ledger.series
    for (const metric of this.#alone) if (!metrics.hasSeries(metric)) this.#alone.delete(metric)
    this.#refused.clear()
    const requests = new OtlpRequests(this.#ledger, () => this.#unixMs(), this.#alone)
    while (!stop.aborted && !this.#ledger.failed) {
      await this.#pause(this.#notBefore - this.#options.clock(), stop) // Before it is written: so it is fresh.
      if (stop.aborted || this.#ledger.failed) return
      const request = requests.step()
      if (request === undefined) return
      if (request === 'more') await turn()
      else if (!(await this.#tell(request, stop, isLast)) && isLast) return
    }
  }

  /** False where it was neither taken nor refused. */
  async #tell({ body, points, metrics }: OtlpRequest, stop: AbortSignal, isLast: boolean): Promise<boolean> {
    const { settings, sender, clock } = this.#options
    const { intervalMs, compression, timeoutMs } = settings()
    const giveUpAt = clock() + (isLast ? Math.min(lastRetriesMs, intervalMs) : intervalMs)
    const sent = compression === 'gzip' ? await gzipped(body, { level: gzipLevel }) : body
    for (;;) {
      const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)])
      const answer = await sender.send(sent, compression, signal)
      if (answer.outcome !== 'again') {
        this.#failureCount = 0
        this.#note(answer, points)
        this.#part(answer, metrics)
        return true
      }
      if (stop.aborted && !isLast) return false // The last time tells the same.
      this.#delay(answer.retryAfterMs)
      if (this.#notBefore >= giveUpAt || stop.aborted) {
        this.#drop('unavailable', points, answer.why)
        return false
      }
      await this.#pause(this.#notBefore - clock(), stop)
    }
  }

  /** Says from when on something may be sent again. */
  #delay(askedMs: number | undefined): void {
    const { settings, clock } = this.#options
    const doubled = Math.min(settings().intervalMs, backoffMs * 2 ** Math.min(this.#failureCount++, 20))
    const ownMs = doubled * (0.5 + this.#random())
    this.#isAsked = askedMs !== undefined
    this.#notBefore = clock() + (askedMs === undefined ? ownMs : Math.min(askedMs, retryAfterMsMax))
  }

  #note(answer: Exclude<OtlpAnswer, { outcome: 'again' }>, points: number): void {
    const { stats, log, now } = this.#options
    if (answer.outcome === 'refused') return this.#drop('refused', points, answer.why)
    const rejected = Math.min(points, Math.max(0, answer.rejected))
    stats.points += points - rejected
    stats.lastSuccessUnixMs = now()
    if (rejected > 0) this.#drop('partial_success', rejected, answer.message)
    else if (answer.message !== '') this.#say('warning', `the receiver warns: ${answer.message}`)
    if (this.#isAway) log.info('otlp_out: the receiver takes points again')
    this.#isAway = false
  }

  /**
   * Some receivers refuse the whole of a request for one thing in it, as Prometheus does for a name that it can make nothing of.
   * What was in it is told apart from the next interval on, so that only that is refused: nothing is sent twice.
   */
  #part(answer: Exclude<OtlpAnswer, { outcome: 'again' }>, metrics: readonly number[]): void {
    if (answer.outcome === 'taken') {
      for (const metric of metrics) if (!this.#refused.has(metric)) this.#alone.delete(metric)
    } else if (contentStatuses.has(answer.status)) {
      for (const metric of metrics) {
        if (this.#alone.size < aloneCountMax) this.#alone.add(metric)
        if (this.#alone.has(metric)) this.#refused.add(metric)
      }
    }
  }

  /** Newer values follow at the next interval, whatever becomes of these. */
  #drop(reason: 'refused' | 'unavailable' | 'partial_success', points: number, why: string): void {
    countUp(this.#options.stats.dropped, reason, points)
    const what = {
      refused: 'the receiver refused points',
      unavailable: 'the receiver took no points for an interval',
      partial_success: 'the receiver rejected points',
    }
    this.#say(reason, `${what[reason]}: ${why || 'it does not say why'}`)
  }

  #say(about: string, text: string): void {
    const { log, clock, sender, stats } = this.#options
    const saidAt = this.#saidAt.get(about)
    if (saidAt !== undefined && clock() - saidAt < sayEveryMs) return
    this.#saidAt.set(about, clock())
    if (about === 'unavailable') this.#isAway = true
    const dropped = Object.fromEntries(stats.dropped)
    log.warn({ endpoint: sender.name, dropped }, `otlp_out: ${text}`)
  }

  /** A clock that was set back does not go back here: receivers take what is earlier for old. */
  #unixMs(): number {
    this.#lastUnixMs = Math.max(this.#lastUnixMs + 1, this.#options.now())
    return this.#lastUnixMs
  }

  async #pause(ms: number, stop: AbortSignal): Promise<void> {
    if (ms <= 0 || stop.aborted) return
    await sleep(ms, undefined, { signal: stop }).catch(() => {}) // It is over then.
  }
}

const gzipped = promisify<Uint8Array, { level: number }, Buffer>(gzip)
