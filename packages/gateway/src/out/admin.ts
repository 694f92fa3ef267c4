import { createServer, type Server } from 'node:http'
import { timesOf, type ConnectionLimits } from '../connections.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Stats } from '../stats.ts'
import { shownLimits, type ShownLimit } from './limits-shown.ts'

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
  points: number
  pointsRejected: Record<string, number>
  /** Cumulative points that were no later than what their sender had told before. */
  pointsOld: number
  requests: Record<string, number>
  requestsRejected: Record<string, number>
  duplicates: number
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
  spool: { waiting: number; journalsTaken: number; batchesTaken: number; rejected: number }
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
    points: stats.points,
    pointsRejected: Object.fromEntries(stats.pointsRejected),
    pointsOld: stats.pointsOld,
    requests: Object.fromEntries(stats.requests),
    requestsRejected: Object.fromEntries(stats.refusals),
    duplicates: stats.duplicates,
    commits: stats.commits,
    commitsFailed: stats.commitsFailed,
    batchIds: stats.batchIds,
    writers: stats.writers,
    senders: stats.senders,
    pointsOverflow: Object.fromEntries(stats.pointsOverflow),
    connectionsCut: Object.fromEntries(stats.connectionsCut),
    connectionsRejected: Object.fromEntries(stats.connectionsRefused),
    limits: shownLimits(ledger.limits, stats),
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

/** The admin port: `/api/v1/status`. The server is not listening yet. */
export function adminDoor(ledger: Ledger, stats: Stats, version: string, limits: ConnectionLimits): Server {
  return createServer(timesOf(limits), (request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json')
    const path = (request.url as string).split('?', 1)[0]
    if (path === '/api/v1/status' && request.method === 'GET') {
      return response.end(`${JSON.stringify(statusOf(ledger, stats, version))}\n`)
    }
    response.statusCode = 404
    return response.end('{"error":"there is GET /api/v1/status"}\n')
  })
}
