import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
} from 'node:fs'
import { connect, type Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { ListenError, trackConnections } from './server.ts'

/** What the kernel takes (sockaddr_un), without its terminating zero. */
const pathBytesMax = 107
/** Nobody can connect to what is bound under this umask. */
const nobody = 0o777

export interface SocketOptions {
  path: string
  /** File mode, as 0o660. */
  mode: number
  /** Name or number; undefined: the process' own. */
  group: string | undefined
}

/**
 * Begins to listen on a Unix socket. It is bound under another name, given its group and mode, and only then renamed to
 * `path`: nobody can connect before. The socket of a dead gateway is replaced; what is no socket, or has somebody
 * listening, is not (ListenError). Returns what removes it, if it is still ours.
 */
export async function listenOnSocket(server: Server, options: SocketOptions): Promise<() => void> {
  const { path, mode, group } = options
  const unfinished = join(dirname(path), `.${process.pid}.${basename(path).slice(0, 8)}`)
  if (Math.max(Buffer.byteLength(path), Buffer.byteLength(unfinished)) > pathBytesMax) {
    throw refused(path, `its path is over the ${pathBytesMax} bytes that a socket's may have`)
  }
  const gid = group === undefined ? undefined : gidOf(path, group)
  await requireFree(path)
  rmSync(unfinished, { force: true }) // Of a process that had our pid, and died in between.
  trackConnections(server)
  await bind(server, path, unfinished)
  let bound: Stats
  try {
    if (gid !== undefined) chownSync(unfinished, -1, gid)
    chmodSync(unfinished, mode)
    bound = lstatSync(unfinished)
    renameSync(unfinished, path)
  } catch (error) {
    server.close()
    rmSync(unfinished, { force: true })
    throw refused(path, (error as Error).message, error)
  }
  return () => {
    const there = lstatSync(path, { throwIfNoEntry: false })
    if (there !== undefined && there.ino === bound.ino && there.dev === bound.dev) rmSync(path)
  }
}

function bind(server: Server, path: string, unfinished: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(refused(path, error.message, error)))
    const umask = process.umask(nobody)
    try {
      server.listen({ path: unfinished, backlog: 4096 }, () => {
        server.removeAllListeners('error')
        resolve()
      }) // Binds before it returns.
    } finally {
      process.umask(umask)
    }
  })
}

/** Throws unless there is nothing, or a socket that nobody listens on. */
async function requireFree(path: string): Promise<void> {
  let there: Stats | undefined
  try {
    there = lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw refused(path, (error as Error).message, error)
  }
  if (there === undefined && !existsSync(dirname(path))) throw refused(path, 'its directory does not exist')
  if (there === undefined) return
  if (!there.isSocket()) throw refused(path, 'there is something that is no socket; it is left alone')
  const code = await new Promise<string>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy()
      resolve('')
    })
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
  if (code === '') throw refused(path, 'another process listens there')
  if (code !== 'ECONNREFUSED' && code !== 'ENOENT')
    throw refused(path, `whether somebody listens there cannot be told (${code})`)
}

/** By /etc/group, as Node asks nobody else. */
function gidOf(path: string, group: string): number {
  if (/^\d+$/.test(group)) return Number(group)
  let groups = ''
  try {
    groups = readFileSync('/etc/group', 'utf8')
  } catch {
    // Then there are no names.
  }
  for (const line of groups.split('\n')) {
    const [name, , gid] = line.split(':')
    if (name === group) return Number(gid)
  }
  throw new ListenError(
    `${path}: /etc/group has no group ${group}; write its number, or another, in otlp.socket.group`
  )
}

function refused(path: string, why: string, cause?: unknown): ListenError {
  return new ListenError(`cannot listen on ${path}: ${why}; choose another with --otlp-socket PATH`, {
    cause,
  })
}
