/**
 * What a writer of running totals has told so far, one record a stream. Never changed in place once it is set, so that a
 * commit that failed leaves the one before.
 */
export interface Writer {
  /** Of a journal: the sequence of the last checkpoint that was taken. Of others: 1, or 0 when it fell silent. */
  sequence: number
  /** When it was last heard of, in the ledger's uptime. */
  seenUptimeMs: number
  /**
   * What began by then may have been counted before this writer was known: it begins at what it has. Of a journal: 0, or
   * Infinity where something that it told was forgotten.
   */
  horizonUnixNano: number
  /**
   * Records, one behind the other: a head (series and length), the hash of the stream where that is not the series' own set
   * of attributes (its part), then cells.
   */
  records: Float64Array
}

/** Cells of a record are at most as many: a head is series × this + cells. */
const cellCountEnd = 4096
/* What stands before what is told in the records of those that are not journals: start, time. */
export const timedLeadCells = 2

/** Of a record that was replaced by a larger one. */
const deadSeries = 2 ** 31
/** Added to the series of a record that has a part. */
const partFlag = 2 ** 32
const nothing = new Float64Array(0)

/**
 * A copy of a writer's records that is being brought up to date. Reused: `open` points it at another writer. A stream is
 * found whatever series it was told for: rules may have changed since.
 */
export class Records {
  cells: Float64Array = nothing
  /** After `find`: the series that the stream was told for before, where that is another one; else -1. */
  movedFrom = -1
  readonly #streamOf: (series: number) => number
  #length = 0
  /** Where the record is expected to stand that is asked for next: writers tell in the same order each time. */
  #cursor = 0
  #hasDead = false
  #isNew = false
  /** By series, or by part where there is one. */
  #places: Map<number, number> | undefined
  /** The same for records without a part, by the stream that they are of: only looked at when rules have changed. */
  #streams: Map<number, number> | undefined

  /** `streamOf`: the stream that is a series' own set of attributes. */
  constructor(streamOf: (series: number) => number) {
    this.#streamOf = streamOf
  }

  open(before: Writer | undefined): void {
    this.cells = before?.records.slice() ?? new Float64Array(64)
    this.#length = before?.records.length ?? 0
    this.#isNew = before === undefined
    this.#cursor = 0
    this.#hasDead = false
    this.#places = undefined
    this.#streams = undefined
  }

  /** Where the cells of a stream's record begin, or -1. `part`: 0 where the stream is the series' own set of attributes. */
  find(series: number, part: number): number {
    const cursor = this.#cursor
    this.movedFrom = -1
    if (this.#places === undefined && cursor < this.#length) {
      const end = recordAfter(this.cells, cursor, series, part)
      if (end >= 0) {
        this.#cursor = end
        return cursor + (part === 0 ? 1 : 2)
      }
    }
    this.#places ??= this.#indexed()
    const head = this.#places.get(part === 0 ? series : part) ?? this.#findMoved(series, part)
    return head < 0 ? -1 : this.#standing(series, part, head)
  }

