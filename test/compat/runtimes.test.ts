import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runtime, type RuntimeName, runtimes } from '../peers/runtimes.ts'
import { startGateway } from '../support/gateway.ts'
import { makeProjectWithSdk } from '../support/project.ts'
import { runAll, wayOut } from '../support/worker.ts'
import { type Job, startJob } from './job.ts'

/*
 * The SDK as it is published, installed by npm into a project of somebody's, on every runtime that it is said to run on.
 */

/** What a parent sees, whether the job counts or not. */
const endings = {
  'exit code': { code: 3, signal: null },
  'process.exit': { code: 7, signal: null },
  'uncaught error': { code: 1, signal: null },
  'unhandled rejection': { code: 1, signal: null },
  SIGTERM: { code: null, signal: 'SIGTERM' },
  SIGKILL: { code: null, signal: 'SIGKILL' },
} as const
type Ending = keyof typeof endings

const project = await makeProjectWithSdk()
await project.copy('test/compat/fixtures', '.')
const gateway = await startGateway()

for (const name of runtimes) {
  test(`${name}: modules and CommonJS, by journal and by POST, alone and registered`, async () => {
    const jobs: Case[] = []
    for (const file of ['job.mjs', 'job.cjs', 'api.mjs', 'api.cjs'] as const) {
      for (const way of ['journal', 'post'] as const) jobs.push({ file, way, ending: 'exit code' })
    }
    await everyCount('forms', name, jobs)
  })

  test(`${name}: every ending that it has, by journal`, async () => {
    const file = 'job.mjs'
    const jobs = Object.keys(endings).map((ending) => ({ file, way: 'journal', ending }) as Case)
    await everyCount('journal', name, jobs)
  })

  test(`${name}: every ending that leaves the time for it, by POST`, async () => {
    const told = (['process.exit', 'uncaught error', 'unhandled rejection', 'SIGTERM'] as const).map(
      (ending) => ({ file: 'job.mjs', way: 'post', ending }) as const
    )
    await everyCount('post', name, told)
  })
}

interface Case {
  file: 'job.mjs' | 'job.cjs' | 'api.mjs' | 'api.cjs'
  way: 'journal' | 'post'
  ending: Ending
}

/** Runs them all: each ends as it would without us and says nothing of ours, and every thousand is in the sums. */
async function everyCount(what: string, name: RuntimeName, cases: readonly Case[]): Promise<void> {
  const program = await runtime(name)
  const runs = cases.map(({ file, way, ending }) => async () => {
    const run = [what, name, file, way, ending].join(' ')
    const scope = file.startsWith('api') ? ',otel_scope_name="compat"' : ''
    const allShown = async (): Promise<void> => {
      for (const [kind, count] of Object.entries({ odd: 250, even: 750 })) {
        await gateway.shows(`compat_total{job="compat",kind="${kind}"${scope},run="${run}"}`, count)
      }
    }
    const registered = file.startsWith('api')
    const job: Job = { program, project, file, registered, args: [run, ending] }
    if (ending === 'SIGTERM' || ending === 'SIGKILL') {
      job.counted = async (pid) => {
        if (way === 'journal') await allShown() // While it lives: a turn of the event loop has written it.
        process.kill(pid, ending)
      }
    }
    const { code, signal, stdout, stderr } = await startJob(job, wayOut(gateway)[way])
    const want = { ...endings[ending], stdout: job.counted === undefined ? '' : 'counted\n' }
    assert.deepEqual({ code, signal, stdout }, want, `${run}: ${stderr}`)
    if (code === 1) assert.match(stderr, /as told/, run) // The job's own error, as ever.
    else assert.equal(stderr, '', run)
    assert.doesNotMatch(stderr, /swansong:/, run)
    await allShown()
  })
  await runAll(runs, 3)
}
