import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { arch, platform } from 'node:process'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** The npm package that holds a runtime for this machine, and the program in it. */
const bunArch = arch === 'arm64' ? 'aarch64' : arch
const denoPlatform = platform === 'linux' ? `linux-${arch}-glibc` : `${platform}-${arch}`
const packages = {
  node: { name: `node-${platform}-${arch}`, program: 'bin/node' },
  bun: { name: `@oven/bun-${platform}-${bunArch}`, program: 'bin/bun' },
  deno: { name: `@deno/${denoPlatform}`, program: 'deno' },
} as const

/**
 * What the SDK is held to run on: the first release of each line of Node that it supports (22.12 and earlier warn of
 * `require` of a module), the newest of the newest line, and the other two that can run a package of npm.
 */
export const runtimes = [
  'node@20.19.0',
  'node@22.13.0',
  'node@24.21.0',
  'node@26.10.0',
  'bun@1.4.5',
  'deno@2.9.6',
] as const

export type RuntimeName = (typeof runtimes)[number]

const root: string = join(import.meta.dirname, '..', '..')
const cache: string = join(root, '.cache', 'peers')

/** The path of a runtime's program, from its package of npm, unpacked into `.cache/peers` the first time. */
export async function runtime(name: RuntimeName): Promise<string> {
  const [kind, version] = name.split('@') as [keyof typeof packages, string]
  const { name: npmPackage, program } = packages[kind]
  const home = join(cache, `${kind}-${version}`)
  const path = join(home, program)
  if (await isExecutable(path)) return path
  await mkdir(cache, { recursive: true })
  const unpacking = await mkdtemp(join(cache, `.${kind}-`))
  try {
    const run = promisify(execFile)
    const { stdout } = await run('npm', ['pack', '--silent', `${npmPackage}@${version}`], { cwd: unpacking })
    await run('tar', ['-xzf', stdout.trim(), `package/${program}`], { cwd: unpacking })
    await rm(home, { recursive: true, force: true })
    await rename(join(unpacking, 'package'), home).catch(async (error: unknown) => {
      if (!(await isExecutable(path))) throw error // Otherwise another test's process was faster.
    })
  } catch (cause) {
    throw new Error(
      `the tests need ${npmPackage}@${version} of npm, and it could not be had: ${messageOf(cause)}`,
      { cause }
    )
  } finally {
    await rm(unpacking, { recursive: true, force: true })
  }
  return path
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.trim() : String(error)
}
