import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after } from 'node:test'

export interface SwallowingProxy {
  /** What a worker is given as its endpoint. */
  endpoint: string
  /** Connections that it took, and answers that it swallowed. */
  taken(): number
  swallowed(): number
}

/**
 * A TCP proxy before a port. Of the first `count` connections, it lets the request through, but not the answer: when its
 * first byte comes, `onAnswer` is called, and the sender's connection breaks off.
 */
export async function startSwallowingProxy(
  port: number,
  count: number,
  onAnswer: (swallowed: number) => void = () => {}
): Promise<SwallowingProxy> {
  let taken = 0
  let swallowed = 0
  const sockets = new Set<Socket>()
  const server = createServer((sender) => {
    const swallows = ++taken <= count
    const gateway = connect(port, '127.0.0.1')
    for (const socket of [sender, gateway]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
    sender.on('close', () => gateway.destroy())
    gateway.on('close', () => sender.destroy())
    sender.pipe(gateway)
    if (!swallows) return gateway.pipe(sender)
    return gateway.once('data', () => {
      swallowed++
      gateway.resetAndDestroy() // As one that is gone does: in order it would say that the answer arrived.
      sender.destroy()
      onAnswer(swallowed)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port: own } = server.address() as AddressInfo
  return { endpoint: `http://127.0.0.1:${own}`, taken: () => taken, swallowed: () => swallowed }
}
