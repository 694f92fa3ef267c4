import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, delimiter, join } from 'node:path'
import { promisify } from 'node:util'

interface Peer {
  /** Where it lies in its package. */
  program: string
  /** The packages that are unpacked together; that of the peer's name unless given. */
  packages?: readonly string[]
  /** Releases of Debian that have it, whatever the machine runs: the first that can be had. Else it is the machine's own. */
  suites?: readonly string[]
}

export type PeerName =
  | 'prometheus'
  | 'prometheus-3'
  | 'prometheus-node-exporter'
  | 'libsystemd-shared'
  | 'systemd'
  | 'victoria-metrics'
  | 'prometheus-pushgateway'

/** The peers that tests run against, each of Debian's packages. */
const peers: Readonly<Record<PeerName, Peer>> = {
  /** With promtool beside it, as in the next. */
  prometheus: { program: 'usr/bin/prometheus' },
  /** Debian's next release has it, later what comes after that. */
  'prometheus-3': {
    program: 'usr/bin/prometheus',
    packages: ['prometheus', 'promtool'],
    suites: ['forky', 'sid'],
  },
  'prometheus-node-exporter': { program: 'usr/bin/prometheus-node-exporter' },
  /** A folder of libraries, for the program that follows. */
  'libsystemd-shared': { program: 'usr/lib/x86_64-linux-gnu/systemd' },
  systemd: { program: 'usr/bin/systemd-analyze' },
  'victoria-metrics': { program: 'usr/bin/victoria-metrics' },
  'prometheus-pushgateway': { program: 'usr/bin/prometheus-pushgateway' },
}

const root: string = join(import.meta.dirname, '..', '..')
const cache: string = join(root, '.cache', 'peers')

/**
 * The path of a peer's program, from Debian's package, unpacked into `.cache/peers` the first time. Needs no root,
 * installs nothing and starts nothing. Where there is no apt-get, a program of that name on the PATH does.
 */
export async function debianPeer(name: PeerName): Promise<string> {
  const peer = peers[name]
  const program = join(cache, name, peer.program)
  if (await isExecutable(program)) return program
  if ((await onPath('apt-get')) === undefined) return peerOnPath(basename(program))

  await mkdir(cache, { recursive: true })
  const unpacking = await mkdtemp(join(cache, `.${name}-`))
  const packages = peer.packages ?? [name]
  try {
    if (peer.suites === undefined) await download(packages, unpacking)
    else await downloadOfSuites(packages, peer.suites, unpacking)
    await unpack(unpacking)
    await rm(join(cache, name), { recursive: true, force: true })
    await rename(join(unpacking, 'root'), join(cache, name)).catch(async (error: unknown) => {
      if (!(await isExecutable(program))) throw error // Otherwise another test's process was faster.
    })
  } catch (cause) {
    throw new Error(
      `the tests need Debian's ${packages.join(' and ')}, and could not have them: ${messageOf(cause)}`,
      { cause }
    )
  } finally {
    await rm(unpacking, { recursive: true, force: true })
  }
  if (!(await isExecutable(program)))
    throw new Error(`Debian's ${packages.join(' and ')} hold no ${peer.program}`)
  return program
}

/** Run by root, apt becomes _apt, which may not write here. */
const unsandboxed = ['-o', 'APT::Sandbox::User=']

/** Downloads by the machine's package lists; where these are missing or old, by fresh ones of our own. */
async function download(packages: readonly string[], into: string): Promise<void> {
  try {
    await run('apt-get', ['download', ...packages], into)
  } catch {
    const own = [...(await stateIn(join(cache, '.apt'))), ...unsandboxed]
    await run('apt-get', [...own, 'update'], into)
    await run('apt-get', [...own, 'download', ...packages], into)
  }
}

/** Downloads of the first release that has them, by its own signed lists; the machine's are neither read nor changed. */
async function downloadOfSuites(
  packages: readonly string[],
  suites: readonly string[],
  into: string
): Promise<void> {
  const failures: unknown[] = []
  const keyring = await debianKeyring(into)
  for (const suite of suites) {
    const source = join(into, `${suite}.list`)
    await writeFile(source, `deb [signed-by=${keyring}] http://deb.debian.org/debian ${suite} main\n`)
    const sources = ['-o', `Dir::Etc::sourcelist=${source}`, '-o', 'Dir::Etc::sourceparts=-']
    const lists = ['-o', 'Acquire::Languages=none', ...(await stateIn(join(into, suite)))]
    const own = [...sources, ...lists, ...unsandboxed]
    try {
      await run('apt-get', [...own, 'update'], into)
      return await run('apt-get', [...own, 'download', ...packages], into)
    } catch (error) {
      failures.push(error)
    }
  }
  throw new Error(failures.map(messageOf).join('; '))
}

/** The keys that Debian's releases are signed by: the machine's, or where it is another's (Ubuntu), of its package of them. */
async function debianKeyring(into: string): Promise<string> {
  const keyring = 'usr/share/keyrings/debian-archive-keyring.gpg'
  if (await isThere(join('/', keyring))) return join('/', keyring)
  const unpacking = join(into, 'keyring')
  await mkdir(unpacking)
  await download(['debian-archive-keyring'], unpacking)
  await unpack(unpacking)
  return join(unpacking, 'root', keyring)
}

/** Options by which apt keeps its lists in a folder of ours. */
async function stateIn(folder: string): Promise<string[]> {
  await mkdir(join(folder, 'lists', 'partial'), { recursive: true })
  await mkdir(join(folder, 'cache', 'archives', 'partial'), { recursive: true })
  return ['-o', `Dir::State::lists=${folder}/lists`, '-o', `Dir::Cache=${folder}/cache`]
}

/** Unpacks what was downloaded into a folder into its `root`. */
async function unpack(folder: string): Promise<void> {
  const archives = (await readdir(folder)).filter((file) => file.endsWith('.deb'))
  if (archives.length === 0) throw new Error('apt-get download left no .deb file')
  for (const archive of archives)
    await run('dpkg-deb', ['-x', join(folder, archive), join(folder, 'root')], folder)
}

async function peerOnPath(name: string): Promise<string> {
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
  return isThere(path, constants.X_OK)
}

async function isThere(path: string, mode?: number): Promise<boolean> {
  return access(path, mode).then(
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
