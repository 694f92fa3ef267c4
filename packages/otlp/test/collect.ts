import {
  decodeExportRequest,
  readAttributes,
  readScope,
  readString,
  resourceAttributesField,
  type Attribute,
  type DistributionPoint,
  type ExponentialHistogramPoint,
  type ExportVisitor,
  type HistogramPoint,
  type MetricFrame,
  type MetricKind,
  type NumberList,
  type NumberPoint,
  type PointFrame,
} from '@swansong/otlp'

interface CollectedFrame {
  attributes: Attribute[]
  start: number
  time: number
  flags: number
}

export interface CollectedPoint extends CollectedFrame {
  value: number
  valueKind: 'none' | 'double' | 'int'
}

interface CollectedDistribution extends CollectedFrame {
  count: number
  /** Undefined where there is none. */
  sum: number | undefined
  min: number | undefined
  max: number | undefined
}

export interface CollectedHistogram extends CollectedDistribution {
  counts: number[]
  bounds: number[]
}

export interface CollectedExponential extends CollectedDistribution {
  scale: number
  zeroCount: number
  zeroThreshold: number
  /** The offset, then the counts. */
  positive: number[]
  negative: number[]
}

export interface CollectedMetric {
  name: string
  unit: string
  description: string
  kind: MetricKind
  temporality: number
  monotonic: boolean
  points: CollectedPoint[]
  histograms: CollectedHistogram[]
  exponentials: CollectedExponential[]
  summaries: number
}

export interface CollectedScope {
  name: string
  version: string
  schemaUrl: string
  attributes: Attribute[]
  metrics: CollectedMetric[]
}

export interface CollectedResource {
  attributes: Attribute[]
  scopes: CollectedScope[]
}

/** Everything that a request's visitor hears, as objects. */
export function collect(bytes: Uint8Array): CollectedResource[] {
  const collector = new Collector()
  decodeExportRequest(bytes, collector)
  return collector.resources
}

/** All metrics of a request, of whatever resource and scope. */
export function collectMetrics(bytes: Uint8Array): CollectedMetric[] {
  return collect(bytes).flatMap(({ scopes }) => scopes.flatMap(({ metrics }) => metrics))
}

class Collector implements ExportVisitor {
  readonly resources: CollectedResource[] = []
  #resource: CollectedResource | undefined
  #scope: CollectedScope | undefined
  #metric: CollectedMetric | undefined

  resource(bytes: Uint8Array, start: number, end: number): void {
    this.#resource = { attributes: readAttributes(bytes, start, end, resourceAttributesField), scopes: [] }
    this.resources.push(this.#resource)
  }

  scope(bytes: Uint8Array, start: number, end: number, schemaUrlStart: number, schemaUrlEnd: number): void {
    const schemaUrl = readString(bytes, schemaUrlStart, schemaUrlEnd)
    this.#scope = { ...readScope(bytes, start, end), schemaUrl, metrics: [] }
    this.#resource?.scopes.push(this.#scope)
  }

  metric(metric: MetricFrame): void {
    this.#metric = {
      name: readString(metric.bytes, metric.nameStart, metric.nameEnd),
      unit: readString(metric.bytes, metric.unitStart, metric.unitEnd),
      description: readString(metric.bytes, metric.descriptionStart, metric.descriptionEnd),
      kind: metric.kind,
      temporality: metric.temporality,
      monotonic: metric.monotonic,
      points: [],
      histograms: [],
      exponentials: [],
      summaries: 0,
    }
    this.#scope?.metrics.push(this.#metric)
  }

  numberPoint(point: NumberPoint): void {
    const { value, valueKind } = point
    this.#metric?.points.push({ ...frameOf(point), value, valueKind })
  }

  histogramPoint(point: HistogramPoint): void {
    const counts = listOf(point.bucketCounts)
    this.#metric?.histograms.push({ ...distributionOf(point), counts, bounds: listOf(point.explicitBounds) })
  }

  exponentialHistogramPoint(point: ExponentialHistogramPoint): void {
    const { scale, zeroCount, zeroThreshold } = point
    const positive = [point.positive.offset, ...listOf(point.positive.counts)]
    const negative = [point.negative.offset, ...listOf(point.negative.counts)]
    const own = { scale, zeroCount, zeroThreshold, positive, negative }
    this.#metric?.exponentials.push({ ...distributionOf(point), ...own })
  }

  summaryPoint(): void {
    if (this.#metric !== undefined) this.#metric.summaries++
  }
}

function frameOf(point: PointFrame): CollectedFrame {
  return {
    attributes: readAttributes(point.attributeBytes, point.attributesStart, point.attributesEnd),
    start: point.startTimeUnixNano,
    time: point.timeUnixNano,
    flags: point.flags,
  }
}

function distributionOf(point: DistributionPoint): CollectedDistribution {
  return {
    ...frameOf(point),
    count: point.count,
    sum: point.hasSum ? point.sum : undefined,
    min: point.hasMin ? point.min : undefined,
    max: point.hasMax ? point.max : undefined,
  }
}

function listOf({ values, length }: NumberList): number[] {
  return [...values.subarray(0, length)]
}
