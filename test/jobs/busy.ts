/**
 * Counts in a loop that never turns, until it is killed. Keeps its own record of how far it came, past the SDK: a file of
 * three float64 each time, the count, the milliseconds of CPU, and those of the clock.
 */
import { openSync, writeSync } from 'node:fs'
import { counter } from '@swansong/sdk'

const addsPerRecord = 1000
const [, , run = '', file = ''] = process.argv
const busy = counter('busy').bind({ run })
const descriptor = openSync(file, 'w')
const record = new Float64Array(3)
const bytes = new Uint8Array(record.buffer)
for (let count = 1; ; count++) {
  busy.add(1)
  if (count % addsPerRecord > 0) continue
  const { user, system } = process.threadCpuUsage()
  record[0] = count
  record[1] = (user + system) / 1000
  record[2] = performance.now()
  writeSync(descriptor, bytes)
}
