/** Calls `process.exit()` in an `exit` handler that comes before ours, and ends: `exits-at-exit.ts natural|exit|uncaught`. */
const [ending] = process.argv.slice(2)
process.on('exit', () => process.exit(9))
const { counter } = await import('@swansong/sdk')
const done = counter('done')
for (let count = 0; count < 1000; count++) done.add(1)
if (ending === 'exit') process.exit(7)
if (ending === 'uncaught') throw new Error('thrown on purpose')
