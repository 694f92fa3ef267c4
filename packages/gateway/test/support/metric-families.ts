import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'
import { boundText, escapedValue } from '../../src/out/names.ts'

/*
 * Answers in Prometheus' protobuf, read by Prometheus' own schema: fixtures/metrics.proto is that of
 * github.com/prometheus/client_model v0.6.2.
 */

export interface Label {
  name: string
  value: string
}

export interface Timestamp {
  seconds: number
  nanos: number
}

export interface ReadExemplar {
  label: Label[]
  value: number
  timestamp?: Timestamp
}

export interface Span {
  offset: number
  length: number
}

export interface ReadHistogram {
  sampleCount: number
  sampleCountFloat?: number
  /** NaN where it is not known: text has no `_sum` then. */
  sampleSum: number
  bucket: {
    cumulativeCount: number
    cumulativeCountFloat?: number
    upperBound: number
    exemplar?: ReadExemplar
  }[]
  createdTimestamp: Timestamp
  schema?: number
  zeroThreshold?: number
  zeroCount?: number
  negativeSpan: Span[]
  negativeDelta: number[]
  positiveSpan: Span[]
  positiveDelta: number[]
  exemplars: ReadExemplar[]
}

export interface ReadMetric {
  label: Label[]
  gauge?: { value: number }
  counter?: { value: number; exemplar?: ReadExemplar; createdTimestamp?: Timestamp }
  histogram?: ReadHistogram
  summary?: { sampleCount: number; sampleSum: number; quantile: { quantile: number; value: number }[] }
  untyped?: { value: number }
}

export interface ReadFamily {
  name: string
  help?: string
  type: 'COUNTER' | 'GAUGE' | 'HISTOGRAM' | 'SUMMARY' | 'UNTYPED'
  unit?: string
  metric: ReadMetric[]
}

const root = new protobuf.Root()
root.loadSync(fileURLToPath(new URL('../fixtures/metrics.proto', import.meta.url)))
const familyType = root.lookupType('io.prometheus.client.MetricFamily')

/** All families of an answer, in its order. Throws where it is not well formed. */
export function familiesOf(bytes: Uint8Array): ReadFamily[] {
  const reader = protobuf.Reader.create(bytes)
  const families: ReadFamily[] = []
  while (reader.pos < reader.len) {
    const family = familyType.toObject(familyType.decodeDelimited(reader), {
      longs: Number,
      enums: String,
      arrays: true,
    })
    families.push(family as ReadFamily)
  }
  return families
}

/** The same as lines of text 0.0.4 say it: name and labels → value. Native histograms are not in it. */
export function linesOf(families: readonly ReadFamily[]): Map<string, number> {
  const lines = new Map<string, number>()
  for (const { name, metric } of families) {
    for (const { label, gauge, counter, untyped, summary, histogram } of metric) {
      const text = label.map((one) => `${one.name}="${escapedValue(one.value)}"`).join(',')
      const line = (suffix: string, le = ''): string => {
        const labels = [text, le].filter((part) => part !== '').join(',')
        return labels === '' ? `${name}${suffix}` : `${name}${suffix}{${labels}}`
      }
      const value = counter?.value ?? gauge?.value ?? untyped?.value
      if (value !== undefined) lines.set(line(''), value)
      if (summary !== undefined) {
        for (const one of summary.quantile)
          lines.set(line('', `quantile="${boundText(one.quantile)}"`), one.value)
        lines.set(line('_sum'), summary.sampleSum)
        lines.set(line('_count'), summary.sampleCount)
      }
      if (histogram === undefined) continue
      for (const { cumulativeCount, upperBound } of histogram.bucket)
        lines.set(line('_bucket', `le="${boundText(upperBound)}"`), cumulativeCount)
      if (!Number.isNaN(histogram.sampleSum)) lines.set(line('_sum'), histogram.sampleSum)
      lines.set(line('_count'), histogram.sampleCount)
    }
  }
  return lines
}

/** Buckets of one side, by the numbers that Prometheus gives them, as its own reader adds them up. */
export function bucketsOf(spans: readonly Span[], deltas: readonly number[]): Map<number, number> {
  const buckets = new Map<number, number>()
  let index = 0
  let count = 0
  let next = 0
  for (const { offset, length } of spans) {
    index += offset
    for (let at = 0; at < length; at++, index++) {
      count += deltas[next++] ?? Number.NaN
      buckets.set(index, count)
    }
  }
  if (next !== deltas.length) throw new Error(`${deltas.length} deltas for ${next} buckets`)
  return buckets
}
