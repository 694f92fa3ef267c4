/** A job that counts what it is told to, over as long as it is told to, and ends as it is told to. */
import { setTimeout as sleep } from 'node:timers/promises'
import { counter, flush } from '@swansong/sdk'
import type { Work } from '../support/work.ts'

const { metric, seriesCount, adds, liveMs, ending } = JSON.parse(process.argv[2] as string) as Work
const stepMs = 50

const work = counter(metric, { attributes: ['series'] })
const steps = Math.max(1, Math.round(liveMs / stepMs))
let added = 0
for (let step = 1; step <= steps; step++) {
  for (; added < (adds * step) / steps; added++) work.add(1, { series: String(added % seriesCount) })
  if (liveMs > 0) await sleep(stepMs)
}

if (ending === 'flush and SIGKILL') {
  await flush()
  process.kill(process.pid, 'SIGKILL')
}
if (ending === 'SIGTERM') {
  // Posting, the SDK sees to the signal; a journal has what was counted up to its last turn.
  if (process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] === undefined) await flush()
  process.kill(process.pid, 'SIGTERM')
  await sleep(60_000)
}
if (ending === 'exit code') process.exit(7)
if (ending === 'uncaught error') throw new Error('as the test wants it')
