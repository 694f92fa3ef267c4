import { metrics } from '@opentelemetry/api'
import { readOptions } from './options/read-options.ts'
import { sayLine } from './process/say.ts'
import { worker } from './worker.ts'

// `node --import @swansong/sdk/register job.js`: what the job counts through the API is counted by us.
// In a test run as well: nothing leaves it, but `@swansong/sdk/testing` is to see what the API counts.
const isOn = readOptions(process.env, { export: true }).exports
if (isOn && !metrics.setGlobalMeterProvider(worker())) {
  const api = (globalThis as { [key: symbol]: { version?: string; metrics?: unknown } | undefined })[
    Symbol.for('opentelemetry.js.api.1')
  ]
  const why =
    api?.metrics === undefined
      ? `another copy of @opentelemetry/api (${api?.version ?? 'unknown'}) was loaded first`
      : 'another metrics SDK was registered first'
  sayLine(`not registered, as ${why}: counters of the API are not counted`)
}
