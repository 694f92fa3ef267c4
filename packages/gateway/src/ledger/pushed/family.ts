import { Reader, Writer } from '@swansong/otlp/wire'

/** The types of io.prometheus.client.MetricFamily that are taken, each at its number there. */
export const familyTypes = ['counter', 'gauge', 'summary', 'untyped', 'histogram'] as const

export type FamilyType = (typeof familyTypes)[number]

export interface Label {
  name: string
  value: string
}

/** A line of a family, or the lines of one summary or histogram. */
export interface Sample {
  labels: Label[]
  /** Of a summary or a histogram its sum; undefined where there is none. */
  value: number | undefined
  /** Of a summary or a histogram. */
  count: number
  /** Quantiles and their values, or upper bounds and what is counted up to them. */
  parts: { at: number; value: number }[]
  hasTimestamp: boolean
}

/** How much may still be read. */
export interface Room {
  parts: number
}

/** To be called for each sample, label, bucket and quantile. Throws a RangeError where there are too many. */
export function takePart(room: Room): void {
  if (--room.parts < 0) throw new RangeError('there are too many samples, labels and buckets')
}

/** A family of metrics as Prometheus has them: of one name and type. */
export interface Family {
  name: string
  help: string
  type: FamilyType
  samples: Sample[]
}

// io.prometheus.client, by metrics.proto: field << 3 | wire type.
const familyNameTag = (1 << 3) | 2
const helpTag = (2 << 3) | 2
const typeTag = 3 << 3
const metricTag = (4 << 3) | 2
const labelTag = (1 << 3) | 2
const timestampTag = 6 << 3
/** The field of Metric in which a sample of each type is. */
const sampleFields: Readonly<Record<FamilyType, number>> = {
  gauge: 2,
  counter: 3,
  summary: 4,
  untyped: 5,
  histogram: 7,
}
const labelNameTag = (1 << 3) | 2
const labelValueTag = (2 << 3) | 2
const valueTag = (1 << 3) | 1
const countTag = 1 << 3
const sumTag = (2 << 3) | 1
const partTag = (3 << 3) | 2
const countFloatTag = (4 << 3) | 1
const quantileTag = (1 << 3) | 1
const quantileValueTag = (2 << 3) | 1
const bucketCountTag = 1 << 3
const bucketBoundTag = (2 << 3) | 1

/**
 * A MetricFamily in [start, end). Throws an OtlpError for bytes that are none, a TypeError for what they cannot mean. Fields
 * that text 0.0.4 has no words for (exemplars, native buckets) are left out.
 */
export function readFamily(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
  room: Room = { parts: Infinity }
): Family {
  const reader = new Reader(bytes, start, end)
  const family: Family = { name: '', help: '', type: 'counter', samples: [] }
  let type = 0
  const metrics: { at: number; end: number }[] = []
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === familyNameTag) family.name = readText(reader)
    else if (tag === helpTag) family.help = readText(reader)
    else if (tag === typeTag) type = reader.varint()
    else if (tag === metricTag) {
      const metricEnd = reader.lengthEnd()
      takePart(room)
      metrics.push({ at: reader.at, end: metricEnd })
      reader.at = metricEnd
    } else reader.skip(tag)
  }
  const named = familyTypes[type]
  if (named === undefined) throw new TypeError(`${family.name} is of type ${type}, which is not taken`)
  family.type = named
  for (const metric of metrics) {
    reader.reset(bytes, metric.at, metric.end)
    family.samples.push(readSample(reader, metric.end, family, room))
  }
  return family
}

