import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { batchSuffix, journalSuffix } from '@swansong/otlp/spool'
import { ChildGateway, freePorts } from './child-gateway.ts'
import { Children } from './children.ts'
import { countFiles, type Files, findFiles } from './files.ts'
import { Progress } from './progress.ts'
import { endingsTable, faultsOf, type Kill, recoveryText, scrapeText, shown, sumsTable } from './report.ts'
import { differencesOf, type Sums, sumOf, totalOf } from './sums.ts'
import { Watch } from './watch.ts'
import { dealJobs, Workers } from './workers.ts'

const workerCount = 200
/** The gateway is killed when so many of the workers have ended. */
const killsAt = [1 / 3, 2 / 3] as const
/** How long it stays down at least: long enough for some workers to meet nobody. */
const downMs = 500
const watchMs = 200
/** All is in when the spool is empty and so many looks at the sums in a row show the same. */
const sameLooks = 4
const settleMs = 100
const settleMsMax = 30_000

/** Somebody asked the demo to end. */
class Interruption extends Error {
  readonly exitCode: number

  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`ended by ${signal}`)
    this.exitCode = 128 + constants.signals[signal] // As a shell has it.
  }
}

/** Everything of one run that is started, in one place; so that it can be ended in one place. */
interface Stage {
  gateway: ChildGateway
  workers: Workers
  watch: Watch
  progress: Progress
  files: Files
  spoolDir: string
  /** Aborted by whatever ends the demo before its time. */
  signal: AbortSignal
  fail: (error: unknown) => void
}

/** Runs the demo and answers with its exit code. Nothing that it started runs on, however it ends. */
export async function runDemo({ once }: { once: boolean }): Promise<number> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stop.abort(new Interruption(signal))) // Not `once`: npm passes a Ctrl-C on that we have seen.
  }
  process.stdout.on('error', () => undefined) // Whoever read it is gone; what runs is to be ended all the same.
  process.stderr.on('error', () => undefined)
  const home = mkdtempSync(join(tmpdir(), 'swansong-demo-'))
  const children = new Children()
  const clean = (): void => {
    children.killAll()
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
  process.once('exit', clean) // Also when what follows has a bug.
  let gateway: ChildGateway | undefined
  try {
    const stage = await openStage(home, children, stop)
    gateway = stage.gateway
    const equal = await play(stage, once)
    if (!once) await untilStopped(stage)
    return equal ? 0 : 1
  } catch (error) {
    if (error instanceof Interruption) return error.exitCode
    process.stderr.write(
      `swansong: the demo failed: ${error instanceof Error ? error.message : String(error)}\n`
    )
    return 1
  } finally {
    await gateway?.stop()
    await children.endAll()
  }
}

async function openStage(home: string, children: Children, stop: AbortController): Promise<Stage> {
  const dataDir = join(home, 'data')
  const spoolDir = join(dataDir, 'spool')
  const fail = (error: unknown): void => stop.abort(error) // The first reason stays.
  const gateway = new ChildGateway(children, { dataDir, ports: await freePorts(), onDeath: fail })
  const files = findFiles()
  const workers = new Workers(children, files.root, { spoolDir, endpoint: gateway.endpoint })
  const watch = new Watch(() => gateway.scrape())
  const progress = new Progress()
  return { gateway, workers, watch, progress, files, spoolDir, signal: stop.signal, fail }
}

/** True when every sum is equal to the truth, and all went as it should. */
async function play(stage: Stage, once: boolean): Promise<boolean> {
  const { gateway, workers, progress, files, signal, fail } = stage
  const begun = performance.now()
  progress.show(`counting ${shown(files.paths.length)} files under ${files.root} in one pass: the truth`)
  const truth = countFiles(files)
  await gateway.start(signal)
  const kills: Kill[] = []
  const over = new AbortController()
  const watching = watchUntil(stage, kills, over.signal)
  try {
    const working = workers.run(dealJobs(files, workerCount), signal)
    const killing = killGateway(stage, kills)
    await Promise.all([working.catch(fail), killing.catch(fail)])
    signal.throwIfAborted()
    await settle(stage)
  } finally {
    over.abort()
    await watching
    progress.clear()
  }
  return report(stage, { truth, kills, seconds: (performance.now() - begun) / 1000, once })
}

