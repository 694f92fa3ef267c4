/** Beside the type of an entry: it is a running total of a writer, with its lead before its cells. */
export const timedFlag = 16
/* The lead of a running total: which of the writers, its start and time in Unix nanoseconds, and its part. */
export const leadCells = 4
export const startLead = 3
export const timeLead = 2
export const partLead = 1

/**
 * What of a body counts, decided and not added yet: for i < `count`, a series, what kind of entry it is, and a value (of
 * sums) or where its cells begin. One object, used for one body after the other.
 */
export class Entries {
  count = 0
  series: Int32Array = new Int32Array(1024)
  /** The type of the series' metric, and `timedFlag`. */
  kinds: Uint8Array = new Uint8Array(1024)
  values: Float64Array = new Float64Array(1024)
  cells: Float64Array = new Float64Array(1024)
  cellCount = 0
  /** Writers whose running totals are among them, with the first and last entry of each; `next` links them. */
  readonly writers: string[] = []
  readonly first: number[] = []
  readonly last: number[] = []
  next: Int32Array = new Int32Array(0)
  /** Of a journal's entries, where any has one. */
  #parts: Float64Array = new Float64Array(0)
  #partCount = 0

  clear(): void {
    this.count = 0
    this.#partCount = 0
    this.cellCount = 0
    this.writers.length = 0
    this.first.length = 0
    this.last.length = 0
    if (this.cells.length > cellsKeptMax) this.cells = new Float64Array(1024)
  }

  add(kind: number, series: number, value: number): void {
    const at = this.count
    if (at === this.series.length) this.#grow()
    this.series[at] = series
    this.kinds[at] = kind
    this.values[at] = value
    this.count = at + 1
  }

  /** Room for so many cells behind those that there are; returns where they begin. */
  reserve(count: number): number {
    const at = this.cellCount
    this.cellCount = at + count
    if (this.cellCount > this.cells.length) {
      const cells = new Float64Array(Math.max(this.cellCount, this.cells.length * 2))
      cells.set(this.cells)
      this.cells = cells
    }
    return at
  }

  /** The part of an entry of a journal: 0 where its stream is the series' own set of attributes. */
  partOf(entry: number): number {
    return entry < this.#partCount ? (this.#parts[entry] as number) : 0
  }

  /** Gives the latest entry a part. */
  notePart(part: number): void {
    if (part === 0) return
    if (this.#parts.length < this.count) {
      const parts = new Float64Array(this.series.length)
      parts.set(this.#parts.subarray(0, this.#partCount))
      this.#parts = parts
    }
    this.#parts.fill(0, this.#partCount, this.count)
    this.#parts[this.count - 1] = part
    this.#partCount = this.count
  }

  /** Makes the latest entry one of a writer's, by its place in `writers`. */
  linkTo(writer: number): void {
    const entry = this.count - 1
    if (this.next.length < this.series.length) {
      const next = new Int32Array(this.series.length)
      next.set(this.next)
      this.next = next
    }
    this.next[entry] = -1
    const last = this.last[writer]
    if (last === undefined) this.first[writer] = entry
    else this.next[last] = entry
    this.last[writer] = entry
  }

  #grow(): void {
    const capacity = this.series.length * 2
    const series = new Int32Array(capacity)
    const kinds = new Uint8Array(capacity)
    const values = new Float64Array(capacity)
    series.set(this.series)
    kinds.set(this.kinds)
    values.set(this.values)
    this.series = series
    this.kinds = kinds
    this.values = values
  }
}

const cellsKeptMax = 1024 * 1024