function readSample(reader: Reader, end: number, { name, type }: Family, room: Room): Sample {
  const sample: Sample = { labels: [], value: undefined, count: 0, parts: [], hasTimestamp: false }
  const sampleTag = (sampleFields[type] << 3) | 2
  let isThere = false
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === labelTag) {
      takePart(room)
      sample.labels.push(readLabel(reader))
    } else if (tag === timestampTag) {
      reader.skip(tag)
      sample.hasTimestamp = true
    } else if (tag === sampleTag) {
      isThere = true
      const sampleEnd = reader.lengthEnd()
      if (type === 'summary' || type === 'histogram') readDistribution(reader, sampleEnd, type, sample, room)
      else readValue(reader, sampleEnd, sample)
      reader.at = sampleEnd
    } else reader.skip(tag)
  }
  if (!isThere) throw new TypeError(`a metric of ${name} is no ${type}, as its family says it is`)
  return sample
}

function readLabel(reader: Reader): Label {
  const end = reader.lengthEnd()
  const label: Label = { name: '', value: '' }
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === labelNameTag) label.name = readText(reader)
    else if (tag === labelValueTag) label.value = readText(reader)
    else reader.skip(tag)
  }
  return label
}

function readValue(reader: Reader, end: number, sample: Sample): void {
  sample.value = 0
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === valueTag) sample.value = reader.double()
    else reader.skip(tag)
  }
}

function readDistribution(reader: Reader, end: number, type: FamilyType, sample: Sample, room: Room): void {
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === countTag) sample.count = reader.varint()
    else if (tag === sumTag) sample.value = reader.double()
    else if (tag === countFloatTag) sample.count = reader.double()
    else if (tag === partTag) {
      takePart(room)
      const partEnd = reader.lengthEnd()
      sample.parts.push(readPart(reader, partEnd, type === 'summary'))
    } else reader.skip(tag)
  }
}

function readPart(reader: Reader, end: number, isQuantile: boolean): { at: number; value: number } {
  const part = { at: 0, value: 0 }
  while (reader.at < end) {
    const tag = reader.tag()
    if (isQuantile && tag === quantileTag) part.at = reader.double()
    else if (isQuantile && tag === quantileValueTag) part.value = reader.double()
    else if (!isQuantile && tag === bucketCountTag) part.value = reader.varint()
    else if (!isQuantile && tag === bucketBoundTag) part.at = reader.double()
    else if (!isQuantile && tag === countFloatTag) part.value = reader.double()
    else reader.skip(tag)
  }
  return part
}

function readText(reader: Reader): string {
  const end = reader.lengthEnd()
  const text = utf8.decode(reader.bytes.subarray(reader.at, end)) // Throws a TypeError where it is not UTF-8.
  reader.at = end
  return text
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** As a MetricFamily. */
export function encodeFamily({ name, help, type, samples }: Family): Uint8Array {
  const writer = new Writer()
  writer.string(1, name)
  if (help !== '') writer.string(2, help)
  writer.uint(3, familyTypes.indexOf(type))
  for (const sample of samples) writeSample(writer, type, sample)
  return writer.finish()
}

function writeSample(writer: Writer, type: FamilyType, { labels, value, count, parts }: Sample): void {
  const metric = writer.open(4)
  for (const label of labels) {
    const pair = writer.open(1)
    writer.string(1, label.name)
    writer.string(2, label.value)
    writer.close(pair)
  }
  const inner = writer.open(sampleFields[type])
  if (type === 'summary' || type === 'histogram') {
    // Counts that are no whole numbers have fields of their own, but not in a summary.
    if (type === 'summary' || Number.isSafeInteger(count)) writer.uint(1, Math.floor(count))
    else writer.double(4, count)
    if (value !== undefined) writer.double(2, value)
    for (const part of parts) writePart(writer, type, part)
  } else writer.double(1, value ?? 0)
  writer.close(inner)
  writer.close(metric)
}

function writePart(writer: Writer, type: FamilyType, { at, value }: { at: number; value: number }): void {
  const part = writer.open(3)
  if (type === 'summary') {
    writer.double(1, at)
    writer.double(2, value)
  } else {
    if (Number.isSafeInteger(value)) writer.uint(1, value)
    else writer.double(4, value)
    writer.double(2, at)
  }
  writer.close(part)
}
