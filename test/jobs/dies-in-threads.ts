/** Counts a thousand steps in the main thread, a thousand in a thread, and ends the one or the other as it is told. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { countBusily } from '../support/busy-record.ts'
import { type Dying, momentMs, sayEndsNow } from '../support/dying.ts'
import { stepsAll, stepsFlushed, tally } from '../support/tally.ts'

const dying = JSON.parse(process.argv[2] as string) as Dying
const sdk = dying.counts ? await import('@swansong/sdk') : undefined
const steps = tally(sdk, isMainThread ? 'main' : 'thread')

/** What the thread does once it has counted; those that are not named wait. */
const threadEndings: Record<string, () => Promise<void> | void> = {
  'the thread ends'() {},
  'process.exit in the thread': () => process.exit(3),
  'process.exit in a timer of the thread'() {
    setTimeout(() => process.exit(3), 20)
  },
  'uncaught error in the thread, heard'() {
    throw new Error('as the test wants it')
  },
  'uncaught error in the thread'() {
    throw new Error('as the test wants it')
  },
  'unhandled rejection in the thread'() {
    void Promise.reject(new Error('as the test wants it'))
  },
}

/** What the main thread does once the thread has counted and waits. */
const mainEndings: Record<string, (thread: Worker) => Promise<unknown> | void> = {
  async 'terminate()'(thread) {
    await thread.terminate()
  },
  'the main thread ends': (thread) => thread.unref(),
  'process.exit in the main thread': () => process.exit(7),
  'uncaught error in the main thread'() {
    throw new Error('as the test wants it')
  },
  async SIGTERM() {
    process.kill(process.pid, 'SIGTERM')
    await sleep(60_000)
  },
  async SIGKILL() {
    process.kill(process.pid, 'SIGKILL')
    await sleep(60_000)
  },
  /** Of a thread that never turns. */
  async 'terminate() in a busy loop'(thread) {
    await sleep(100)
    await thread.terminate()
  },
}

if (isMainThread) await beMain()
else await beThread()

async function beMain(): Promise<void> {
  const thread = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) })
  const isHeard = dying.ending === 'uncaught error in the thread, heard'
  if (isHeard) thread.on('error', () => {})
  const ending = mainEndings[dying.ending]
  const hasCounted = ending === undefined ? undefined : once(thread, 'message')
  if (dying.ending === 'SIGKILL') await countAndFlush()
  else await countAll()
  if (ending === undefined) return
  await hasCounted
  sayEndsNow()
  await ending(thread)
}

async function countAll(): Promise<void> {
  steps.count(0, stepsAll)
  await sleep(momentMs)
}

async function beThread(): Promise<void> {
  const ending = threadEndings[dying.ending]
  if (ending !== undefined) {
    steps.count(0, stepsAll)
    sayEndsNow()
    return ending()
  }
  await countAndFlush()
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A port, not a window.
  parentPort?.postMessage('counted')
  if (dying.ending === 'terminate() in a busy loop') {
    countBusily(steps, dying.record, stepsAll, Infinity)
  }
  await sleep(60_000)
}

async function countAndFlush(): Promise<void> {
  steps.count(0, stepsFlushed)
  await sdk?.flush().catch(() => {})
  steps.count(stepsFlushed, stepsAll)
  await sleep(momentMs)
}
