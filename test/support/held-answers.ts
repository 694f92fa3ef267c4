import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { after } from 'node:test'

/** Stands between a job and a gateway, byte by byte. */
export interface HeldAnswers {
  /** What the job is given as its endpoint. */
  endpoint: string
  /** From here on an answer ends within its first line, and the connection stays open until the gateway is gone. */
  hold(): void
  /** From here on everything passes. */
  pass(): void
  /** Answers of which the rest was held back since the last `hold()`. */
  readonly held: number
}

/** Enough to tell that it is an answer, and not enough to tell which. */
const answerBytesPassed = 20

export async function holdAnswers(port: number): Promise<HeldAnswers> {
  const sockets = new Set<Socket>()
  let isHolding = false
  let held = 0
  const server = createServer((client) => {
    const gateway = connect(port, '127.0.0.1')
    for (const [socket, other] of [
      [client, gateway],
      [gateway, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    client.on('data', (bytes) => gateway.write(bytes))
    let hasAnswered = false
    gateway.on('data', (bytes) => {
      if (!isHolding) client.write(bytes)
      else if (!hasAnswered) {
        client.write(bytes.subarray(0, answerBytesPassed))
        held++
      }
      hasAnswered = true
    })
    gateway.on('end', () => client.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold() {
      isHolding = true
      held = 0
    },
    pass() {
      isHolding = false
    },
    get held() {
      return held
    },
  }
}
