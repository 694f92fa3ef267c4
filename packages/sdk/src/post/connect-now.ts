import type { Socket } from 'node:net'
import type { Endpoint } from './endpoint.ts'

/*
 * Node has no synchronous socket. But connect(2) is issued by the call itself, the descriptor is non-blocking, and
 * `fs.readSync` and `fs.writeSync` take any descriptor: EAGAIN is then the answer to "not yet". `undefined` comes back
 * where there is no such descriptor (Windows, other runtimes).
 */

/** Whether a socket is a descriptor that `node:fs` takes. Elsewhere a thread connects. */
export const hasDescriptors: boolean = process.platform !== 'win32' && !('deno' in process.versions)

/** A connection that is used without the event loop. Its functions never wait; they throw what the system says. */
export interface ConnectionNow {
  /** Takes bytes from `at` on; says how many, 0 if it cannot just now. */
  write: (bytes: Uint8Array, at: number) => number
  /** Fills in what has come; says how many, 0 at the end, `undefined` if nothing has. */
  read: (into: Uint8Array) => number | undefined
  close: () => void
}

/** Under libuv's handles, as Node's bindings give them. */
interface Handle {
  readonly fd?: number
  connect: (request: object, ...to: (string | number)[]) => number
  connect6: (request: object, ...to: (string | number)[]) => number
  close: () => void
}

interface Binding {
  TCP: new (type: number) => Handle
  TCPConnectWrap: new () => { oncomplete: () => void }
  Pipe: new (type: number) => Handle
  PipeConnectWrap: new () => { oncomplete: () => void }
  constants: { SOCKET: number }
}

/** The newest Node on which the bindings were tried. A later one may warn of their use, so it is not asked for them. */
const bindingMajorMax = 26

/** To a Unix socket, or to this address. Throws what connecting says at once. */
export function connectByDescriptor(endpoint: Endpoint, address: string): ConnectionNow | undefined {
  const handle = connectBinding(endpoint, address) ?? connectNet(endpoint, address)
  const { fd } = handle
  if (fd === undefined || fd < 0) {
    handle.close()
    return undefined
  }
  const fs = process.getBuiltinModule('node:fs')
  return {
    write: (bytes, at) => {
      try {
        return fs.writeSync(fd, bytes, at)
      } catch (error) {
        if (codeOf(error) === 'EAGAIN') return 0
        if (codeOf(error) !== 'ENOTCONN') throw error
        if (endpoint.socketPath === undefined) return 0 // So macOS says that it is still connecting.
        fs.accessSync(endpoint.socketPath, fs.constants.W_OK) // Says it better: not there, not allowed.
        throw new Error('nobody accepts connections there', { cause: error })
      }
    },
    read: (into) => {
      try {
        return fs.readSync(fd, into)
      } catch (error) {
        if (codeOf(error) === 'EAGAIN') return undefined
        throw error
      }
    },
    close: () => handle.close(),
  }
}

/**
 * By the bindings beneath `node:net`: loading that costs a job 10 ms of CPU or more, this costs less than one. They are
 * not documented, so whatever is not as expected makes it `undefined`, and `node:net` is loaded after all.
 */
function connectBinding(endpoint: Endpoint, address: string): Pick<Handle, 'fd' | 'close'> | undefined {
  const { socketPath, port } = endpoint
  const binding = bindingOf(socketPath === undefined ? 'tcp_wrap' : 'pipe_wrap')
  if (binding === undefined) return undefined
  let handle: Handle | undefined
  try {
    const { SOCKET } = binding.constants
    handle = socketPath === undefined ? new binding.TCP(SOCKET) : new binding.Pipe(SOCKET)
    const request = socketPath === undefined ? new binding.TCPConnectWrap() : new binding.PipeConnectWrap()
    request.oncomplete = () => {} // Called if the process goes on: the handle is closed by then.
    if (socketPath !== undefined) handle.connect(request, socketPath)
    else if (address.includes(':')) handle.connect6(request, address, port)
    else handle.connect(request, address, port)
    if (typeof handle.fd === 'number') return handle // An error of connecting comes with the first write.
    handle.close()
  } catch {
    handle?.close()
  }
  return undefined
}

function bindingOf(name: string): Binding | undefined {
  const { binding } = process as { binding?: (name: string) => Binding }
  const major = Number(process.versions.node.split('.')[0])
  if (
    binding === undefined ||
    major > bindingMajorMax ||
    'bun' in process.versions ||
    'deno' in process.versions
  )
    return undefined
  const flags = [...process.execArgv, process.env['NODE_OPTIONS'] ?? '']
  const isPending = flags.some((flag) => flag.includes('--pending-deprecation'))
  if (isPending || process.env['NODE_PENDING_DEPRECATION'] === '1') return undefined // It would warn.
  try {
    return binding.call(process, name)
  } catch {
    return undefined // Forbidden, under `--permission`.
  }
}

/** The same by what is documented, up to the descriptor. A `lookup` that answers at once makes it connect at once. */
function connectNet(endpoint: Endpoint, address: string): { fd: number | undefined; close: () => void } {
  const net = process.getBuiltinModule('node:net')
  const family = address.includes(':') ? 6 : 4
  const socket: Socket & { _handle?: Handle } =
    endpoint.socketPath !== undefined
      ? net.connect({ path: endpoint.socketPath })
      : net.connect({
          host: 'known',
          port: endpoint.port,
          family,
          autoSelectFamily: false,
          lookup: (_host, _options, done) => done(null, address, family),
        })
  socket.unref()
  socket.on('error', () => {}) // What it says, the descriptor has said before.
  return { fd: socket._handle?.fd, close: () => void socket.destroy() }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}
