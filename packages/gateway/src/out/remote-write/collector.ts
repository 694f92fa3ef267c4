import { setImmediate as turn } from 'node:timers/promises'
import { compress } from 'snappy'
import type { RemoteWriteSettings } from '../../config/remote-write.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { countUp, type RemoteWriteStats } from '../../stats.ts'
import { Collection, type Times } from './collection.ts'
import { RemoteLines } from './lines.ts'
import { PushedLines } from './pushed-lines.ts'
import type { NoRoom, Queue, QueueWriter } from './queue.ts'
import type { ProtocolVersion } from './queue-file.ts'
import { RequestV1 } from './request-v1.ts'
import { RequestV2 } from './request-v2.ts'
import type { RequestWriter } from './request-writer.ts'
import { Told } from './told.ts'

/** Series that are named in one turn of the event loop. */
const namedPerTurnMax = 300
/** Groups of Pushgateway's API that are looked at in one turn. */
const groupsPerTurnMax = 20

export interface CollectorOptions {
  queue: Queue
  settings: RemoteWriteSettings
  stats: RemoteWriteStats
  /** Unix milliseconds. */
  now: () => number
}

/** What became of a collection: queued; stopped midway; or there was no room for it. */
export type Collected = 'queued' | 'stopped' | NoRoom

/** Puts all lines into the queue of one receiver, each time that it is asked to. */
export class Collector {
  readonly #ledger: Ledger
  readonly #options: CollectorOptions
  readonly #lines: RemoteLines
  readonly #pushed: PushedLines
  readonly #told = new Told()
  #protocol: ProtocolVersion
  #writer: RequestWriter
  #isResumed = false
  /** Of the collection before. */
  #lastBytes = 0
  #lastSamples = 0
  #last: Promise<unknown> = Promise.resolve()

  constructor(ledger: Ledger, options: CollectorOptions) {
    const { settings } = options
    this.#ledger = ledger
    this.#options = options
    this.#lines = new RemoteLines(ledger.series, settings.externalLabels)
    this.#pushed = new PushedLines(ledger.pushed, this.#lines, settings.externalLabels)
    this.#protocol = settings.protocol
    this.#writer = this.#newWriter()
    ledger.onCommit((born) => this.#lines.keepUp(born))
    ledger.onEnd((ended) => this.#lines.endSeries(ended))
  }

  /** The version of remote write: 1 where the receiver turned out not to know 2. */
  get protocol(): ProtocolVersion {
    return this.#protocol
  }

  /** What was told after this time did not arrive: it is told anew, by version 1. */
  fallBack(deliveredUnixMs: number): void {
    this.#protocol = 1
    this.#writer = this.#newWriter()
    if (this.#isResumed) this.#told.resume(this.#lines, deliveredUnixMs, this.#options.now())
  }

  /** Collects all lines as of now, once at a time. What does not come into the queue is collected the next time. */
  collect(stop: AbortSignal): Promise<Collected> {
    const collecting = this.#last.then(() => this.#collect(stop))
    this.#last = collecting.catch(() => {})
    return collecting
  }

  async #collect(stop: AbortSignal): Promise<Collected> {
    const { queue, settings, stats } = this.#options
    await this.#name(stop)
    if (stop.aborted || this.#ledger.failed) return 'stopped'
    const times = this.#times()
    const writer = this.#writer
    const { requestSamplesMax } = settings.queue
    const sendsNative = this.#protocol === 2 && settings.sendsNativeHistograms
    const options = { times, requestSamplesMax, pushed: this.#pushed, sendsNative }
    const full = await queue.noRoomFor(this.#lastBytes) // Then it need not be written at all.
    if (full !== undefined) return this.#drop(full)
    const collection = new Collection(this.#ledger, this.#lines, this.#told, writer, options)
    const file = await queue.begin(times.values)
    let isQueued = false
    try {
      const samples = await this.#write(collection, file, stop)
      if (samples === undefined || writer !== this.#writer) return 'stopped'
      this.#lastSamples = samples
      const noRoom = await queue.noRoomFor(file.bytes)
      if (noRoom !== undefined) return this.#drop(noRoom)
      await queue.commit(file, times.values)
      this.#lastBytes = file.bytes
      isQueued = true
    } catch (error) {
      this.#drop('not_queued')
      throw error
    } finally {
      writer.finish() // What was begun of a request is of no use.
      if (!isQueued) await file.abandon()
    }
    collection.keep()
    if (collection.shapeless > 0) countUp(stats.dropped, 'no_native_form', collection.shapeless)
    return 'queued'
  }

  /** Where they were not written, about as many samples as the last time. */
  #drop<Reason extends string>(reason: Reason): Reason {
    countUp(this.#options.stats.dropped, reason, Math.max(this.#lastSamples, this.#lines.count))
    return reason
  }

  async #name(stop: AbortSignal): Promise<void> {
    let isMore = true
    while (isMore && !stop.aborted) {
      if (this.#lines.hasNamedKnown && !this.#isResumed) this.#resume() // Before those are named that were born since.
      isMore = this.#lines.nameSome(namedPerTurnMax)
      if (isMore) await turn()
    }
    let groups = 0
    for (const _ of this.#pushed.update()) if (++groups % groupsPerTurnMax === 0) await turn()
  }

  /** Lines of before this receiver was first written to were not 0 lately, whenever they began. */
  #resume(): void {
    const { queue, now } = this.#options
    this.#isResumed = true
    this.#told.resume(this.#lines, queue.isResumed ? queue.lastUnixMs : Infinity, now())
  }

  /** How many samples; undefined where it was stopped. */
  async #write(collection: Collection, file: QueueWriter, stop: AbortSignal): Promise<number | undefined> {
    const protocol = this.#protocol
    let samples = 0
    while (!stop.aborted && !this.#ledger.failed) {
      const request = collection.step()
      if (request === undefined) return samples
      if (request !== 'more') {
        samples += request.samples + request.histograms
        await file.add({ ...request, version: protocol, body: await compress(request.body) })
      }
      await turn()
    }
    return undefined
  }

  /** Never back: what is not later than what was told before, receivers refuse. */
  #times(): Times {
    const { queue, settings, now } = this.#options
    const values = Math.max(now(), queue.lastUnixMs + 3)
    const zeros = Math.max(values - settings.intervalMs, queue.lastUnixMs + 2)
    return { ended: zeros - 1, zeros, values }
  }

  #newWriter(): RequestWriter {
    const { symbols } = this.#lines
    return this.#protocol === 2 ? new RequestV2(symbols) : new RequestV1(symbols)
  }
}
