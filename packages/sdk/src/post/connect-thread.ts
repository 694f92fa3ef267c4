import type { ConnectionNow } from './connect-now.ts'
import { connectOptions, type Endpoint } from './endpoint.ts'

/** What a thread may bring back; of a longer answer the head has come by then. */
const answerBytesMax: number = 256 * 1024
const whyBytesMax = 1024
// The words of the state that both threads share.
const receivedWord = 0
const whyLengthWord = 1
const phaseWord = 2
const stateBytes = 12
const phases = { connecting: 0, sent: 1, ended: 2, failed: 3 } as const

/*
 * The thread's program: bytes out, bytes in. It is text, and not a file or a function, so that it works in any bundle and
 * behind any transpiler. It uses no `node:http`, and starts without the job's flags: nothing that instruments the job is
 * in it.
 */
const program = `
const { workerData: { secure, options, request, shared } } = process.getBuiltinModule('node:worker_threads')
const state = new Int32Array(shared, 0, 3)
const answer = new Uint8Array(shared, ${stateBytes}, ${answerBytesMax})
const why = new Uint8Array(shared, ${stateBytes + answerBytesMax}, ${whyBytesMax})
const settle = (phase, text) => {
  if (state[${phaseWord}] > ${phases.sent}) return
  Atomics.store(state, ${whyLengthWord}, new TextEncoder().encodeInto(text, why).written)
  Atomics.store(state, ${phaseWord}, phase)
}
const fail = (error) => {
  const first = error.errors && error.errors[0] ? error.errors[0].message : ''
  settle(${phases.failed}, error.reason ? 'TLS: ' + error.reason : error.message || first || String(error.code))
}
try {
  const socket = process.getBuiltinModule(secure ? 'node:tls' : 'node:net').connect(options)
  socket.once(secure ? 'secureConnect' : 'connect', () => {
    Atomics.store(state, ${phaseWord}, ${phases.sent})
    socket.write(request)
  })
  socket.on('error', fail)
  socket.on('close', () => settle(${phases.ended}, ''))
  socket.on('data', (bytes) => {
    const at = state[${receivedWord}]
    answer.set(bytes.subarray(0, answer.length - at), at)
    Atomics.store(state, ${receivedWord}, Math.min(at + bytes.length, answer.length))
    if (at + bytes.length >= answer.length) socket.destroy()
  })
} catch (error) {
  fail(error)
}
`

/**
 * For what cannot be had otherwise while this thread blocks: TLS, and the address of a name. A thread takes 40 ms to
 * start. Throws where threads are not allowed.
 */
export function connectByThread(endpoint: Endpoint): ConnectionNow {
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  const shared = new SharedArrayBuffer(stateBytes + answerBytesMax + whyBytesMax)
  const state = new Int32Array(shared, 0, 3)
  const answer = new Uint8Array(shared, stateBytes, answerBytesMax)
  let thread: InstanceType<typeof Worker> | undefined
  let taken = 0
  let waitingToSend = 0
  const start = (request: Uint8Array): void => {
    thread = new Worker(program, {
      eval: true,
      workerData: { secure: endpoint.secure, options: connectOptions(endpoint), request, shared },
      execArgv: [],
      env: verification(),
      stdin: false,
      stdout: true, // Nothing of it is the job's output.
      stderr: true,
    })
    thread.on('error', () => {}) // A thread that cannot run leaves us at the deadline.
    thread.unref()
  }
  return {
    write: (bytes, at) => {
      if (thread === undefined) {
        start(bytes)
        waitingToSend = bytes.length - at
      }
      const phase = Atomics.load(state, phaseWord)
      if (phase === phases.failed) throw new Error(readWhy(shared, Atomics.load(state, whyLengthWord)))
      return phase === phases.connecting ? 0 : waitingToSend
    },
    read: (into) => {
      const phase = Atomics.load(state, phaseWord) // Before the bytes: what came before the end is then seen.
      const count = Math.min(Atomics.load(state, receivedWord) - taken, into.length)
      if (count > 0) {
        into.set(answer.subarray(taken, taken + count))
        taken += count
        return count
      }
      if (phase === phases.failed) throw new Error(readWhy(shared, Atomics.load(state, whyLengthWord)))
      return phase === phases.ended ? 0 : undefined
    },
    close: () => void thread?.terminate(),
  }
}

/** What the job's environment says about whom to trust: otherwise the thread would judge differently. */
function verification(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {}
  for (const name of [
    'NODE_TLS_REJECT_UNAUTHORIZED',
    'NODE_EXTRA_CA_CERTS',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
  ]) {
    if (process.env[name] !== undefined) env[name] = process.env[name]
  }
  return env
}

function readWhy(shared: SharedArrayBuffer, length: number): string {
  return Buffer.from(new Uint8Array(shared, stateBytes + answerBytesMax, length)).toString('utf8')
}
