import type { Server, ServerResponse } from 'node:http'
import { timesOf, type ConnectionLimits } from '../doors/connections.ts'
import type { Access } from '../doors/access.ts'
import { unauthenticated } from '../doors/auth.ts'
import type { Reloaded } from '../config/reload.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { countRefusal, type RemoteWriteStats, type Stats } from '../stats.ts'
import { shownLimits, type ShownLimit } from './limits-shown.ts'
import { QueryError, seriesPage } from './series-page.ts'

/** What `GET /api/v1/status` answers and `swansong status` prints. Counts are since the gateway's start. */
export interface Status {
  version: string
  pid: number
  ledger: string
  /** Seconds that gateways have served this ledger, all starts together. */
  uptimeSeconds: number
  /** Of this process. */
  upSeconds: number
  ready: boolean
  /** By Prometheus or its like. */
  lastScrape: { secondsAgo: number; by: string } | undefined
  series: number
  /** Those of them that scrapers are shown at 0 still, and for how long from the birth of each. */
  seriesHeld: number
  holdSeconds: number
  /** Series that ended, as nothing was told of them for their time to live. */
  seriesEnded: number
  /** Pages of the store that did not match their checksum at the start. */
  pagesCorrupt: number
  points: number
  pointsRejected: Record<string, number>
  /** Cumulative points that were no later than what their sender had told before. */
  pointsOld: number
  /** By OTLP/HTTP, by gRPC and by Pushgateway's API: by the status that each was answered with. */
  requests: Record<string, number>
  grpcCalls: Record<string, number>
  pushRequests: Record<string, number>
  requestsRejected: Record<string, number>
  duplicates: number
  /** Points of other attempts at a unit of work than the one that counts, and the units that are remembered. */
  pointsSuperseded: number
  onceKeys: number
  commits: number
  commitsFailed: number
  batchIds: number
  writers: number
  /** Senders of cumulative points that are followed. */
  senders: number
  /** Points in overflow series, by the name of their metric. */
  pointsOverflow: Record<string, number>
  connectionsCut: Record<string, number>
  connectionsRejected: Record<string, number>
  /** Limits as they are set, times in seconds, and how much of them is used. */
  limits: Record<string, ShownLimit>
  /** Of StatsD, where it is taken: datagrams that nobody read are dropped by the kernel, or by the gateway. */
  statsd:
    | { lines: number; rejected: Record<string, number>; dropped: { kernel: number; gateway: number } }
    | undefined
  /** Of prometheus_client's directories, where there are some: files that are followed, by directory. */
  multiprocess:
    | { followed: Record<string, number>; taken: number; rejected: Record<string, number> }
    | undefined
  /** Where series are written by remote write: one a receiver. */
  remoteWrite: RemoteWriteStatus[]
  /** Where series are told by OTLP: points that the receiver took and did not, and when it last took some. */
  otlpOut:
    | { points: number; dropped: Record<string, number>; lastSuccessSecondsAgo: number | undefined }
    | undefined
  /** The file for node_exporter: how often it was replaced, and stayed as it was, by reason. */
  textfile:
    | { written: number; failed: Record<string, number>; lastSuccessSecondsAgo: number | undefined }
    | undefined
  spool: { waiting: number; journalsTaken: number; batchesTaken: number; rejected: number }
}

export interface RemoteWriteStatus {
  name: string
  protocol: number
  /** Those that the receiver took, and those that will not arrive. */
  samples: number
  dropped: Record<string, number>
  queueBytes: number
  /** How long ago the oldest of them was collected. */
  queuedForSeconds: number | undefined
  lastSuccessSecondsAgo: number | undefined
}

export function statusOf(ledger: Ledger, stats: Stats, version: string): Status {
  return {
    version,
    pid: process.pid,
    ledger: ledger.identity.ledgerId,
    uptimeSeconds: Math.round(ledger.uptimeMs / 1000),
    upSeconds: Math.round(process.uptime()),
    ready: !ledger.failed,
    lastScrape: lastScrapeOf(stats),
    series: stats.series,
    seriesHeld: stats.seriesHeld(),
    holdSeconds: stats.holdMs() / 1000,
    seriesEnded: stats.seriesEnded,
    pagesCorrupt: stats.pagesDamaged,
    points: stats.points,
    pointsRejected: Object.fromEntries(stats.pointsRejected),
    pointsOld: stats.pointsOld,
    requests: Object.fromEntries(stats.requests),
    grpcCalls: Object.fromEntries(stats.grpcCalls),
    pushRequests: Object.fromEntries(stats.pushRequests),
    requestsRejected: Object.fromEntries(stats.refusals),
    duplicates: stats.duplicates,
    pointsSuperseded: stats.pointsSuperseded,
    onceKeys: stats.onceKeys,
    commits: stats.commits,
    commitsFailed: stats.commitsFailed,
    batchIds: stats.batchIds,
    writers: stats.writers,
    senders: stats.senders,
    pointsOverflow: Object.fromEntries(stats.pointsOverflow),
    connectionsCut: Object.fromEntries(stats.connectionsCut),
    connectionsRejected: Object.fromEntries(stats.connectionsRefused),
    limits: shownLimits(ledger.limits, stats),
    statsd: statsdOf(stats),
    multiprocess: multiprocessOf(stats),
    remoteWrite: stats.remoteWrite.map(remoteWriteOf),
    otlpOut: otlpOutOf(stats),
    textfile: textfileOf(stats),
    spool: {
      waiting: stats.spoolFilesWaiting,
      journalsTaken: stats.spoolFilesTaken.journal,
      batchesTaken: stats.spoolFilesTaken.batch,
      rejected: stats.spoolFilesRejected,
    },
  }
}

