import { once } from 'node:events'
import { createServer } from 'node:net'

const portMin = 10_240
const rangePorts = 1000
const rangeCount = 20

/** The first port of a range that is this process' own: it listens there for as long as it lives. */
let range: Promise<number> | undefined
const given: Set<number> = new Set()

/**
 * Ports that nobody listens on, and that no other test is given, of this process or another. Below those that a system hands
 * out to outgoing connections: else a client of the test could be given one while its gateway is dead, and the gateway could
 * not come back to it.
 */
export async function freePorts(count: number): Promise<number[]> {
  range ??= ownRange()
  const rangeMin = await range
  const ports: number[] = []
  while (ports.length < count) {
    if (given.size === rangePorts - 1) throw new Error(`more than ${given.size} ports are asked for`)
    const port = rangeMin + 1 + Math.floor(Math.random() * (rangePorts - 1))
    if (given.has(port)) continue
    given.add(port)
    if (await listens(port, false)) ports.push(port)
  }
  return ports
}

async function ownRange(): Promise<number> {
  for (let at = 0; at < rangeCount; at++) {
    const port = portMin + ((process.pid + at) % rangeCount) * rangePorts
    if (await listens(port, true)) return port
  }
  throw new Error(`${rangeCount} processes look for ports already`)
}

/** Whether one can listen there; `stays`: and goes on to. */
async function listens(port: number, stays: boolean): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  if (stays) {
    server.unref()
    return true
  }
  server.close()
  await once(server, 'close')
  return true
}
