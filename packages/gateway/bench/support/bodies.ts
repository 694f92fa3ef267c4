import { encodeExportRequest, type Metric, type NumberDataPoint } from '@swansong/otlp'

const typesOf = ['claim', 'visit', 'episode', 'refund']

export interface SumBody {
  points: number
  /** The number of the first attribute set: each point has one of its own. */
  first?: number
  /** Running totals, as a journal has them, instead of deltas. */
  cumulative?: boolean
}

/** A request of points of one counter with three attributes each, as a worker sends it. */
export function sumBody({ points, first = 0, cumulative = false }: SumBody): Uint8Array {
  const dataPoints = pointsOf(points, first).map((point) => Object.assign(point, { asInt: 1n }))
  const aggregationTemporality = cumulative ? 2 : 1
  const sum = { aggregationTemporality, isMonotonic: true, dataPoints }
  return requestOf({ name: 'records.done', unit: '{record}', sum })
}

const explicitBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const bucketCounts = [1, 1, 1, 1, 2, 1, 1, 1, 2, 1, 0]

/** The same of a histogram of 11 buckets, deltas. */
export function histogramBody({ points, first = 0 }: SumBody): Uint8Array {
  const observed = { count: 12, sum: 3.25, min: 0.004, max: 4.5, explicitBounds, bucketCounts }
  const dataPoints = pointsOf(points, first).map((point) => Object.assign(point, observed))
  return requestOf({
    name: 'record.duration',
    unit: 's',
    histogram: { aggregationTemporality: 1, dataPoints },
  })
}

function pointsOf(
  points: number,
  first: number
): Pick<NumberDataPoint, 'attributes' | 'startTimeUnixNano' | 'timeUnixNano'>[] {
  const now = BigInt(Date.now()) * 1_000_000n
  return Array.from({ length: points }, (_, at) => {
    const number = first + at
    return {
      attributes: [
        { key: 'region', value: { stringValue: `eu-central-${number % 7}` } },
        { key: 'shard', value: { stringValue: `shard-${number}` } },
        { key: 'type', value: { stringValue: typesOf[number % typesOf.length] as string } },
      ],
      startTimeUnixNano: now - 1_000_000n,
      timeUnixNano: now,
    }
  })
}

function requestOf(metric: Metric): Uint8Array {
  const attributes = [
    { key: 'service.name', value: { stringValue: 'bench' } },
    { key: 'telemetry.sdk.language', value: { stringValue: 'nodejs' } },
  ]
  const scopeMetrics = [{ scope: { name: 'bench' }, metrics: [metric] }]
  return encodeExportRequest({ resourceMetrics: [{ resource: { attributes }, scopeMetrics }] })
}
