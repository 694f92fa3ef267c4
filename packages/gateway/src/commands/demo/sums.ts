import { type Counts, type Measure, measures } from './count.ts'

/** What was counted, by file type. */
export type Sums = ReadonlyMap<string, Readonly<Counts>>

/** One series that is not as it should be. */
export interface Difference {
  type: string
  measure: Measure
  seen: number
  truth: number
}

const nothing: Counts = { lines: 0, words: 0, bytes: 0 }

/** Every series that differs, also one that only one side has. */
export function differencesOf(seen: Sums, truth: Sums): Difference[] {
  const differences: Difference[] = []
  for (const type of new Set([...truth.keys(), ...seen.keys()])) {
    for (const measure of measures) {
      const pair = {
        seen: (seen.get(type) ?? nothing)[measure],
        truth: (truth.get(type) ?? nothing)[measure],
      }
      if (pair.seen !== pair.truth) differences.push({ type, measure, ...pair })
    }
  }
  return differences
}

/** Of some types, or of all. */
export function sumOf(sums: Sums, types: Iterable<string> = sums.keys()): Counts {
  const sum = { ...nothing }
  for (const type of types) {
    for (const measure of measures) sum[measure] += sums.get(type)?.[measure] ?? 0
  }
  return sum
}

/** Lines, words and bytes together: everything that was ever passed to `add`. */
export function totalOf(sums: Sums): number {
  const { lines, words, bytes } = sumOf(sums)
  return lines + words + bytes
}

/** The value of each line of an exposition, by name and labels. */
export function parseExposition(text: string): Map<string, number> {
  const values = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const space = line.lastIndexOf(' ')
    values.set(line.slice(0, space), Number(line.slice(space + 1)))
  }
  return values
}

/** The workers' series among them. */
export function sumsOf(values: ReadonlyMap<string, number>): Sums {
  const sums = new Map<string, Counts>()
  for (const [series, value] of values) {
    const measure = measureOf(series)
    if (measure === undefined) continue
    const type = unescaped(/[{,]type="((?:[^"\\]|\\.)*)"/.exec(series)?.[1] ?? '')
    const sum = sums.get(type) ?? { ...nothing }
    sum[measure] += value
    sums.set(type, sum)
  }
  return sums
}

/** What a series of the workers counts; undefined for any other series. */
export function measureOf(series: string): Measure | undefined {
  return measures.find((measure) => series.startsWith(`files_${measure}_total{`))
}

/** A label's value of text 0.0.4. */
function unescaped(value: string): string {
  return value.replaceAll(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character))
}
