import type { Attributes, HrTime, ObservableResult } from '@opentelemetry/api'
import { becauseOf } from '../process/exit.ts'
import { warn } from '../process/say.ts'

/*
 * Observable instruments at an end where nothing asynchronous runs. The stock SDK records what a callback observed only
 * after an `await`, which is then too late, so the callbacks are called here, and what they observed is handed to the same
 * storages. A callback that is asynchronous itself cannot be waited for: what it observed is left out as a whole.
 */

/** The ObservableRegistry of a meter, as @opentelemetry/sdk-metrics 2.0 to 3.1 have it. */
export interface ObservableRegistry {
  observe(time: HrTime, timeoutMs: number): Promise<unknown[]>
  _callbacks?: readonly { callback: (result: Observer) => unknown; instrument: ObservableInstrument }[]
  _batchCallbacks?: readonly {
    callback: (result: BatchObserver) => unknown
    instruments: ReadonlySet<ObservableInstrument>
  }[]
}

interface ObservableInstrument {
  _descriptor: { valueType: number }
  _metricStorages: readonly { record(measurements: Measurements, time: HrTime): void }[]
}

type Observer = Pick<ObservableResult, 'observe'>

interface BatchObserver {
  observe(instrument: ObservableInstrument, value: number, attributes?: Attributes): void
}

/** ValueType.INT, by @opentelemetry/api. */
const intType = 0

/** Calls every callback of a meter and records what it observed, in one go. Never throws. */
export function observeNow(registry: ObservableRegistry, time: HrTime): void {
  for (const { callback, instrument } of registry._callbacks ?? []) {
    const measurements = new Measurements(instrument)
    const observe = measurements.observe.bind(measurements)
    if (finishes(() => callback({ observe }))) measurements.record(time)
  }
  for (const { callback, instruments } of registry._batchCallbacks ?? []) {
    const measured = new Map<ObservableInstrument, Measurements>()
    for (const instrument of instruments) measured.set(instrument, new Measurements(instrument))
    const observe: BatchObserver['observe'] = (instrument, value, attributes) =>
      measured.get(instrument)?.observe(value, attributes)
    if (!finishes(() => callback({ observe }))) continue
    for (const measurements of measured.values()) measurements.record(time)
  }
}

/** Whether a callback has done all its work when it returns. */
function finishes(call: () => unknown): boolean {
  try {
    const result = call()
    if (typeof (result as { then?: unknown } | undefined)?.then !== 'function') return true
    warn('an asynchronous callback cannot be waited for at process.exit(): it is left out')
    Promise.resolve(result).catch(() => {})
  } catch (error) {
    warn(`a callback could not be read: ${becauseOf(error)}`)
  }
  return false
}

/** What was observed of one instrument, as its storages want to have it: the last value of each set of attributes. */
class Measurements {
  readonly #instrument: ObservableInstrument
  readonly #values = new Map<string, [attributes: Attributes, value: number]>()

  constructor(instrument: ObservableInstrument) {
    this.#instrument = instrument
  }

  observe(given: number, attributes: Attributes = {}): void {
    const value = this.#instrument._descriptor.valueType === intType ? Math.trunc(given) : given
    if (typeof given !== 'number' || (value !== given && !Number.isInteger(value))) return
    const name = JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)))
    this.#values.set(name, [attributes, value])
  }

  entries(): Iterable<[attributes: Attributes, value: number]> {
    return this.#values.values()
  }

  record(time: HrTime): void {
    try {
      for (const storage of this.#instrument._metricStorages) storage.record(this, time)
    } catch (error) {
      warn(`an observable instrument could not be read: ${becauseOf(error)}`)
    }
  }
}
