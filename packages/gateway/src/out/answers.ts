import type { ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { countUp, type Stats } from '../stats.ts'
import { compress, type Coding } from './compression.ts'
import type { Negotiated } from './negotiation.ts'
import { openMetricsEnd } from './openmetrics.ts'
import { plainText } from './own-text.ts'
import { renderOwn } from './own.ts'
import { writeText, type TextExposition } from './text.ts'
import { TextTooLarge, type TextWriter } from './text-writer.ts'

/** About what the gateway's own metrics take. */
const ownBytesMax = 32_768
/** Of the time that a scraper still waits, what compressing may take as it went last time: else it gets plain text. */
const compressionShareMax = 0.5
/** What is shorter says more of how busy the machine is than of how fast it compresses. */
const rateBytesMin: number = 1024 * 1024

export interface AnswerOptions {
  version: string
  limits: AnswerLimits
}

export interface AnswerLimits {
  scrapeBytesInFlightMax: number
  scrapeBytesMax: number
  answerMs: number
}

/** What one scraper asked for. */
export interface Wanted {
  negotiated: Negotiated
  /** undefined: plain. */
  coding: Coding | undefined
  /** How long it waits; undefined where it does not say. */
  timeoutMs: number | undefined
  /** Newborn counters and histograms are at 0. */
  forScraper: boolean
}

/**
 * All that scrapers see at `/metrics`, as text 0.0.4, for who does not ask by HTTP. Ingestion goes on between the steps; undefined
 * where nothing may be shown any more. Rejects with a TextTooLarge.
 */
export async function renderAll(
  exposition: TextExposition,
  stats: Stats,
  { version, limits }: AnswerOptions,
  mayShow: () => boolean
): Promise<TextWriter | undefined> {
  const room = { room: ownBytesMax, bytesMax: limits.scrapeBytesMax }
  const names = { format: 'text-0.0.4', escaping: 'underscores' } as const
  const steps = exposition.steps({ ...names, forScraper: true, ...room })
  while (mayShow()) {
    const { done, value } = steps.next()
    if (done === true) {
      value.text(renderOwn(stats, version, limits, plainText))
      return value
    }
    await turn()
  }
  return undefined
}

/** For those who see the values as they are. */
function heldComment(stats: Stats): string {
  const count = stats.seriesHeld()
  if (count === 0) return ''
  const seconds = stats.holdMs() / 1000
  return `# Scrapers are still shown ${count} newborn series at 0, for ${seconds} s: first_increment_hold.\n`
}

/** The answers that are under way. Each holds its text until it was read, so there is only so much room for them. */
export class Answers {
  readonly #exposition: TextExposition
  readonly #stats: Stats
  readonly #options: AnswerOptions
  #bytesInFlight = 0
  /** What the last one took. */
  #lastBytes = 0
  /** How fast the last long one was compressed. */
  #compressedPerMs = Infinity

  constructor(exposition: TextExposition, stats: Stats, options: AnswerOptions) {
    this.#exposition = exposition
    this.#stats = stats
    this.#options = options
    stats.used.scrapeBytesInFlightMax = () => this.#bytesInFlight
  }

  /** Never rejects but for a bug. */
  async answer(response: ServerResponse, wanted: Wanted): Promise<void> {
    const { limits } = this.#options
    const full =
      this.#bytesInFlight > 0 && this.#bytesInFlight + this.#lastBytes > limits.scrapeBytesInFlightMax
    if (full) return this.#refuse(response, `answers of ${this.#bytesInFlight} bytes are not read yet`)
    const held = this.#hold(response)
    const waitMs = Math.min(limits.answerMs, wanted.timeoutMs ?? Infinity)
    const endAt = performance.now() + waitMs
    this.#cutIfSlow(response, waitMs)
    let writer: TextWriter | undefined
    try {
      writer = await this.#render(response, wanted, endAt)
    } catch (error) {
      if (!(error instanceof TextTooLarge)) throw error
      return this.#refuse(response, error.message)
    }
    if (writer === undefined) return // Nobody waits for it any more.
    const text = writer.finish()
    this.#lastBytes = writer.buffer.length
    if (response.closed) return this.#exposition.recycle(writer)
    held.grow(this.#lastBytes)
    response.on('close', () => this.#exposition.recycle(writer))
    response.setHeader('content-type', wanted.negotiated.contentType)
    const { coding } = wanted
    const mayTakeMs = (endAt - performance.now()) * compressionShareMax
    if (coding === undefined || text.length / this.#compressedPerMs > mayTakeMs)
      return send(response, 200, text)
    const begun = performance.now()
    const compressed = await compress(coding, text)
    if (compressed === undefined) return send(response, 200, text)
    if (text.length >= rateBytesMin) this.#compressedPerMs = text.length / (performance.now() - begun)
    held.grow(compressed.length)
    response.setHeader('content-encoding', coding)
    return send(response, 200, compressed)
  }

  /** Ingestion goes on between the steps. undefined where nobody waits for the text any more. */
  async #render(
    response: ServerResponse,
    { negotiated: { format, escaping }, forScraper }: Wanted,
    endAt: number
  ): Promise<TextWriter | undefined> {
    const { version, limits } = this.#options
    const isOpenMetrics = format === 'openmetrics-1.0'
    const room = { room: ownBytesMax, bytesMax: limits.scrapeBytesMax }
    const steps = this.#exposition.steps({ format, escaping, forScraper, ...room })
    let spentMs = 0
    for (;;) {
      const begun = performance.now()
      const { done, value } = steps.next()
      if (done === true) {
        writeText(value, format, renderOwn(this.#stats, version, limits, { isOpenMetrics, escaping }))
        if (isOpenMetrics) value.text(openMetricsEnd)
        else if (!forScraper && format !== 'protobuf') value.text(heldComment(this.#stats))
        this.#stats.scrapes++
        this.#stats.scrapeSeconds += (spentMs + performance.now() - begun) / 1000
        return value
      }
      spentMs += performance.now() - begun
      await turn()
      if (response.closed || performance.now() > endAt) return undefined
    }
  }

  #cutIfSlow(response: ServerResponse, waitMs: number): void {
    const slow = setTimeout(() => {
      countUp(this.#stats.connectionsCut, 'answer')
      response.destroy()
    }, waitMs)
    response.on('close', () => clearTimeout(slow))
  }

  /** Counts what an answer holds until it was read: as much as the last one, until it is known. */
  #hold(response: ServerResponse): { grow: (bytes: number) => void } {
    let held = this.#lastBytes
    let isKnown = false
    this.#bytesInFlight += held
    response.on('close', () => (this.#bytesInFlight -= held))
    return {
      grow: (bytes) => {
        if (response.closed) return
        const more = isKnown ? bytes : bytes - held
        isKnown = true
        held += more
        this.#bytesInFlight += more
      },
    }
  }

  #refuse(response: ServerResponse, why: string): void {
    this.#stats.scrapesRefused++
    response.setHeader('retry-after', '1')
    send(response, 503, `${why}; try again\n`)
  }
}

export function send(response: ServerResponse, status: number, body: string | Uint8Array): void {
  response.statusCode = status
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'text/plain; charset=utf-8')
  response.setHeader('vary', 'Accept, Accept-Encoding')
  response.end(body)
}
