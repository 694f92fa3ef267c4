import { existsSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { configure, counter, flush } from '@swansong/sdk'

/**
 * Counts 5, is away for a time, then counts 3: `returning.ts PACE AWAY_MS WHAT`. WHAT becomes of its file meanwhile:
 * kept, removed, or its whole directory removed and made again when it is told so by SIGUSR2. Ends by itself; with
 * `ended`, it is away while its exit handlers run.
 */
const [pace = 'interval', awayMs = '0', what = 'kept', when = 'living'] = process.argv.slice(2)
const directory = process.env['SWANSONG_SPOOL_DIR'] as string
configure({ journal: pace as 'interval' | 'always' })
const seen = counter('seen')

seen.add(5)
if (when === 'ended') process.on('exit', goAndReturn)
else {
  await flush()
  goAndReturn()
}

function goAndReturn(): void {
  if (what === 'removed') for (const name of journals()) rmSync(`${directory}/${name}`)
  // Longer than written-through records go without a look for their file.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30)
  const now = Date.now
  Date.now = () => now() + Number(awayMs) // As if the machine had slept.
  seen.add(3)
  writeSync(1, journals().length > 0 && existsSync(directory) ? 'back' : 'back to nothing')
}

function journals(): string[] {
  return readdirSync(directory).filter((name) => name.endsWith('.journal') && !name.startsWith('.'))
}
