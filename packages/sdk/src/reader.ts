import type {
  AggregationOption,
  AggregationSelector,
  AggregationTemporality,
  CollectionResult,
  IMetricReader,
  InstrumentType,
  MetricProducer,
} from '@opentelemetry/sdk-metrics'
import type { SdkOptions } from './options/given.ts'
import type { Options } from './options/options.ts'
import { readOptions } from './options/read-options.ts'
import { providerOf, type Resource, StockState, temporalityOf } from './reader/stock-state.ts'
import { openReaderWay, type ReaderWay } from './reader/reader-way.ts'
import { complain, warn } from './process/say.ts'

/** As those of the SDK; who counts is the provider's resource. */
export interface SwansongReaderOptions extends Omit<
  SdkOptions,
  'journal' | 'resourceAttributes' | 'serviceName'
> {
  /** The aggregation of instruments that no View names; the SDK's defaults unless set. */
  aggregationSelector?: AggregationSelector | undefined
  /** Further producers, as those of `MetricReader`. They are collected where the process can wait, not at `process.exit()`. */
  metricProducers?: readonly MetricProducer[] | undefined
}

/** AggregationType.DEFAULT, by @opentelemetry/sdk-metrics. */
const aggregationDefault: AggregationOption = { type: 0 }
/** Where the readers of a provider send to: two to one place would count everything twice there. */
const destinations = new WeakMap<object, Set<string>>()

/**
 * The bridge for the stock SDK: `new MeterProvider({ readers: [new SwansongReader()] })`. What its instruments count
 * leaves the process by the ways out of this SDK, as deltas (UpDownCounters: running totals), also at `process.exit()`,
 * after an uncaught error and by a signal. Needs @opentelemetry/sdk-metrics 2 or 3, and loads nothing of it.
 */
export class SwansongReader implements IMetricReader {
  readonly #given: Pick<SwansongReaderOptions, 'aggregationSelector' | 'metricProducers'>
  readonly #options: Options
  #producer: MetricProducer | undefined
  #way: ReaderWay | undefined
  #isShutDown = false

  /** What is set wrong is named in one warning, and its default used. Nothing is opened yet. */
  constructor(options: SwansongReaderOptions = {}) {
    const { aggregationSelector, metricProducers, ...given } = options
    this.#given = { aggregationSelector, metricProducers }
    this.#options = readOptions(process.env, given)
    if (this.#options.exports && this.#options.complaints.length > 0) {
      complain(this.#options.complaints.join('; '))
    }
  }

  /**
   * By the MeterProvider, once. Throws for a second provider, and for one of @opentelemetry/sdk-metrics 1, whose
   * instruments would throw at the job later.
   */
  setMetricProducer(producer: MetricProducer): void {
    if (this.#producer !== undefined) {
      throw new Error(
        'swansong: a reader belongs to one MeterProvider: make another with `new SwansongReader()`'
      )
    }
    const state = StockState.behind(producer)
    checkMajor(state?.resource)
    this.#producer = producer
    if (!this.#options.exports || this.#isSecond(producer)) return
    if (state === undefined) {
      warn('this @opentelemetry/sdk-metrics is not known: process.exit() loses what was not yet collected')
    }
    this.#way = openReaderWay(producer, state, this.#options, this.#given.metricProducers ?? [])
  }

  /** What instruments are aggregated to where no View says so. */
  selectAggregation(type: InstrumentType): AggregationOption {
    return this.#given.aggregationSelector?.(type) ?? aggregationDefault
  }

  /** The OTLP exporter specification's preference `delta`. */
  selectAggregationTemporality(type: InstrumentType): AggregationTemporality {
    return temporalityOf(type)
  }

  /** Sets of attributes of one instrument; what comes past them counts under `otel.metric.overflow`. */
  selectCardinalityLimit(): number {
    return this.#options.cardinalityLimit
  }

  /** Collects, as the specification demands it. Deltas that are returned here are not delivered by this reader. */
  collect(options?: { timeoutMillis?: number }): Promise<CollectionResult> {
    if (this.#producer === undefined) {
      return Promise.reject(new Error('swansong: this reader belongs to no MeterProvider yet'))
    }
    return this.#producer.collect(options)
  }

  /** Resolves when all that was counted so far is durable: at the gateway, or in the spool. Rejects if it is not. */
  async forceFlush(options?: { timeoutMillis?: number }): Promise<void> {
    if (this.#isShutDown) warn('forceFlush() of a reader that was shut down')
    else await this.#flushWithin(options?.timeoutMillis)
  }

  /**
   * The same, for the last time: UpDownCounters are taken back. Rejects if not all could be delivered; the end of the
   * process then tries once more. A second call does nothing.
   */
  async shutdown(options?: { timeoutMillis?: number }): Promise<void> {
    if (this.#isShutDown) return warn('shutdown() of a reader that was shut down')
    this.#isShutDown = true
    this.#way?.close()
    await this.#flushWithin(options?.timeoutMillis)
  }

  async #flushWithin(timeoutMs: number | undefined): Promise<void> {
    if (this.#way === undefined) return
    const flushed = this.#way.flush()
    if (timeoutMs === undefined) return flushed
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`swansong: not delivered within ${timeoutMs} ms`)), timeoutMs)
    })
    await Promise.race([flushed, late]).finally(() => clearTimeout(timer))
  }

  #isSecond(producer: MetricProducer): boolean {
    const provider = providerOf(producer)
    if (provider === undefined) return false
    const taken = destinations.get(provider) ?? new Set()
    destinations.set(provider, taken)
    const { endpoint, spoolDirectory } = this.#options
    const destination = endpoint?.href ?? spoolDirectory ?? ''
    if (taken.has(destination)) {
      complain(
        'a second reader of one MeterProvider with the same way out would count twice: it does nothing'
      )
      return true
    }
    taken.add(destination)
    return false
  }
}

/** Resources have `getRawAttributes` since 2.0. */
function checkMajor(resource: Resource | undefined): void {
  if (resource === undefined || 'getRawAttributes' in resource) return
  throw new Error(
    'swansong: @swansong/sdk/reader needs @opentelemetry/sdk-metrics 2 or 3, and this MeterProvider is of version 1'
  )
}
