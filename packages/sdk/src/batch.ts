import { Writer } from '@swansong/otlp/wire'
import { type Instrument, type Recorder, type Scope } from './recorder.ts'

// AggregationTemporality, by opentelemetry/proto/metrics/v1/metrics.proto.
export const delta = 1
export const cumulative = 2

const nanosPerMs = 1_000_000n
/** start_time_unix_nano, time_unix_nano and as_double of a point: a tag and eight bytes each. */
const pointTailBytes = 27

/** What is collected for: the process lives on, somebody waits, or it ends. */
export type Moment = 'interval' | 'flush' | 'end'

/** A request that is posted, or spooled, under one id until somebody has answered for it. */
export interface Batch {
  readonly id: string
  readonly body: Uint8Array
  readonly points: number
}

/**
 * An encoded ExportMetricsServiceRequest whose points all end in their eight-byte times and values, so that it can be
 * brought up to date in place. The first `reserved` bytes of `bytes` are left free for the header of a spool file.
 */
export class Template {
  readonly bytes: Uint8Array
  readonly body: Uint8Array
  readonly slots: number[] = []
  /** Where the time of each point stands in `bytes`; its value stands nine bytes on. */
  readonly #times: number[] = []
  readonly #view: DataView

  constructor(recorder: Recorder, resource: Uint8Array, shape: TemplateShape) {
    const writer = new Writer(shape.reserved + resource.length + 1024)
    writer.raw(new Uint8Array(shape.reserved))
    const scopes = groupByScope(recorder, shape.includes)
    let scopesBytes = 0
    for (const scope of scopes) scopesBytes += fieldBytes(scope.bytes)
    openSized(writer, 1, resource.length + scopesBytes) // resource_metrics
    writer.raw(resource)
    for (const scope of scopes) {
      openSized(writer, 2, scope.bytes) // scope_metrics
      writer.raw(scope.head)
      for (const metric of scope.metrics) this.#writeMetric(writer, recorder, metric, shape)
      if (scope.scope.schemaUrl !== '') writer.string(3, scope.scope.schemaUrl)
    }
    this.bytes = writer.finish()
    this.body = this.bytes.subarray(shape.reserved)
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
  }

  /** Puts in the time, in Unix nanoseconds, and the value of each point; `values` gives it by slot. */
  fill(time: bigint, values: (slot: number) => number): void {
    for (let index = 0; index < this.slots.length; index++) {
      const at = this.#times[index] as number
      this.#view.setBigUint64(at, time, true)
      this.#view.setFloat64(at + 9, values(this.slots[index] as number), true)
    }
  }

  #writeMetric(writer: Writer, recorder: Recorder, metric: SizedMetric, shape: TemplateShape): void {
    openSized(writer, 2, metric.bytes) // metrics
    writer.raw(metric.head)
    openSized(writer, 7, metric.sumBytes) // sum
    for (const slot of metric.slots) {
      const attributes = recorder.attributes[slot] as Uint8Array
      openSized(writer, 1, attributes.length + pointTailBytes) // data_points
      writer.raw(attributes)
      writer.fixed64(2, shape.start)
      writer.fixed64(3, 0n)
      this.#times.push(writer.length - 8)
      this.slots.push(slot)
      writer.double(4, 0)
    }
    writer.uint(2, shape.temporality)
    writer.bool(3, true) // is_monotonic
  }
}

export interface TemplateShape {
  temporality: typeof delta | typeof cumulative
  /** The start of every point, Unix nanoseconds. */
  start: bigint
  /** Bytes to leave free before the request. */
  reserved: number
  /** Which slots become points. */
  includes: (slot: number) => boolean
}

/** What was counted since it was last taken, as batches of deltas. */
export class Deltas {
  #recorder: Recorder
  #resource: Uint8Array
  #clock: NanoClock
  #makeId: () => string
  // What earlier batches hold of each slot, as two doubles: what is left to send never gathers rounding errors.
  #taken: number[] = []
  #roundings: number[] = []

  constructor(recorder: Recorder, resource: Uint8Array, makeId: () => string) {
    this.#recorder = recorder
    this.#resource = resource
    this.#clock = new NanoClock(recorder.startMs)
    this.#makeId = makeId
  }

  /** Counters are read as they stand. */
  collect(): void {}

