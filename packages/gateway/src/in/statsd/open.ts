import { guardConnections, type ConnectionLimits } from '../../doors/connections.ts'
import type { StatsdSettings } from '../../config/config.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Log } from '../../log.ts'
import { cutConnections, listen, type Address } from '../../doors/server.ts'
import type { Stats, StatsdStats } from '../../stats.ts'
import type { Receiver } from '../receive.ts'
import { openDatagrams, type DatagramLimits } from './datagram-door.ts'
import { streamDoor } from './stream-door.ts'
import { Teller, type StatsdLimits } from './teller.ts'

/** How often it is looked whether datagrams were dropped, to say so. */
const watchMs = 10_000

export interface StatsdOptions {
  settings: StatsdSettings
  limits: StatsdLimits & DatagramLimits & ConnectionLimits
  stats: Stats
  log: Log
}

/** Where StatsD is taken; what was received is durable when `close` resolves. */
export interface StatsdDoors {
  udp: Address | undefined
  tcp: Address | undefined
  close(): Promise<void>
}

/** Opens what is wanted of UDP, TCP and a descriptor. Throws ListenError. */
export async function openStatsd(
  receiver: Receiver,
  ledger: Ledger,
  options: StatsdOptions
): Promise<StatsdDoors> {
  const { settings, limits, stats, log } = options
  const statsd: StatsdStats = {
    packets: 0,
    lines: 0,
    rejected: new Map(),
    gatewayDropped: 0,
    kernelDropped: [],
    receiveBufferBytes: 0,
  }
  stats.statsd = statsd
  const teller = new Teller(receiver, ledger, { settings, limits, stats, statsd, log, now: () => Date.now() })
  const closing: (() => Promise<void> | void)[] = [() => teller.close()]
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).toReversed()) await end()
  }
  try {
    const udp =
      settings.udp && (await openDatagrams(settings.udp, '--statsd HOST:PORT', teller, statsd, limits))
    if (udp !== undefined) closing.push(() => udp.close())
    if (settings.descriptor !== undefined) {
      const at = { descriptor: settings.descriptor }
      const door = await openDatagrams(at, '--statsd-fd NUMBER', teller, statsd, limits)
      closing.push(() => door.close())
    }
    let tcp: Address | undefined
    if (settings.tcp !== undefined) {
      const server = streamDoor(teller, statsd, limits)
      tcp = await listen(server, settings.tcp, '--statsd-tcp')
      guardConnections(server, 'statsd-tcp', limits, stats, log)
      closing.push(() => shutStreams(server))
    }
    const watching = setInterval(dropsSayer(statsd, log), watchMs)
    closing.push(() => clearInterval(watching))
    return { udp: udp && { host: udp.host, port: udp.port }, tcp, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Who sends has no answer to wait for: what came is taken, and the connection cut. */
function shutStreams(server: ReturnType<typeof streamDoor>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    cutConnections(server)
  })
}

/** Says when the kernel has dropped more than before. */
function dropsSayer(statsd: StatsdStats, log: Log): () => void {
  let said = 0
  return () => {
    const dropped = statsd.kernelDropped.reduce((sum, drops) => sum + drops(), 0)
    if (dropped === said) return
    const hint = 'raise net.core.rmem_max and start again, send packed lines, or send by TCP or a Unix socket'
    log.warn(
      { dropped, bufferBytes: statsd.receiveBufferBytes },
      `statsd: the kernel drops datagrams: ${hint}`
    )
    said = dropped
  }
}
