import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { missingMs } from './busy-record.ts'
import { type ChildOptions, spawnThatDiesWithUs } from './child.ts'
import { childEnded, type Dying, endsNow } from './dying.ts'
import { pointsAtEnd, shownOf, stepsAll, stepsFlushed, stepsShown } from './tally.ts'
import { compiled } from './worker.ts'

/** What becomes of what a process, or a thread, has counted. */
export type Promised =
  /** Every step, once, and nothing is said. */
  | 'all'
  /** What was flushed, once. */
  | 'flushed'
  /** What was flushed, and of a busy loop behind it all but what it counted in its last milliseconds. */
  | 'but the bound'
  /** Nothing; one line on stderr says how many points of whom are lost. */
  | 'said'
  /** Nothing, and nobody was left to say so. */
  | 'lost'

/** A job of the matrix: how it ends, what its parent is to see, and what becomes of what its places count. */
export interface Case {
  job: 'dies' | 'dies-in-threads'
  ending: string
  place: Dying['place']
  promised: Readonly<Record<string, Promised>>
  /** It counts on when the SDK has ended: what is lost then is said once more. */
  countsLate?: boolean
  env?: Record<string, string>
}

/** What the parent of a job sees. */
export interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  /** The same of a child of its own. */
  child: string | undefined
  /** Lines of the SDK on stderr. */
  said: string[]
  stderr: string
  /** Milliseconds from the beginning of its ending to the end of it; NaN if that never began. */
  heldMs: number
}

/** A job that was started. */
export interface Run {
  case: Case
  service: string
  record: string
  ended: Promise<Outcome>
  /** What a busy loop misses, once that was looked at. */
  missingMs?: number
}

/**
 * Milliseconds of a busy loop that may be missing, on its CPU: half of what the loop takes. That they are 25 where the
 * machine has time for the job is test/journal.test.ts's to show; here the jobs of a column have two cores among them, and
 * checkpoints that take longer are further apart.
 */
const boundMs = 75
/** Lines of one that counts on when nothing is left to do: what is lost by then, by the end, and once that there is more. */
const linesLate = 3
/** How long the slowest of them may run, hung gateways and restarts included. */
const runMsMax = 40_000
/** What the contract adds to the budget, and what a machine that others use takes to notice an end. */
const heldMsMore = 500 + 2000

/** Makes what follows it process 1 of a pid namespace of its own, with a /proc of that; ends as that does. */
const ownNamespace = [
  'unshare',
  ...(process.getuid?.() === 0 ? [] : ['-Ur']),
  '--pid',
  '--fork',
  '--mount-proc',
  '--kill-child',
]
const records = mkdtempSync(join(tmpdir(), 'swansong-endings-'))
process.once('exit', () => rmSync(records, { recursive: true, force: true }))
let services = 0

/** Starts one, under a service name of its own. Without `counts` nothing of the SDK is loaded. */
export function startCase(each: Case, env: Record<string, string>, counts = true): Run {
  const service = `job-${services++}`
  const record = join(records, service)
  const dying: Dying = { ending: each.ending, place: each.place, counts, record }
  const path = join(import.meta.dirname, '..', 'jobs', `${each.job}.ts`)
  const options: ChildOptions = {
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE_COMPILE_CACHE: compiled,
      OTEL_SERVICE_NAME: service,
      ...env,
      ...each.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(each.place === 'first' ? { within: ownNamespace } : {}),
  }
  return { case: each, service, record, ended: watch([path, JSON.stringify(dying)], options) }
}

async function watch(args: string[], options: ChildOptions): Promise<Outcome> {
  const child = spawnThatDiesWithUs(process.execPath, args, options)
  const kill = setTimeout(() => child.kill('SIGKILL'), runMsMax)
  let stdout = ''
  let stderr = ''
  let endsAt = Number.NaN
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    if (Number.isNaN(endsAt) && stdout.includes(endsNow)) endsAt = performance.now()
  })
  const closed = once(child, 'close')
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  const heldMs = performance.now() - endsAt
  await closed
  clearTimeout(kill)
  return {
    code,
    signal,
    child: stdout.split(childEnded)[1]?.trim(),
    said: stderr.split('\n').filter((line) => line.includes('swansong')),
    stderr,
    heldMs,
  }
}

