import { counter } from '@swansong/sdk'

/** Counts a thousand times and ends at once, in the way it is told: `ending.ts ENDING`. */
const [ending = 'natural'] = process.argv.slice(2)
const done = counter('done', { attributes: ['kind'] })
for (let count = 0; count < 1000; count++) done.add(1, { kind: count % 4 === 0 ? 'a' : 'b' })

if (ending === 'exit') process.exit(7)
else if (ending === 'uncaught') throw new Error('uncaught on purpose')
else if (ending === 'rejection') void Promise.reject(new Error('rejected on purpose'))
else if (ending.startsWith('SIG')) {
  setInterval(() => {}, 1000)
  // A turn, as a signal's default action gives a journal no other: its timer, of a millisecond, is due before this one.
  await new Promise((resolve) => setTimeout(resolve, 5))
  process.kill(process.pid, ending)
} else if (ending === 'exit in a promise') void Promise.resolve().then(() => process.exit(7))
else if (ending === 'late') process.on('exit', () => done.add(5, { kind: 'late' }))
else if (ending === 'own handler') {
  process.once('SIGTERM', () => {
    done.add(5, { kind: 'late' })
    process.exit(5)
  })
  setInterval(() => {}, 1000)
  process.kill(process.pid, 'SIGTERM')
} else if (ending === 'own handler that goes on') {
  const alive = setInterval(() => {}, 1000)
  process.on('SIGHUP', () => {
    done.add(5, { kind: 'late' })
    setTimeout(() => clearInterval(alive), 50)
  })
  process.kill(process.pid, 'SIGHUP')
} else if (ending === 'signal-exit') {
  // What the package does, version 4: it raises the signal again itself, but only when it finds itself alone.
  const holder = { count: 1 }
  Object.assign(globalThis, { [Symbol.for('signal-exit emitter')]: holder })
  const listener = (): void => {
    if (process.listeners('SIGTERM').length !== holder.count) return
    process.removeListener('SIGTERM', listener)
    process.kill(process.pid, 'SIGTERM')
  }
  process.on('SIGTERM', listener)
  setInterval(() => {}, 1000)
  process.kill(process.pid, 'SIGTERM')
}
