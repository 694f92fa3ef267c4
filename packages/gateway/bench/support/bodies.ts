import { encodeExportRequest } from '@swansong/otlp'

const typesOf = ['claim', 'visit', 'episode', 'refund']

/**
 * A request of `points` deltas of one counter with three attributes, as a worker sends it: resource with service.name, and
 * `series` different attribute sets from `first` on.
 */
export function deltaBody(points: number, first = 0, series: number = points): Uint8Array {
  const now = BigInt(Date.now()) * 1_000_000n
  const dataPoints = Array.from({ length: points }, (_, at) => {
    const number = first + (at % series)
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
                sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints },
              },
            ],
          },
        ],
      },
    ],
  })
}
