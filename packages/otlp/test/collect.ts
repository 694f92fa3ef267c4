import {
  decodeExportRequest,
  readAttributes,
  readScope,
  readString,
  resourceAttributesField,
  type Attribute,
  type ExportVisitor,
  type MetricFrame,
  type MetricKind,
  type NumberPoint,
} from '@swansong/otlp'

export interface CollectedPoint {
  attributes: Attribute[]
  start: number
  time: number
  value: number
  valueKind: 'none' | 'double' | 'int'
  flags: number
}

export interface CollectedMetric {
  name: string
  unit: string
  description: string
  kind: MetricKind
  temporality: number
  monotonic: boolean
  points: CollectedPoint[]
  otherPoints: number
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
      otherPoints: 0,
    }
    this.#scope?.metrics.push(this.#metric)
  }

  numberPoint(point: NumberPoint): void {
    this.#metric?.points.push({
      attributes: readAttributes(point.attributeBytes, point.attributesStart, point.attributesEnd),
      start: point.startTimeUnixNano,
      time: point.timeUnixNano,
      value: point.value,
      valueKind: point.valueKind,
      flags: point.flags,
    })
  }

  otherPoint(): void {
    if (this.#metric !== undefined) this.#metric.otherPoints++
  }
}
