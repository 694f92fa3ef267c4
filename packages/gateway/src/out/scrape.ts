import { createServer, type Server, type ServerResponse } from 'node:http'
import { gzip } from 'node:zlib'
import type { Stats } from '../stats.ts'
import { renderOwn } from './own.ts'
import type { TextExposition } from './text.ts'

const contentType = 'text/plain; version=0.0.4; charset=utf-8'
/** About what the gateway's own metrics take. */
const ownBytesMax = 32_768
/** The fastest: a scrape should cost the gateway little, and its text shrinks to a tenth even so. */
const gzipLevel = 1

export interface ScrapeDoorOptions {
  version: string
  /** True when what the ledger holds may be shown: after it was loaded, until its store failed. */
  isReady: () => boolean
}

/** The metrics port: `/metrics`, `/-/healthy`, `/-/ready`. The server is not listening yet. */
export function scrapeDoor(exposition: TextExposition, stats: Stats, options: ScrapeDoorOptions): Server {
  return createServer((request, response) => {
    request.resume()
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
    const begun = performance.now()
    const writer = exposition.render(ownBytesMax)
    writer.text(renderOwn(stats, options.version))
    const text = writer.finish()
    response.on('close', () => exposition.recycle(writer))
    stats.scrapes++
    if (isScraper(request.headers.accept)) {
      const { remoteAddress = 'a Unix socket' } = request.socket
      stats.lastScrape = {
        unixMs: Date.now(),
        by: `${request.headers['user-agent'] ?? 'somebody'}, ${remoteAddress}`,
      }
    }
    stats.scrapeSeconds += (performance.now() - begun) / 1000
    response.setHeader('content-type', contentType)
    if (!acceptsGzip(request.headers['accept-encoding'])) return send(response, 200, text)
    gzip(text, { level: gzipLevel }, (error, zipped) => {
      if (error !== null) return send(response, 200, text)
      response.setHeader('content-encoding', 'gzip')
      return send(response, 200, zipped)
    })
  })
}

/** Who names what Prometheus reads: a browser and curl do not. */
function isScraper(accept: string | undefined): boolean {
  return accept !== undefined && /text\/plain|openmetrics-text|io\.prometheus\.client/.test(accept)
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
  response.setHeader('vary', 'Accept-Encoding')
  response.end(body)
}
