import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** What a receiver may do wrong, with a connection that it took. */
export type Fault =
  | 'says nothing'
  | 'takes nothing'
  | 'answers byte by byte'
  | 'answers byte by byte for ever'
  | 'dies mid-answer'
  | 'ends mid-answer'
  | 'dies mid-head'
  | 'answers hugely'
  | 'answers for ever'
  | 'is no HTTP'
  | 'refuses early'

export interface FaultyGateway {
  url: string
  connections: () => number
  close: () => Promise<void>
}

const pieceMs = 20

/** Reads nothing but what tells it that a request came, and answers as it is told. */
export async function startFaultyGateway(fault: Fault): Promise<FaultyGateway> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server: Server = createServer((socket) => {
    connections++
    sockets.add(socket.unref())
    socket.on('error', () => {})
    if (fault === 'takes nothing') socket.pause()
    else socket.once('data', () => misbehave(fault, socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref() // A test that fails before it closes it must not hang.
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function misbehave(fault: Fault, socket: Socket): void {
  const head = 'HTTP/1.1 200 OK\r\ncontent-length: '
  if (fault === 'answers byte by byte') drip(socket, `${head}0\r\n\r\n`, 2)
  else if (fault === 'answers byte by byte for ever')
    drip(socket, `HTTP/1.1 503 No\r\nx: ${'x'.repeat(9999)}`, pieceMs)
  else if (fault === 'dies mid-answer') socket.write(`${head}100\r\n\r\nhalf`, () => socket.resetAndDestroy())
  else if (fault === 'ends mid-answer') socket.end(`${head}100\r\n\r\nhalf`)
  else if (fault === 'dies mid-head') socket.write('HTTP/1.1 200 OK\r\nconte', () => socket.resetAndDestroy())
  else if (fault === 'answers hugely') socket.write(`${head}100000000\r\n\r\n${'x'.repeat(1_000_000)}`)
  else if (fault === 'answers for ever') flood(socket, `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(100_000)}`)
  else if (fault === 'is no HTTP') socket.write('SSH-2.0-OpenSSH_9.2\r\n\r\n')
  else if (fault === 'refuses early') {
    socket.pause()
    socket.end('HTTP/1.1 413 Too large\r\ncontent-length: 0\r\n\r\n')
  }
}

function drip(socket: Socket, text: string, ms: number): void {
  let at = 0
  const timer = setInterval(() => {
    if (at >= text.length || socket.destroyed) clearInterval(timer)
    else socket.write(text[at++] ?? '')
  }, ms)
}

function flood(socket: Socket, text: string): void {
  const go = (): void => {
    if (socket.destroyed) return
    if (socket.write(text)) setImmediate(go)
    else socket.once('drain', go)
  }
  go()
}
