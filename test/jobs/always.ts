/**
 * Counts in a loop that never turns, each add written through, until it is killed: `always.ts RUN FILE`. Keeps its own
 * record, past the SDK: a file of one float64, how many adds have returned.
 */
import { openSync, writeSync } from 'node:fs'
import { configure, counter } from '@swansong/sdk'

const [, , run = '', file = ''] = process.argv
configure({ journal: 'always' })
const always = counter('always').bind({ run })
const descriptor = openSync(file, 'w')
const record = new Float64Array(1)
const bytes = new Uint8Array(record.buffer)
for (let count = 1; ; count++) {
  always.add(1)
  record[0] = count
  writeSync(descriptor, bytes, 0, 8, 0)
}