  /** A batch of all that was counted since the last one, or `undefined` if that is nothing. */
  take(): Batch | undefined {
    const values = this.#recorder.attributes.map((_, slot) => this.#waiting(slot))
    if (!values.some((value) => value > 0)) return undefined
    const shape = { temporality: delta, start: this.#clock.last, reserved: 0 } as const
    const includes = (slot: number): boolean => (values[slot] as number) > 0
    const template = new Template(this.#recorder, this.#resource, { ...shape, includes })
    template.fill(this.#clock.next(), (slot) => values[slot] as number)
    for (const slot of template.slots) this.#take(slot, values[slot] as number)
    return { id: this.#makeId(), body: template.body, points: template.slots.length }
  }

  #waiting(slot: number): number {
    return this.#recorder.totalSince(slot, this.#taken[slot] ?? 0, this.#roundings[slot] ?? 0)
  }

  #take(slot: number, value: number): void {
    const taken = this.#taken[slot] ?? 0
    const sum = taken + value
    this.#roundings[slot] =
      (this.#roundings[slot] ?? 0) + (taken >= value ? taken - sum + value : value - sum + taken)
    this.#taken[slot] = sum
  }
}

/**
 * Unix nanoseconds that only grow: a gateway takes a point not later than the last one for an old one, but two
 * checkpoints may fall into one millisecond, and the clock of the machine may be set back.
 */
export class NanoClock {
  /** The last time given; at first the start, which every time is later than. */
  last: bigint
  #nowMs: () => number

  constructor(startMs: number, nowMs: () => number = Date.now) {
    this.last = BigInt(startMs) * nanosPerMs
    this.#nowMs = nowMs
  }

  next(): bigint {
    const now = BigInt(this.#nowMs()) * nanosPerMs
    this.last = now > this.last ? now : this.last + 1n
    return this.last
  }
}

interface SizedMetric {
  head: Uint8Array
  slots: number[]
  sumBytes: number
  bytes: number
}

interface SizedScope {
  scope: Scope
  head: Uint8Array
  metrics: SizedMetric[]
  bytes: number
}

/** Sizes are summed first, from the leaves up, so that nothing moves once it is written and its place can be kept. */
function groupByScope(recorder: Recorder, includes: (slot: number) => boolean): SizedScope[] {
  const byScope = new Map<Scope, SizedScope>()
  for (const instrument of recorder.instruments) {
    const slots = instrument.slots.filter(includes)
    if (slots.length === 0) continue
    let sized = byScope.get(instrument.scope)
    if (sized === undefined) byScope.set(instrument.scope, (sized = sizedScope(instrument.scope)))
    const metric = sizedMetric(recorder, instrument, slots)
    sized.metrics.push(metric)
    sized.bytes += fieldBytes(metric.bytes)
  }
  return [...byScope.values()]
}

function sizedScope(scope: Scope): SizedScope {
  const writer = new Writer(128)
  const start = writer.open(1) // scope
  if (scope.name !== '') writer.string(1, scope.name)
  if (scope.version !== '') writer.string(2, scope.version)
  writer.close(start)
  const head = writer.finish()
  if (scope.schemaUrl !== '') writer.string(3, scope.schemaUrl)
  return { scope, head, metrics: [], bytes: writer.length }
}

function sizedMetric(recorder: Recorder, instrument: Instrument, slots: number[]): SizedMetric {
  const writer = new Writer(128)
  writer.string(1, instrument.name)
  if (instrument.description !== '') writer.string(2, instrument.description)
  if (instrument.unit !== '') writer.string(3, instrument.unit)
  const head = writer.finish()
  let sumBytes = 4 // Temporality and is_monotonic.
  for (const slot of slots)
    sumBytes += fieldBytes((recorder.attributes[slot] as Uint8Array).length + pointTailBytes)
  return { head, slots, sumBytes, bytes: head.length + fieldBytes(sumBytes) }
}

/** The bytes of a length-delimited field below 16 that holds `length` bytes. */
function fieldBytes(length: number): number {
  let lengthBytes = 1
  for (let rest = length; rest > 0x7f; rest = Math.floor(rest / 128)) lengthBytes++
  return 1 + lengthBytes + length
}

function openSized(writer: Writer, field: number, length: number): void {
  writer.varint(field * 8 + 2)
  writer.varint(length)
}
