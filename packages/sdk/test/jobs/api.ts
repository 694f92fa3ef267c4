import { metrics } from '@opentelemetry/api'

/** Written against the API alone; `--import @swansong/sdk/register` counts it. */
const meter = metrics.getMeter('library', '2.0', { schemaUrl: 'https://schema' })
const requests = meter.createCounter<{ route: string }>('requests', { unit: '{request}' })
for (let count = 0; count < 100; count++) requests.add(1, { route: '/' })
meter.createHistogram('duration').record(1)
meter.createObservableGauge('heat').addCallback(() => {})
