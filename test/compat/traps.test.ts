import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startGateway } from '../support/gateway.ts'
import { makeProjectWithSdk, type Project } from '../support/project.ts'
import { wayOut } from '../support/worker.ts'
import { startJob } from './job.ts'

/*
 * More than one copy of something in one process: what is counted then, and what is said of what cannot be. The gateway's
 * sums decide; each run has a `service.name` of its own.
 */

const gateway = await startGateway()
/** The job has one copy of the API, the library an older one; and the other way round. */
const project = await makeTree({ ours: '1.10.0', library: '1.9.0' })
const newer = await makeTree({ ours: '1.9.1', library: '1.10.0' })
const job = { program: process.execPath, file: 'traps.cjs' }

test('a library with an older copy of the API is counted, like its job', async () => {
  await counts('older', ['two copies of the API'], { of_job: 5, of_library: 5 })
})

test('a library with a newer copy of the API than the one registered with is not counted', async () => {
  // The newer copy finds the older one's global and takes it for none. Nobody is told, not even the older copy.
  await counts('newer', ['two copies of the API'], { of_job: 5, of_library: 0 }, { tree: newer })
})

test('another copy of the API that was there first is named on stderr, and only what goes through the API is lost', async () => {
  const first = `const { diag } = require('library'); diag.setLogger({ error() {}, warn() {}, info() {}, debug() {} })\n`
  await project.write('copy-first.cjs', first)
  const ours = ['our own beside the API']
  const said = await counts('copy-first', ours, { of_job: 0, of_sdk: 5 }, { first: './copy-first.cjs' })
  assert.match(
    said,
    /^swansong: not registered, as another copy of @opentelemetry\/api \(1\.9\.0\) was loaded first: .*\n$/
  )
})

test('another SDK that was registered first is said on stderr, and only what goes through the API is lost', async () => {
  await project.install(['@opentelemetry/sdk-metrics@3.1.0'])
  const first = `
const { metrics } = require('@opentelemetry/api')
const { MeterProvider } = require('@opentelemetry/sdk-metrics')
metrics.setGlobalMeterProvider(new MeterProvider())\n`
  await project.write('sdk-first.cjs', first)
  const ours = ['our own beside the API']
  const said = await counts('sdk-first', ours, { of_job: 0, of_sdk: 5 }, { first: './sdk-first.cjs' })
  assert.match(said, /^swansong: not registered, as another metrics SDK was registered first: .*\n$/)
})

test('an instrument of the API made before registration stays without effect; --import comes before all', async () => {
  const tooEarly = ['an instrument made too early']
  await counts('too-early', tooEarly, { early: 0, late: 5 }, { registered: false })
  await counts('in-time', tooEarly, { early: 5, late: 5 })
})

test('three copies of the SDK, one of another version, one in CommonJS, are one worker', async () => {
  const copies = project.at('node_modules', 'library', 'node_modules', '@swansong')
  await cp(project.at('node_modules', '@swansong'), copies, { recursive: true })
  for (const name of await readdir(join(copies, 'sdk', 'dist')))
    await makeNewer(join(copies, 'sdk', 'dist', name))
  await project.install(['esbuild@0.28.2'])
  await project.write('copy.mjs', "export { counter, flush } from '@swansong/sdk'\n")
  const bundle = ['copy.mjs', '--bundle', '--platform=node', '--format=cjs', '--outfile=bundled.cjs']
  execFileSync(project.at('node_modules', '.bin', 'esbuild'), [...bundle, '--log-level=warning'], {
    cwd: project.folder,
  })

  for (const order of ['as they come', 'in reverse']) {
    const args = ['three copies of the SDK', order]
    await counts(order.replaceAll(' ', '-'), args, { 'jobs{kind="shared"}': 15 }, { registered: false })
    const spool = await mkdtemp(join(tmpdir(), 'swansong-copies-'))
    after(() => rm(spool, { recursive: true, force: true }))
    const { stderr } = await startJob({ ...job, project, args }, { SWANSONG_SPOOL_DIR: spool })
    assert.deepEqual([stderr, (await readdir(spool)).length], ['', 1], 'one journal')
  }
})

/** A project with these two versions of the API, and the SDK beside the first. */
async function makeTree(versions: { ours: string; library: string }): Promise<Project> {
  const tree = await makeProjectWithSdk(`@opentelemetry/api@${versions.ours}`)
  await tree.copy('test/compat/fixtures', '.')
  await tree.write(
    'packages/library/package.json',
    JSON.stringify({
      name: 'library',
      version: '1.0.0',
      exports: { '.': './index.cjs', './sdk': './sdk.mjs' },
      dependencies: { '@opentelemetry/api': versions.library },
    })
  )
  await tree.write('packages/library/index.cjs', "module.exports = require('@opentelemetry/api')\n")
  await tree.write('packages/library/sdk.mjs', "export { counter, flush } from '@swansong/sdk'\n")
  await tree.install(['--install-links', './packages/library'])
  const versionOf = async (...at: string[]): Promise<unknown> => {
    const text = await readFile(tree.at(...at, 'node_modules/@opentelemetry/api/package.json'), 'utf8')
    return (JSON.parse(text) as { version: unknown }).version
  }
  assert.equal(await versionOf(), versions.ours)
  assert.equal(await versionOf('node_modules', 'library'), versions.library)
  return tree
}

interface Circumstances {
  /** Where the job is run, if not in the first tree. */
  tree?: Project
  /** A file of it that is loaded before us. */
  first?: string
  /** Whether the job is run under `--import @swansong/sdk/register`, as it is unless said. */
  registered?: boolean
}

/**
 * Runs a trap, by journal and by POST: it ends with 0, and the gateway holds these sums of it, 0 where it has none.
 * Gives what was said on stderr, the same both times; nothing may be where nothing came first.
 */
async function counts(
  name: string,
  args: string[],
  sums: Record<string, number>,
  { tree = project, first, registered = true }: Circumstances = {}
): Promise<string> {
  const said: string[] = []
  for (const way of ['journal', 'post'] as const) {
    const service = `${name}-${way}`
    const preload = first === undefined ? {} : { NODE_OPTIONS: `--require=${first}` }
    const env = { ...wayOut(gateway)[way], OTEL_SERVICE_NAME: service, ...preload }
    const ended = await startJob({ ...job, project: tree, registered, args }, env)
    assert.deepEqual([ended.code, ended.stdout], [0, ''], ended.stderr)
    said.push(ended.stderr)
    for (const [sum, value] of Object.entries(sums).toSorted(([, a], [, b]) => b - a)) {
      const [, metric = '', labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(sum) ?? []
      const line = `${metric}_total{job="${service}"${labels === '' ? '' : `,${labels}`}}`
      await gateway.shows(line, value) // Those that are there come first: what is not there then, never comes.
    }
  }
  assert.equal(said[0], said[1])
  if (first === undefined) assert.equal(said[0], '')
  return said[0] ?? ''
}

/** Makes a copy of the SDK one of another release. */
async function makeNewer(path: string): Promise<void> {
  if (!path.endsWith('.js')) return
  const text = await readFile(path, 'utf8')
  await writeFile(path, text.replaceAll('0.1.0', '0.9.9'))
}
