import { counter } from '@swansong/sdk'

/** Counts for the first time when the process ends already. */
process.on('exit', () => {
  counter('late').add(1)
  counter('late').add(2)
})
