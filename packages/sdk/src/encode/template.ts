import { Writer } from '@swansong/otlp/wire'
import { encodeAttributes } from '../record/attributes.ts'
import {
  bucketsCell,
  type Instrument,
  type Kind,
  maxCell,
  minCell,
  type Recorder,
  type Scope,
  type Series,
} from '../record/recorder.ts'

// AggregationTemporality, and a flag of a point, by opentelemetry/proto/metrics/v1/metrics.proto.
export const delta = 1
export const cumulative = 2
const noRecordedValue = 1

const nanosPerMs = 1_000_000n
/** A fixed64 or double of a point: a tag and eight bytes. */
const eightBytes = 9
/** Fields of Metric that hold its data. */
const dataFields = { gauge: 5, counter: 7, upDownCounter: 7, histogram: 9 } as const

export interface TemplateShape {
  /** Of counters and histograms. Other sums are always cumulative, as the exporter's delta preference has it. */
  temporality: typeof delta | typeof cumulative
  /** The start of counters and histograms, Unix nanoseconds; that of other sums is the recorder's. */
  start: bigint
  /** Bytes to leave free before the request. */
  reserved: number
  /** Which series become points. */
  includes: (series: Series, kind: Kind) => boolean
  /** The points of other sums say that this process has no value any more. */
  retires?: boolean
}

/** Where the numbers of a point stand in the bytes. */
interface Place {
  kind: Kind | 'retired'
  slot: number
  timeAt: number
  bucketsAt: number
  end: number
}

/**
 * An encoded ExportMetricsServiceRequest whose points all hold their times and numbers in fields of eight bytes, so that
 * it can be brought up to date in place. The first `reserved` bytes of `bytes` are left free for the header of a spool file.
 */
export class Template {
  readonly bytes: Uint8Array
  readonly body: Uint8Array
  readonly #places: Place[] = []
  readonly #view: DataView
  #bySlot: Map<number, Place> | undefined

  constructor(
    recorder: Pick<Recorder, 'instruments' | 'startMs'>,
    resource: Uint8Array,
    shape: TemplateShape
  ) {
    const writer = new Writer(shape.reserved + resource.length + 1024)
    writer.raw(new Uint8Array(shape.reserved))
    const scopes = groupByScope(recorder, shape)
    let scopesBytes = 0
    for (let at = 0; at < scopes.length; at++) scopesBytes += fieldBytes((scopes[at] as SizedScope).bytes)
    openSized(writer, 1, resource.length + scopesBytes) // resource_metrics
    writer.raw(resource)
    for (let at = 0; at < scopes.length; at++) {
      const { head, metrics, bytes, tail } = scopes[at] as SizedScope
      openSized(writer, 2, bytes) // scope_metrics
      writer.raw(head)
      for (let of = 0; of < metrics.length; of++) {
        this.#writeMetric(writer, metrics[of] as SizedMetric, shape, recorder.startMs)
      }
      writer.raw(tail)
    }
    this.bytes = writer.finish()
    this.body = this.bytes.subarray(shape.reserved)
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
  }

  get pointCount(): number {
    return this.#places.length
  }

  /** Puts in the time, in Unix nanoseconds, and what the cells of each point's slot say. */
  fill(time: bigint, cells: Float64Array): void {
    const places = this.#places
    for (let at = 0; at < places.length; at++) this.#put(places[at] as Place, time, cells)
  }

  /** Whether a slot is a point of this request. */
  has(slot: number): boolean {
    this.#bySlot ??= new Map(this.#places.map((place) => [place.slot, place]))
    return this.#bySlot.has(slot)
  }

  /** The same for one slot: which bytes of the body have changed, or `undefined` if it is no point of this request. */
  update(slot: number, time: bigint, cells: Float64Array): { start: number; end: number } | undefined {
    this.#bySlot ??= new Map(this.#places.map((place) => [place.slot, place]))
    const place = this.#bySlot.get(slot)
    if (place === undefined) return undefined
    this.#put(place, time, cells)
    const reserved = this.bytes.length - this.body.length
    return { start: place.timeAt - reserved, end: place.end - reserved }
  }

  #put({ kind, slot, timeAt, bucketsAt, end }: Place, time: bigint, cells: Float64Array): void {
    const view = this.#view
    const isGauge = kind === 'gauge'
    const at = timeAt + eightBytes
    view.setBigUint64(timeAt, isGauge ? BigInt(cells[slot + 1] as number) * nanosPerMs : time, true)
    if (kind === 'retired') return
    const sum = isGauge ? (cells[slot] as number) : (cells[slot] as number) + (cells[slot + 1] as number)
    if (kind !== 'histogram') {
      view.setFloat64(at, sum, true)
      return
    }
    let count = 0
    let cell = slot + bucketsCell
    for (let bucketAt = bucketsAt; bucketAt < end; bucketAt += 8, cell++) {
      count += cells[cell] as number
      setUint64(view, bucketAt, cells[cell] as number)
    }
    setUint64(view, at, count)
    view.setFloat64(at + eightBytes, sum, true)
    view.setFloat64(at + 2 * eightBytes, cells[slot + minCell] as number, true)
    view.setFloat64(at + 3 * eightBytes, cells[slot + maxCell] as number, true)
  }

  #writeMetric(writer: Writer, metric: SizedMetric, shape: TemplateShape, startMs: number): void {
    const { kind, bounds } = metric.instrument
    const isUpDown = kind === 'upDownCounter'
    const isRetired = isUpDown && shape.retires === true
    const start = isUpDown ? BigInt(startMs) * nanosPerMs : shape.start
    openSized(writer, 2, metric.bytes) // metrics
    writer.raw(metric.head)
    openSized(writer, dataFields[kind], metric.dataBytes)
    const { series } = metric
    for (let at = 0; at < series.length; at++) {
      const { slot, attributes } = series[at] as Series
      openSized(writer, 1, attributes.length + metric.tailBytes) // data_points
      writer.raw(attributes)
      if (kind !== 'gauge') writer.fixed64(2, start)
      writer.fixed64(3, 0n)
      const place: Place = {
        kind: isRetired ? 'retired' : kind,
        slot,
        timeAt: writer.length - 8,
        bucketsAt: 0,
        end: 0,
      }
      if (isRetired) writer.uint(8, noRecordedValue) // flags
      else if (kind === 'histogram') place.bucketsAt = writeHistogram(writer, bounds.length + 1)
      else writer.double(4, 0)
      place.end = writer.length
      this.#places.push(place)
      if (kind === 'histogram') writer.doubles(7, bounds)
    }
    if (kind === 'gauge') return
    writer.uint(2, isUpDown ? cumulative : shape.temporality)
    if (kind === 'counter') writer.bool(3, true) // is_monotonic
  }
}

