import fs from 'node:fs'
import { configure, counter } from '@swansong/sdk'

/** Counts 300 times on a disk that is full after the first hundred, half a write at first: `full-disk.ts PACE
 * full|passing|hiccup`. With a hiccup only one write is cut short, and the job is killed after the last add. */
const [pace = '', how = ''] = process.argv.slice(2)
configure({ journal: pace as 'interval' | 'always' })
const seen = counter('seen')
const write = fs.writeSync as (...given: unknown[]) => number
let writes = 0
let isFull = false
const fullWrite = (descriptor: number, bytes: Uint8Array, ...rest: number[]): number => {
  if (!isFull || descriptor < 3) return write(descriptor, bytes, ...rest)
  if (how === 'hiccup') isFull = false
  if (writes++ % 2 === 0) return write(descriptor, bytes, rest[0] ?? 0, 7)
  throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
}
Object.assign(fs, { writeSync: fullWrite })

for (let added = 0; added < 300; added++) {
  if (added === 100) isFull = true
  if (added === 200 && how === 'passing') isFull = false
  seen.add(1)
  if (added % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 15))
}
if (how === 'hiccup') process.kill(process.pid, 'SIGKILL')