  /** A record of so many zeros for a stream that has none. */
  append(series: number, part: number, cellCount: number): number {
    const head = this.#length
    const lead = part === 0 ? 1 : 2
    const end = head + lead + cellCount
    if (end > this.cells.length) {
      const cells = new Float64Array(Math.max(end, this.cells.length * 2))
      cells.set(this.cells.subarray(0, this.#length))
      this.cells = cells
    }
    this.cells[head] = (part === 0 ? series : series + partFlag) * cellCountEnd + (end - head - 1)
    this.cells.fill(0, head + 1, end)
    if (part !== 0) this.cells[head + 1] = part
    this.#length = end
    ;(this.#places ??= this.#indexed()).set(part === 0 ? series : part, head)
    return head + lead
  }

  /** A record that has room for so many cells, with those that the one at `at` has: itself, or one that replaces it. */
  enlarged(series: number, part: number, at: number, cellCount: number): number {
    const head = at - (part === 0 ? 1 : 2)
    const length = head + 1 + lengthAt(this.cells, head) - at
    return cellCount <= length ? at : this.#replaced(series, part, head, at, length, cellCount)
  }

  /** Takes back the record that was appended last, at `at`. */
  drop(series: number, part: number, at: number): void {
    this.#length = at - (part === 0 ? 1 : 2)
    this.#places?.delete(part === 0 ? series : part)
  }

  /** What is to be kept. */
  finish(): Float64Array {
    if (this.#hasDead) this.#bury()
    return this.#length === this.cells.length ? this.cells : this.cells.slice(0, this.#length)
  }

  /** The record of a stream that was told for another series, with a part or without one; else -1. */
  #findMoved(series: number, part: number): number {
    if (this.#isNew) return -1
    const stream = part === 0 ? this.#streamOf(series) : part
    const known = part === 0 ? this.#places?.get(stream) : undefined
    this.#streams ??= this.#indexedByStream()
    return known ?? this.#streams.get(stream) ?? -1
  }

  /** The cells of the record at `head`, which is made one of this series and part if it is not. */
  #standing(series: number, part: number, head: number): number {
    const field = fieldAt(this.cells, head)
    const hadPart = field >= partFlag
    const from = hadPart ? field - partFlag : field
    const at = head + (hadPart ? 2 : 1)
    if (from === series && hadPart === (part !== 0)) return at
    if (from !== series) this.movedFrom = from
    const length = head + 1 + lengthAt(this.cells, head) - at
    if (hadPart !== (part !== 0)) {
      this.#places?.delete(hadPart ? (this.cells[head + 1] as number) : from)
      return this.#replaced(series, part, head, at, length, length)
    }
    this.cells[head] = (this.cells[head] as number) + (series - from) * cellCountEnd
    if (part === 0) {
      this.#places?.delete(from)
      this.#places?.set(series, head)
    }
    return at
  }

  #replaced(
    series: number,
    part: number,
    head: number,
    at: number,
    length: number,
    cellCount: number
  ): number {
    const to = this.append(series, part, cellCount)
    this.cells.copyWithin(to, at, at + length)
    this.cells[head] = deadSeries * cellCountEnd + lengthAt(this.cells, head)
    this.#hasDead = true
    return to
  }

  #bury(): void {
    const { cells } = this
    let to = 0
    for (let at = 0, next = 0; at < this.#length; at = next) {
      next = at + 1 + lengthAt(cells, at)
      if (fieldAt(cells, at) === deadSeries) continue
      cells.copyWithin(to, at, next)
      to += next - at
    }
    this.#length = to
  }

  #indexed(): Map<number, number> {
    const places = new Map<number, number>()
    for (let at = 0; at < this.#length; at += 1 + lengthAt(this.cells, at)) {
      const field = fieldAt(this.cells, at)
      if (field !== deadSeries) places.set(field < partFlag ? field : (this.cells[at + 1] as number), at)
    }
    return places
  }

  #indexedByStream(): Map<number, number> {
    const streams = new Map<number, number>()
    for (let at = 0; at < this.#length; at += 1 + lengthAt(this.cells, at)) {
      const field = fieldAt(this.cells, at)
      if (field < deadSeries) streams.set(this.#streamOf(field), at)
    }
    return streams
  }
}

/** Where the record after the one at `at` stands, if that is of this series and part, else -1. */
export function recordAfter(records: Float64Array, at: number, series: number, part: number): number {
  if (at >= records.length) return -1
  // Without a division: its length, if it is of this series.
  const length = (records[at] as number) - (part === 0 ? series : series + partFlag) * cellCountEnd
  if (length < 0 || length >= cellCountEnd) return -1
  return part === 0 || records[at + 1] === part ? at + 1 + length : -1
}

/** Calls with each record of a writer: its series, and where its cells begin. */
export function eachRecord(records: Float64Array, call: (series: number, at: number) => void): void {
  for (let at = 0; at < records.length; at += 1 + lengthAt(records, at)) {
    const field = fieldAt(records, at)
    if (field < partFlag) call(field, at + 1)
    else call(field - partFlag, at + 2)
  }
}

/** Only the records whose series are to be kept. */
export function withoutRecords(records: Float64Array, isKept: (series: number) => boolean): Float64Array {
  const kept = new Float64Array(records.length)
  let to = 0
  for (let at = 0, next = 0; at < records.length; at = next) {
    next = at + 1 + lengthAt(records, at)
    const field = fieldAt(records, at)
    if (!isKept(field < partFlag ? field : field - partFlag)) continue
    kept.set(records.subarray(at, next), to)
    to += next - at
  }
  return to === records.length ? records : kept.slice(0, to)
}

/** The series of the record at `at`, and `partFlag` where it has a part. */
function fieldAt(records: Float64Array, at: number): number {
  return Math.floor((records[at] as number) / cellCountEnd)
}

function lengthAt(records: Float64Array, at: number): number {
  return (records[at] as number) - fieldAt(records, at) * cellCountEnd
}

/** As stored: when it was heard of and its horizon, then the records. */
export function encodeWriter(writer: Writer): Uint8Array {
  const cells = new Float64Array(2 + writer.records.length)
  cells[0] = writer.seenUptimeMs
  cells[1] = writer.horizonUnixNano
  cells.set(writer.records, 2)
  return new Uint8Array(cells.buffer)
}

export function decodeWriter(sequence: number, bytes: Uint8Array): Writer {
  const cells = new Float64Array(bytes.slice().buffer)
  return {
    sequence,
    seenUptimeMs: cells[0] as number,
    horizonUnixNano: cells[1] as number,
    records: cells.slice(2),
  }
}
