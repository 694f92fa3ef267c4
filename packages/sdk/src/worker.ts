import type { MeterOptions, MeterProvider } from '@opentelemetry/api'
import { Deltas } from './batch.ts'
import { endWithProcess, type WayOut } from './exit.ts'
import { Journal } from './journal.ts'
import { type Counter, type CounterOptions, SwansongMeter } from './meter.ts'
import { openSender } from './open-sender.ts'
import { type Options, readOptions, spoolDirectoryDefault } from './options.ts'
import { never, Recorder } from './recorder.ts'
import { encodeResource } from './resource.ts'
import { complain, warn } from './say.ts'
import { isLiving, makeUuid, readOwner, type Spool } from './spool.ts'

/** Where the one worker of this process stands, for whatever copies of this package are loaded; `1` is its interface's. */
const workerKey = Symbol.for('swansong.sdk.1')

/** What a copy of this package may ask of the worker that another copy, older or newer, has made. */
export interface Worker extends MeterProvider {
  counter(name: string, options?: CounterOptions): Counter
  flush(): Promise<void>
}

/** The one worker of this process. Making it has no effect: nothing is looked at or installed before the first `add`. */
export function worker(): Worker {
  const holder = globalThis as { [workerKey]?: Worker }
  holder[workerKey] ??= new ProcessWorker()
  return holder[workerKey]
}

class ProcessWorker implements Worker {
  #recorder = new Recorder(Date.now(), () => this.#look())
  #meters = new Map<string, SwansongMeter>()
  #way: WayOut | undefined

  getMeter(name: string, version?: string, options?: MeterOptions): SwansongMeter {
    const key = JSON.stringify([name, version ?? '', options?.schemaUrl ?? ''])
    let meter = this.#meters.get(key)
    if (meter === undefined)
      this.#meters.set(key, (meter = new SwansongMeter(this.#recorder, name, version, options)))
    return meter
  }

  /** A counter of the job's own: its scope has no name, so its series get no labels of a scope. */
  counter(name: string, options?: CounterOptions): Counter {
    return this.getMeter('').createCounter(name, options)
  }

  async flush(): Promise<void> {
    await this.#way?.flush()
  }

  /** By the recorder: at the first add to open a way out, from then on for the way out. Nothing here may reach the job. */
  #look(): void {
    try {
      this.#way ??= openWayOut(this.#recorder)
      this.#way.look()
    } catch (error) {
      this.#way ??= nowhere(this.#recorder)
      warn(`BUG: ${String(error)}`)
    }
  }
}

/** An endpoint that was set wins over a directory that was; both over what is found by default. */
function openWayOut(recorder: Recorder): WayOut {
  const options = readOptions(process.env)
  if (!options.exports) return nowhere(recorder)
  if (options.complaints.length > 0) complain(options.complaints.join('; '))
  if (options.instanceIdIgnored !== undefined) {
    warn(`service.instance.id ${options.instanceIdIgnored} is not used: each process has a fresh one`)
  }
  const instanceId = makeUuid()
  const resource = encodeResource(options, instanceId)
  const spool = findSpool(options)
  if (options.endpoint === undefined && spool !== undefined) {
    const journal = new Journal(recorder, spool, instanceId, options.serviceName, resource)
    endWithProcess(journal)
    return journal
  }
  return openSender(new Deltas(recorder, resource, makeUuid), options, spool, recorder)
}

function findSpool(options: Options): Spool | undefined {
  const found = isLiving.bind(undefined, spoolDirectoryDefault, Date.now())
  const directory = options.spoolDirectory ?? (found() ? spoolDirectoryDefault : undefined)
  return directory === undefined ? undefined : { directory, sync: options.spoolSync, owner: readOwner() }
}

/** Nothing leaves: for tests, and where it was asked for. */
function nowhere(recorder: Recorder): WayOut {
  const look = (): void => {
    recorder.countdown = never
  }
  return { look, end: look, flush: async () => {} }
}
