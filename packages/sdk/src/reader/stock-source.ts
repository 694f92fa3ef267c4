import type { MetricProducer, ScopeMetrics } from '@opentelemetry/sdk-metrics'
import type { KeyValue } from '@swansong/otlp'
import type { Batch, Moment } from '../encode/batch.ts'
import { becauseOf, isExiting } from '../process/exit.ts'
import { isUpDown, toKeyValues } from './encode-collected.ts'
import { isRunningTotal, type Resource, type StockState } from './stock-state.ts'
import { encodeNext, type Taking } from './taking.ts'
import { nowMs } from '../record/recorder.ts'
import { sayLine, warn } from '../process/say.ts'
import { makeUuid } from '../spool/spool.ts'

const instanceIdKey = 'service.instance.id'

/** After a callback hung, intervals leave the callbacks alone for so many times what it may take. */
const timeoutsPerRest = 20

export interface StockSourceOptions {
  /** How long a callback of the job may take, in milliseconds: what takes longer is left out. */
  observeMsMax: number
  instanceId: string
  /** Producers beside the SDK. They have nothing but an asynchronous `collect()`. */
  producers: readonly MetricProducer[]
  /** How long a body may be; asked for only where one is over what everybody takes. */
  bodyBytesMax: () => number
}

/**
 * Batches from the stock SDK. Deltas are taken out of it only when somebody takes a batch: until then they add up in the
 * SDK itself, so that a gateway that is away for hours costs no memory. Running totals (UpDownCounters) come once a
 * collection, and at the end once more without a value.
 */
export class StockSource {
  readonly #producer: MetricProducer
  readonly #state: StockState | undefined
  readonly #options: StockSourceOptions
  /** What came by an asynchronous `collect()` and was not taken yet. */
  #waiting: ScopeMetrics[] = []
  #resource: Resource | undefined
  #encodedResource: readonly KeyValue[] | undefined
  #taking: Taking | undefined
  #totalsAreDue: Moment | undefined
  #totalsWereSent = false
  /** The callbacks were called for the end, and for nothing since. */
  #isReadForEnd = false
  #isClosed = false
  #callbackHangs = false
  /** `nowMs()` before which no interval calls the callbacks. */
  #observesAgainAt = 0

  constructor(producer: MetricProducer, state: StockState | undefined, options: StockSourceOptions) {
    this.#producer = producer
    this.#state = state
    this.#resource = state?.resource
    this.#options = options
  }

  /** `undefined` while nobody knows it. */
  get serviceName(): string | undefined {
    const name = this.isSettled ? this.#attributes()['service.name'] : undefined
    return typeof name === 'string' && name !== '' ? name : undefined
  }

  /** Whether `take()` finds what was recorded, without a collection before it. */
  get isSynchronous(): boolean {
    return this.#state !== undefined
  }

  /** Whether the resource is known whole: detectors may still be at work on it. */
  get isSettled(): boolean {
    return this.#resource !== undefined && this.#resource.asyncAttributesPending !== true
  }

  /** From now on every moment is the end. */
  close(): void {
    this.#isClosed = true
  }

