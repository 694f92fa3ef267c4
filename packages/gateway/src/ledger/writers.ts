/**
 * What a writer of running totals has told so far: one total per series, in the order they were first told. Never changed
 * in place, so that a commit that failed leaves the one before.
 */
export interface Writer {
  /** The sequence of the last checkpoint that was taken. */
  sequence: number
  series: Int32Array
  totals: Float64Array
}

/** A checkpoint beside the one before it, series by series. */
export interface Progress {
  series: Int32Array
  /** What the last checkpoint told; 0 for a series that is new. */
  before: Float64Array
  /** What this one tells; as before for a series that it does not name. */
  totals: Float64Array
}

/**
 * Sets what a writer tells beside what it told. Points that fall into one series (past the limit of series) are one total,
 * their sum; a series that was told once is never forgotten, or it would count again when it is told again.
 */
export function progressOf(
  before: Writer | undefined,
  series: Int32Array,
  totals: Float64Array,
  count: number
): Progress {
  if (before !== undefined && isSame(before.series, series, count)) {
    return { series: before.series, before: before.totals, totals: totals.slice(0, count) }
  }
  const places = new Map<number, number>()
  const told = before?.series.length ?? 0
  const all: Progress = {
    series: new Int32Array(told + count),
    before: new Float64Array(told + count),
    totals: new Float64Array(told + count),
  }
  all.series.set(before?.series ?? [])
  all.before.set(before?.totals ?? [])
  all.totals.fill(Number.NaN, 0, told) // Until this checkpoint names it.
  for (let place = 0; place < told; place++) places.set(all.series[place] as number, place)
  for (let at = 0; at < count; at++) {
    const id = series[at] as number
    const place = places.get(id) ?? places.size
    if (place === places.size) {
      places.set(id, place)
      all.series[place] = id
    }
    const sum = all.totals[place] as number
    all.totals[place] = (Number.isNaN(sum) ? 0 : sum) + (totals[at] as number)
  }
  for (let place = 0; place < told; place++) {
    if (Number.isNaN(all.totals[place])) all.totals[place] = all.before[place] as number
  }
  const { size } = places
  return {
    series: all.series.slice(0, size),
    before: all.before.slice(0, size),
    totals: all.totals.slice(0, size),
  }
}

function isSame(before: Int32Array, series: Int32Array, count: number): boolean {
  if (before.length !== count) return false
  for (let at = 0; at < count; at++) {
    if (before[at] !== series[at]) return false
  }
  return true
}

/** As stored: pairs of float64, the series and its total. */
export function encodeTotals(writer: Writer): Uint8Array {
  const pairs = new Float64Array(writer.series.length * 2)
  for (let at = 0; at < writer.series.length; at++) {
    pairs[at * 2] = writer.series[at] as number
    pairs[at * 2 + 1] = writer.totals[at] as number
  }
  return new Uint8Array(pairs.buffer)
}

export function decodeTotals(sequence: number, bytes: Uint8Array): Writer {
  const pairs = new Float64Array(bytes.slice().buffer)
  const series = new Int32Array(pairs.length / 2)
  const totals = new Float64Array(pairs.length / 2)
  for (let at = 0; at < series.length; at++) {
    series[at] = pairs[at * 2] as number
    totals[at] = pairs[at * 2 + 1] as number
  }
  return { sequence, series, totals }
}
