/**
 * What a writer of running totals has told so far: one total per series, in the order of its journal. Never changed in
 * place, so that a commit that failed leaves the one before.
 */
export interface Writer {
  /** The sequence of the last checkpoint that was taken. */
  sequence: number
  series: Int32Array
  totals: Float64Array
}

/** The total that a writer last told for a series; 0 where it told none. `hint`: where it stood is likely to be. */
export function totalOf(writer: Writer, series: number, hint: number): number {
  if (writer.series[hint] === series) return writer.totals[hint] as number
  const at = writer.series.indexOf(series)
  return at < 0 ? 0 : (writer.totals[at] as number)
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
