/** Counts a thousand steps and ends as it is told, itself or in a child of its own. */
import { fork } from 'node:child_process'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { countBusily } from '../support/busy-record.ts'
import { childEnded, type Dying, momentMs, sayEndsNow } from '../support/dying.ts'
import { stepsAll, stepsFlushed, tally } from '../support/tally.ts'

const dying = JSON.parse(process.argv[2] as string) as Dying
const { ending, place, counts, record } = dying
const isParent = (place === 'forked' || place === 'cluster') && process.send === undefined
const sdk = counts ? await import('@swansong/sdk') : undefined
const steps = tally(sdk, isParent ? 'parent' : 'main')

/** The signals of who asks a process to end, each left to its default action and handled by the job. */
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

const endings: Record<string, () => Promise<void> | void> = {
  'natural end': countAll,
  'an exit code left behind'() {
    process.exitCode = 3
    countAll()
  },
  'process.exit'() {
    countAll()
    process.exit(7)
  },
  'process.exit in a promise'() {
    countAll()
    void Promise.resolve().then(() => process.exit(7))
  },
  'process.exit in a timer'() {
    countAll()
    setTimeout(() => process.exit(7), 20)
  },
  'process.exit in beforeExit'() {
    process.on('beforeExit', () => process.exit(7))
    countAll()
  },
  'process.exit in an exit handler'() {
    process.on('exit', () => process.exit(9))
    countAll()
  },
  'counting in exit handlers'() {
    process.on('exit', () => steps.count(stepsFlushed, stepsAll - 1))
    steps.count(0, stepsFlushed)
    process.on('exit', () => steps.count(stepsAll - 1, stepsAll)) // After those of the SDK.
    sayEndsNow()
  },
  'uncaught error'() {
    countAll()
    throw new Error('as the test wants it')
  },
  'uncaught error in a timer'() {
    countAll()
    setTimeout(() => {
      throw new Error('as the test wants it')
    }, 20)
  },
  'uncaught error, handled'() {
    process.on('uncaughtException', () => process.exit(4))
    countAll()
    throw new Error('as the test wants it')
  },
  'unhandled rejection'() {
    countAll()
    void Promise.reject(new Error('as the test wants it'))
  },
  SIGKILL: () => dieSuddenly('SIGKILL'),
  SIGSEGV: () => dieSuddenly('SIGSEGV'),
  async abort() {
    await countAndFlush()
    process.abort()
  },
  async 'out of memory'() {
    await countAndFlush()
    const held: number[][] = []
    for (;;) held.push(Array<number>(1_000_000).fill(held.length))
  },
  async 'SIGKILL in a busy loop'() {
    steps.count(0, stepsFlushed)
    await sdk?.flush().catch(() => {})
    sayEndsNow()
    countBusily(steps, record, stepsFlushed, stepsAll, (step) => {
      if (step === stepsAll - 100) process.kill(process.pid, 'SIGKILL')
    })
  },
  async 'SIGTERM in a busy loop'() {
    steps.count(0, stepsFlushed)
    sayEndsNow()
    countBusily(steps, record, stepsFlushed, stepsAll, (step) => {
      if (step === stepsAll - 100) process.kill(process.pid, 'SIGTERM')
    })
    await sleep(60_000)
  },
  ...Object.fromEntries(signals.map((signal) => [signal, () => raise(signal)])),
  ...Object.fromEntries(signals.map((signal) => [`${signal}, handled`, () => raiseHandled(signal)])),
}

if (cluster.isWorker) setImmediate(() => cluster.worker?.disconnect()) // It would never end of itself.
if (isParent) await beParent()
else await endings[ending]?.()

function countAll(): void {
  steps.count(0, stepsAll)
  sayEndsNow()
}

/** What is flushed is durable, whatever comes; unless nobody takes it, which is the column's to say. */
async function countAndFlush(): Promise<void> {
  steps.count(0, stepsFlushed)
  await sdk?.flush().catch(() => {})
  steps.count(stepsFlushed, stepsAll)
  await sleep(momentMs)
  sayEndsNow()
}

async function dieSuddenly(signal: NodeJS.Signals): Promise<void> {
  await countAndFlush()
  process.kill(process.pid, signal)
  await sleep(60_000)
}

/** Left to its default action. */
async function raise(signal: NodeJS.Signals): Promise<void> {
  steps.count(0, stepsAll)
  await sleep(momentMs)
  sayEndsNow()
  process.kill(process.pid, signal)
  await sleep(60_000)
}

async function raiseHandled(signal: NodeJS.Signals): Promise<void> {
  process.once(signal, () => {
    steps.count(stepsFlushed, stepsAll)
    process.exit(5)
  })
  steps.count(0, stepsFlushed)
  sayEndsNow()
  process.kill(process.pid, signal)
  await sleep(60_000)
}

async function beParent(): Promise<void> {
  steps.count(0, stepsAll)
  const child =
    place === 'cluster' ? cluster.fork().process : fork(import.meta.filename, process.argv.slice(2))
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  process.stdout.write(`${childEnded}${JSON.stringify({ code, signal })}\n`)
}
