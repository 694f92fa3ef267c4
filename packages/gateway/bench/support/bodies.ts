import { encodeExportRequest } from '@swansong/otlp'

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
  const now = BigInt(Date.now()) * 1_000_000n
  const dataPoints = Array.from({ length: points }, (_, at) => {
    const number = first + at
    return {
      attributes: [
        { key: 'region', value: { stringValue: `eu-central-${number % 7}` } },
        { key: 'shard', value: { stringValue: `shard-${number}` } },
        { key: 'type', value: { stringValue: typesOf[number % typesOf.length] as string } },
      ],
      startTimeUnixNano: now - 1_000_000n,
      timeUnixNano: now,
      asInt: 1n,
    }
  })
  return encodeExportRequest({
    resourceMetrics: [
      {
        resource: {
          attributes: [
            { key: 'service.name', value: { stringValue: 'bench' } },
            { key: 'telemetry.sdk.language', value: { stringValue: 'nodejs' } },
          ],
        },
        scopeMetrics: [
          {
            scope: { name: 'bench' },
            metrics: [
              {
                name: 'records.done',
                unit: '{record}',
                sum: { aggregationTemporality: cumulative ? 2 : 1, isMonotonic: true, dataPoints },
              },
            ],
          },
        ],
      },
    ],
  })
}
