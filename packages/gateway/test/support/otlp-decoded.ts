import {
  type Attribute,
  decodeExportRequest,
  type DistributionPoint,
  exemplarsFields,
  type ExponentialBuckets,
  type ExportVisitor,
  metricKinds,
  type MetricFrame,
  type NumberList,
  type PointFrame,
  readAttributes,
  type ReadExemplar,
  readExemplars,
  readScope,
  readString,
  resourceAttributesField,
  type Scope,
} from '@swansong/otlp'

/** A point as it stands in a request, with all that it is of. */
export interface DecodedPoint {
  resource: Record<string, Attribute['value']>
  scope: Scope & { schemaUrl: string }
  name: string
  unit: string
  description: string
  kind: keyof typeof metricKinds
  temporality: number
  monotonic: boolean
  attributes: Record<string, Attribute['value']>
  startTimeUnixNano: number
  timeUnixNano: number
  flags: number
  exemplars: ReadExemplar[]
  value?: number | undefined
  count?: number
  sum?: number | undefined
  min?: number | undefined
  max?: number | undefined
  bucketCounts?: number[]
  explicitBounds?: number[]
  scale?: number
  zeroCount?: number
  zeroThreshold?: number
  positive?: { offset: number; counts: number[] }
  negative?: { offset: number; counts: number[] }
}

type Inherited = Pick<
  DecodedPoint,
  'resource' | 'scope' | 'name' | 'unit' | 'description' | 'kind' | 'temporality' | 'monotonic'
>

/** The points of a request, read by the decoder that receivers of ours have. */
export function decodedPoints(body: Uint8Array): DecodedPoint[] {
  const points: DecodedPoint[] = []
  const of: Inherited = {
    resource: {},
    scope: { name: '', version: '', attributes: [], schemaUrl: '' },
    name: '',
    unit: '',
    description: '',
    kind: 'none',
    temporality: 0,
    monotonic: false,
  }
  const add = (point: PointFrame, exemplarsField: number, more: Partial<DecodedPoint>): void => {
    const { attributeBytes, attributesStart, attributesEnd, exemplarsStart, exemplarsEnd } = point
    points.push({
      ...of,
      attributes: record(readAttributes(attributeBytes, attributesStart, attributesEnd)),
      startTimeUnixNano: point.startTimeUnixNano,
      timeUnixNano: point.timeUnixNano,
      flags: point.flags,
      exemplars: readExemplars(body, exemplarsStart, exemplarsEnd, exemplarsField),
      ...more,
    })
  }
  const visitor: ExportVisitor = {
    resource(bytes, start, end) {
      of.resource = record(readAttributes(bytes, start, end, resourceAttributesField))
    },
    scope(bytes, start, end, urlStart, urlEnd) {
      of.scope = { ...readScope(bytes, start, end), schemaUrl: readString(bytes, urlStart, urlEnd) }
    },
    metric: (frame) => Object.assign(of, metricOf(frame)),
    numberPoint(point) {
      add(point, exemplarsFields.number, { value: point.valueKind === 'none' ? undefined : point.value })
    },
    histogramPoint(point) {
      const { bucketCounts, explicitBounds } = point
      const lists = { bucketCounts: listOf(bucketCounts), explicitBounds: listOf(explicitBounds) }
      add(point, exemplarsFields.histogram, { ...distribution(point), ...lists })
    },
    exponentialHistogramPoint(point) {
      const { scale, zeroCount, zeroThreshold, positive, negative } = point
      const sides = { positive: sideOf(positive), negative: sideOf(negative) }
      const more = { ...distribution(point), scale, zeroCount, zeroThreshold, ...sides }
      add(point, exemplarsFields.exponentialHistogram, more)
    },
    summaryPoint() {
      throw new Error('a summary')
    },
  }
  decodeExportRequest(body, visitor)
  return points
}

function metricOf(frame: MetricFrame): Partial<Inherited> {
  const { bytes, kind, temporality, monotonic } = frame
  const kinds = Object.entries(metricKinds) as [DecodedPoint['kind'], number][]
  return {
    name: readString(bytes, frame.nameStart, frame.nameEnd),
    unit: readString(bytes, frame.unitStart, frame.unitEnd),
    description: readString(bytes, frame.descriptionStart, frame.descriptionEnd),
    kind: kinds.find(([, number]) => number === kind)?.[0] ?? 'none',
    temporality,
    monotonic,
  }
}

function distribution(point: DistributionPoint): Partial<DecodedPoint> {
  const { count, hasSum, sum, hasMin, min, hasMax, max } = point
  return {
    count,
    sum: hasSum ? sum : undefined,
    min: hasMin ? min : undefined,
    max: hasMax ? max : undefined,
  }
}

function listOf({ values, length }: NumberList): number[] {
  return [...values.subarray(0, length)]
}

function sideOf({ offset, counts }: ExponentialBuckets): { offset: number; counts: number[] } {
  return { offset, counts: listOf(counts) }
}

function record(attributes: readonly Attribute[]): Record<string, Attribute['value']> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value]))
}
