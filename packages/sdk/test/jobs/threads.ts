import cluster from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { counter, flush } from '@swansong/sdk'

/**
 * Counts 1 in the main thread and 10 in a thread, which ends as it is told, or in each of two processes of a cluster:
 * `threads.ts natural|exit|uncaught|terminate|oom|flushed|cluster`.
 */
const [ending = 'natural'] = process.argv.slice(2)
if (ending === 'cluster') {
  counter('family').add(cluster.isPrimary ? 1 : 10)
  if (cluster.isPrimary) {
    cluster.fork()
    cluster.fork()
  } else cluster.worker?.disconnect()
} else if (isMainThread) {
  counter('family').add(1)
  const thread = new Worker(new URL(import.meta.url), {
    argv: [ending],
    workerData: 'thread',
    ...(ending === 'oom' ? { resourceLimits: { maxOldGenerationSizeMb: 16 } } : {}),
  })
  thread.on('error', () => {}) // What a thread dies of is told here, and is no concern of the process.
  if (ending === 'terminate' || ending === 'flushed') {
    await once(thread, 'message')
    await wait(50)
    await thread.terminate()
  }
} else if (workerData === 'thread') {
  process.on('SIGTERM', () => {}) // Does nothing in a thread, and must not break anything there.
  const family = counter('family')
  for (let count = 0; count < 10; count++) family.add(1)
  if (ending === 'exit') process.exit(3)
  else if (ending === 'uncaught') throw new Error('uncaught in a thread on purpose')
  else if (ending === 'oom') {
    await wait(50) // A turn, and the interval of a journal.
    const kept: number[][] = []
    for (;;) kept.push(Array.from({ length: 10_000 }, (_, index) => index + kept.length))
  } else if (ending === 'terminate' || ending === 'flushed') {
    if (ending === 'flushed') await flush()
    setInterval(() => {}, 1000)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A port, not a window.
    parentPort?.postMessage('counted')
  }
}
