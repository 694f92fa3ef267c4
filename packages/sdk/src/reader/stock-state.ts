import type { HrTime } from '@opentelemetry/api'
import type {
  AggregationTemporality,
  InstrumentType,
  MetricData,
  MetricProducer,
  ScopeMetrics,
} from '@opentelemetry/sdk-metrics'
import { becauseOf } from '../process/exit.ts'
import { type ObservableRegistry, observeNow } from './observe-now.ts'
import { warnOnce } from '../process/say.ts'

/*
 * The stock SDK's `collect()` is asynchronous, but only its callbacks need that: the sums themselves lie in storages that
 * give them away in one call. Where those are found as the versions 2.0 to 3.1 have them, they are asked directly, so
 * that `process.exit()` and an uncaught error, where nothing asynchronous runs, lose nothing that was counted; and a
 * collection that waits for a callback holds nothing that its end could lose. Nothing of the SDK is changed. In a version
 * that keeps them elsewhere, `collect()` it is.
 */

/** InstrumentType of the observable ones begin so. */
const observable = 'OBSERVABLE_'

interface Provider {
  resource: Resource
  meterSharedStates: Map<string, Meter>
}

/** What is needed of a Resource of @opentelemetry/resources. */
export interface Resource {
  attributes: Readonly<Record<string, unknown>>
  schemaUrl?: string
  asyncAttributesPending?: boolean
  waitForAsyncAttributes?: () => Promise<void>
}

interface Meter {
  _instrumentationScope: ScopeMetrics['scope']
  metricStorageRegistry: { getStorages(collector: MetricProducer): Storage[] }
  observableRegistry: ObservableRegistry
}

interface Storage {
  getInstrumentDescriptor(): { type: InstrumentType }
  collect(collector: MetricProducer, time: HrTime): MetricData | undefined
}

/** The storages behind the producer that a MeterProvider gives to its reader. */
export class StockState {
  readonly #producer: MetricProducer
  readonly #provider: Provider
  #lastNanos = 0n

  /** `undefined` where this version of the SDK keeps its state in another way. */
  static behind(producer: MetricProducer): StockState | undefined {
    const provider = providerOf(producer)
    return provider?.meterSharedStates instanceof Map && typeof provider.resource === 'object'
      ? new StockState(producer, provider as Provider)
      : undefined
  }

  private constructor(producer: MetricProducer, provider: Provider) {
    this.#producer = producer
    this.#provider = provider
  }

  get resource(): Resource {
    return this.#provider.resource
  }

  /** Calls the callbacks. Resolves with what they threw; what takes longer than `timeoutMs` is left out by the SDK. */
  async observe(timeoutMs: number): Promise<unknown[]> {
    const time = this.#now()
    const meters = [...this.#provider.meterSharedStates.values()]
    const errors = await Promise.all(
      meters.map((meter) =>
        meter.observableRegistry.observe(time, timeoutMs).catch((error: unknown) => [error])
      )
    )
    return errors.flat()
  }

  /** Whether anything is observed. A registry of another shape is taken to hold something. */
  hasCallbacks(): boolean {
    for (const { observableRegistry } of this.#provider.meterSharedStates.values()) {
      const { _callbacks, _batchCallbacks } = observableRegistry
      if (_callbacks?.length !== 0 || _batchCallbacks?.length !== 0) return true
    }
    return false
  }

  /** The same where nothing asynchronous runs any more. */
  observeNow(): void {
    const time = this.#now()
    for (const meter of this.#provider.meterSharedStates.values()) observeNow(meter.observableRegistry, time)
  }

  /**
   * All that was recorded since this was last asked, by the types of instrument that are wanted. Synchronous, and takes
   * it out of the SDK.
   */
  gather(wants: (type: InstrumentType) => boolean): ScopeMetrics[] {
    const time = this.#now()
    const scopes: ScopeMetrics[] = []
    for (const meter of this.#provider.meterSharedStates.values()) {
      const metrics: MetricData[] = []
      for (const storage of meter.metricStorageRegistry.getStorages(this.#producer)) {
        try {
          if (!wants(storage.getInstrumentDescriptor().type)) continue
          const data = storage.collect(this.#producer, time)
          if (data !== undefined && data.dataPoints.length > 0) metrics.push(data)
        } catch (error) {
          warnOnce(`an instrument of @opentelemetry/sdk-metrics could not be read: ${becauseOf(error)}`)
        }
      }
      if (metrics.length > 0) scopes.push({ scope: meter._instrumentationScope, metrics })
    }
    return scopes
  }

  /** Later than the last: the gateway takes a running total that is not for an old one. */
  #now(): HrTime {
    const nowNanos = BigInt(Date.now()) * 1_000_000n
    this.#lastNanos = nowNanos > this.#lastNanos ? nowNanos : this.#lastNanos + 1n
    return [Number(this.#lastNanos / 1_000_000_000n), Number(this.#lastNanos % 1_000_000_000n)]
  }
}

/** The provider that a producer belongs to, to tell two readers of one from readers of two. */
export function providerOf(producer: MetricProducer): Partial<Provider> | undefined {
  return (producer as { _sharedState?: Partial<Provider> })._sharedState
}

/** The OTLP exporter specification's preference `delta`: running totals only of what goes up and down. */
export function temporalityOf(type: InstrumentType): AggregationTemporality {
  return isRunningTotal(type) ? 1 : 0
}

export function isRunningTotal(type: InstrumentType): boolean {
  return type.replace(observable, '') === 'UP_DOWN_COUNTER'
}
