import { spawnSync } from 'node:child_process'
import { writeSync } from 'node:fs'
import { counter } from '@swansong/sdk'

/** As process 1 of a container: counts 1, is sent SIGTERM, which ends no process 1, goes on, counts 10 and ends. */
counter('first').add(1)
writeSync(1, `pid ${process.pid}\n`)
process.kill(process.pid, 'SIGTERM')
setTimeout(() => {
  counter('first').add(10)
  spawnSync('true')
  process.exitCode = 4
}, 300)