function lastScrapeOf({ lastScrape }: Stats): Status['lastScrape'] {
  if (lastScrape === undefined) return undefined
  return { secondsAgo: Math.round((Date.now() - lastScrape.unixMs) / 1000), by: lastScrape.by }
}

function remoteWriteOf(stats: RemoteWriteStats): RemoteWriteStatus {
  const { name, protocol, samples, dropped, lastSuccessUnixMs } = stats
  return {
    name,
    protocol,
    samples,
    dropped: Object.fromEntries(dropped),
    queueBytes: stats.queueBytes(),
    queuedForSeconds: secondsSince(stats.oldestQueuedUnixMs()),
    lastSuccessSecondsAgo: secondsSince(lastSuccessUnixMs),
  }
}

function statsdOf({ statsd }: Stats): Status['statsd'] {
  if (statsd === undefined) return undefined
  const { lines, rejected, gatewayDropped, kernelDropped } = statsd
  const kernel = kernelDropped.reduce((sum, dropped) => sum + dropped(), 0)
  return { lines, rejected: Object.fromEntries(rejected), dropped: { kernel, gateway: gatewayDropped } }
}

function multiprocessOf({ multiprocess }: Stats): Status['multiprocess'] {
  const { followed, taken, rejected } = multiprocess
  if (followed.size === 0) return undefined
  return { followed: Object.fromEntries(followed), taken, rejected: Object.fromEntries(rejected) }
}

function otlpOutOf({ otlpOut }: Stats): Status['otlpOut'] {
  if (otlpOut === undefined) return undefined
  const { points, dropped, lastSuccessUnixMs } = otlpOut
  return {
    points,
    dropped: Object.fromEntries(dropped),
    lastSuccessSecondsAgo: secondsSince(lastSuccessUnixMs),
  }
}

function textfileOf({ textfile }: Stats): Status['textfile'] {
  if (textfile === undefined) return undefined
  const { written, failed, lastSuccessUnixMs } = textfile
  return {
    written,
    failed: Object.fromEntries(failed),
    lastSuccessSecondsAgo: secondsSince(lastSuccessUnixMs),
  }
}

function secondsSince(unixMs: number | undefined): number | undefined {
  return unixMs === undefined ? undefined : Math.round((Date.now() - unixMs) / 1000)
}

const reloadPath = '/-/reload'

export interface AdminDoorOptions {
  version: string
  limits: ConnectionLimits
  /** Reads the configuration again. Gives what is different now, or why nothing is. */
  reload: () => Reloaded
}

/**
 * The admin port: GET of `/api/v1/status` and `/api/v1/series` (see series-page), POST of `/-/reload`. Answers are JSON,
 * errors `{"error": "…"}`; a configuration that is wrong: 400 and `{"problems": […]}`. The server is not listening yet.
 */
export function adminDoor(ledger: Ledger, stats: Stats, access: Access, options: AdminDoorOptions): Server {
  const { version, limits, reload } = options
  const answers: Record<string, (query: URLSearchParams) => unknown> = {
    '/api/v1/status': () => statusOf(ledger, stats, version),
    '/api/v1/series': (query) => seriesPage(ledger.series, query),
  }
  return access.httpServer(timesOf(limits), (request, response) => {
    request.resume()
    if (!access.auth.admits(request.headers.authorization)) {
      countRefusal(stats, 'UNAUTHENTICATED', unauthenticated, request.socket)
      response.setHeader('www-authenticate', access.auth.challenge)
      return send(response, 401, { error: unauthenticated })
    }
    const [path = '', query = ''] = (request.url as string).split(/\?(.*)/s, 2)
    if (path === reloadPath) {
      if (request.method === 'POST') return sendReloaded(response, reload())
      response.setHeader('allow', 'POST')
      return send(response, 405, {
        error: `${request.method} does nothing here; POST ${path} reads the configuration again`,
      })
    }
    const answer = Object.hasOwn(answers, path) ? answers[path] : undefined
    if (answer === undefined)
      return send(response, 404, {
        error: `there is GET ${Object.keys(answers).join(', ')}, POST ${reloadPath}`,
      })
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return send(response, 405, {
        error: `${request.method} does nothing here; GET ${path} is what there is`,
      })
    }
    try {
      return send(response, 200, answer(new URLSearchParams(query)))
    } catch (error) {
      if (!(error instanceof QueryError)) throw error
      return send(response, 400, { error: error.message })
    }
  })
}

function sendReloaded(response: ServerResponse, reloaded: Reloaded): void {
  send(response, 'problems' in reloaded ? 400 : 200, reloaded)
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}
