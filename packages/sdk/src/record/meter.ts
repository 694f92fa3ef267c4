import type {
  Attributes,
  BatchObservableCallback,
  Meter,
  MeterOptions,
  MetricOptions,
  Observable,
} from '@opentelemetry/api'
import { canonicalPairs } from './attributes.ts'
import { SlotCounter, SlotGauge, SlotHistogram, SlotUpDownCounter } from './instruments.ts'
import { Slots } from './slots.ts'
import type { SlotObservable } from './observables.ts'
import type { Observers } from './observers.ts'
import type { Instrument, Kind, Recorder, Scope } from './recorder.ts'
import { warn, warnOnce } from '../process/say.ts'

/** The API's options of a meter, and the scope's attributes, which the specification has beside them. */
export interface ScopeOptions extends MeterOptions {
  attributes?: Attributes
}

/** The API's options of an instrument, and ours. */
export interface OptionsGiven extends MetricOptions {
  boundaries?: readonly number[]
  cardinalityLimit?: number
}

/** By the specification's section on the explicit bucket histogram aggregation. */
const boundariesDefault = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000]
/** More buckets than a gateway keeps in one page of its store are no use to anybody. */
const boundaryCountMax = 400

/** The API's Meter, synchronous: instruments of one scope. */
export class SwansongMeter implements Meter {
  #recorder: Recorder
  #observers: Observers
  #scope: Scope
  #instruments = new Map<string, object>()
  #kinds = new Map<string, string>()

  constructor(
    recorder: Recorder,
    observers: Observers,
    name: string,
    version?: string,
    options?: ScopeOptions
  ) {
    this.#recorder = recorder
    this.#observers = observers
    this.#scope = {
      name: String(name ?? ''),
      version: String(version ?? ''),
      schemaUrl: String(options?.schemaUrl ?? ''),
      attributes: options?.attributes === undefined ? [] : canonicalPairs(options.attributes),
    }
  }

  createCounter(name: string, options?: OptionsGiven): SlotCounter {
    return this.#make('Counter', 'counter', name, options, (slots) => new SlotCounter(slots))
  }

  createUpDownCounter(name: string, options?: OptionsGiven): SlotUpDownCounter {
    const make = (slots: Slots): SlotUpDownCounter => new SlotUpDownCounter(slots)
    return this.#make('UpDownCounter', 'upDownCounter', name, options, make)
  }

  createHistogram(name: string, options?: OptionsGiven): SlotHistogram {
    return this.#make('Histogram', 'histogram', name, options, (slots) => new SlotHistogram(slots))
  }

  createGauge(name: string, options?: OptionsGiven): SlotGauge {
    return this.#make('Gauge', 'gauge', name, options, (slots) => new SlotGauge(slots))
  }

  createObservableCounter(name: string, options?: OptionsGiven): SlotObservable {
    return this.#observable('ObservableCounter', 'counter', name, options)
  }

  createObservableUpDownCounter(name: string, options?: OptionsGiven): SlotObservable {
    return this.#observable('ObservableUpDownCounter', 'upDownCounter', name, options)
  }

  createObservableGauge(name: string, options?: OptionsGiven): SlotObservable {
    return this.#observable('ObservableGauge', 'gauge', name, options)
  }

  addBatchObservableCallback(callback: BatchObservableCallback, observables: Observable[]): void {
    this.#observers.callbacks.addBatch(callback, observables)
  }

  removeBatchObservableCallback(callback: BatchObservableCallback, observables: Observable[]): void {
    this.#observers.callbacks.removeBatch(callback, observables)
  }

  #observable(type: string, kind: Kind, name: string, options?: OptionsGiven): SlotObservable {
    return this.#make(type, kind, name, options, (slots) => this.#observers.make(slots))
  }

  /** The same type, name and unit give the same instrument: names are equal whatever their case. */
  #make<T extends object>(
    type: string,
    kind: Kind,
    name: string,
    options: OptionsGiven | undefined,
    make: (slots: Slots) => T
  ): T {
    const text = String(name ?? '')
    if (text === '') warnOnce(`a ${type} without a name: it is recorded as unnamed`)
    const unit = String(options?.unit ?? '')
    const key = `${type}\n${text.toLowerCase()}\n${unit}`
    const known = this.#instruments.get(key) as T | undefined
    if (known !== undefined) return known
    this.#tellConflict(type, text)
    const instrument: Instrument = {
      scope: this.#scope,
      kind,
      name: text || 'unnamed',
      unit,
      description: String(options?.description ?? ''),
      bounds: kind === 'histogram' ? readBoundaries(text, options) : [],
      isObserved: type.startsWith('Observable'),
      series: [],
    }
    this.#recorder.instruments.push(instrument)
    const cardinalityLimit = readLimit(text, options)
    const limits = cardinalityLimit === undefined ? this.#recorder : { cardinalityLimit }
    const made = make(new Slots(this.#recorder, instrument, limits))
    this.#instruments.set(key, made)
    return made
  }

  #tellConflict(type: string, name: string): void {
    const before = this.#kinds.get(name.toLowerCase())
    if (before !== undefined && before !== type) {
      warn(`${name} is a ${before} already: as a ${type} besides it is another metric of the same name`)
    }
    this.#kinds.set(name.toLowerCase(), type)
  }
}

function readBoundaries(name: string, options: OptionsGiven | undefined): readonly number[] {
  const given: unknown = options?.boundaries ?? options?.advice?.explicitBucketBoundaries
  if (given === undefined) return boundariesDefault
  const fits =
    Array.isArray(given) &&
    given.length <= boundaryCountMax &&
    given.every((bound, at) => Number.isFinite(bound) && (at === 0 || bound > given[at - 1]))
  if (fits) return [...(given as number[])]
  const wanted = `finite numbers that rise, at most ${boundaryCountMax}`
  warn(`${name}: its boundaries are not ${wanted}: the default ones are used`)
  return boundariesDefault
}

function readLimit(name: string, options: OptionsGiven | undefined): number | undefined {
  const limit = options?.cardinalityLimit
  if (limit === undefined || (Number.isSafeInteger(limit) && limit > 0)) return limit
  warn(`${name}: a cardinalityLimit of ${String(limit)} is no whole number from 1 up: the default is used`)
  return undefined
}
