import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import { promisify } from 'node:util'

const root: string = join(import.meta.dirname, '..', '..')
/** An install of what lies in npm's cache takes seconds; a registry that hangs must fail the test. */
const installMsMax = 120_000

/** Somebody's project: a folder of its own, with packages in it as npm installs them. */
export interface Project {
  readonly folder: string
  /** The path of a file in it. */
  at(...names: string[]): string
  write(path: string, text: string): Promise<void>
  /** Copies a file or a folder of this repository into it. */
  copy(from: string, to: string): Promise<void>
  /** `npm install`; in a folder of it where one is named. */
  install(packages: readonly string[], folder?: string): Promise<void>
}

/** The packages as they would be published, packed into a folder: their tarballs, to be installed. */
export interface Packed {
  otlp: string
  sdk: string
}

/** A fresh project in a temporary folder, gone when the tests of this file are over. */
export async function makeProject(name = 'project'): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), `swansong-${name}-`))
  after(() => rm(folder, { recursive: true, force: true }))
  const at = (...names: string[]): string => join(folder, ...names)
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(at(path)), { recursive: true })
    await writeFile(at(path), text)
  }
  await write('package.json', `{ "name": "${name}", "version": "1.0.0", "private": true }\n`)
  return {
    folder,
    at,
    write,
    copy: (from, to) => cp(join(root, from), at(to), { recursive: true }),
    async install(packages, inFolder = '.') {
      const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline', '--save-exact']
      await npm(['install', ...quiet, ...packages], at(inFolder))
    },
  }
}

/** Packs the SDK and what it is made of, as they were built. */
export async function pack(into: Project): Promise<Packed> {
  const packOne = async (name: string): Promise<string> => {
    const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', into.folder]
    return into.at((await npm(args, join(root, 'packages', name))).trim())
  }
  return { otlp: await packOne('otlp'), sdk: await packOne('sdk') }
}

/** A fresh project with the packed SDK in it, and other packages where they are named. */
export async function makeProjectWithSdk(...others: string[]): Promise<Project> {
  const project = await makeProject()
  const { otlp, sdk } = await pack(project)
  await project.install([otlp, sdk, ...others])
  return project
}

async function npm(args: string[], cwd: string): Promise<string> {
  // Which workspace the npm that runs the tests is in must not matter here.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_config_(workspace|local_prefix)/i.test(name))
  )
  const { stdout } = await promisify(execFile)('npm', args, { cwd, env, timeout: installMsMax })
  return stdout
}
