import type { Exemplar, Exemplars } from '../ledger/exemplars.ts'
import type { Lines } from './lines.ts'
import type { MessageBuffer } from './message-buffer.ts'
import { exemplarLabels } from './openmetrics.ts'

// By io/prometheus/client/metrics.proto: numbers of fields of Exemplar and LabelPair.
const labelField = 1
const valueField = 2
const timestampField = 3
const labelNameField = 1
const labelValueField = 2

/** Those of one line, as Exemplar messages (CONFORMANCE D13). */
export class LineExemplars {
  readonly #lines: Lines
  readonly #exemplars: Exemplars
  readonly #buffer: MessageBuffer
  /** By their values; and the first that was not written yet. */
  #found: readonly Exemplar[] = none
  #next = 0

  constructor(lines: Lines, exemplars: Exemplars, buffer: MessageBuffer) {
    this.#lines = lines
    this.#exemplars = exemplars
    this.#buffer = buffer
  }

  /** A line is written next; one that is held has none yet. */
  begin(line: number, isHeld: boolean): void {
    this.#found = none
    this.#next = 0
    if (this.#exemplars.count === 0 || isHeld) return
    const found = [...this.#exemplars.of(this.#lines.firstOf(line)).values()]
    for (const series of this.#lines.moreOf(line) ?? []) found.push(...this.#exemplars.of(series).values())
    this.#found = found.toSorted((one, other) => one.value - other.value)
  }

  /** Writes the latest of those that are at most this and that were not passed over yet. */
  upTo(upper: number, field: number): void {
    const found = this.#found
    let latest: Exemplar | undefined
    for (; this.#next < found.length; this.#next++) {
      const exemplar = found[this.#next] as Exemplar
      if (exemplar.value > upper) break
      if (latest === undefined || latest.timeUnixNano <= exemplar.timeUnixNano) latest = exemplar
    }
    if (latest !== undefined) this.#write(field, latest)
  }

  /** Writes all of which it is known when they were: a native histogram has no others. */
  all(field: number): void {
    for (const exemplar of this.#found) if (exemplar.timeUnixNano > 0) this.#write(field, exemplar)
  }

  #write(field: number, exemplar: Exemplar): void {
    const buffer = this.#buffer
    const message = buffer.open(field)
    for (const [name, value] of exemplarLabels(exemplar)) {
      const label = buffer.open(labelField)
      buffer.string(labelNameField, name)
      buffer.string(labelValueField, value)
      buffer.close(label)
    }
    buffer.double(valueField, exemplar.value)
    const { timeUnixNano } = exemplar
    if (timeUnixNano > 0) {
      const seconds = Math.floor(timeUnixNano / 1e9)
      buffer.timestamp(timestampField, seconds, Math.max(0, timeUnixNano - seconds * 1e9))
    }
    buffer.close(message)
  }
}

const none: readonly Exemplar[] = []
