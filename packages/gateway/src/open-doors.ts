import type { RequestListener, Server as HttpServer } from 'node:http'
import type { Server } from 'node:net'
import type { Config, Door, PushgatewaySettings } from './config/config.ts'
import type { Reloaded } from './config/reload.ts'
import { guardConnections, retime } from './doors/connections.ts'
import { Access } from './doors/access.ts'
import { warnOfExposed } from './doors/exposed.ts'
import { watchFiles } from './doors/files.ts'
import { listenOnSocket } from './doors/socket.ts'
import { httpDoor } from './in/http.ts'
import { Intake } from './in/intake.ts'
import type { Receiver } from './in/receive.ts'
import type { Ledger } from './ledger/ledger.ts'
import type { Log } from './log.ts'
import { adminDoor } from './out/admin.ts'
import { scrapeDoor } from './out/scrape.ts'
import type { ScrapeIntervals } from './out/scrape-intervals.ts'
import type { TextExposition } from './out/text.ts'
import { listen, shut, shutSessions, type Address } from './doors/server.ts'
import type { Stats } from './stats.ts'
import { version } from './version.ts'

/** A stop waits so long for those who only read: they lose nothing. */
const readerStopMs = 1000
/** How often groups are looked for whose time to live is over. */
const groupExpiryMs = 1000
const openToAll = { bearerTokensFile: undefined, basicUsername: undefined, basicPasswordFile: undefined }
const plainText = { certFile: undefined, keyFile: undefined, clientCaFile: undefined }

/** Where the gateway listens: the ports that the system chose where 0 was asked for. */
export interface Addresses {
  metrics: Address
  admin: Address
  /** undefined: this door is shut. */
  otlpGrpc: Address | undefined
  otlpSocket: string | undefined
  pushgateway: Address | undefined
  /** Of datagrams, and of TCP. */
  statsd: { udp: Address | undefined; tcp: Address | undefined } | undefined
  otlpHttp: Address
}

/** What is behind the doors. */
export interface House {
  config: Config
  receiver: Receiver
  ledger: Ledger
  exposition: TextExposition
  /** How often scrapers come. */
  intervals: ScrapeIntervals
  stats: Stats
  log: Log
  /** What is to be done at the end, last first: each door adds what shuts it as soon as it is open. */
  closing: (() => void | Promise<void>)[]
  /** Reads the configuration again. */
  reload: () => Reloaded
  /** What is to be done when limits have changed: each door adds what takes them up. */
  retimings: (() => void)[]
}

/**
 * Opens the doors, for readers first; those of senders shut first, all at once. Throws ListenError or DoorFileError; what is
 * open then is in `closing`.
 */