/** `kill -9` and the same again, in the midst of the workers. */
async function killGateway({ gateway, workers, watch, signal }: Stage, kills: Kill[]): Promise<void> {
  for (const share of killsAt) {
    while (workers.ended.length < workerCount * share) await sleep(5, undefined, { signal })
    await watch.look()
    const begun = performance.now()
    const kill: Kill = { running: workers.running, downMs: 0 }
    await gateway.kill()
    kills.push(kill)
    watch.endLife()
    await sleep(downMs, undefined, { signal })
    await gateway.start(signal)
    kill.downMs = performance.now() - begun
  }
}

async function watchUntil(
  { watch, workers, progress }: Stage,
  kills: Kill[],
  over: AbortSignal
): Promise<void> {
  while (!over.aborted) {
    const answered = await watch.look()
    progress.show(
      `${workers.ended.length} of ${workerCount} workers ended, the gateway killed ${kills.length} of ` +
        `${killsAt.length} times${answered ? '' : ' and down'}; lines seen so far: ${shown(sumOf(watch.sums).lines)}`
    )
    await sleep(watchMs, undefined, { signal: over }).catch(() => undefined)
  }
}

/** Waits until all is in: nothing in the spool, and sums that change no more. Not for ever: what is missing, is missing. */
async function settle({ watch, spoolDir, signal }: Stage): Promise<void> {
  const giveUpAt = performance.now() + settleMsMax
  let same = 0
  let total = -1
  while (same < sameLooks && performance.now() < giveUpAt) {
    const waits = readdirSync(spoolDir).some(
      (name) => name.endsWith(batchSuffix) || name.endsWith(journalSuffix)
    )
    const answered = await watch.look()
    const seen = totalOf(watch.sums)
    same = !waits && answered && seen === total ? same + 1 : 0
    total = seen
    await sleep(settleMs, undefined, { signal })
  }
}

function report(
  { gateway, workers, watch, files }: Stage,
  { truth, kills, seconds, once }: { truth: Sums; kills: Kill[]; seconds: number; once: boolean }
): boolean {
  const differences = differencesOf(watch.sums, truth)
  if (differences.length > 0 && differencesOf(countFiles(files), truth).length > 0) {
    throw new Error(
      `files under ${files.root} changed while they were counted; try again when nothing writes there`
    )
  }
  const { surprises, ended } = workers
  const faults = faultsOf({ differences, surprises, fallen: watch.fallen, rejected: watch.own('rejected') })
  const own = {
    answered: watch.own('answered'),
    batches: watch.own('batches'),
    journals: watch.own('journals'),
    duplicates: watch.own('duplicates'),
  }
  const stays = once ? 'How it was scraped (without --once, the gateway stays)' : 'How to scrape it'
  const parts = [
    `${shown(files.paths.length)} files under ${files.root}, counted by ${workerCount} workers in ${seconds.toFixed(1)} s.`,
    'What the gateway shows, beside what one process counted in one pass:\n',
    sumsTable(watch.sums, truth),
    endingsTable(ended),
    recoveryText(kills, own, watch.scrapes),
    `${stays}:\n\n${scrapeText(gateway.metricsAddress)}`,
  ]
  process.stdout.write(`${parts.slice(0, 2).join('\n')}\n${parts.slice(2).join('\n')}\n`)
  for (const fault of faults) process.stdout.write(`FAULT: ${fault}\n`)
  process.stdout.write(`counted ${totalOf(watch.sums)} of ${totalOf(truth)}\n`)
  return faults.length === 0
}

async function untilStopped({ signal }: Stage): Promise<void> {
  process.stderr.write('The gateway runs until Ctrl-C.\n')
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
  if (!(signal.reason instanceof Interruption)) throw signal.reason
}
