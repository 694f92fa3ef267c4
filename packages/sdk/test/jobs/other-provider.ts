import { metrics } from '@opentelemetry/api'

/** Stands for an SDK, or a copy of the API, that was there first. */
if (process.env['OTHER'] === 'provider') metrics.setGlobalMeterProvider(metrics.getMeterProvider())
else Object.assign(globalThis, { [Symbol.for('opentelemetry.js.api.1')]: { version: '1.4.0' } })
