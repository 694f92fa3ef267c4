import { openSync, writeSync } from 'node:fs'
import { counter } from '@swansong/sdk'

/**
 * Counts in a busy loop until it is killed, and notes in a file how many adds were done when: `busy.ts FILE fast|slow`.
 * Slow: a millisecond of work an add, after a burst of fast ones; it says when that is over.
 */
const [file = '', pace] = process.argv.slice(2)
const notes = openSync(file, 'w')
const note = new Float64Array(2)
const bytes = new Uint8Array(note.buffer)
const busy = counter('busy').bind({})
const burst = 200_000
process.stdout.write('started\n') // A pipe of a child takes this at once.

for (let count = 1; ; count++) {
  busy.add(1)
  if (pace === 'slow' && count === burst) process.stdout.write('slow\n')
  if (pace === 'slow' && count > burst) work()
  if (count % 500 === 0 || (pace === 'slow' && count > burst)) {
    note[0] = count
    note[1] = Number(process.hrtime.bigint()) / 1e6
    writeSync(notes, bytes)
  }
}

function work(): void {
  const end = process.hrtime.bigint() + 1_000_000n
  while (process.hrtime.bigint() < end);
}
