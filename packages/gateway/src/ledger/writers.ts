/**
 * What a writer of running totals has told so far, one record a series. Never changed in place once it is set, so that a
 * commit that failed leaves the one before.
 */
export interface Writer {
  /** Of a journal: the sequence of the last checkpoint that was taken. Of others: 1, or 0 when it fell silent. */
  sequence: number
  /** When it was last heard of, in the ledger's uptime. */
  seenUptimeMs: number
  /** What began by then may have been counted before this writer was known: it begins at what it has. */
  horizonUnixNano: number
  /** Records, one behind the other: a head (series and length), then cells. */
  records: Float64Array
}

/** Cells of a record are at most as many: a head is series × this + cells. */
const cellCountEnd = 4096
/* What stands before what is told in the records of those that are not journals: start, time, which attributes. */
export const timedLeadCells = 3

/** Of a record that was replaced by a larger one. */
const deadSeries = 2 ** 31
const nothing = new Float64Array(0)

/** A copy of a writer's records that is being brought up to date. Reused: `open` points it at another writer. */
export class Records {
  cells: Float64Array = nothing
  #length = 0
  /** Where the record is expected to stand that is asked for next: writers tell in the same order each time. */
  #cursor = 0
  #timed = false
  #hasDead = false
  #places: Map<number | string, number> | undefined

  /** `timed`: records have a lead, and one series may have several of them by `part`. */
  open(before: Writer | undefined, timed: boolean): void {
    this.cells = before?.records.slice() ?? new Float64Array(64)
    this.#length = before?.records.length ?? 0
    this.#cursor = 0
    this.#timed = timed
    this.#hasDead = false
    this.#places = undefined
  }

  /** Where the cells of a series' record begin, or -1. `part` is 0 but for series that hold several sets of attributes. */
  find(series: number, part: number): number {
    const cursor = this.#cursor
    if (this.#places === undefined && cursor < this.#length) {
      const length = lengthIf(this.cells, cursor, series)
      if (length >= 0 && (!this.#timed || this.cells[cursor + 3] === part)) {
        this.#cursor = cursor + 1 + length
        return cursor + 1
      }
    }
    this.#places ??= this.#indexed()
    return this.#places.get(keyOf(series, part)) ?? -1
  }

  /** A record of so many zeros for a series that has none. */
  append(series: number, part: number, cellCount: number): number {
    const at = this.#length
    const end = at + 1 + cellCount
    if (end > this.cells.length) {
      const cells = new Float64Array(Math.max(end, this.cells.length * 2))
      cells.set(this.cells.subarray(0, this.#length))
      this.cells = cells
    }
    this.cells[at] = series * cellCountEnd + cellCount
    this.cells.fill(0, at + 1, end)
    if (this.#timed) this.cells[at + 3] = part
    this.#length = end
    ;(this.#places ??= this.#indexed()).set(keyOf(series, part), at + 1)
    return at + 1
  }

  /** A record that has room for so many cells, with those that the one at `at` has: itself, or one that replaces it. */
  enlarged(series: number, part: number, at: number, cellCount: number): number {
    const length = lengthAt(this.cells, at - 1)
    if (cellCount <= length) return at
    const larger = this.append(series, part, cellCount)
    this.cells.copyWithin(larger, at, at + length)
    this.cells[at - 1] = deadSeries * cellCountEnd + length
    this.#hasDead = true
    return larger
  }

  /** Takes back the record that was appended last, at `at`. */
  drop(series: number, part: number, at: number): void {
    this.#length = at - 1
    this.#places?.delete(keyOf(series, part))
  }

  /** What is to be kept. */
  finish(): Float64Array {
    if (this.#hasDead) this.#bury()
    return this.#length === this.cells.length ? this.cells : this.cells.slice(0, this.#length)
  }

  #bury(): void {
    const { cells } = this
    let to = 0
    for (let at = 0, next = 0; at < this.#length; at = next) {
      next = at + 1 + lengthAt(cells, at)
      if (seriesAt(cells, at) === deadSeries) continue
      cells.copyWithin(to, at, next)
      to += next - at
    }
    this.#length = to
  }

  #indexed(): Map<number | string, number> {
    const places = new Map<number | string, number>()
    for (let at = 0; at < this.#length; at += 1 + lengthAt(this.cells, at)) {
      const part = this.#timed ? (this.cells[at + 3] as number) : 0
      if (seriesAt(this.cells, at) === deadSeries) continue
      places.set(keyOf(seriesAt(this.cells, at), part), at + 1)
    }
    return places
  }
}

/** Where the record after the one at `at` stands, if that is of this series, else -1. */
export function recordAfter(records: Float64Array, at: number, series: number): number {
  const length = at < records.length ? lengthIf(records, at, series) : -1
  return length < 0 ? -1 : at + 1 + length
}

/** Calls with each record of a writer: its series, and where its cells begin. */
export function eachRecord(records: Float64Array, call: (series: number, at: number) => void): void {
  for (let at = 0; at < records.length; at += 1 + lengthAt(records, at)) call(seriesAt(records, at), at + 1)
}

function keyOf(series: number, part: number): number | string {
  return part === 0 ? series : `${series} ${part}`
}

/** How long the record at `at` is, if it is of this series, else -1: without a division. */
function lengthIf(records: Float64Array, at: number, series: number): number {
  const length = (records[at] as number) - series * cellCountEnd
  return length >= 0 && length < cellCountEnd ? length : -1
}

function seriesAt(records: Float64Array, at: number): number {
  return Math.floor((records[at] as number) / cellCountEnd)
}

function lengthAt(records: Float64Array, at: number): number {
  return (records[at] as number) - seriesAt(records, at) * cellCountEnd
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
