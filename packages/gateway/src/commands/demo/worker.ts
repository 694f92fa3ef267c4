/*
 * A worker of the demo, a process of its own: `worker.js ENDING PAUSE-MS ROOT FILE…` counts lines, words and bytes of the
 * files by type, and ends as it is told. Of Swansong it knows the counters and nothing else: no flush, no handler.
 */
import { readFileSync, writeSync } from 'node:fs'
import { counter } from '@swansong/sdk'
import { countBytes, typeOf } from './count.ts'
import { doneWord, exitCode } from './endings.ts'

const [ending, pauseMs, root, ...files] = process.argv.slice(2)
const attributes = ['type'] as const
const lines = counter('files.lines', { unit: '{line}', description: 'Line feeds in files.', attributes })
const words = counter('files.words', { unit: '{word}', description: 'Words in files.', attributes })
const bytes = counter('files.bytes', { unit: 'By', description: 'Bytes of files.', attributes })

for (const file of files) {
  const type = typeOf(file)
  const counts = countBytes(readFileSync(`${root}/${file}`))
  lines.add(counts.lines, { type })
  words.add(counts.words, { type })
  bytes.add(counts.bytes, { type })
  await new Promise((resolve) => setImmediate(resolve)) // As in most jobs, the event loop turns between two pieces of work.
}

if (ending === 'exit') process.exit(exitCode)
else if (ending === 'uncaught') {
  setImmediate(() => {
    throw new Error('the demo ends this worker by an error that nothing catches')
  })
} else if (ending !== 'natural') {
  await import('./leash.ts')
  setTimeout(() => writeSync(1, `${doneWord}\n`), Number(pauseMs))
  setInterval(() => undefined, 1000) // Until it is killed.
}
