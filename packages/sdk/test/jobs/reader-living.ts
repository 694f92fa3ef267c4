import { writeSync } from 'node:fs'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { SwansongReader, type SwansongReaderOptions } from '@swansong/sdk/reader'

/** Lives until it is killed, and counts once more each time it gets SIGUSR2: `reader-living.ts [OPTIONS]...`, a reader each. */
const readers = process.argv.slice(2).map((json) => JSON.parse(json) as SwansongReaderOptions)
const provider = new MeterProvider({ readers: readers.map((options) => new SwansongReader(options)) })
const meter = provider.getMeter('living')
const seen = meter.createCounter('seen')
const open = meter.createUpDownCounter('open')
setInterval(() => {}, 1000)
process.on('SIGUSR2', () => {
  seen.add(1)
  writeSync(1, 'counted\n')
})
process.on('SIGUSR1', () => {
  const tell = (name: string) => (error: unknown) =>
    writeSync(1, `${name}: ${error instanceof Error ? error.message : 'done'}\n`)
  void provider
    .forceFlush()
    .then(tell('flush'), tell('flush'))
    .then(() => provider.shutdown().then(tell('first'), tell('first')))
    .then(() => provider.shutdown().then(tell('second'), tell('second')))
})
seen.add(1)
open.add(2)
writeSync(1, 'ready\n')
