import { attributeText, exemplarsFields, OtlpError, readExemplars, type ReadExemplar } from '@swansong/otlp'
import type { Series } from './series.ts'

/** An exemplar as it is kept: a measurement that was counted, and what was under way when it was taken. */
export interface Exemplar {
  value: number
  /** 0 where it was not told. */
  timeUnixNano: number
  /** `trace_id` and `span_id` first, then attributes of the measurement, as names and texts. */
  labels: readonly (readonly [name: string, value: string])[]
}

/** What of one series is kept: of a histogram by bucket, of anything else one. */
interface Kept {
  /** The bounds that the buckets are those of; they may become fewer. */
  bounds: Float64Array | undefined
  byBucket: Map<number, Exemplar>
}

/** Names and values of one exemplar's labels, in code points (CONFORMANCE E9). */
const labelCharactersMax = 128
/** Exponential histograms have no fixed buckets: an exemplar for each power of two, of the latest so many. */
const powersMax = 64

/**
 * The latest exemplar of each counter and of each bucket (CONFORMANCE D13). Their values are in the sums already (B18), so
 * that nothing is lost with them: they are kept in memory only, and begin anew with the gateway.
 */
export class Exemplars {
  /** How many there are. */
  count = 0
  readonly #series: Series
  readonly #countMax: () => number
  /** In the order in which their series were last told of. */
  readonly #kept = new Map<number, Kept>()

  constructor(series: Series, countMax: () => number) {
    this.#series = series
    this.#countMax = countMax
  }

  /** Keeps those of a point that is durable: in [start, end) of its body, under the number that their field has there. */
  read(series: number, body: Uint8Array, start: number, end: number, field: number): void {
    let exemplars: ReadExemplar[]
    try {
      exemplars = readExemplars(body, start, end, field)
    } catch (error) {
      if (error instanceof OtlpError) return // Its point is counted all the same.
      throw error
    }
    const isExponential = field === exemplarsFields.exponentialHistogram
    for (const exemplar of exemplars) this.#note(series, isExponential, exemplar)
  }

  /** Past the limit those of the series go that was told of longest ago. */
  #note(series: number, isExponential: boolean, read: ReadExemplar): void {
    const countMax = this.#countMax()
    if (countMax === 0 || Number.isNaN(read.value)) return
    const bounds = this.#series.boundsOf(series)
    const kept = this.#keptOf(series, bounds)
    this.#kept.delete(series)
    this.#kept.set(series, kept)
    const bucket = isExponential ? powerOf(read.value) : bucketOf(bounds, read.value)
    const before = kept.byBucket.get(bucket)
    if (before !== undefined && before.timeUnixNano > read.timeUnixNano) return
    kept.byBucket.delete(bucket)
    const { value, timeUnixNano } = read
    kept.byBucket.set(bucket, { value, timeUnixNano, labels: labelsOf(read) })
    if (before === undefined) this.count++
    if (kept.byBucket.size > powersMax && isExponential) this.#drop(kept)
    while (this.count > countMax) this.forget(this.#kept.keys().next().value as number)
  }

  /** Of a series, by its bucket: of explicit bounds 0 to their number, of anything else in no order. */
  of(series: number): ReadonlyMap<number, Exemplar> {
    return this.#kept.has(series) ? this.#keptOf(series, this.#series.boundsOf(series)).byBucket : none
  }

  forget(series: number): void {
    this.count -= this.#kept.get(series)?.byBucket.size ?? 0
    this.#kept.delete(series)
  }

  /** Buckets that have become one since keep the latest of theirs. */
  #keptOf(series: number, bounds: Float64Array | undefined): Kept {
    const kept = this.#kept.get(series) ?? { bounds, byBucket: new Map<number, Exemplar>() }
    if (kept.bounds === bounds) return kept
    const before = [...kept.byBucket.values()]
    kept.bounds = bounds
    kept.byBucket.clear()
    for (const exemplar of before) {
      const bucket = bucketOf(bounds, exemplar.value)
      const other = kept.byBucket.get(bucket)
      if (other === undefined || other.timeUnixNano <= exemplar.timeUnixNano)
        kept.byBucket.set(bucket, exemplar)
    }
    this.count -= before.length - kept.byBucket.size
    return kept
  }

  #drop({ byBucket }: Kept): void {
    byBucket.delete(byBucket.keys().next().value as number)
    this.count--
  }
}

const none: ReadonlyMap<number, Exemplar> = new Map()

/** The place of the first bound that a value is not above; of a counter the one there is. */
function bucketOf(bounds: Float64Array | undefined, value: number): number {
  if (bounds === undefined) return 0
  let bucket = 0
  while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++
  return bucket
}

/** A number for each power of two, of either sign. */
function powerOf(value: number): number {
  if (value === 0) return 0
  const power = Math.ceil(Math.log2(Math.abs(value))) + 1100 // Of the smallest double it is 26.
  return value < 0 ? -power : power
}

function codePoints(text: string): number {
  return Array.from(text).length
}

/** As many as have room; what is told twice, or of trace and span, is told by these (CONFORMANCE D13). */
function labelsOf({ traceId, spanId, attributes }: ReadExemplar): Exemplar['labels'] {
  const labels = new Map<string, string>()
  let characters = 0
  const add = (name: string, value: string): void => {
    const length = characters + codePoints(name) + codePoints(value)
    if (value === '' || labels.has(name) || length > labelCharactersMax) return
    labels.set(name, value)
    characters = length
  }
  add('trace_id', traceId)
  add('span_id', spanId)
  for (const { key, value } of attributes) add(key, attributeText(value))
  return [...labels]
}
