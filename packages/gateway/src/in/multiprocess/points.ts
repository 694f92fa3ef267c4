import { Writer } from '@swansong/otlp/wire'
import type { EntryKey, FileContent, FileType } from './file-format.ts'

/*
 * What files say, as a body of OTLP: running totals of counters, histograms and summaries, values of gauges.
 * By opentelemetry/proto/metrics/v1/metrics.proto and common/v1/common.proto, field numbers alone.
 */
const sumField = 7
const gaugeField = 5
const histogramField = 9
const cumulativeTemporality = 2
const noRecordedValueFlag = 1

/** A line of a gauge as it is to be shown; no value: it is shown no more. */
export interface GaugeLine {
  key: EntryKey
  /** Of the modes that show each process by itself. */
  pid: string | undefined
  value: number | undefined
}

/** Writes bodies; one object for all, whose room is used again. */
export class PointWriter {
  readonly #writer = new Writer(65_536)
  #timeUnixNano = 0
  #metric = ''
  #metricStart = 0
  #pointsStart = 0

  /** All totals of a file, in its order, so that they are told in the same order each time. */
  totals(type: FileType, content: FileContent, job: string, timeUnixMs: number): Uint8Array {
    const end = this.#begin(job, timeUnixMs)
    if (type === 'counter') this.#counters(content)
    else this.#distributions(type, content)
    return end()
  }

  gauges(lines: readonly GaugeLine[], job: string, timeUnixMs: number): Uint8Array {
    const end = this.#begin(job, timeUnixMs)
    const writer = this.#writer
    for (const { key, pid, value } of lines) {
      this.#metricOf(key.name, key.help, gaugeField)
      const start = writer.open(1)
      writer.fixed64(3, this.#timeUnixNano)
      if (value === undefined) writer.uint(8, noRecordedValueFlag)
      else writer.double(4, value)
      this.#attributes(7, key.labels)
      if (pid !== undefined) this.#attribute(7, 'pid', pid)
      writer.close(start)
    }
    this.#endMetric()
    return end()
  }

  #counters({ keys, values }: FileContent): void {
    const writer = this.#writer
    for (const [at, key] of keys.entries()) {
      this.#metricOf(key.name, key.help, sumField)
      const start = writer.open(1)
      writer.fixed64(3, this.#timeUnixNano)
      writer.double(4, values[at] as number)
      this.#attributes(7, key.labels)
      writer.close(start)
    }
    this.#endMetric()
  }

  /** A summary of prometheus_client has no quantiles: a count and a sum, so it is a histogram of one bucket. */
  #distributions(type: FileType, content: FileContent): void {
    const writer = this.#writer
    for (const { key, labels, bounds, counts, sum } of distributionsOf(type, content)) {
      this.#metricOf(key.metric, key.help, histogramField)
      const start = writer.open(1)
      writer.fixed64(3, this.#timeUnixNano)
      let count = 0
      for (const one of counts) count += one
      writer.fixed64(4, count)
      if (Number.isFinite(sum)) writer.double(5, sum as number) // Of what observed an infinity only the buckets are of use.
      writer.fixed64s(6, counts)
      writer.doubles(7, bounds)
      this.#attributes(9, labels)
      writer.close(start)
    }
    this.#endMetric()
  }

  #begin(job: string, timeUnixMs: number): () => Uint8Array {
    const writer = this.#writer
    writer.length = 0
    this.#timeUnixNano = timeUnixMs * 1e6
    this.#metric = ''
    const resourceMetrics = writer.open(1)
    const resource = writer.open(1)
    this.#attribute(1, 'service.name', job)
    writer.close(resource)
    const scopeMetrics = writer.open(2)
    return () => {
      writer.close(scopeMetrics)
      writer.close(resourceMetrics)
      return writer.finish()
    }
  }

  /** The points that follow are of this metric; those of one that stands before are not opened again. */
  #metricOf(name: string, help: string, field: number): void {
    if (this.#metric === name) return
    this.#endMetric()
    const writer = this.#writer
    this.#metric = name
    this.#metricStart = writer.open(2)
    writer.string(1, name)
    if (help !== '') writer.string(2, help)
    this.#pointsStart = writer.open(field)
    if (field === gaugeField) return
    writer.uint(2, cumulativeTemporality)
    if (field === sumField) writer.bool(3, true)
  }

  #endMetric(): void {
    if (this.#metric === '') return
    this.#writer.close(this.#pointsStart)
    this.#writer.close(this.#metricStart)
    this.#metric = ''
  }

  #attributes(field: number, labels: Readonly<Record<string, string>>): void {
    for (const name of Object.keys(labels)) this.#attribute(field, name, labels[name] as string)
  }

  #attribute(field: number, key: string, text: string): void {
    const writer = this.#writer
    const start = writer.open(field)
    writer.string(1, key)
    const value = writer.open(2)
    writer.string(1, text)
    writer.close(value)
    writer.close(start)
  }
}

interface Distribution {
  key: EntryKey
  labels: Readonly<Record<string, string>>
  bounds: number[]
  counts: number[]
  /** Undefined until it is found. */
  sum: number | undefined
}

/** Those that are whole: what a process has only begun to put there has counted nothing. */
function distributionsOf(type: FileType, { keys, values }: FileContent): Distribution[] {
  const found = new Map<string, Distribution & { buckets: [bound: number, count: number][] }>()
  for (const [at, key] of keys.entries()) {
    const { le, ...labels } = key.labels
    const id = `${key.metric} ${JSON.stringify(labels)}`
    let one = found.get(id)
    if (one === undefined) {
      one = { key, labels, bounds: [], counts: [], sum: undefined, buckets: [] }
      found.set(id, one)
    }
    const value = values[at] as number
    if (type === 'histogram' && le !== undefined) one.buckets.push([boundOf(le), Math.round(value)])
    else if (type === 'summary' && key.name.endsWith('_count'))
      one.buckets.push([Infinity, Math.round(value)])
    else if (key.name.endsWith('_sum')) one.sum = value
  }
  const whole: Distribution[] = []
  for (const one of found.values()) {
    one.buckets.sort(([a], [b]) => a - b)
    // The bucket without an upper bound is made last.
    if (one.buckets.at(-1)?.[0] !== Infinity || one.sum === undefined) continue
    for (const [bound, count] of one.buckets) {
      if (bound !== Infinity) one.bounds.push(bound)
      one.counts.push(count)
    }
    whole.push(one)
  }
  return whole
}

function boundOf(le: string): number {
  return le === '+Inf' ? Infinity : Number(le)
}
