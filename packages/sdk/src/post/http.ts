import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { connectOptions, type Endpoint } from './endpoint.ts'
import { type Reply, ReplyParser, whyOf } from './reply.ts'

/** A request under way. It does not keep the process alive: who waits for it does. */
export interface Exchange {
  /** Never rejects. */
  reply: Promise<Reply>
  /** Gives up, for this reason, if there is no reply yet. */
  abort: (why: string) => void
}

/**
 * One POST over a connection of its own, written by hand over `node:net` (or `node:tls`): a job that posts once need not
 * load `node:http`, and whatever instruments that for the job neither counts nor traces our requests.
 */
export function post(endpoint: Endpoint, request: Uint8Array): Exchange {
  let settle: (reply: Reply) => void = () => {}
  const reply = new Promise<Reply>((resolve) => (settle = resolve))
  let sent = false
  let socket: Socket | TLSSocket | undefined
  const parser = new ReplyParser()
  const end = (result: Reply): void => {
    settle(result)
    socket?.destroy()
  }
  const fail = (why: string, late = false): void => {
    end(parser.finished() ?? { status: undefined, why, sent, late })
  }
  try {
    socket = connect(endpoint)
  } catch (error) {
    fail(whyOf(error)) // A certificate that is none, for one.
    return { reply, abort: () => {} }
  }
  const connected = socket
  connected.unref()
  connected.once(endpoint.secure ? 'secureConnect' : 'connect', () => {
    sent = true
    endpoint.address = connected.remoteAddress
    connected.write(request)
  })
  connected.on('error', (error) => fail(whyOf(error)))
  connected.on('close', () => fail('the connection was closed'))
  connected.on('data', (bytes: Uint8Array) => {
    const result = parser.take(bytes)
    if (result !== undefined) end(result)
  })
  return { reply, abort: (why) => fail(why, true) }
}

function connect(endpoint: Endpoint): Socket | TLSSocket {
  const options = connectOptions(endpoint)
  if (endpoint.secure) return process.getBuiltinModule('node:tls').connect(options)
  const net = process.getBuiltinModule('node:net')
  if (options.path !== undefined) return net.connect({ path: options.path })
  return net.connect({ host: endpoint.host, port: endpoint.port, noDelay: true })
}
