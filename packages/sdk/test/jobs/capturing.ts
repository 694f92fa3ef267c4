import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { metrics } from '@opentelemetry/api'
import { counter, flush, histogram } from '@swansong/sdk'
import { capture } from '@swansong/sdk/testing'

/*
 * Captures in a process whose counts leave. What is told: `first`: the capture comes before any count; `between`: after
 * some; `twice`: after some, restored, and again; `never restored`: as it says; `only`: before any, and never restored.
 */
const jobs = counter('jobs')
const sizes = histogram('sizes', { boundaries: [10] })
const [when] = process.argv.slice(2)
const turn = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

if (when !== 'first' && when !== 'only') {
  jobs.add(3)
  sizes.record(5)
}
const counts = capture()
jobs.add(100)
sizes.record(500)
counter('born.meanwhile').add(100)
metrics.getMeter('api').createCounter('of.api').add(100)
assert.equal(counts.value('jobs'), 100)
assert.deepEqual(counts.histogram('sizes'), { count: 1, sum: 500, min: 500, max: 500, buckets: [0, 1] })
assert.equal(counts.value('of.api'), process.execArgv.some((flag) => flag.includes('register')) ? 100 : 0)
await flush()
await turn(150) // Whatever timers there are.
const directory = process.env['SWANSONG_SPOOL_DIR']
if (when === 'first' && directory !== undefined) assert.deepEqual(readdirSync(directory), [])
if (when !== 'never restored' && when !== 'only') counts.restore()
if (when === 'twice') {
  jobs.add(4)
  sizes.record(7)
  const again = capture()
  jobs.add(1000)
  assert.equal(again.value('jobs'), 1000)
  again.restore()
}
