import { ROOT_CONTEXT, trace, ValueType } from '@opentelemetry/api'
import {
  AggregationType,
  createAllowListAttributesProcessor,
  createDenyListAttributesProcessor,
  MeterProvider,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { SwansongReader } from '@swansong/sdk/reader'

/** What Views make of instruments, attributes of every kind, and a metric producer that brings exemplars. */
const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const span = { traceId, spanId, traceFlags: 1 }
const producer: MetricProducer = {
  collect: () => {
    const exemplar = { filteredAttributes: { user: 'u' }, value: 2.5, timestamp: [5, 6], traceId, spanId }
    const point = { attributes: {}, startTime: [1, 2], endTime: [3, 4], value: 9, exemplars: [exemplar] }
    const descriptor = { name: 'produced', description: 'd', unit: '{u}', valueType: ValueType.DOUBLE }
    const metric = {
      descriptor,
      aggregationTemporality: 0,
      dataPointType: 3,
      isMonotonic: true,
      dataPoints: [point],
    }
    const wrong = { ...metric, descriptor: { ...descriptor, name: 'wrong' }, dataPointType: 77 }
    const scope = { name: 'producer', version: '2', schemaUrl: 'https://scope', attributes: { tier: 'gold' } }
    const scopeMetrics = [{ scope, metrics: [metric, wrong] }]
    return Promise.resolve({ resourceMetrics: { resource: {}, scopeMetrics }, errors: [] } as never)
  },
}
const resource = resourceFromAttributes(
  {
    'service.name': 'views',
    'service.instance.id': 'given',
    port: 8080,
    ratio: 0.5,
    on: true,
    list: ['a', 'b'],
    later: new Promise<string>((resolve) => setTimeout(() => resolve('settled'), 100)),
  },
  { schemaUrl: 'https://resource' }
)
const provider = new MeterProvider({
  resource,
  readers: [new SwansongReader({ metricProducers: [producer], cardinalityLimit: 4 })],
  views: [
    { instrumentName: 'old', name: 'new', description: 'renamed' },
    { instrumentName: 'allowed', attributesProcessors: [createAllowListAttributesProcessor(['keep'])] },
    { instrumentName: 'denied', attributesProcessors: [createDenyListAttributesProcessor(['drop'])] },
    { instrumentName: 'exponential*', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } },
    { instrumentName: 'dropped', aggregation: { type: AggregationType.DROP } },
    {
      instrumentName: 'bounded',
      aggregation: { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: [1, 2.5, 10] } },
    },
    {
      instrumentName: 'bare',
      aggregation: {
        type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM,
        options: { boundaries: [], recordMinMax: false },
      },
    },
    { instrumentName: 'limited', aggregationCardinalityLimit: 3 },
  ],
})
const meter = provider.getMeter('views', '1.2', { schemaUrl: 'https://meter' })
const context = trace.setSpanContext(ROOT_CONTEXT, span)
meter.createCounter('old', { unit: 'By' }).add(5, {}, context)
meter.createCounter('allowed').add(1, { keep: 'k', other: 1 })
meter.createCounter('allowed').add(1, { keep: 'k', other: 2 })
meter.createCounter('denied').add(3, { keep: 'k', drop: 1 })
const both = meter.createHistogram('exponential.both')
for (const value of [0, 1, 2, 4, 1000]) both.record(value)
meter.createHistogram('exponential.empty.sides').record(0)
meter.createCounter('dropped').add(1)
const bounded = meter.createHistogram('bounded', { unit: 's' })
for (const value of [1, 2, 2.5, 11]) bounded.record(value)
meter.createHistogram('bare').record(3)
const limited = meter.createCounter('limited')
for (let count = 0; count < 10; count++) limited.add(1, { count })
const reader = meter.createCounter('limited.by.reader')
for (let count = 0; count < 10; count++) reader.add(1, { count })
meter.createCounter('integers', { valueType: ValueType.INT }).add(2 ** 40)
meter.createHistogram('temperature').record(-5)
const open = meter.createUpDownCounter('open', { description: 'open ones' })
open.add(3)
open.add(-1)
const kinds = {
  text: 'ü',
  one: 1,
  half: 1.5,
  yes: true,
  none: undefined,
  many: ['a', 'b'],
  numbers: [1, 2.5],
}
meter.createCounter('kinds').add(1, kinds)
await provider.forceFlush()
open.add(-2)
await provider.forceFlush()
