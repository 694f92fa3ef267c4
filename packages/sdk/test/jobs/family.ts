import { fork } from 'node:child_process'
import { counter } from '@swansong/sdk'

/** Counts 1, and its forked child 10; with `copies`, another copy of the SDK counts 100 in the same process. */
const [role] = process.argv.slice(2)
counter('family').add(role === 'child' ? 10 : 1)
if (role === 'fork') fork(import.meta.filename, ['child'])
if (role === 'copies') {
  const copy = (await import(`../../src/worker.ts?${role}`)) as typeof import('../../src/worker.ts')
  copy.worker().getMeter('').createCounter('family').add(100)
}