const outcomesWithout = new Map<string, Promise<Outcome>>()

/** How the same job ends without the SDK: run once. */
export function outcomeWithout(each: Case): Promise<Outcome> {
  const key = JSON.stringify([each.job, each.ending, each.place])
  const known = outcomesWithout.get(key)
  if (known !== undefined) return known
  const outcome = startCase(each, {}, false).ended
  outcomesWithout.set(key, outcome)
  return outcome
}

/** The parent sees what it sees without the SDK, and was not held up; what is lost is said, and nothing else. */
export async function checkOutcome(run: Run, budgetMs: number): Promise<void> {
  const outcome = await run.ended
  const { code, signal, child, said, stderr, heldMs } = outcome
  const without = await outcomeWithout(run.case)
  const seen = { code, signal, child }
  assert.deepEqual(seen, { code: without.code, signal: without.signal, child: without.child }, stderr)
  const losses = Object.values(run.case.promised).filter((each) => each === 'said').length
  const linesMax = run.case.countsLate === true ? losses * linesLate : losses
  assert.ok(said.length >= losses && said.length <= linesMax, stderr)
  for (const line of said.slice(0, losses)) {
    assert.ok(line.startsWith(`swansong: ${pointsAtEnd} points of ${run.service} lost: `), line)
  }
  const heldMsMax = budgetMs + heldMsMore + without.heldMs
  assert.ok(heldMs <= heldMsMax, `its end took ${heldMs} ms, without the SDK ${without.heldMs}`)
}

/** What the gateway shows of a job is what was promised: every line of every instrument. */
export function checkCounts(run: Run, metrics: ReadonlyMap<string, number>): void {
  const { promised } = run.case
  const counts: Record<string, number> = {}
  let silent = 0
  let busy: string | undefined
  for (const [where, each] of Object.entries(promised)) {
    if (each === 'all') counts[where] = stepsAll
    if (each === 'flushed') silent += counts[where] = stepsFlushed
    if (each === 'but the bound') {
      counts[where] = countedBusily(run, metrics, promised)
      busy = where
    }
  }
  const shown = new Map<string, number>()
  for (const [line, value] of metrics) {
    // Of a process that is known to be gone an up-down counter holds nothing; that one of another namespace is takes time.
    const isNothing = line.startsWith('open{') && (value === 0 || run.case.place === 'first')
    if (line.includes(`{job="${run.service}"`) && !isNothing) shown.set(line, value)
  }
  const nothing = Object.keys(counts).length === 0
  const expected = nothing ? new Map<string, number>() : shownOf(run.service, counts, silent)
  if (busy !== undefined) {
    // Its last checkpoint may stand between two instruments of one step.
    const before = shownOf(run.service, { ...counts, [busy]: (counts[busy] as number) - 1 }, silent)
    for (const [line, value] of before) if (shown.get(line) === value) expected.set(line, value)
  }
  assert.deepEqual(sorted(shown), sorted(expected))
}

/** Of the place that counted in a busy loop: what is shown beyond all other places. */
function countedBusily(
  run: Run,
  metrics: ReadonlyMap<string, number>,
  promised: Readonly<Record<string, Promised>>
): number {
  const others = Object.values(promised).filter((each) => each === 'all').length
  const counted = stepsShown(metrics, run.service) - others * stepsAll
  const missing = missingMs(run.record, counted)
  run.missingMs = missing
  assert.ok(counted >= stepsFlushed, `${counted} steps are there, and ${stepsFlushed} were flushed`)
  assert.ok(missing <= boundMs, `${missing} ms of a busy loop are missing, over ${boundMs}`)
  return counted
}

function sorted(lines: ReadonlyMap<string, number>): [string, number][] {
  return [...lines].toSorted(([a], [b]) => (a < b ? -1 : 1))
}
