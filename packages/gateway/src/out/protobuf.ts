import type { Exemplars } from '../ledger/exemplars.ts'
import { metricTypes, type MetricType } from '../ledger/metric-types.ts'
import { isHistogram, isKeptGauge, type Family, type Lines } from './lines.ts'
import { MessageBuffer } from './message-buffer.ts'
import { LineExemplars } from './protobuf-exemplars.ts'
import {
  counterExemplarField,
  counterField,
  counterStartField,
  gaugeField,
  helpField,
  histogramField,
  histogramStartField,
  messageTypes,
  untypedField,
  metricField,
  nameField,
  typeField,
  unitField,
  valueField,
} from './protobuf-fields.ts'
import { ProtobufHistogram } from './protobuf-histogram.ts'
import { samples } from './protobuf-text.ts'
import type { Pushed } from './pushed.ts'
import type { FamilyWriter } from './slices.ts'
import type { TextWriter } from './text-writer.ts'

/**
 * Prometheus' own protobuf: a MetricFamily a name, each with its length before it (CONFORMANCE E2, E11, E15). The text that a
 * line is called by is read again for its labels, which costs little more than copying it.
 */
export class ProtobufWriter implements FamilyWriter {
  readonly #lines: Lines
  readonly #pushed: Pushed
  readonly #buffer = new MessageBuffer()
  readonly #exemplars: LineExemplars
  readonly #histogram: ProtobufHistogram
  /** Many series begin in the same commit: the field that was written last of when one did, and of which that was. */
  #beganBytes: Uint8Array = new Uint8Array(0)
  #beganUnixMs = -1
  #beganField = -1
  /** What a line is called. */
  #key: Uint8Array = new Uint8Array(4096)
  #keyView: DataView = new DataView(this.#key.buffer)

  constructor(lines: Lines, exemplars: Exemplars, pushed: Pushed) {
    this.#lines = lines
    this.#pushed = pushed
    this.#exemplars = new LineExemplars(lines, exemplars, this.#buffer)
    this.#histogram = new ProtobufHistogram(lines.series, this.#buffer, this.#exemplars)
  }

  begin(writer: TextWriter, { type, isUnknown, name, description, unit }: Family): number {
    const buffer = this.#buffer
    const begun = writer.beginMessage()
    buffer.clear()
    buffer.string(nameField, name)
    if (description !== '') buffer.string(helpField, description)
    buffer.uint(typeField, messageTypes[isUnknown ? 'untyped' : typeNames[type]])
    if (unit !== '' && hasUnit(name, type, unit)) buffer.string(unitField, unit)
    writer.bytes(buffer.bytes, buffer.length)
    return begun
  }

