import { metrics } from '@opentelemetry/api'

/** Written against the API alone; `--import @swansong/sdk/register` counts it. */
const meter = metrics.getMeter('library', '2.0', { schemaUrl: 'https://schema' })
const requests = meter.createCounter<{ route: string }>('requests', { unit: '{request}' })
for (let count = 0; count < 100; count++) requests.add(1, { route: '/' })
meter.createHistogram('duration').record(1)
meter.createUpDownCounter('open').add(2)
meter.createGauge('level').record(3)
meter.createObservableGauge('heat').addCallback((result) => result.observe(4))
meter.createObservableCounter('ticks').addCallback((result) => result.observe(5))
meter.createObservableUpDownCounter('queue').addCallback(async (result) => {
  await new Promise((resolve) => setTimeout(resolve, 20))
  result.observe(6)
})
