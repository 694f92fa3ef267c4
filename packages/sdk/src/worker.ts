import type { MeterProvider } from '@opentelemetry/api'
import { type Capture, type Captures, openCaptures } from './capture/captures.ts'
import { canonicalPairs, nameOfPairs } from './record/attributes.ts'
import { endWithProcess, type WayOut } from './process/exit.ts'
import type { Identity } from './spool/journal-file.ts'
import { Journal } from './spool/journal.ts'
import { type ScopeOptions, SwansongMeter } from './record/meter.ts'
import { Observers } from './record/observers.ts'
import { openPost } from './post/post.ts'
import type { SdkOptions } from './options/given.ts'
import type { Options } from './options/options.ts'
import { readOptions } from './options/read-options.ts'
import { never, Recorder } from './record/recorder.ts'
import { encodeResource } from './encode/resource.ts'
import { complain, warn, warnOnce } from './process/say.ts'
import { findSpool } from './spool/find-spool.ts'
import { makeUuid } from './spool/spool.ts'

/** Where the one worker of this process stands, for whatever copies of this package are loaded; `1` is its interface's. */
const workerKey = Symbol.for('swansong.sdk.1')

/** What a copy of this package may ask of the worker that another copy, older or newer, has made. */
export interface Worker extends MeterProvider {
  getMeter(name: string, version?: string, options?: ScopeOptions): SwansongMeter
  configure(options: SdkOptions): void
  flush(): Promise<void>
  capture(): Capture
}

/** The one worker of this process. Making it has no effect: nothing is looked at or installed before the first record. */
export function worker(): Worker {
  const holder = globalThis as { [workerKey]?: Worker }
  holder[workerKey] ??= new ProcessWorker()
  return holder[workerKey]
}

class ProcessWorker implements Worker {
  #recorder = new Recorder(Date.now(), () => this.#look())
  #observers = new Observers(() => this.#recorder.wake())
  #meters = new Map<string, SwansongMeter>()
  #given: SdkOptions | undefined
  #captures: Captures | undefined
  #way: WayOut | undefined

  getMeter(name: string, version?: string, options?: ScopeOptions): SwansongMeter {
    const key = version === undefined && options === undefined ? name : keyOf(name, version, options)
    let meter = this.#meters.get(key)
    if (meter === undefined) {
      meter = new SwansongMeter(this.#recorder, this.#observers, name, version, options)
      this.#meters.set(key, meter)
    }
    return meter
  }

  configure(options: SdkOptions): void {
    if (this.#way !== undefined) {
      warnOnce('configure() comes too late: something was recorded before it, and what it gives is not used')
      return
    }
    this.#given = { ...this.#given, ...options }
    this.#recorder.cardinalityLimit = readOptions(process.env, this.#given).cardinalityLimit
  }

  async flush(): Promise<void> {
    if (!this.#recorder.isCaptured) await this.#way?.flush()
  }

  capture = (): Capture => {
    // A journal is written here and now; what still waits to be posted waits for the end of the capture.
    if (!this.#recorder.isCaptured) void this.flush().catch(() => {}) // Said, if it failed, at the end.
    this.#captures ??= openCaptures(this.#recorder, this.#observers)
    return this.#captures.begin()
  }

  /** By the recorder: at the first record to open a way out, from then on for the way out. Nothing here may reach the job. */
  #look(): void {
    if (this.#recorder.isCaptured) {
      this.#recorder.countdown = never
      return
    }
    try {
      this.#way ??= openWayOut(this.#recorder, this.#observers, readOptions(process.env, this.#given))
      this.#way.look()
    } catch (error) {
      this.#way ??= nowhere(this.#recorder)
      warn(`BUG: ${String(error)}`)
    }
  }
}

function keyOf(name: string, version: string | undefined, options: ScopeOptions | undefined): string {
  const attributes = nameOfPairs(canonicalPairs(options?.attributes ?? {}))
  return [name, version ?? '', options?.schemaUrl ?? '', attributes].join('\n')
}

/** An endpoint that was set wins over a directory that was; both over what is found by default. */
function openWayOut(recorder: Recorder, observers: Observers, options: Options): WayOut {
  if (!options.exports) return nowhere(recorder)
  if (options.complaints.length > 0) complain(options.complaints.join('; '))
  if (options.instanceIdIgnored !== undefined) {
    warn(`service.instance.id ${options.instanceIdIgnored} is not used: each process has a fresh one`)
  }
  const identify = (): Identity => {
    const instanceId = makeUuid()
    return { instanceId, resource: encodeResource(options, instanceId) }
  }
  const spool = findSpool(options)
  if (options.endpoint === undefined && spool !== undefined) {
    const { serviceName, journal: pace } = options
    const journal = new Journal(recorder, spool, { serviceName, pace, identify })
    const observed = observing(journal, observers, options.intervalMs)
    endWithProcess(observed)
    return observed
  }
  return openPost(recorder, observers, identify().resource, options, spool)
}

/** Callbacks are called on the interval, at a flush and at the end; the journal holds what they observed like anything else. */
function observing(journal: WayOut, observers: Observers, intervalMs: number): WayOut {
  let isStarted = false
  return {
    look() {
      if (!isStarted && observers.any) {
        isStarted = true
        setInterval(() => void observers.observe(), intervalMs).unref()
        // While a callback waits, the process lives on; once, as this event comes again after that.
        process.once('beforeExit', () => void observers.observe())
      }
      journal.look()
    },
    end() {
      void observers.observe()
      journal.end()
    },
    async flush() {
      const waits = observers.observe()
      if (waits !== undefined) await waits // Else the journal is written before this returns.
      await journal.flush()
    },
  }
}

/** Nothing leaves: for tests, and where it was asked for. */
function nowhere(recorder: Recorder): WayOut {
  const look = (): void => {
    recorder.countdown = never
  }
  return { look, end: look, flush: async () => {} }
}
