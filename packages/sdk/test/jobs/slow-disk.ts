import fs, { writeSync } from 'node:fs'
import { counter } from '@swansong/sdk'

/** Counts 20 pieces of work where each file takes 30 ms to write, idles for 250 ms, says so, and lives until it is killed. */
const rename = fs.renameSync
fs.renameSync = (...paths: Parameters<typeof rename>): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30)
  rename(...paths)
}
const pieces = counter('pieces')
for (let piece = 0; piece < 20; piece++) {
  pieces.add(1)
  await new Promise((resolve) => setTimeout(resolve, 10))
}
setTimeout(() => writeSync(1, 'idle'), 250)
setInterval(() => {}, 1000)
