import type { Server } from 'node:net'
import type { Config } from './config/config.ts'
import { guardConnections } from './connections.ts'
import { httpDoor } from './in/http.ts'
import { Intake } from './in/intake.ts'
import { ownerWatch } from './in/owner.ts'
import { Receiver } from './in/receive.ts'
import { Spool } from './in/spool.ts'
import { Ledger, type LedgerOptions } from './ledger/ledger.ts'
import { openStore } from './ledger/sqlite.ts'
import type { Store, StoreError } from './ledger/store.ts'
import type { Log } from './log.ts'
import { adminDoor, statusOf, type Status } from './out/admin.ts'
import { scrapeDoor } from './out/scrape.ts'
import { TextExposition } from './out/text.ts'
import { listen, shut, shutSessions, type Address } from './server.ts'
import { newStats } from './stats.ts'
import { version } from './version.ts'

/** How often the ledger is asked to save its uptime and to forget old ids. */
const tickMs = 2000
/** A stop waits so long for those who only read: they lose nothing. */
const readerStopMs = 1000

export interface Gateway {
  /** Where it listens: the ports that the system chose where 0 was asked for. */
  readonly addresses: { otlpHttp: Address; otlpGrpc: Address | undefined; metrics: Address; admin: Address }
  status(): Status
  /** Doors shut, all that was accepted committed and answered, the store closed. */
  close(): Promise<void>
}

export interface GatewayOptions {
  log: Log
  /** The disk failed: answers are refused from now on, and the process should end with 3. */
  onFailed: (error: StoreError) => void
  /** The data directory may be a copy, or restored: it becomes a ledger of its own. */
  adopt?: boolean
  /** In place of the one in the data directory. */
  store?: Store
}

/** Opens the ledger, what shows it, and the doors last. Throws DataDirError, SpoolDirError or ListenError. */
export async function openGateway(config: Config, options: GatewayOptions): Promise<Gateway> {
  const { log } = options
  const stats = newStats()
  const say = (notice: string): void => log.warn({ ledger: config.dataDir }, notice)
  const store = options.store ?? openStore(config.dataDir, { adopt: options.adopt ?? false, say })
  const ledger = loaded(store, { limits: config.limits, stats, clock, onFailed: options.onFailed })
  const closing: (() => void | Promise<void>)[] = [() => ledger.close()]
  try {
    const exposition = new TextExposition(ledger.series)
    ledger.onCommit(() => exposition.keepUp())
    const scrape = scrapeDoor(exposition, stats, {
      version,
      isReady: () => !ledger.failed,
      limits: config.limits,
    })
    const admin = adminDoor(ledger, stats, version, config.limits)
    const receiver = new Receiver(ledger, stats, config)
    const { stopMs } = config.limits
    const watch = { directory: config.spoolDir, lifeOf: ownerWatch({ clock }), clock, log }
    const spool = new Spool(receiver, ledger, stats, { ...config.limits, ...watch })
    closing.push(() => spool.close())
    const tick = setInterval(() => ledger.tick(), tickMs)
    closing.push(() => clearInterval(tick))
    const intake = new Intake(config.limits)
    stats.used.bytesInFlightMax = () => intake.bytes
    stats.bytesInFlight = () => intake.bytes
    const http = httpDoor(receiver, stats, intake, config.limits)
    const addresses = {
      metrics: await opened(scrape, config.metrics, '--metrics', () => shut(scrape, readerStopMs)),
      admin: await opened(admin, config.admin, '--admin', () => shut(admin, readerStopMs)),
      // These open last, and shut first.
      otlpGrpc: config.otlpGrpc && (await openedGrpc(config.otlpGrpc)),
      otlpHttp: await opened(http, config.otlpHttp, '--otlp-http', () => shut(http, stopMs)),
    }
    async function openedGrpc(address: Address): Promise<Address> {
      const { grpcDoor } = await import('./in/grpc.ts') // HTTP/2 takes time to load, and memory.
      const { server, sessions } = grpcDoor(receiver, stats, intake, config.limits)
      return opened(server, address, '--otlp-grpc', () => shutSessions(server, sessions, stopMs))
    }
    async function opened(
      server: Server,
      address: Address,
      flag: string,
      close: () => Promise<void>
    ): Promise<Address> {
      const at = await listen(server, address, flag)
      guardConnections(server, flag.slice(2), config.limits, stats, log)
      closing.push(close)
      return at
    }
    log.info(
      { ...addresses, ledger: ledger.identity.ledgerId, series: stats.series, version },
      'the gateway is ready'
    )
    return { addresses, status: () => statusOf(ledger, stats, version), close: () => closeAll(closing) }
  } catch (error) {
    await closeAll(closing)
    throw error
  }
}

function loaded(store: Store, options: LedgerOptions): Ledger {
  try {
    return new Ledger(store, options)
  } catch (error) {
    store.close()
    throw error
  }
}

/** In the reverse order of their opening. */
async function closeAll(closing: (() => void | Promise<void>)[]): Promise<void> {
  for (const close of closing.splice(0).toReversed()) await close()
}

function clock(): number {
  return performance.now()
}
