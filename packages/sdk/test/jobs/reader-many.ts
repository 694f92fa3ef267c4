import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { SwansongReader } from '@swansong/sdk/reader'

/** Counts in so many series by the stock SDK, and ends: `reader-many.ts COUNT natural|exit`. */
const [count = '1', ending] = process.argv.slice(2)
const meter = new MeterProvider({ readers: [new SwansongReader()] }).getMeter('many')
const many = meter.createCounter('many')
for (let each = 0; each < Number(count); each++) many.add(1, { name: `number ${each}` })
meter.createUpDownCounter('open').add(3)
if (ending === 'exit') process.exit(7)
