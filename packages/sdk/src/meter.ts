import type { Meter, MeterOptions, MetricOptions, Observable } from '@opentelemetry/api'
import type { AttributeValue } from './attributes.ts'
import { type Recorder, type Scope, SlotCounter } from './recorder.ts'
import { warn, warnOnce } from './say.ts'

export interface CounterOptions<Key extends string = string> {
  /** In UCUM, as OpenTelemetry has it: `By`, `s`, `{request}`. */
  unit?: string
  description?: string
  /** The attribute keys that `add` and `bind` take, checked at compile time only; any, if left out. */
  attributes?: readonly Key[]
}

export type CounterAttributes<Key extends string> = {
  readonly [Name in Key]?: AttributeValue | null | undefined
}

/** A sum that only grows. Nothing of it throws: what cannot be counted is told to the API's `diag`, once. */
export interface Counter<Key extends string = string> {
  /** Adds a finite number from 0 up. */
  add: (value: number, attributes?: CounterAttributes<Key>) => void
  /** The same counter with its attributes looked up once: for hot loops. */
  bind: (attributes: CounterAttributes<Key>) => { add: (value: number) => void }
}

/** The API's Meter, synchronous: instruments of one scope. */
export class SwansongMeter implements Meter {
  #recorder: Recorder
  #scope: Scope
  #counters = new Map<string, SlotCounter>()

  constructor(recorder: Recorder, name: string, version = '', options?: MeterOptions) {
    this.#recorder = recorder
    this.#scope = { name: String(name ?? ''), version: String(version), schemaUrl: options?.schemaUrl ?? '' }
  }

  /** The same name and unit give the same instrument: names are equal whatever their case. */
  createCounter(name: string, options?: Pick<MetricOptions, 'unit' | 'description'>): SlotCounter {
    const text = String(name ?? '')
    if (text === '') warnOnce('a counter without a name: it is counted as unnamed')
    const unit = String(options?.unit ?? '')
    const key = `${text.toLowerCase()}\n${unit}`
    let counter = this.#counters.get(key)
    if (counter === undefined) {
      const description = String(options?.description ?? '')
      const instrument = this.#recorder.instrument(this.#scope, text || 'unnamed', unit, description)
      counter = new SlotCounter(this.#recorder, instrument)
      this.#counters.set(key, counter)
    }
    return counter
  }

  createUpDownCounter(name: string): { add(): void } {
    return notRecorded('UpDownCounter', name)
  }

  createHistogram(name: string): { record(): void } {
    return notRecorded('Histogram', name)
  }

  createGauge(name: string): { record(): void } {
    return notRecorded('Gauge', name)
  }

  createObservableGauge(name: string): Observable {
    return notRecorded('ObservableGauge', name)
  }

  createObservableCounter(name: string): Observable {
    return notRecorded('ObservableCounter', name)
  }

  createObservableUpDownCounter(name: string): Observable {
    return notRecorded('ObservableUpDownCounter', name)
  }

  addBatchObservableCallback(): void {
    warnOnce('callbacks are not called: this version records counters only')
  }

  removeBatchObservableCallback(): void {}
}

interface NotRecorded extends Observable {
  add(): void
  record(): void
}

function notRecorded(kind: string, name: string): NotRecorded {
  warn(`${kind} '${String(name)}' is not recorded: this version records counters only`)
  return { add() {}, record() {}, addCallback() {}, removeCallback() {} }
}
