import { writeSync } from 'node:fs'
import { counter } from '@swansong/sdk'

/** As process 1 of a container: counts 1, 10 and 100; is sent SIGTERM after the first two, which ends no process 1. */
const first = counter('first')
first.add(1)
writeSync(1, `pid ${process.pid}\n`)
process.kill(process.pid, 'SIGTERM')
setTimeout(() => {
  first.add(10)
  process.kill(process.pid, 'SIGTERM')
}, 300)
setTimeout(() => {
  first.add(100)
  process.exitCode = 4
}, 600)
