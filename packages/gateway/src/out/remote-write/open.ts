import { readdirSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Config } from '../../config/config.ts'
import type { RemoteWriteSettings } from '../../config/remote-write.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Log } from '../../log.ts'
import { newRemoteWriteStats, type Stats } from '../../stats.ts'
import { Collector } from './collector.ts'
import { Endpoint } from './endpoint.ts'
import { Queue, type DiskSpace } from './queue.ts'
import { Sender } from './sender.ts'

export interface RemoteWriteOptions {
  stats: Stats
  log: Log
  /** Milliseconds from any fixed point. */
  clock: () => number
  /** Unix milliseconds. */
  now: () => number
  /** From 0 to below 1. */
  random?: () => number
  /** Waits by the clock, or until it is stopped. */
  sleep?: (ms: number, stop: AbortSignal) => Promise<void>
  /** Bytes of the disk that a directory is on. */
  space?: (directory: string) => Promise<DiskSpace>
}

export interface RemoteWrite {
  start(): void
  /** Writes a last time, for so many milliseconds at most. */
  close(withinMs: number): Promise<void>
}

/** All receivers of `remote_write`: to be started when the gateway is ready. Throws DoorFileError. */
export function openRemoteWrite(
  ledger: Ledger,
  config: Pick<Config, 'remoteWrite' | 'dataDir'>,
  options: RemoteWriteOptions
): RemoteWrite {
  const directory = join(config.dataDir, 'remote-write')
  const endpoints = config.remoteWrite.map((settings) => openEndpoint(ledger, settings, directory, options))
  sayUnused(directory, config.remoteWrite, options.log)
  return {
    start() {
      for (const endpoint of endpoints) endpoint.start()
    },
    async close(withinMs) {
      await Promise.all(endpoints.map((endpoint) => endpoint.close(withinMs)))
    },
  }
}

/** One of them, with its queue in a directory of its name. */
export function openEndpoint(
  ledger: Ledger,
  settings: RemoteWriteSettings,
  directory: string,
  options: RemoteWriteOptions
): Endpoint {
  const { stats: all, log, clock, now, random = Math.random, sleep = slept, space = spaceOf } = options
  const sender = new Sender(settings)
  const stats = newRemoteWriteStats(settings)
  all.remoteWrite.push(stats)
  const { ledgerId } = ledger.identity
  const { bytesMax } = settings.queue
  const queue = new Queue(join(directory, settings.name), { ledgerId, bytesMax, now, space })
  if (queue.foreignCount > 0)
    log.warn(
      { endpoint: settings.name, files: queue.foreignCount },
      'remote_write: the queue was of another ledger, and is not sent'
    )
  const collector = new Collector(ledger, { queue, settings, stats, now })
  return new Endpoint({ settings, collector, queue, sender, stats, log, clock, now, random, sleep })
}

async function spaceOf(directory: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(directory)
  return { free: bavail * bsize, total: blocks * bsize }
}

async function slept(ms: number, stop: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal: stop }).catch(() => {}) // It is over then.
}

/** What is queued for a receiver that is not named any more is neither sent nor removed. */
function sayUnused(directory: string, receivers: readonly RemoteWriteSettings[], log: Log): void {
  const names = new Set(receivers.map(({ name }) => name))
  const unused = readdirSync(directory).filter((name) => !names.has(name))
  if (unused.length > 0)
    log.warn(
      { directory, unused },
      'remote_write: queues of receivers that are not named any more; remove them'
    )
}
