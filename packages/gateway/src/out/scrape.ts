import type { IncomingMessage, Server } from 'node:http'
import { timesOf, type ConnectionLimits } from '../doors/connections.ts'
import type { Access } from '../doors/access.ts'
import { unauthenticated } from '../doors/auth.ts'
import { countRefusal, type Stats } from '../stats.ts'
import { Answers, send, type AnswerLimits } from './answers.ts'
import { codingOf } from './compression.ts'
import { isScraper, negotiate, type Format } from './negotiation.ts'
import type { ScrapeIntervals } from './scrape-intervals.ts'
import type { TextExposition } from './text.ts'

/** What there is a renderer of. */
const formats: ReadonlySet<Format> = new Set<Format>([
  'text-0.0.4',
  'text-1.0.0',
  'openmetrics-1.0',
  'protobuf',
])

const timeoutHeader = 'x-prometheus-scrape-timeout-seconds'

export interface ScrapeDoorOptions {
  version: string
  /** True when what the ledger holds may be shown: after it was loaded, until its store failed. */
  isReady: () => boolean
  /** Shows scrapers from now on what was held at 0 for long enough. */
  reveal: () => void
  intervals: ScrapeIntervals
  limits: ConnectionLimits & AnswerLimits
}

/** The metrics port: `/metrics`, `/-/healthy`, `/-/ready`. The server is not listening yet. */
export function scrapeDoor(
  exposition: TextExposition,
  stats: Stats,
  access: Access,
  options: ScrapeDoorOptions
): Server {
  const { limits } = options
  const answers = new Answers(exposition, stats, options)
  return access.httpServer(timesOf(limits), (request, response) => {
    request.resume()
    if (!access.auth.admits(request.headers.authorization)) {
      countRefusal(stats, 'UNAUTHENTICATED', unauthenticated, request.socket)
      response.setHeader('www-authenticate', access.auth.challenge)
      return send(response, 401, `${unauthenticated}\n`)
    }
    const path = (request.url as string).split('?', 1)[0]
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return send(response, 405, 'GET it\n')
    }
    if (path === '/-/healthy') return send(response, 200, 'healthy\n')
    if (path === '/-/ready') {
      return options.isReady() ? send(response, 200, 'ready\n') : send(response, 503, 'not ready\n')
    }
    if (path !== '/metrics') return send(response, 404, 'there are /metrics, /-/healthy and /-/ready\n')
    if (!options.isReady()) return send(response, 503, 'not ready\n')
    const { headers } = request
    const forScraper = isScraper(headers.accept)
    if (forScraper) noteScraper(request, stats, options.intervals)
    options.reveal()
    const negotiated = negotiate(headers.accept, formats)
    const coding = codingOf(headers['accept-encoding'])
    const timeoutMs = timeoutMsOf(headers[timeoutHeader])
    void answers.answer(response, { negotiated, coding, timeoutMs, forScraper }).catch((error: unknown) => {
      stats.bugs++
      response.destroy(error as Error)
    })
  })
}

function noteScraper(request: IncomingMessage, stats: Stats, intervals: ScrapeIntervals): void {
  const { remoteAddress = 'a Unix socket' } = request.socket
  const by = `${request.headers['user-agent'] ?? 'somebody'}, ${remoteAddress}`
  stats.lastScrape = { unixMs: Date.now(), by }
  intervals.seen(by, request.socket, request.headers[timeoutHeader] !== undefined)
}

/** How long a scraper says that it waits (CONFORMANCE E14). */
export function timeoutMsOf(header: string | string[] | undefined): number | undefined {
  const seconds = Number(header ?? Number.NaN)
  return seconds > 0 ? seconds * 1000 : undefined
}
