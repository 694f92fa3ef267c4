import { encodeExportRequest, type AnyValue, type Exemplar, type Metric } from '@swansong/otlp'
import { keyValues } from './requests.ts'

const second = 1_000_000_000n
const time = 1_700_000_000n * second
const startTimeUnixNano = time - second

/** A number that is shown under some name, told by its label `id`. */
interface Told {
  id: string
  value: number
  metric: Metric
}

function counter(id: string, name: string, unit: string, value: number, more: Labels = {}): Told {
  const attributes = keyValues({ id, ...more })
  const dataPoints = [{ attributes, asDouble: value, timeUnixNano: time, startTimeUnixNano }]
  const metric = { name, unit, sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints } }
  return { id, value, metric }
}

function gauge(id: string, name: string, unit: string, value: number, more: Labels = {}): Told {
  const dataPoints = [{ attributes: keyValues({ id, ...more }), asDouble: value, timeUnixNano: time }]
  return { id, value, metric: { name, unit, gauge: { dataPoints } } }
}

type Labels = Record<string, string | number | boolean>

const traceId = Uint8Array.from({ length: 16 }, (_, at) => at + 1)
const spanId = Uint8Array.from({ length: 8 }, (_, at) => 255 - at)

function exemplar(asDouble: number, filtered: Record<string, AnyValue>): Exemplar {
  const filteredAttributes = Object.entries(filtered).map(([key, value]) => ({ key, value }))
  return { asDouble, timeUnixNano: time + second / 4n, traceId, spanId, filteredAttributes }
}

const numbers: Told[] = [
  counter('suffix', 'jobs.done', '{job}', 1),
  counter('unit', 'io', 'By', 2 ** 53),
  counter('per', 'rate', 'By/s', 0.1),
  counter('braces', 'hits', '{request}', 3),
  counter('there', 'io.bytes.total', 'By', 4),
  counter('signs', '日本', '', 5),
  counter('other signs', '中国', '', 6),
  counter('some signs', 'größe', 's', 7),
  counter('digit', '2fast', '', 8),
  counter('one', 'a.b', '', 9),
  counter('other', 'a_b', '', 10),
  counter('merged', 'mer.ged', '', 20),
  counter('merged', 'mer_ged', '', 21),
  counter('runs', 'x..y--z', '%', 11),
  counter('own', 'swansong.points', '', 12),
  counter('unknown unit', 'y', 'parsec', 13),
  counter('quote', 'with"quote\\and\nline', '', 14),
  gauge('ratio', 'utilization', '1', 1 / 3),
  gauge('celsius', 'temperature', 'Cel', -40),
  gauge('least', 'least', '', 5e-324),
  gauge('greatest', 'greatest', '', 1.7976931348623157e308),
  gauge('long', 'long', 'd', 123_456_789_012),
  gauge('large', 'large', '', 1e21),
  gauge('small', 'small', '', -1e-7),
  gauge('infinite', 'infinite', '', -Infinity),
  gauge('target', 'target.info', '', 15),
  gauge('labels', 'labels', '', 16, {
    'a.b': 1,
    a_b: '2',
    日本: 'x',
    'key:colon': true,
    '1st': 'y',
    __name__: 'z',
  }),
  gauge('escapes', 'escapes', '', 17, { value: 'a"b\\c\nd 💥' }),
  gauge('reserved', 'reserved', '', 18, { job: 'mine', instance: 'here', le: '1', quantile: '0.5' }),
]

const count = 4
const bounds = [0.00001, 0.5, 1, 1_000_000, 1e21]
const bucketCounts = [1, 0, 1, 1, 0, 1]

const others: Metric[] = [
  {
    name: 'request.size',
    unit: 'By',
    description: 'How "large",\nin \\ bytes.',
    histogram: {
      aggregationTemporality: 1,
      dataPoints: [
        {
          timeUnixNano: time,
          startTimeUnixNano,
          attributes: keyValues({ le: '7' }),
          count,
          sum: 1e22,
          explicitBounds: bounds,
          bucketCounts,
          exemplars: [
            exemplar(0.75, { 'http.path': { stringValue: '/"x"' } }),
            exemplar(1e22, { long: { stringValue: 'x'.repeat(200) } }),
          ],
        },
      ],
    },
  },
  {
    name: 'without.sum',
    histogram: {
      aggregationTemporality: 1,
      dataPoints: [
        { timeUnixNano: time, startTimeUnixNano, count: 2, explicitBounds: [-1, 1], bucketCounts: [1, 0, 1] },
      ],
    },
  },
  {
    name: 'fine',
    unit: 'ms',
    exponentialHistogram: {
      aggregationTemporality: 1,
      dataPoints: [
        {
          timeUnixNano: time,
          startTimeUnixNano,
          count: 5,
          sum: 10,
          scale: 0,
          zeroCount: 1,
          positive: { offset: -1, bucketCounts: [1, 1, 2] },
          exemplars: [exemplar(3, {})],
        },
      ],
    },
  },
  {
    name: 'marked',
    sum: {
      aggregationTemporality: 1,
      isMonotonic: true,
      dataPoints: [{ timeUnixNano: time, startTimeUnixNano, asInt: 3n, exemplars: [exemplar(1, {})] }],
    },
  },
]

/** By `id` what all lines of it show together: numbers, names, units and labels that a format could get wrong. */
export const awkwardNumbers: ReadonlyMap<string, number> = numbers.reduce(
  (sums, { id, value }) => sums.set(id, (sums.get(id) ?? 0) + value),
  new Map<string, number>()
)

/** All of them, and histograms and exemplars, as one request. */
export function awkwardRequest(): Uint8Array {
  const resource = {
    'service.namespace': 'name space',
    'service.name': 'awkward',
    'deployment.environment.name': 'test "x"',
  }
  const scope = { name: 'lib', version: '1.2', attributes: keyValues({ 'my.key': 'v' }) }
  const metrics = [...numbers.map(({ metric }) => metric), ...others]
  return encodeExportRequest({
    resourceMetrics: [
      {
        resource: { attributes: keyValues(resource) },
        scopeMetrics: [{ scope, schemaUrl: 'https://example.com/1', metrics }],
      },
    ],
  })
}