/** Room for the numbers of a HistogramDataPoint; where its buckets begin. */
function writeHistogram(writer: Writer, bucketCount: number): number {
  writer.fixed64(4, 0) // count
  writer.double(5, 0) // sum
  writer.double(11, 0) // min
  writer.double(12, 0) // max
  writer.fixed64s(6, new Uint8Array(bucketCount)) // bucket_counts
  return writer.length - bucketCount * 8
}

/** The bytes of a point behind its attributes. */
export function tailBytesOf({ kind, bounds }: Instrument, isRetired: boolean): number {
  if (kind === 'gauge') return 2 * eightBytes
  if (isRetired) return 2 * eightBytes + 2
  if (kind !== 'histogram') return 3 * eightBytes
  return 6 * eightBytes + fieldBytes((bounds.length + 1) * 8) + fieldBytes(bounds.length * 8)
}

interface SizedMetric {
  instrument: Instrument
  series: Series[]
  head: Uint8Array
  tailBytes: number
  dataBytes: number
  bytes: number
}

interface SizedScope {
  head: Uint8Array
  metrics: SizedMetric[]
  tail: Uint8Array
  bytes: number
}

/*
 * Loops go by index here, and wherever else a short job passes: it runs each once, and V8 takes the more time to compile
 * them, as a `for … of` or a destructured array is four times the bytecode.
 */

/** Sizes are summed first, from the leaves up, so that nothing moves once it is written and its place can be kept. */
function groupByScope(recorder: Pick<Recorder, 'instruments'>, shape: TemplateShape): SizedScope[] {
  const { instruments } = recorder
  const scopes: SizedScope[] = []
  const byScope = new Map<Scope, SizedScope>()
  for (let at = 0; at < instruments.length; at++) {
    const instrument = instruments[at] as Instrument
    const series = instrument.series.filter((each) => shape.includes(each, instrument.kind))
    if (series.length === 0) continue
    let sized = byScope.get(instrument.scope)
    if (sized === undefined) {
      sized = sizedScope(instrument.scope)
      byScope.set(instrument.scope, sized)
      scopes.push(sized)
    }
    const metric = sizedMetric(instrument, series, shape.retires === true)
    sized.metrics.push(metric)
    sized.bytes += fieldBytes(metric.bytes)
  }
  return scopes
}

export function sizedScope(scope: Scope): SizedScope {
  const writer = new Writer(128)
  const start = writer.open(1) // scope
  if (scope.name !== '') writer.string(1, scope.name)
  if (scope.version !== '') writer.string(2, scope.version)
  writer.raw(encodeAttributes(3, scope.attributes))
  writer.close(start)
  const head = writer.finish()
  writer.length = 0
  if (scope.schemaUrl !== '') writer.string(3, scope.schemaUrl)
  const tail = writer.finish()
  return { head, metrics: [], tail, bytes: head.length + tail.length }
}

export function sizedMetric(instrument: Instrument, series: Series[], retires: boolean): SizedMetric {
  const { kind, name, unit, description } = instrument
  const writer = new Writer(128)
  writer.string(1, name)
  if (description !== '') writer.string(2, description)
  if (unit !== '') writer.string(3, unit)
  const head = writer.finish()
  const tailBytes = tailBytesOf(instrument, retires && kind === 'upDownCounter')
  let dataBytes = kind === 'gauge' ? 0 : 2 // Temporality.
  if (kind === 'counter') dataBytes += 2 // is_monotonic
  for (let at = 0; at < series.length; at++) {
    dataBytes += fieldBytes((series[at] as Series).attributes.length + tailBytes)
  }
  return { instrument, series, head, tailBytes, dataBytes, bytes: head.length + fieldBytes(dataBytes) }
}

/** The bytes of a length-delimited field below 16 that holds `length` bytes. */
export function fieldBytes(length: number): number {
  let lengthBytes = 1
  for (let rest = length; rest > 0x7f; rest = Math.floor(rest / 128)) lengthBytes++
  return 1 + lengthBytes + length
}

function openSized(writer: Writer, field: number, length: number): void {
  writer.varint(field * 8 + 2)
  writer.varint(length)
}

function setUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value, true) // Takes it modulo 2^32.
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true)
}
