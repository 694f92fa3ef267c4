/*
 * The jobs that are measured, as they would be written: the same work with our SDK, with the stock one, and with neither.
 * What an `add` costs is measured within one process, after the code is warm; the best of six rounds of CPU time, as
 * other work on the machine only adds to it.
 */

const countTimes = 1000

export const empty = ''

export const importOurs: string = `import '@swansong/sdk'`

export const countOurs: string = `import { counter } from '@swansong/sdk'
const jobs = counter('jobs', { unit: '{job}', attributes: ['kind', 'result'] })
for (let each = 0; each < ${countTimes}; each++) jobs.add(1, { kind: 'a', result: 'ok' })`

/** As its documentation has it; awaited, as without that nothing of it arrives. */
const stock = `import { metrics } from '@opentelemetry/api'
import { AggregationTemporality, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
const exporter = new OTLPMetricExporter({ temporalityPreference: AggregationTemporality.DELTA })
const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] })
metrics.setGlobalMeterProvider(provider)
const meter = metrics.getMeter('job')`

export const countStock: string = `${stock}
const jobs = meter.createCounter('jobs', { unit: '{job}' })
for (let each = 0; each < ${countTimes}; each++) jobs.add(1, { kind: 'a', result: 'ok' })
await provider.shutdown()`

const timing = `const gc = globalThis.gc
const time = (name, run) => {
  let best = Infinity
  for (let round = 0; round < 6; round++) {
    const start = process.cpuUsage()
    run(2e6)
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, ((user + system) * 1000) / 2e6)
  }
  console.log(JSON.stringify([name, best]))
}
const two = { kind: 'a', result: 'ok' }
const five = { a: 'x', b: 'y', c: 1, d: true, e: 'z' }
const memory = (name, add) => {
  gc()
  const before = process.memoryUsage()
  for (let id = 0; id < 1999; id++) add(id)
  gc()
  const after = process.memoryUsage()
  const bytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
  console.log(JSON.stringify([name, bytes / 1999]))
}
const measure = (bare, none, some, many, histogram) => {
  time('add, no attributes', (n) => { for (let i = 0; i < n; i++) none.add(1) })
  time('add, 2 attributes, shared object', (n) => { for (let i = 0; i < n; i++) some.add(1, two) })
  time('add, 2 attributes, fresh object', (n) => { for (let i = 0; i < n; i++) some.add(1, { kind: 'a', result: 'ok' }) })
  time('add, 5 attributes, shared object', (n) => { for (let i = 0; i < n; i++) many.add(1, five) })
  time('add, 5 attributes, fresh object', (n) => { for (let i = 0; i < n; i++) many.add(1, { a: 'x', b: 'y', c: 1, d: true, e: 'z' }) })
  time('record, 2 attributes, histogram', (n) => { for (let i = 0; i < n; i++) histogram.record(i % 1000, two) })
  memory('bytes a series', (id) => bare.add(1, { kind: 'a', id }))
}`

export const addsOurs: string = `import { counter, histogram } from '@swansong/sdk'
${timing}
const bound = counter('bound').bind(two)
time('add, bound', (n) => { for (let i = 0; i < n; i++) bound.add(1) })
measure(counter('series'), counter('none'), counter('some'), counter('many'), histogram('h'))`

export const addsStock: string = `${stock}
${timing}
measure(...['series', 'none', 'some', 'many'].map((name) => meter.createCounter(name)), meter.createHistogram('h'))
process.exit(0)`
