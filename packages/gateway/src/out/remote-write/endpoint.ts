import type { RemoteWriteSettings } from '../../config/remote-write.ts'
import { watchFiles } from '../../doors/files.ts'
import type { Log } from '../../log.ts'
import { countUp, type RemoteWriteStats } from '../../stats.ts'
import type { Collector } from './collector.ts'
import type { Queue, QueueReader } from './queue.ts'
import type { ReadRequest } from './queue-file.ts'
import type { Sender } from './sender.ts'

/** A receiver cannot ask for more than this: what it says may be a mistake. */
const retryAfterMsMax: number = 10 * 60 * 1000
/** What is told is ahead of the clock by more than this only where that was set back. */
const clockBehindMs = 60_000
/** A stop waits so long for a receiver that takes nothing. */
const stuckMs = 2500
/** The same complaint is said so often at most. */
const sayEveryMs = 60_000

type Outcome = 'done' | 'stopped' | 'unknown_version'

export interface EndpointOptions {
  settings: RemoteWriteSettings
  collector: Collector
  queue: Queue
  sender: Sender
  stats: RemoteWriteStats
  log: Log
  /** Milliseconds from any fixed point. */
  clock: () => number
  /** Unix milliseconds. */
  now: () => number
  /** From 0 to below 1. */
  random: () => number
  /** Waits by the clock, or until it is stopped. Never rejects. */
  sleep: (ms: number, stop: AbortSignal) => Promise<void>
}

/**
 * Writes all lines to one receiver every interval: collects them into a queue on the disk, and sends what is in it, oldest
 * first. Requests of one file are sent side by side, as each has series of its own; a file waits for the one before it
 * (CONFORMANCE F4). A request that may be sent again is, until it is too old (F5).
 */
export class Endpoint {
  readonly #options: EndpointOptions
  readonly #stop = new AbortController()
  readonly #endWatch: () => void
  #loops: Promise<unknown> | undefined
  #wake: () => void = () => {}
  /** All that was collected up to then was sent. */
  #deliveredUnixMs: number
  #failureCount = 0
  /** Nothing is sent before: by the clock. */
  #notBefore = -Infinity
  #isAway = false
  readonly #saidAt = new Map<string, number>()

  constructor(options: EndpointOptions) {
    this.#options = options
    const { queue, stats } = options
    this.#deliveredUnixMs =
      queue.files.length === 0 ? queue.lastUnixMs : (queue.files[0]?.unixMs as number) - 1
    stats.queueBytes = () => queue.bytes
    stats.queueBytesMax = options.settings.queue.bytesMax
    this.#endWatch = watchFiles([options.sender], options.log)
    stats.oldestQueuedUnixMs = () => queue.files[0]?.unixMs
  }

  /** Many gateways may start at once: each waits for a part of the interval that it draws. */
  start(): void {
    this.#loops = Promise.all([this.#collectOften(this.#stop.signal), this.#sendOften(this.#stop.signal)])
  }

  /** Collects a last time and sends what there is, for so many milliseconds at most: the rest is sent after the next start. */
  async close(withinMs: number): Promise<void> {
    const { queue, sender } = this.#options
    this.#stop.abort()
    if (this.#loops !== undefined) {
      await this.#loops
      const stop = AbortSignal.timeout(Math.ceil(withinMs))
      await this.#pause(lastPauseMs, stop) // What began in this very millisecond is for the next one.
      await this.collect(stop)
      await this.#sendLast(stop)
    }
    this.#endWatch()
    await sender.close()
    await queue.close()
  }

