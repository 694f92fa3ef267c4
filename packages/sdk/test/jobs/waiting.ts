import { counter } from '@swansong/sdk'

/** Counts before the event loop begins, or in a timer, and then waits for nothing but a timer of a minute. */
const seen = counter('seen')
const count = (): void => {
  for (let index = 0; index < 7; index++) seen.add(1)
  // Nothing here may wake the loop, as a stream would.
  process.getBuiltinModule('node:fs').writeSync(1, 'counted')
}
if (process.argv[2] === 'in a timer') setTimeout(count, 20)
else count()
setTimeout(() => {}, 60_000)
