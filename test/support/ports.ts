import { once } from 'node:events'
import { createServer } from 'node:net'

/* Files of tests that run at the same time look in ranges of their own. */
const portMin = 10_240
const rangePorts = 1000
const rangeMin: number = portMin + (process.pid % 20) * rangePorts

/**
 * Ports that nobody listens on. Below those that a system hands out to outgoing connections: else a client of the test
 * could be given one while its gateway is dead, and the gateway could not come back to it.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = rangeMin + Math.floor(Math.random() * rangePorts)
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
