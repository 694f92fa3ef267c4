import { openSync, writeSync } from 'node:fs'
import { configure, counter } from '@swansong/sdk'

/**
 * Counts in a loop that never turns, each add written through, until it is killed: `always.ts FILE SERIES`. Beside the
 * SDK it keeps its own record, of eight bytes: how many adds have returned, in a file that is written over and over.
 */
configure({ journal: 'always' })
const [file = '', series = '1'] = process.argv.slice(2)
const record = openSync(file, 'w')
const count = new Float64Array(1)
const bytes = new Uint8Array(count.buffer)
const busy = counter('busy', { attributes: ['series'] })
process.stdout.write('started\n') // A pipe of a child takes this at once.
for (let added = 1; ; added++) {
  busy.add(1, { series: `${added % Number(series)}` })
  count[0] = added
  writeSync(record, bytes, 0, 8, 0)
}
