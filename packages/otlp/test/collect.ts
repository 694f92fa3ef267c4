import {
  decodeExportRequest,
  exemplarsFields,
  readAttributes,
  readExemplars,
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
  type ReadExemplar,
} from '@swansong/otlp'

interface CollectedFrame {
  attributes: Attribute[]
  start: number
  time: number
  flags: number
  exemplars: ReadExemplar[]
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
  #bytes: Uint8Array = new Uint8Array(0)

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
    this.#bytes = metric.bytes
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
    this.#metric?.points.push({ ...this.#frameOf(point, exemplarsFields.number), value, valueKind })
  }

  histogramPoint(point: HistogramPoint): void {
    const counts = listOf(point.bucketCounts)
    const frame = this.#distributionOf(point, exemplarsFields.histogram)
    this.#metric?.histograms.push({ ...frame, counts, bounds: listOf(point.explicitBounds) })
  }

  exponentialHistogramPoint(point: ExponentialHistogramPoint): void {
    const { scale, zeroCount, zeroThreshold } = point
    const positive = [point.positive.offset, ...listOf(point.positive.counts)]
    const negative = [point.negative.offset, ...listOf(point.negative.counts)]
    const own = { scale, zeroCount, zeroThreshold, positive, negative }
    const frame = this.#distributionOf(point, exemplarsFields.exponentialHistogram)
    this.#metric?.exponentials.push({ ...frame, ...own })
  }

  summaryPoint(): void {
    if (this.#metric !== undefined) this.#metric.summaries++
  }

  #frameOf(point: PointFrame, exemplarsField: number): CollectedFrame {
    return {
      attributes: readAttributes(point.attributeBytes, point.attributesStart, point.attributesEnd),
      start: point.startTimeUnixNano,
      time: point.timeUnixNano,
      flags: point.flags,
      exemplars: readExemplars(this.#bytes, point.exemplarsStart, point.exemplarsEnd, exemplarsField),
    }
  }

  #distributionOf(point: DistributionPoint, exemplarsField: number): CollectedDistribution {
    return {
      ...this.#frameOf(point, exemplarsField),
      count: point.count,
      sum: point.hasSum ? point.sum : undefined,
      min: point.hasMin ? point.min : undefined,
      max: point.hasMax ? point.max : undefined,
    }
  }
}

function listOf({ values, length }: NumberList): number[] {
  return [...values.subarray(0, length)]
}
