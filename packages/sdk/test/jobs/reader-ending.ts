import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { SwansongReader } from '@swansong/sdk/reader'

/** Counts with every instrument of the stock SDK and ends at once: `reader-ending.ts ENDING`. */
const [ending = 'natural'] = process.argv.slice(2)
const provider = new MeterProvider({ readers: [new SwansongReader()] })
const meter = provider.getMeter('job', '1.0')
const done = meter.createCounter('done')
for (let count = 0; count < 1000; count++) done.add(1, { kind: count % 4 === 0 ? 'a' : 'b' })
meter.createHistogram('took', { advice: { explicitBucketBoundaries: [1, 10] } }).record(5)
meter.createUpDownCounter('open').add(3)
meter.createGauge('heat').record(21.5)
let read = 0
meter.createObservableCounter('reads').addCallback((result) => result.observe((read += 7)))
meter.createObservableUpDownCounter('size').addCallback((result) => result.observe(4))
const bytes = meter.createObservableCounter('bytes')
meter.addBatchObservableCallback((result) => result.observe(bytes, 11, { way: 'in' }), [bytes])
meter.createObservableCounter('later').addCallback(async (result) => {
  await new Promise((resolve) => setTimeout(resolve, 5))
  result.observe(2)
})

if (ending === 'exit') process.exit(7)
else if (ending === 'uncaught') throw new Error('uncaught on purpose')
else if (ending === 'rejection') void Promise.reject(new Error('rejected on purpose'))
else if (ending === 'exit in a promise') void Promise.resolve().then(() => process.exit(7))
else if (ending.startsWith('SIG')) {
  setInterval(() => {}, 1000)
  process.kill(process.pid, ending)
} else if (ending === 'shutdown') await provider.shutdown()
