import { basename } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { spawnThatDiesWithUs } from '../support/child.ts'
import type { Project } from '../support/project.ts'
import type { Ended } from '../support/worker.ts'

/** A job that hangs is ended, and its test fails by that. */
const jobMsMax = 45_000

/** How each runtime is told to load something before the job. */
const flags: Record<string, { run: string[]; load: string[] }> = {
  node: { run: [], load: ['--import', '@swansong/sdk/register'] },
  bun: { run: [], load: ['--preload', '@swansong/sdk/register'] },
  deno: {
    run: ['run', '--quiet', '--allow-all'],
    load: ['--preload', './node_modules/@swansong/sdk/dist/register.js'],
  },
}

export interface Job {
  /** The path of a runtime's program. */
  program: string
  project: Project
  /** Of the project. */
  file: string
  /** Run with `@swansong/sdk/register` loaded first. */
  registered?: boolean
  args: readonly string[]
  /** Called with its pid when it has said that it has counted. */
  counted?: (pid: number) => Promise<void>
}

/** Runs a file of a project to its end, with nothing in its environment but what is given. */
export async function startJob(job: Job, env: Record<string, string>): Promise<Ended> {
  const { run = [], load = [] } = flags[basename(job.program)] ?? {}
  const first = job.registered === true ? load : []
  const child = spawnThatDiesWithUs(job.program, [...run, ...first, job.file, ...job.args], {
    cwd: job.project.folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: job.project.folder, OTEL_SERVICE_NAME: 'compat', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), jobMsMax)
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve([code, signal]))
  })
  const { counted } = job
  let interrupted: Promise<void> | undefined
  child.stdout?.once('data', () => (interrupted = counted?.(child.pid ?? 0)))
  const [stdout, stderr, [code, signal]] = await Promise.all([
    buffer(child.stdout as Readable),
    buffer(child.stderr as Readable),
    ended,
  ])
  clearTimeout(timer)
  await interrupted
  return { code, signal, stdout: stdout.toString(), stderr: stderr.toString() }
}
