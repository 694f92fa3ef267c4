import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { gzip } from 'node:zlib'
import { timesOf, type ConnectionLimits } from '../connections.ts'
import type { Entry } from '../doors/entry.ts'
import { countUp, type Stats } from '../stats.ts'
import { isScraper, negotiate, type Format } from './negotiation.ts'
import { renderOwn } from './own.ts'
import type { ScrapeIntervals } from './scrape-intervals.ts'
import { TextTooLarge, type TextWriter } from './text-writer.ts'
import type { TextExposition } from './text.ts'

/** What there is a renderer of. */
const formats: ReadonlySet<Format> = new Set<Format>(['text-0.0.4'])
/** About what the gateway's own metrics take. */
const ownBytesMax = 32_768
/** The fastest: a scrape should cost the gateway little, and its text shrinks to a tenth even so. */
const gzipLevel = 1

export interface ScrapeDoorOptions {
  version: string
  /** True when what the ledger holds may be shown: after it was loaded, until its store failed. */
  isReady: () => boolean
  /** Shows scrapers from now on what was held at 0 for long enough. */
  reveal: () => void
  intervals: ScrapeIntervals
  limits: ScrapeLimits
}

export interface ScrapeLimits extends ConnectionLimits {
  scrapeBytesInFlightMax: number
  scrapeBytesMax: number
  answerMs: number
}

/** The metrics port: `/metrics`, `/-/healthy`, `/-/ready`. The server is not listening yet. */
export function scrapeDoor(
  exposition: TextExposition,
  stats: Stats,
  entry: Entry,
  options: ScrapeDoorOptions
): Server {
  const { limits } = options
  const scrapes = new Scrapes(exposition, stats, options)
  return entry.httpServer(timesOf(limits), (request, response) => {
    request.resume()
    if (!entry.auth.admits(request.headers.authorization)) {
      countUp(stats.refusals, 'UNAUTHENTICATED')
      response.setHeader('www-authenticate', entry.auth.challenge)
      return send(response, 401, 'this door wants a token or a password that it knows\n')
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
    const { accept, 'accept-encoding': codings } = request.headers
    const forScraper = isScraper(accept)
    if (forScraper) noteScraper(request, stats, options.intervals)
    options.reveal()
    const { contentType } = negotiate(accept, formats)
    scrapes.answer(response, { contentType, zips: acceptsGzip(codings), forScraper })
  })
}

function noteScraper(request: IncomingMessage, stats: Stats, intervals: ScrapeIntervals): void {
  const { remoteAddress = 'a Unix socket' } = request.socket
  const by = `${request.headers['user-agent'] ?? 'somebody'}, ${remoteAddress}`
  stats.lastScrape = { unixMs: Date.now(), by }
  intervals.seen(by, request.socket, request.headers['x-prometheus-scrape-timeout-seconds'] !== undefined)
}

/** How an answer is wanted. */
interface Wanted {
  contentType: string
  zips: boolean
  /** Newborn counters and histograms are at 0. */
  forScraper: boolean
}

/** All that `/metrics` shows, as text 0.0.4: the series, and what the gateway says of itself. Throws a TextTooLarge. */
export function renderAll(
  exposition: TextExposition,
  stats: Stats,
  { version, limits }: Pick<ScrapeDoorOptions, 'version' | 'limits'>,
  forScraper: boolean
): TextWriter {
  const writer = exposition.render(ownBytesMax, limits.scrapeBytesMax, forScraper)
  writer.text(renderOwn(stats, version, limits))
  if (!forScraper) writer.text(heldComment(stats))
  return writer
}

/** For those who see the values as they are. */
function heldComment(stats: Stats): string {
  const count = stats.seriesHeld()
  if (count === 0) return ''
  const seconds = stats.holdMs() / 1000
  return `# Scrapers are still shown ${count} newborn series at 0, for ${seconds} s: first_increment_hold.\n`
}

/** The answers that are under way. Each holds its text until it was read, so there is only so much room for them. */
class Scrapes {
  readonly #exposition: TextExposition
  readonly #stats: Stats
  readonly #options: ScrapeDoorOptions
  #bytesInFlight = 0
  /** What the last one took. */
  #lastBytes = 0

  constructor(exposition: TextExposition, stats: Stats, options: ScrapeDoorOptions) {
    this.#exposition = exposition
    this.#stats = stats
    this.#options = options
    stats.used.scrapeBytesInFlightMax = () => this.#bytesInFlight
  }

  answer(response: ServerResponse, { contentType, zips, forScraper }: Wanted): void {
    const { limits } = this.#options
    const full =
      this.#bytesInFlight > 0 && this.#bytesInFlight + this.#lastBytes > limits.scrapeBytesInFlightMax
    if (full) return this.#refuse(response, `answers of ${this.#bytesInFlight} bytes are not read yet`)
    let writer: TextWriter
    try {
      writer = this.#render(forScraper)
    } catch (error) {
      if (!(error instanceof TextTooLarge)) throw error
      return this.#refuse(response, error.message)
    }
    const text = writer.finish()
    this.#lastBytes = writer.buffer.length
    this.#hold(response, writer.buffer.length)
    response.on('close', () => this.#exposition.recycle(writer))
    this.#cutIfSlow(response)
    response.setHeader('content-type', contentType)
    if (!zips) return send(response, 200, text)
    gzip(text, { level: gzipLevel }, (error, zipped) => {
      if (error !== null) return send(response, 200, text)
      if (!response.closed) this.#hold(response, zipped.length)
      response.setHeader('content-encoding', 'gzip')
      return send(response, 200, zipped)
    })
  }

  #cutIfSlow(response: ServerResponse): void {
    const slow = setTimeout(() => {
      countUp(this.#stats.connectionsCut, 'answer')
      response.destroy()
    }, this.#options.limits.answerMs)
    response.on('close', () => clearTimeout(slow))
  }

  #render(forScraper: boolean): TextWriter {
    const { version, limits } = this.#options
    const begun = performance.now()
    const writer = renderAll(this.#exposition, this.#stats, { version, limits }, forScraper)
    this.#stats.scrapes++
    this.#stats.scrapeSeconds += (performance.now() - begun) / 1000
    return writer
  }

  #hold(response: ServerResponse, bytes: number): void {
    this.#bytesInFlight += bytes
    response.on('close', () => (this.#bytesInFlight -= bytes))
  }

  #refuse(response: ServerResponse, why: string): void {
    this.#stats.scrapesRefused++
    response.setHeader('retry-after', '1')
    send(response, 503, `${why}; try again\n`)
  }
}

/** True where gzip, or failing that any coding, is named and not refused by `q=0` (RFC 9110, 12.5.3). */
export function acceptsGzip(header: string | string[] | undefined): boolean {
  let accepts = false
  for (const part of String(header ?? '').split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase())
    if (coding !== 'gzip' && coding !== '*') continue
    accepts = !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
    if (coding === 'gzip') break
  }
  return accepts
}

function send(response: ServerResponse, status: number, body: string | Uint8Array): void {
  response.statusCode = status
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'text/plain; charset=utf-8')
  response.setHeader('vary', 'Accept, Accept-Encoding')
  response.end(body)
}
