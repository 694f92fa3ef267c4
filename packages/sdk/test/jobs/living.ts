import { writeSync } from 'node:fs'
import { counter, flush } from '@swansong/sdk'

/** Counts once a line that it is sent by SIGUSR2, and lives until it is killed. `flush` says how flushing went. */
const seen = counter('seen')
const [mode = ''] = process.argv.slice(2)
setInterval(() => {}, 1000)
process.on('SIGUSR2', () => {
  seen.add(1)
  if (mode === 'flush')
    void flush().then(
      () => say('flushed'),
      (error: Error) => say(error.message)
    )
  else say('counted')
})
seen.add(1)
say('ready')

function say(text: string): void {
  writeSync(1, `${text}\n`)
}