  /** What is queued is safe: a stop does not wait for a receiver that takes nothing. */
  async #sendLast(stop: AbortSignal): Promise<void> {
    const stuck = new AbortController()
    let taken = -1
    const look = setInterval(() => {
      const { samples } = this.#options.stats
      if (samples === taken) stuck.abort()
      taken = samples
    }, stuckMs)
    await this.#send(AbortSignal.any([stop, stuck.signal]))
    clearInterval(look)
  }

  async #collectOften(stop: AbortSignal): Promise<void> {
    const { settings, clock, random } = this.#options
    await this.#pause(settings.intervalMs * random(), stop)
    while (!stop.aborted) {
      const begun = clock()
      await this.collect(stop)
      this.#wake()
      await this.#pause(begun + settings.intervalMs - clock(), stop)
    }
  }

  /** Whatever fails (a full disk) is tried again with newer values. */
  async collect(stop: AbortSignal): Promise<void> {
    const { collector, queue, now } = this.#options
    if (queue.lastUnixMs > now() + clockBehindMs)
      this.#say(
        'clock',
        'the clock is behind what was told before: times stay ahead of it until it has caught up'
      )
    const collected = await collector.collect(stop).catch((error: unknown) => {
      this.#say('collect', `lines could not be queued: ${String(error)}`)
      return 'stopped' as const
    })
    if (collected === 'queue_full')
      this.#say(
        collected,
        'the queue is as large as it may be: nothing newer is queued until the receiver takes some of it, and totals are ' +
          'told again then; see to the receiver, or raise queue_config.max_bytes'
      )
    else if (collected === 'disk_full')
      this.#say(
        collected,
        'the disk is nearly full: nothing more is queued until there is room; totals are told again then'
      )
  }

  async #sendOften(stop: AbortSignal): Promise<void> {
    stop.addEventListener('abort', () => this.#wake())
    while (!stop.aborted) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve))
      await this.#send(stop)
      if (this.#options.queue.files.length === 0 && !stop.aborted) await woken
      else await this.#pause(errorPauseMs, stop)
    }
  }

  async #send(stop: AbortSignal): Promise<void> {
    await this.sendAll(stop).catch((error: unknown) =>
      this.#say('queue', `the queue could not be read: ${String(error)}`)
    )
  }

  /** Sends what is in the queue, until there is nothing. */
  async sendAll(stop: AbortSignal): Promise<void> {
    const { queue } = this.#options
    for (let file = queue.files[0]; file !== undefined && !stop.aborted; file = queue.files[0]) {
      const reader = await queue.read()
      const outcome = await this.#sendFile(reader, file.unixMs, stop).finally(() => reader.close())
      if (outcome === 'stopped') return
      if (outcome === 'unknown_version') {
        await this.#fallBack(stop)
        continue
      }
      this.#deliveredUnixMs = file.unixMs
      await queue.removeOldest()
    }
  }

  /** Requests of one phase are sent side by side. */
  async #sendFile(reader: QueueReader, unixMs: number, stop: AbortSignal): Promise<Outcome> {
    const { queue, settings, stats } = this.#options
    let next = await reader.next()
    while (next !== undefined) {
      if (next === 'damaged') {
        countUp(stats.dropped, 'damaged')
        this.#say(
          'damaged',
          'a file of the queue is damaged: the rest of it is not sent; look after the disk'
        )
        return 'done'
      }
      const group: ReadRequest[] = []
      while (next !== undefined && next !== 'damaged' && group.length < settings.queue.shardCount) {
        if (group[0] !== undefined && group[0].phase !== next.phase) break
        group.push(next)
        next = await reader.next()
      }
      const outcomes = await Promise.all(group.map((request) => this.#deliver(request, unixMs, stop)))
      const bad = outcomes.find((outcome) => outcome !== 'done')
      if (bad !== undefined) return bad
      await queue.sentTo((group.at(-1) as ReadRequest).end)
    }
    stats.lastSentUnixMs = unixMs
    return 'done'
  }

  /** Sends one request until it is taken, refused, or too old. */
  async #deliver(request: ReadRequest, unixMs: number, stop: AbortSignal): Promise<Outcome> {
    const { settings, sender, stats, now } = this.#options
    const count = request.samples + request.histograms
    for (;;) {
      await this.#untilMaySend(stop)
      if (stop.aborted) return 'stopped'
      if (now() - unixMs > settings.queue.ageMaxMs) {
        this.#drop('too_old', count, 'the receiver was away for longer than queue_config.sample_age_limit')
        return 'done'
      }
      const signal = AbortSignal.any([stop, AbortSignal.timeout(settings.timeoutMs)])
      const answer = await sender.send(request, signal)
      if (answer.outcome === 'unknown_version') return this.#noteUnknown(answer.why)
      if (answer.outcome === 'taken') {
        this.#noteTaken(request, answer.written)
        return 'done'
      }
      if (answer.outcome === 'refused') {
        stats.samples += Math.min(count, answer.written)
        this.#drop(
          'refused',
          Math.max(0, count - answer.written),
          `the receiver refused samples: ${answer.why}`
        )
        return 'done'
      }
      if (stop.aborted) return 'stopped'
      stats.retried++
      this.#delay(answer.retryAfterMs)
      this.#isAway = true
      this.#say('unavailable', `the receiver takes nothing now, it is tried again: ${answer.why}`)
    }
  }

  /** Timers end a little early; a failure before the time would pass for one of those that it was set for. */
  async #untilMaySend(stop: AbortSignal): Promise<void> {
    const { clock } = this.#options
    for (
      let waitMs = this.#notBefore - clock();
      waitMs > 0 && !stop.aborted;
      waitMs = this.#notBefore - clock()
    )
      await this.#pause(waitMs, stop)
  }

  #noteTaken({ samples, histograms, exemplars }: ReadRequest, written: number | undefined): void {
    const { stats, log, now, settings } = this.#options
    const count = samples + histograms
    const taken = Math.min(count, written ?? count)
    this.#failureCount = 0
    stats.samples += taken
    stats.exemplars += exemplars
    stats.lastSuccessUnixMs = now()
    if (taken < count)
      this.#drop('not_written', count - taken, `the receiver took a request and wrote ${taken} of ${count}`)
    if (this.#isAway) log.info({ endpoint: settings.name }, 'remote_write: the receiver takes samples again')
    this.#isAway = false
  }

  #noteUnknown(why: string): 'unknown_version' {
    this.#say('version', `the receiver does not know remote write 2.0 (${why}); 1.0 is written from now on`)
    return 'unknown_version'
  }

  /** What is queued is of a version that the receiver does not know: all is told anew, with the zeros that are among it. */
  async #fallBack(stop: AbortSignal): Promise<void> {
    const { queue, collector } = this.#options
    while (queue.files.length > 0) await queue.removeOldest()
    collector.fallBack(this.#deliveredUnixMs)
    this.#options.stats.protocol = collector.protocol
    await this.collect(stop)
  }

  /** Says from when on something may be sent again; requests that fail together are one failure. */
  #delay(askedMs: number | undefined): void {
    const { settings, clock, random } = this.#options
    if (askedMs === undefined && this.#notBefore > clock()) return
    const { backoffMinMs, backoffMaxMs } = settings.queue
    const doubled = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.#failureCount++, 20))
    const ownMs = doubled * (0.5 + random() / 2)
    this.#notBefore = clock() + (askedMs === undefined ? ownMs : Math.min(askedMs, retryAfterMsMax))
  }

  #drop(reason: string, samples: number, why: string): void {
    countUp(this.#options.stats.dropped, reason, samples)
    this.#say(reason, why)
  }

  #say(about: string, text: string): void {
    const { log, clock, settings, stats } = this.#options
    const saidAt = this.#saidAt.get(about)
    if (saidAt !== undefined && clock() - saidAt < sayEveryMs) return
    this.#saidAt.set(about, clock())
    log.warn({ endpoint: settings.name, dropped: Object.fromEntries(stats.dropped) }, `remote_write: ${text}`)
  }

  async #pause(ms: number, stop: AbortSignal): Promise<void> {
    if (ms <= 0 || stop.aborted) return
    await this.#options.sleep(ms, stop)
  }
}

const lastPauseMs = 3
/** After something that should not be. */
const errorPauseMs = 1000
