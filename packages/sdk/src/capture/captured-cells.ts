import { addTo, bucketsCell, forgetExtremes, type Instrument, maxCell, minCell } from '../record/recorder.ts'

/** What a histogram has recorded. */
export interface HistogramValue {
  count: number
  sum: number
  /** `undefined` as long as nothing was recorded; so is `max`. */
  min: number | undefined
  max: number | undefined
  /** Counts, one more than there are boundaries. */
  buckets: number[]
}

/** A column of cells in which nothing was recorded yet. */
export function emptyCells(instruments: readonly Instrument[], length: number): Float64Array {
  const cells = new Float64Array(length)
  clearExtremes(instruments, cells)
  return cells
}

/** The column as it was, made longer; histograms that were born since are empty in it. */
export function lengthened(
  instruments: readonly Instrument[],
  cells: Float64Array,
  length: number
): Float64Array {
  const longer = new Float64Array(Math.max(length, cells.length))
  longer.set(cells)
  clearExtremes(instruments, longer)
  return longer
}

/** Adds what the second column holds, of all series, to the first, which is as long at least. */
export function mergeColumns(
  instruments: readonly Instrument[],
  into: Float64Array,
  from: Float64Array
): void {
  for (const instrument of instruments) {
    for (const { slot } of instrument.series) mergeSeries(instrument, into, slot, from, slot)
  }
}

/** Of one series: sums add, distributions merge; of a value that is set, or observed as a whole, the later one stays. */
export function mergeSeries(
  { kind, bounds, isObserved }: Instrument,
  into: Float64Array,
  intoAt: number,
  from: Float64Array,
  fromAt: number
): void {
  if (fromAt >= from.length) return // Born later.
  const at = (cell: number): number => from[fromAt + cell] as number
  if (kind === 'gauge' || (kind === 'upDownCounter' && isObserved)) {
    if (kind === 'gauge' && at(1) === 0) return // Not set.
    into.set(from.subarray(fromAt, fromAt + 2), intoAt)
    return
  }
  if (kind === 'histogram' && countOf(from, fromAt, bounds.length) === 0) return
  addTo(into, intoAt, at(0))
  into[intoAt + 1] = (into[intoAt + 1] as number) + at(1)
  if (kind !== 'histogram') return
  into[intoAt + minCell] = Math.min(into[intoAt + minCell] as number, at(minCell))
  into[intoAt + maxCell] = Math.max(into[intoAt + maxCell] as number, at(maxCell))
  for (let cell = bucketsCell; cell <= bucketsCell + bounds.length; cell++) {
    into[intoAt + cell] = (into[intoAt + cell] as number) + at(cell)
  }
}

/** A run of cells for a sum over several series of an instrument. */
export function emptyRun({ kind, bounds }: Instrument): Float64Array {
  const run = new Float64Array(kind === 'histogram' ? bucketsCell + bounds.length + 1 : 2)
  if (kind === 'histogram') forgetExtremes(run, 0)
  return run
}

/** What a run of cells says to people. */
export function valueOf(
  { kind, bounds }: Instrument,
  run: Float64Array
): number | HistogramValue | undefined {
  if (kind === 'gauge') return run[1] === 0 ? undefined : run[0]
  const sum = (run[0] as number) + (run[1] as number)
  if (kind !== 'histogram') return sum
  const count = countOf(run, 0, bounds.length)
  const min = count === 0 ? undefined : run[minCell]
  const max = count === 0 ? undefined : run[maxCell]
  return { count, sum, min, max, buckets: [...run.subarray(bucketsCell)] }
}

function countOf(cells: Float64Array, at: number, boundCount: number): number {
  let count = 0
  for (let bucket = 0; bucket <= boundCount; bucket++) count += cells[at + bucketsCell + bucket] as number
  return count
}

function clearExtremes(instruments: readonly Instrument[], cells: Float64Array): void {
  for (const { kind, bounds, series } of instruments) {
    if (kind !== 'histogram') continue
    for (const { slot } of series) {
      if (slot < cells.length && countOf(cells, slot, bounds.length) === 0) forgetExtremes(cells, slot)
    }
  }
}
