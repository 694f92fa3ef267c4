import type { AttributeValue } from './attributes.ts'

/*
 * What a job sees of its instruments. Nothing of them throws: what cannot be recorded is told to the API's `diag`, once.
 * A context may stand behind the attributes, as in the API; it is not used, as exemplars are not recorded.
 */

export interface InstrumentOptions<Key extends string = string> {
  /** In UCUM, as OpenTelemetry has it: `By`, `s`, `{request}`. */
  unit?: string
  description?: string
  /** The attribute keys that it takes, checked at compile time only; any, if left out. */
  attributes?: readonly Key[]
  /**
   * How many sets of attributes it keeps, the one for the rest among them: what comes past them is recorded under
   * `otel.metric.overflow="true"`. Default 2,000, or what `configure` says.
   */
  cardinalityLimit?: number
}

export interface HistogramOptions<Key extends string = string> extends InstrumentOptions<Key> {
  /**
   * Inclusive upper bounds of its buckets, rising, in its unit; one more bucket takes what lies beyond the last. Default:
   * OpenTelemetry's fifteen from 0 to 10,000, made for milliseconds.
   */
  boundaries?: readonly number[]
  /** The API's word for the same; `boundaries` wins. */
  advice?: { explicitBucketBoundaries?: number[] }
}

/** Only the keys that its options name, where they do; one that is undefined or null is left out. */
export type InstrumentAttributes<Key extends string> = {
  readonly [Name in Key]?: AttributeValue | null | undefined
}

/** A sum that only grows. */
export interface Counter<Key extends string = string> {
  /** Adds a finite number from 0 up. */
  add: (value: number, attributes?: InstrumentAttributes<Key>, context?: unknown) => void
  /** The same counter with its attributes looked up once: for hot loops. */
  bind: (attributes: InstrumentAttributes<Key>) => { add: (value: number) => void }
}

/** A sum that goes up and down: how many of something there are, in all living processes together. */
export interface UpDownCounter<Key extends string = string> {
  /** Adds a finite number. */
  add: (value: number, attributes?: InstrumentAttributes<Key>, context?: unknown) => void
  /** The same with its attributes looked up once: for hot loops. */
  bind: (attributes: InstrumentAttributes<Key>) => { add: (value: number) => void }
}

/** A distribution: durations, sizes. */
export interface Histogram<Key extends string = string> {
  /** Records a finite number from 0 up. */
  record: (value: number, attributes?: InstrumentAttributes<Key>, context?: unknown) => void
  /** The same with its attributes looked up once: for hot loops. */
  bind: (attributes: InstrumentAttributes<Key>) => { record: (value: number) => void }
}

/** A last value. Of several processes, the one that was recorded last counts. */
export interface Gauge<Key extends string = string> {
  /** Records a finite number. */
  record: (value: number, attributes?: InstrumentAttributes<Key>, context?: unknown) => void
  /** The same with its attributes looked up once: for hot loops. */
  bind: (attributes: InstrumentAttributes<Key>) => { record: (value: number) => void }
}

/** What is read by callbacks at collection: on the interval (OTEL_METRIC_EXPORT_INTERVAL), at a flush, and at the end. */
export interface Observable<Key extends string = string> {
  /**
   * A callback that gives a promise is waited for where the process still can: not after `process.exit`, an uncaught error
   * or a signal's default action.
   */
  addCallback: (callback: ObservableCallback<Key>) => void
  removeCallback: (callback: ObservableCallback<Key>) => void
}

/** Called at each collection: `(result) => result.observe(queue.length, { name })`. What it throws is told to `diag`. */
export type ObservableCallback<Key extends string = string> = (result: {
  observe(value: number, attributes?: InstrumentAttributes<Key>): void
}) => void | Promise<void>
