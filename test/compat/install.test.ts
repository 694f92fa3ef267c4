import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startGateway } from '../support/gateway.ts'
import { makeProject, makeProjectWithSdk, type Project } from '../support/project.ts'
import { wayOut } from '../support/worker.ts'
import { startJob } from './job.ts'

/*
 * `npm install @swansong/sdk`, from what would be published: how much comes with it, what compilers and a bundler make
 * of it.
 */

const packagesMax = 5
const bytesMax: number = 8 * 1024 * 1024

const project = await makeProjectWithSdk()
await project.copy('test/compat/fixtures', '.')
const run = promisify(execFile)
const here = join(import.meta.dirname, '..', '..')

test(`an install is at most ${packagesMax} packages`, async (t) => {
  const packages = await packagesIn(project)
  const bytes = packages.reduce((sum, each) => sum + each.bytes, 0)
  for (const each of packages) t.diagnostic(`${each.name}@${each.version}: ${kibibytes(each.bytes)}`)
  t.diagnostic(`npm install @swansong/sdk: ${packages.length} packages, ${kibibytes(bytes)}`)
  assert.ok(packages.some(({ name }) => name === '@swansong/sdk'))
  assert.ok(packages.length <= packagesMax, `${packages.length} packages`)
  assert.ok(bytes <= bytesMax, kibibytes(bytes))
})

test('types hold under strict and exactOptionalPropertyTypes, by TypeScript 5.9 and 7', async () => {
  await project.install(['typescript@5.9.3', '@types/node@20'])
  const compilers = {
    '5.9': project.at('node_modules', 'typescript', 'bin', 'tsc'),
    '7.': join(here, 'node_modules', 'typescript', 'bin', 'tsc'),
  }
  for (const [version, tsc] of Object.entries(compilers)) {
    const said = await runTsc(tsc, ['--version'])
    assert.ok(said.startsWith(`Version ${version}`), said)
    for (const module of ['nodenext', 'bundler'] as const) {
      await project.write('tsconfig.json', JSON.stringify(tsconfig(module)))
      assert.equal(await runTsc(tsc, []), '', `TypeScript ${version}, ${module}`)
    }
  }
  // So that a compiler that saw nothing is not taken for one that found nothing.
  await project.write('types.ts', `import { counter } from '@swansong/sdk'\ncounter(7)\n`)
  for (const tsc of Object.values(compilers)) assert.match(await runTsc(tsc, []), /types\.ts.*TS2345/)
})

for (const format of ['esm', 'cjs'] as const) {
  test(`bundled into one file by esbuild, as ${format}, a job counts by both ways out`, async () => {
    await project.install(['esbuild@0.28.2'])
    const gateway = await startGateway()
    for (const file of ['job.mjs', 'registered.mjs']) {
      const lonely = await bundle(file, format)
      const scope = file === 'job.mjs' ? '' : ',otel_scope_name="compat"'
      for (const way of ['journal', 'post'] as const) {
        const name = `${file} ${format} ${way}`
        const job = { program: process.execPath, project: lonely, file: bundled[format] }
        const ended = await startJob({ ...job, args: [name, 'exit code'] }, wayOut(gateway)[way])
        assert.deepEqual(ended, { code: 3, signal: null, stdout: '', stderr: '' }, name)
        await gateway.shows(`compat_total{job="compat",kind="even"${scope},run="${name}"}`, 750)
        await gateway.shows(`compat_total{job="compat",kind="odd"${scope},run="${name}"}`, 250)
      }
    }
  })
}

test('observable instruments, which are loaded when they are made, count as installed and as bundled', async () => {
  await project.install(['esbuild@0.28.2'])
  const gateway = await startGateway()
  const places = { installed: { project, file: 'observed.mjs' }, bundled: await bundledJob('observed.mjs') }
  for (const [place, job] of Object.entries(places)) {
    for (const way of ['journal', 'post'] as const) {
      const name = `${place} ${way}`
      const ended = await startJob({ program: process.execPath, ...job, args: [name] }, wayOut(gateway)[way])
      assert.deepEqual(ended, { code: 0, signal: null, stdout: '', stderr: '' }, name)
      await gateway.shows(`observed_total{job="compat",run="${name}"}`, 250)
    }
  }
})

async function bundledJob(file: string): Promise<{ project: Project; file: string }> {
  return { project: await bundle(file, 'esm'), file: bundled.esm }
}

const bundled = { esm: 'bundle.mjs', cjs: 'bundle.cjs' } as const

/** A project of one file, and nothing to import from. */
async function bundle(file: string, format: keyof typeof bundled): Promise<Project> {
  const lonely = await makeProject('bundled')
  const esbuild = project.at('node_modules', '.bin', 'esbuild')
  const flags = ['--bundle', '--platform=node', '--minify', `--format=${format}`, '--log-level=warning']
  const into = `--outfile=${lonely.at(bundled[format])}`
  const { stderr } = await run(esbuild, [file, ...flags, into], { cwd: project.folder })
  assert.equal(stderr, '')
  return lonely
}

interface Installed {
  name: string
  version: string
  bytes: number
}

/** What lies in node_modules, at any depth, by npm's own record of it. */
async function packagesIn(where: Project): Promise<Installed[]> {
  const record = JSON.parse(await readFile(where.at('node_modules', '.package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string }>
  }
  const packages = Object.entries(record.packages).map(async ([path, { version }]) => {
    const bytes = await bytesUnder(where.at(path))
    return { name: path.replace(/^(.*\/)?node_modules\//, ''), version, bytes }
  })
  return Promise.all(packages)
}

/** The sizes of the files of a package, without those of packages inside it. */
async function bytesUnder(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true })
  const sizes = entries
    .filter(({ name }) => name !== 'node_modules')
    .map(async (entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? bytesUnder(path) : (await stat(path)).size
    })
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0)
}

/** What the compiler prints, whatever it thinks of the project. */
async function runTsc(tsc: string, args: string[]): Promise<string> {
  try {
    return (await run(process.execPath, [tsc, ...args], { cwd: project.folder })).stdout
  } catch (error) {
    const { stdout } = error as { stdout?: string }
    assert.ok(stdout !== undefined && stdout !== '', String(error))
    return stdout
  }
}

function tsconfig(resolution: 'nodenext' | 'bundler'): object {
  const module = resolution === 'nodenext' ? 'nodenext' : 'esnext'
  return {
    compilerOptions: {
      module,
      moduleResolution: resolution,
      target: 'es2022',
      lib: ['es2022'], // No DOM.
      types: ['node'], // The API's own types need a console.
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
    },
    include: ['types.ts'],
  }
}

function kibibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024)} KiB`
}
