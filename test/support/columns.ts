import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Gateway, startGateway } from './gateway.ts'
import { type HeldAnswers, holdAnswers } from './held-answers.ts'
import { type Case, checkCounts, checkOutcome, outcomeWithout, type Run, startCase } from './matrix.ts'
import { until } from './wait.ts'
import { runAll } from './worker.ts'

/** A way out, and what the gateway does meanwhile. */
export type Column =
  | 'journal'
  | 'journal, gateway killed'
  | 'POST'
  | 'POST with a spool'
  | 'gateway down'
  | 'gateway down, with a spool'
  | 'gateway hung'
  | 'gateway hung, with a spool'
  | 'gateway killed mid-answer'
  | 'gateway killed mid-answer, with a spool'

/** How long a column may take on a busy machine: a fifth of that where nobody else uses it. */
const columnMsMax = 280_000
/** Jobs that run at a time. */
const atOnce = 6
/** How long the end may be held up: by default; where nobody answers; where somebody comes back meanwhile. */
const budgetMs = { default: 2000, short: 700, long: 15_000 }
/** Several looks of the gateway into its spool: what is counted twice would be by then. */
const looksMs = 700

/** Runs the cases of a column, all at one gateway, and holds each to what it was promised, in a test of its own. */
export function testColumn(column: Column, cases: readonly Case[]): void {
  test(`by ${column}`, { timeout: columnMsMax }, async (t) => {
    const gateway = await startGateway()
    const budget = budgetOf(column)
    const env: Record<string, string> = { SWANSONG_EXIT_BUDGET_MS: String(budget) }
    if (!column.startsWith('journal')) env['OTEL_EXPORTER_OTLP_ENDPOINT'] = gateway.urls.endpoint
    if (/journal|spool/.test(column)) env['SWANSONG_SPOOL_DIR'] = gateway.spoolDir
    if (/down|hung/.test(column)) env['OTEL_EXPORTER_OTLP_TIMEOUT'] = String(budget)
    const runs = await runColumn(column, gateway, cases, env)

    const metrics = await settledMetrics(gateway, runs)
    for (const run of runs) {
      await t.test(
        `${run.case.ending}${run.case.place === 'main' ? '' : `, ${run.case.place}`}`,
        async (each) => {
          await checkOutcome(run, budget)
          checkCounts(run, metrics)
          if (run.missingMs !== undefined) each.diagnostic(`${run.missingMs.toFixed(1)} ms missing`)
        }
      )
    }
    assert.ok(runs.length > 0 && runs.length === cases.length)
  })
}

function budgetOf(column: Column): number {
  if (/down|hung/.test(column)) return budgetMs.short
  return column === 'gateway killed mid-answer' ? budgetMs.long : budgetMs.default
}

async function runColumn(
  column: Column,
  gateway: Gateway,
  cases: readonly Case[],
  env: Record<string, string>
): Promise<Run[]> {
  if (column.startsWith('gateway killed')) return runWaves(gateway, cases, env)
  const run = (some: readonly Case[]): Promise<Run[]> =>
    runAll(
      some.map((each) => () => runCase(each, env)),
      atOnce
    )
  if (column.startsWith('gateway hung')) {
    process.kill(gateway.pid, 'SIGSTOP')
    const runs = await run(cases)
    if (column.endsWith('spool')) process.kill(gateway.pid, 'SIGCONT') // It finds what was sent to it, and the spool.
    else {
      await gateway.kill9()
      await gateway.restart()
    }
    return runs
  }
  if (column.startsWith('gateway down')) await gateway.kill9()
  const half = column === 'journal, gateway killed' ? Math.ceil(cases.length / 2) : cases.length
  const first = await run(cases.slice(0, half))
  if (half < cases.length) await gateway.kill9()
  const second = await run(cases.slice(half))
  if (half < cases.length || column.startsWith('gateway down')) await gateway.restart()
  return [...first, ...second]
}

/** To its end. The same job without the SDK has ended by then, too. */
async function runCase(each: Case, env: Record<string, string>): Promise<Run> {
  const run = startCase(each, env)
  await run.ended
  await outcomeWithout(each)
  return run
}

/**
 * As many at a time: each waits for the rest of its answer, or has ended, when the gateway is killed; it has counted what
 * it answers by then. It starts again while they try again, or leave it in the spool.
 */
async function runWaves(
  gateway: Gateway,
  cases: readonly Case[],
  env: Record<string, string>
): Promise<Run[]> {
  const doors = await Promise.all(Array.from({ length: atOnce }, () => holdAnswers(gateway.ports.otlpHttp)))
  const runs: Run[] = []
  let heldCount = 0
  for (let at = 0; at < cases.length; at += atOnce) {
    for (const door of doors) door.hold()
    const wave = cases.slice(at, at + atOnce).map((each, job) => {
      return startCase(each, { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: (doors[job] as HeldAnswers).endpoint })
    })
    runs.push(...wave)
    const ended = new Set<number>()
    for (const [job, run] of wave.entries()) void run.ended.then(() => ended.add(job))
    await until('an answer to each is held, or it has ended', () => {
      return wave.every((_, job) => (doors[job] as HeldAnswers).held > 0 || ended.has(job))
    })
    heldCount += doors.filter(({ held }) => held > 0).length
    await gateway.kill9()
    for (const door of doors) door.pass()
    await gateway.restart()
    await Promise.all(wave.map((run) => run.ended))
    await Promise.all(wave.map((run) => outcomeWithout(run.case)))
  }
  assert.ok(heldCount >= cases.length / 4, `the gateway was killed in ${heldCount} answers only`)
  return runs
}

/** What the gateway shows when all that was promised is there, and some looks later. */
async function settledMetrics(gateway: Gateway, runs: readonly Run[]): Promise<Map<string, number>> {
  const isThere = async (): Promise<boolean> => {
    const metrics = await gateway.metrics()
    try {
      for (const run of runs) checkCounts(run, metrics)
      return true
    } catch {
      return false // What never comes is told by the test of its case.
    }
  }
  await until('all that was promised is there', isThere, 10_000).catch(() => {})
  await sleep(looksMs)
  return gateway.metrics()
}