export async function openDoors(house: House): Promise<Addresses> {
  const { config, receiver, ledger, exposition, intervals, stats, log, closing, reload, retimings } = house
  const { limits } = config
  const accesses = accessesOf(config, stats)
  const endWatch = watchFiles(
    Object.values(accesses).flatMap((access) => access?.parts() ?? []),
    log
  )
  closing.push(endWatch)
  const readersShut = together(closing)
  const sendersShut = together(closing)
  const intake = new Intake(limits)
  stats.used.bytesInFlightMax = () => intake.bytes
  stats.bytesInFlight = () => intake.bytes
  const opened = async (server: Server, door: Door, close: () => Promise<void>): Promise<Address> => {
    const flag = flags[door]
    const at = await listen(server, config[door] as Address, flag)
    const isRead = door === 'metrics' || door === 'admin'
    ;(isRead ? readersShut : sendersShut).push(close)
    guardConnections(server, flag.slice(2), limits, stats, log)
    retimings.push(() => retime(server, limits))
    warnOfExposed(door, at, accesses[door] as Access, flag, log)
    return at
  }
  const openedReader = (server: Parameters<typeof shut>[0], door: Door): Promise<Address> =>
    opened(server, door, () => shut(server, readerStopMs))
  const openedGrpc = async (): Promise<Address> => {
    const { grpcDoor } = await import('./in/grpc.ts') // HTTP/2 takes time to load, and memory.
    const { server, sessions } = grpcDoor(receiver, stats, intake, accesses.otlpGrpc, limits)
    return opened(server, 'otlpGrpc', () => shutSessions(server, sessions, limits.stopMs))
  }
  const openedSocket = async (path: string): Promise<string> => {
    const server = httpDoor(receiver, stats, intake, new Access(plainText, openToAll, stats), limits)
    const remove = await listenOnSocket(server, { ...config.otlpSocket, path })
    guardConnections(server, 'otlp-socket', limits, stats, log)
    retimings.push(() => retime(server, limits))
    sendersShut.push(async () => {
      remove()
      await shut(server, limits.stopMs)
    })
    return path
  }
  const openedPushgateway = async (access: Access): Promise<Address> => {
    const server = await openPushgateway(house, intake, access, scrape)
    return opened(server, 'pushgateway', () => shut(server, limits.stopMs))
  }
  let isOpen = false // Who is told that it is ready may send at once, by any door.
  const isReady = (): boolean => isOpen && !ledger.failed
  const reveal = (): void => ledger.reveal()
  const shows = { version, isReady, limits, reveal, intervals }
  const scrape = scrapeDoor(exposition, stats, accesses.metrics, shows)
  const admin = adminDoor(ledger, stats, accesses.admin, { version, limits, reload })
  const http = httpDoor(receiver, stats, intake, accesses.otlpHttp, limits)
  const addresses = {
    metrics: await openedReader(scrape, 'metrics'),
    admin: await openedReader(admin, 'admin'),
    otlpGrpc: config.otlpGrpc && (await openedGrpc()),
    otlpSocket: config.otlpSocket.path && (await openedSocket(config.otlpSocket.path)),
    statsd: await openedStatsd(house, sendersShut),
    pushgateway: accesses.pushgateway && (await openedPushgateway(accesses.pushgateway)),
    otlpHttp: await opened(http, 'otlpHttp', () => shut(http, limits.stopMs)),
  }
  isOpen = true
  return addresses
}

/** What is received is told before it shuts. Loaded only where it is wanted. */
async function openedStatsd(
  { config, receiver, ledger, stats, log }: House,
  shutting: (() => Promise<void>)[]
): Promise<Addresses['statsd']> {
  const { statsd: settings, limits } = config
  const { udp, tcp, descriptor } = settings
  if (udp === undefined && tcp === undefined && descriptor === undefined) return undefined
  const { openStatsd } = await import('./in/statsd/open.ts')
  const doors = await openStatsd(receiver, ledger, { settings, limits, stats, log })
  shutting.push(() => doors.close())
  return { udp: doors.udp, tcp: doors.tcp }
}

/** Who is let in at each door. */
function accessesOf(config: Config, stats: Stats) {
  const accessOf = (door: Door): Access => new Access(config.tls[door], config.auth[door], stats)
  return {
    metrics: accessOf('metrics'),
    admin: accessOf('admin'),
    otlpGrpc: accessOf('otlpGrpc'),
    otlpHttp: accessOf('otlpHttp'),
    pushgateway: config.pushgateway && accessOf('pushgateway'),
  }
}

/** What is put into it is done side by side, as one part of the end: doors one after the other would each take their time. */
function together(closing: House['closing']): (() => Promise<void>)[] {
  const parts: (() => Promise<void>)[] = []
  closing.push(async () => {
    await Promise.all(parts.map((part) => part()))
  })
  return parts
}

/** Loaded only where it is wanted. What is read there is answered as on the metrics port. */
async function openPushgateway(
  house: House,
  intake: Intake,
  access: Access,
  scrape: Server
): Promise<HttpServer> {
  const [{ pushDoor }, { PushDesk }] = await Promise.all([
    import('./in/pushgateway/door.ts'),
    import('./in/pushgateway/desk.ts'),
  ])
  const { config, ledger, receiver, stats, closing } = house
  const { limits } = config
  const now = (): number => Date.now()
  const desk = new PushDesk(ledger, { limits, now })
  const expiring = setInterval(() => desk.expire(), groupExpiryMs)
  closing.push(() => clearInterval(expiring))
  const reading: RequestListener = (request, response) => void scrape.emit('request', request, response)
  const settings = (): PushgatewaySettings => config.pushgatewayGroups
  return pushDoor(desk, receiver, intake, access, { limits, settings, stats, reading, now })
}

const flags: Record<Door, string> = {
  metrics: '--metrics',
  admin: '--admin',
  otlpGrpc: '--otlp-grpc',
  otlpHttp: '--otlp-http',
  pushgateway: '--pushgateway',
}