  /** Calls the job's callbacks. What it promises never rejects; without a callback there is nothing to wait for. */
  collect(given: Moment): Promise<void> | undefined {
    const moment = this.#isClosed ? 'end' : given
    if (moment === 'end' && this.#isReadForEnd) return undefined // One end comes as several events, and must come to rest.
    this.#isReadForEnd = moment === 'end'
    if (isExiting()) this.#state?.observeNow()
    // At the end before anything is waited for, as nothing may come after; else with what the callbacks observed.
    else if (this.#waits()) return this.#read(moment, moment === 'end')
    this.#totalsAreDue = moment
    return undefined
  }

  /**
   * A batch of all that was recorded since the last one; `undefined` if that is nothing. What is too long for a body becomes
   * several; what is recorded meanwhile waits until all of them are taken. Synchronous; never throws.
   */
  take(): Batch | undefined {
    const taking = (this.#taking ??= this.#takeAll())
    if (taking === undefined) return undefined
    for (;;) {
      const encoded = encodeNext(taking, this.#options.bodyBytesMax)
      const more = taking.pending.length > 0
      if (!more) this.#taking = undefined
      if (encoded === undefined) return undefined
      if (encoded.lost > 0) {
        sayLine(
          `${encoded.lost} points of ${this.serviceName ?? 'this process'} lost, as they cannot be encoded: ${encoded.why}`
        )
      }
      if (encoded.points > 0) return { id: makeUuid(), body: encoded.body, points: encoded.points, more }
    }
  }

  #takeAll(): Taking | undefined {
    const due = this.#totalsAreDue
    this.#totalsAreDue = undefined
    const gathered = this.#state?.gather((type) => due !== undefined || !isRunningTotal(type)) ?? []
    let scopes = this.#waiting.concat(gathered)
    this.#waiting = []
    const hasTotals = scopes.some(({ metrics }) => metrics.some(isUpDown))
    if (due === 'end' && hasTotals && !this.#totalsWereSent) scopes = withoutTotals(scopes) // Nothing to take back.
    if (scopes.length === 0) return undefined
    this.#totalsWereSent = due === 'end' ? false : this.#totalsWereSent || hasTotals
    const schemaUrl = this.#resource?.schemaUrl ?? ''
    return { resource: this.#encodeResource(), schemaUrl, ended: due === 'end', pending: [scopes] }
  }

  #waits(): boolean {
    if (this.#state?.hasCallbacks() !== false || this.#options.producers.length > 0) return true
    return !this.isSettled
  }

  async #read(moment: Moment, totalsAreDue: boolean): Promise<void> {
    if (totalsAreDue) this.#totalsAreDue = moment
    try {
      await Promise.all([this.#settleResource(), this.#observe(moment)])
    } catch (error) {
      warn(`@opentelemetry/sdk-metrics could not be collected: ${becauseOf(error)}`)
    }
    if (!totalsAreDue) this.#totalsAreDue = moment
  }

  async #observe(moment: Moment): Promise<void> {
    const startedAt = nowMs()
    const timeoutMs = this.#options.observeMsMax
    // A callback that hung had its time, and would take as much of the end. The SDK's timers keep the process alive, so
    // that an interval must leave the loop room to run empty.
    if (moment === 'end' && this.#callbackHangs) return
    if (moment === 'interval' && startedAt < this.#observesAgainAt) return
    this.#observesAgainAt = startedAt + timeoutMs
    const results = await Promise.all([
      this.#state?.observe(timeoutMs) ?? this.#collectFrom(this.#producer, moment),
      ...this.#options.producers.map((producer) => this.#collectFrom(producer, moment)),
    ])
    const tookMs = nowMs() - startedAt
    this.#callbackHangs = tookMs >= timeoutMs
    this.#observesAgainAt = this.#callbackHangs ? startedAt + timeoutMs * timeoutsPerRest : 0
    for (const error of results.flat()) warn(`a callback could not be read: ${becauseOf(error)}`)
  }

  /** Asynchronous, and takes out what it collects: not before the last was taken, or memory would have no bound. */
  async #collectFrom(producer: MetricProducer, moment: Moment): Promise<unknown[]> {
    if (moment === 'interval' && this.#waiting.length > 0) return []
    const timeoutMillis = this.#options.observeMsMax
    const collected = producer.collect({ timeoutMillis }).then(({ resourceMetrics, errors }) => {
      if (producer === this.#producer) this.#resource = resourceMetrics.resource
      this.#waiting.push(...resourceMetrics.scopeMetrics)
      return errors
    })
    return within(timeoutMillis, collected, 'a metric producer gave no answer')
  }

  /** Detectors may still be at work on it. It must not change later: a running total belongs to one resource. */
  async #settleResource(): Promise<void> {
    const resource = this.#resource
    if (resource?.asyncAttributesPending !== true || resource.waitForAsyncAttributes === undefined) return
    await within(
      this.#options.observeMsMax,
      resource.waitForAsyncAttributes(),
      'the resource is still unknown'
    )
  }

  #encodeResource(): readonly KeyValue[] {
    if (this.#encodedResource !== undefined) return this.#encodedResource
    const { [instanceIdKey]: given, ...others } = this.#attributes()
    if (given !== undefined) {
      warn(
        `service.instance.id ${typeof given === 'string' ? given : ''} is not used: each process has a fresh one`
      )
    }
    const encoded = toKeyValues({ ...others, [instanceIdKey]: this.#options.instanceId })
    if (this.isSettled) this.#encodedResource = encoded
    return encoded
  }

  #attributes(): Readonly<Record<string, unknown>> {
    try {
      return this.#resource?.attributes ?? {}
    } catch {
      return {} // A resource of somebody's own.
    }
  }
}

function withoutTotals(scopes: readonly ScopeMetrics[]): ScopeMetrics[] {
  return scopes
    .map(({ scope, metrics }) => ({ scope, metrics: metrics.filter((metric) => !isUpDown(metric)) }))
    .filter(({ metrics }) => metrics.length > 0)
}

/** Its timer keeps the process alive, as the end of one waits here: for `ms` at most. */
function within<Value>(ms: number, promise: Promise<Value>, otherwise: string): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${otherwise} within ${ms} ms`)), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
