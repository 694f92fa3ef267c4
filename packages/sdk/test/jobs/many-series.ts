import { writeSync } from 'node:fs'
import { configure, counter, flush } from '@swansong/sdk'

/** Counts 1 in so many series, one more in the first, and says how flushing went: `many-series.ts PACE SERIES`. */
const [pace = '', series = ''] = process.argv.slice(2)
configure({ journal: pace as 'interval' | 'always' })
const many = counter('many', { attributes: ['series'] })
for (let each = 0; each < Number(series); each++) many.add(1, { series: String(each) })
many.add(1, { series: '0' })
await flush().then(
  () => writeSync(1, 'flushed'),
  (error: Error) => writeSync(1, error.message)
)
