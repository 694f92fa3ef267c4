import { writeSync } from 'node:fs'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { SwansongReader } from '@swansong/sdk/reader'

/** Callbacks that throw, that hang, and one that is as it should be: `reader-callbacks.ts [exit]`. */
const provider = new MeterProvider({ readers: [new SwansongReader()] })
const good = provider.getMeter('good')
good.createCounter('counted').add(4)
good.createObservableGauge('fine').addCallback((result) => result.observe(1))
const bad = provider.getMeter('bad')
bad.createObservableCounter('throws').addCallback(() => {
  throw new Error('on purpose')
})
bad.createObservableCounter('hangs').addCallback((result) => {
  result.observe(100)
  return new Promise(() => {})
})
bad.createCounter('beside').add(2)
setTimeout(() => {}, 100)
process.on('exit', () => writeSync(1, `${process.uptime().toFixed(2)} s\n`))
if (process.argv[2] === 'exit') process.exit(3)
