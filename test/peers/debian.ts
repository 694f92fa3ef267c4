import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** The peers that tests run against, each a Debian package, and the program in it. */
const programs = {
  prometheus: 'usr/bin/prometheus',
  'prometheus-node-exporter': 'usr/bin/prometheus-node-exporter',
  /** A folder of libraries, for the program that follows. */
  'libsystemd-shared': 'usr/lib/x86_64-linux-gnu/systemd',
  systemd: 'usr/bin/systemd-analyze',
  'victoria-metrics': 'usr/bin/victoria-metrics',
  'prometheus-pushgateway': 'usr/bin/prometheus-pushgateway',
} as const

export type PeerName = keyof typeof programs

const root: string = join(import.meta.dirname, '..', '..')
const cache: string = join(root, '.cache', 'peers')

/**
 * The path of a peer's program, from Debian's package, unpacked into `.cache/peers` the first time. Needs no root,
 * installs nothing and starts nothing. Where there is no apt-get, a program of that name on the PATH does.
 */
export async function debianPeer(name: PeerName): Promise<string> {
  const program = join(cache, name, programs[name])
  if (await isExecutable(program)) return program
  if ((await onPath('apt-get')) === undefined) return peerOnPath(name)

  await mkdir(cache, { recursive: true })
  const unpacking = await mkdtemp(join(cache, `.${name}-`))
  try {
    const archive = await download(name, unpacking)
    await run('dpkg-deb', ['-x', archive, join(unpacking, 'root')], unpacking)
    await rm(join(cache, name), { recursive: true, force: true })
    await rename(join(unpacking, 'root'), join(cache, name)).catch(async (error: unknown) => {
      if (!(await isExecutable(program))) throw error // Otherwise another test's process was faster.
    })
  } catch (cause) {
    throw new Error(`the tests need Debian's package ${name}, and it could not be had: ${messageOf(cause)}`, {
      cause,
    })
  } finally {
    await rm(unpacking, { recursive: true, force: true })
  }
  if (!(await isExecutable(program))) throw new Error(`Debian's package ${name} holds no ${programs[name]}`)
  return program
}

/** Downloads by the machine's package lists; where these are missing or old, by fresh ones of our own. */
async function download(name: PeerName, into: string): Promise<string> {
  try {
    await run('apt-get', ['download', name], into)
  } catch {
    const state = join(cache, '.apt')
    await mkdir(join(state, 'lists', 'partial'), { recursive: true })
    await mkdir(join(state, 'cache', 'archives', 'partial'), { recursive: true })
    const own = ['-o', `Dir::State::lists=${state}/lists`, '-o', `Dir::Cache=${state}/cache`]
    const unsandboxed = ['-o', 'APT::Sandbox::User='] // Run by root, apt becomes _apt, which may not write here.
    await run('apt-get', [...own, ...unsandboxed, 'update'], into)
    await run('apt-get', [...own, ...unsandboxed, 'download', name], into)
  }
  const archive = (await readdir(into)).find((file) => file.endsWith('.deb'))
  if (archive === undefined) throw new Error(`apt-get download ${name} left no .deb file`)
  return join(into, archive)
}

async function peerOnPath(name: PeerName): Promise<string> {
  const program = await onPath(name)
  if (program !== undefined) return program
  throw new Error(`the tests need ${name}: there is no apt-get to download it with, and none on the PATH`)
}

async function onPath(program: string): Promise<string | undefined> {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    if (await isExecutable(join(directory, program))) return join(directory, program)
  }
  return undefined
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false
  )
}

async function run(command: string, args: string[], cwd: string): Promise<void> {
  await promisify(execFile)(command, args, { cwd })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.trim() : String(error)
}
