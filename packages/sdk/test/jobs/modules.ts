import { writeSync } from 'node:fs'

/** Counts once, or nothing, and at its end tells which modules of Node it had loaded: `modules.ts count|import|net|nothing`. */
const [what] = process.argv.slice(2)
if (what === 'net') await import('node:net')
else if (what !== 'nothing') {
  const { counter } = await import('@swansong/sdk')
  const jobs = counter('jobs')
  if (what === 'count') jobs.add(1, { kind: 'a' })
}
setImmediate(() => {
  process.on('exit', () => {
    const { moduleLoadList } = process as unknown as { moduleLoadList: string[] }
    writeSync(1, JSON.stringify(moduleLoadList))
  })
})