  write(writer: TextWriter, family: Family, start: number, end: number, holds: boolean): void {
    const { type, lines, name } = family
    const all = this.#lines
    const behindName = name.length + 1 // Where it is not in quotes it is ASCII.
    this.#buffer.clear()
    const isOneOfMany = isKeptGauge(type)
    for (let at = start; at < end; at++) {
      const line = lines[at] as number
      if (isOneOfMany && all.isGone(line)) continue
      const isHeld = holds && all.isHeld(line)
      const metric = this.#buffer.open(metricField)
      if (isHistogram(type)) this.#histogramOf(type, line, isHeld)
      else this.#number(family, line, behindName, isHeld)
      this.#buffer.close(metric)
    }
    writer.bytes(this.#buffer.bytes, this.#buffer.length)
  }

  end(writer: TextWriter, family: Family, begun: number): void {
    const pushed = this.#pushed.behind(family.name, this.#lines)
    if (pushed !== '') {
      this.#buffer.clear()
      samples(this.#buffer, family.name, typeNames[family.type], pushed.trimEnd().split('\n'))
      writer.bytes(this.#buffer.bytes, this.#buffer.length)
    }
    writer.endMessage(begun)
  }

  #number({ type, isUnknown }: Family, line: number, behindName: number, isHeld: boolean): void {
    const all = this.#lines
    const buffer = this.#buffer
    const { series } = all
    const length = this.#read(line)
    // Behind the name: a space, or labels in braces. In front of them where the name is in the braces, in quotes.
    const from = this.#key[0] === brace ? this.#behindQuotes() : behindName
    buffer.labels(this.#key, from, length - 2)
    const isMerged = all.moreOf(line) !== undefined
    const value = isMerged ? all.merged(type, line) : series.pages.value(series.slotOf(all.firstOf(line)))
    const isCounter = type === metricTypes.counter
    const message = buffer.open(isCounter ? counterField : isUnknown ? untypedField : gaugeField)
    buffer.double(valueField, isHeld ? 0 : value)
    if (isCounter) {
      this.#exemplars.begin(line, isHeld)
      this.#exemplars.upTo(Infinity, counterExemplarField)
      this.#began(line, counterStartField)
    }
    buffer.close(message)
  }

  #histogramOf(type: MetricType, line: number, isHeld: boolean): void {
    const all = this.#lines
    const buffer = this.#buffer
    buffer.labels(this.#key, 0, this.#read(line))
    this.#exemplars.begin(line, isHeld)
    const message = buffer.open(histogramField)
    const slot = all.series.slotOf(all.firstOf(line))
    const more = all.moreOf(line)?.map((other) => all.series.slotOf(other))
    const by = isHeld ? 0 : 1
    if (type === metricTypes.exponentialHistogram)
      this.#histogram.exponential(more === undefined ? [slot] : [slot, ...more], by)
    else if (more === undefined) this.#histogram.explicit(slot, by)
    else this.#histogram.merged([slot, ...more], by)
    this.#began(line, histogramStartField)
    buffer.close(message)
  }

  /** When the first of its series began. */
  #began(line: number, field: number): void {
    const all = this.#lines
    let unixMs = all.series.startOf(all.firstOf(line))
    for (const series of all.moreOf(line) ?? []) unixMs = Math.min(unixMs, all.series.startOf(series))
    if (unixMs !== this.#beganUnixMs || field !== this.#beganField) {
      const start = this.#buffer.length
      const seconds = Math.floor(unixMs / 1000)
      this.#buffer.timestamp(field, seconds, (unixMs - seconds * 1000) * 1e6)
      this.#beganBytes = this.#buffer.bytes.slice(start, this.#buffer.length)
      this.#beganUnixMs = unixMs
      this.#beganField = field
    } else this.#buffer.raw(this.#beganBytes)
  }

  /** Takes what a line is called into #key; returns how long that is. */
  #read(line: number): number {
    const { index } = this.#lines
    const length = index.lengthOf(line)
    if (length > this.#key.length) {
      this.#key = new Uint8Array(length * 2)
      this.#keyView = new DataView(this.#key.buffer)
    }
    return index.copyKey(line, this.#keyView, 0)
  }

  /** Where labels begin, if any, in `{"a name",label="value"} `. */
  #behindQuotes(): number {
    const key = this.#key
    let at = 2
    while (key[at] !== quote) at += key[at] === backslash ? 2 : 1
    return key[at + 1] === comma ? at + 2 : at + 1
  }
}

const brace = 0x7b
const quote = 0x22
const comma = 0x2c
const backslash = 0x5c

/** A unit is told only where it is in the name, as in OpenMetrics. */
function hasUnit(name: string, type: MetricType, unit: string): boolean {
  const isTotal = type === metricTypes.counter && name.endsWith('_total')
  return (isTotal ? name.slice(0, -'_total'.length) : name).endsWith(`_${unit}`)
}

const typeNames: Readonly<Record<MetricType, keyof typeof messageTypes>> = {
  [metricTypes.counter]: 'counter',
  [metricTypes.upDownCounter]: 'gauge',
  [metricTypes.gauge]: 'gauge',
  [metricTypes.gaugeMin]: 'gauge',
  [metricTypes.gaugeMax]: 'gauge',
  [metricTypes.gaugeSum]: 'gauge',
  [metricTypes.histogram]: 'histogram',
  [metricTypes.exponentialHistogram]: 'histogram',
}
