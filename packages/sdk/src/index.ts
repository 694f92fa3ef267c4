import type {
  Counter,
  Gauge,
  Histogram,
  HistogramOptions,
  InstrumentOptions,
  Observable,
  UpDownCounter,
} from './record/api.ts'
import type { SdkOptions } from './options/given.ts'
import type { ScopeOptions, SwansongMeter } from './record/meter.ts'
import { worker } from './worker.ts'

export type {
  Counter,
  Gauge,
  Histogram,
  HistogramOptions,
  InstrumentAttributes,
  InstrumentOptions,
  Observable,
  ObservableCallback,
  UpDownCounter,
} from './record/api.ts'
export type { AttributeValue } from './record/attributes.ts'
export type { SdkOptions } from './options/given.ts'
export type { ScopeOptions, SwansongMeter } from './record/meter.ts'
export { counted } from './counted.ts'

/*
 * The instruments of this name and unit, the job's own: their scope has no name, so that their series get no labels of a
 * scope. Making one has no effect; the first record chooses how counts leave the process.
 */

/** A sum that only grows: `counter('jobs').add(1)`. */
export function counter<const Key extends string = string>(
  name: string,
  options?: InstrumentOptions<Key>
): Counter<Key> {
  return own().createCounter(name, options)
}

/** A sum that goes up and down: how many there are now, in all living processes together. */
export function upDownCounter<const Key extends string = string>(
  name: string,
  options?: InstrumentOptions<Key>
): UpDownCounter<Key> {
  return own().createUpDownCounter(name, options)
}

/** A distribution over explicit buckets. */
export function histogram<const Key extends string = string>(
  name: string,
  options?: HistogramOptions<Key>
): Histogram<Key> {
  return own().createHistogram(name, options)
}

/** A last value. */
export function gauge<const Key extends string = string>(
  name: string,
  options?: InstrumentOptions<Key>
): Gauge<Key> {
  return own().createGauge(name, options)
}

/** A sum that only grows, read at collection as a whole: CPU time of this process. */
export function observableCounter<const Key extends string = string>(
  name: string,
  options?: InstrumentOptions<Key>
): Observable<Key> {
  return own().createObservableCounter(name, options)
}

/** A sum that goes up and down, read at collection: the size of a queue of this process. */
export function observableUpDownCounter<const Key extends string = string>(
  name: string,
  options?: InstrumentOptions<Key>
): Observable<Key> {
  return own().createObservableUpDownCounter(name, options)
}

/** A last value, read at collection: memory in use. */
export function observableGauge<const Key extends string = string>(
  name: string,
  options?: InstrumentOptions<Key>
): Observable<Key> {
  return own().createObservableGauge(name, options)
}

/**
 * A meter with a scope of its own, for libraries: name, version, schema URL and attributes of the scope become labels
 * `otel_scope_…`. It has the methods of the API's Meter, all synchronous.
 */
export function getMeter(name: string, version?: string, options?: ScopeOptions): SwansongMeter {
  return worker().getMeter(name, version, options)
}

/**
 * Options, which win over environment variables. To be called before the first record; later it only warns. Called again,
 * it adds to what it was given before.
 */
export function configure(options: SdkOptions): void {
  worker().configure(options)
}

/**
 * Resolves when all that was recorded so far is durable: in the journal, at the gateway, or in the spool. Rejects when it
 * could not be made so. Nobody needs to call it: the end of the process does what can be done.
 */
export function flush(): Promise<void> {
  return worker().flush()
}

function own(): SwansongMeter {
  return worker().getMeter('')
}
