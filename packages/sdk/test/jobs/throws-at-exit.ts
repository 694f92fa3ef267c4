/** Throws in an `exit` handler that comes before ours, and ends: `throws-at-exit.ts natural|exit [COUNTS_AFTER]`. */
const [ending, after = '0'] = process.argv.slice(2)
if (after === '0') {
  process.on('exit', () => {
    throw new Error('thrown on purpose')
  })
}
const { counter } = await import('@swansong/sdk')
const done = counter('done')
for (let count = 0; count < 1000; count++) done.add(1)
if (after !== '0') {
  process.on('exit', () => {
    for (let count = 0; count < Number(after); count++) done.add(1)
  })
}
if (ending === 'exit') process.exit(7)
