import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { decodeExportResponse, decodeStatus, OtlpError, type Encoding } from '@swansong/otlp'
import type { Refreshing } from '../doors/files.ts'
import { version } from '../version.ts'
import { readHeadersFile } from './otlp-headers.ts'
import { readClientTls, type ClientTlsFiles } from './client-tls.ts'

/** Of an answer so much is read: what it says is short. */
const answerBytesMax: number = 64 * 1024
/** Of a body that is no status, so much is told in the log. */
const quoteLengthMax = 300

export interface OtlpTarget extends ClientTlsFiles {
  /** Posted to as it is written. */
  endpoint: string
  /** `Name: value` a line. */
  headersFile: string | undefined
}

/**
 * What became of a request (CONFORMANCE A6, A7, A10): taken, but for so many points; not now, so that it should be sent
 * again; or refused for good.
 */
export type OtlpAnswer =
  | { outcome: 'taken'; rejected: number; message: string }
  | { outcome: 'again'; why: string; retryAfterMs: number | undefined }
  | { outcome: 'refused'; why: string; status: number }

/** Posts requests to one endpoint, by one connection that is kept. Its files are read again when they change. */
export class OtlpSender implements Refreshing {
  readonly #target: OtlpTarget
  readonly #url: URL
  #agent: HttpAgent
  #headers: Readonly<Record<string, string>> = {}

  /** Throws DoorFileError where its files cannot be used. */
  constructor(target: OtlpTarget) {
    this.#target = target
    this.#url = new URL(target.endpoint)
    this.#agent = this.#newAgent()
    this.#headers = readHeadersFile(target.headersFile)
  }

  /** For the log: without what follows a `?`, which may be a secret. */
  get name(): string {
    return this.#url.origin + this.#url.pathname
  }

  files(): readonly string[] {
    const { headersFile, caFile, certFile, keyFile } = this.#target
    return [headersFile, caFile, certFile, keyFile].filter((file) => file !== undefined)
  }

  refresh(): void {
    const headers = readHeadersFile(this.#target.headersFile)
    const agent = this.#newAgent()
    this.#headers = headers
    this.#agent.destroy()
    this.#agent = agent
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Never rejects: what fails on the way, or by the signal, is to be sent again. */
  async send(body: Uint8Array, encoding: 'gzip' | 'none', signal: AbortSignal): Promise<OtlpAnswer> {
    try {
      return await this.#post(body, encoding, signal)
    } catch (error) {
      return { outcome: 'again', why: wordsOf(error), retryAfterMs: undefined }
    }
  }

  #post(body: Uint8Array, encoding: 'gzip' | 'none', signal: AbortSignal): Promise<OtlpAnswer> {
    const headers = {
      ...this.#headers,
      'content-type': 'application/x-protobuf',
      'user-agent': `swansong/${version}`,
      'content-length': body.length,
      ...(encoding === 'gzip' ? { 'content-encoding': 'gzip' } : {}),
    }
    const begin = this.#url.protocol === 'https:' ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      const request = begin(this.#url, { method: 'POST', headers, agent: this.#agent, signal })
      request.once('error', reject)
      request.once('response', (response) => readAnswer(response).then(resolve, reject))
      request.end(body)
    })
  }

  #newAgent(): HttpAgent {
    const options = { keepAlive: true, maxSockets: 1 }
    if (this.#url.protocol !== 'https:') return new HttpAgent(options)
    return new HttpsAgent({ ...options, ...readClientTls(this.#target) })
  }
}

async function readAnswer(response: IncomingMessage): Promise<OtlpAnswer> {
  const status = response.statusCode ?? 0
  const body = await readSome(response)
  const encoding: Encoding = /json/i.test(response.headers['content-type'] ?? '') ? 'json' : 'protobuf'
  if (status >= 200 && status < 300) return takenOf(encoding, body)
  const why = `${status} ${messageOf(encoding, body)}`.trim()
  if (status !== 429 && (status < 502 || status > 504)) return { outcome: 'refused', why, status }
  return { outcome: 'again', why, retryAfterMs: retryAfterMsOf(response.headers['retry-after'], Date.now()) }
}

async function readSome(response: IncomingMessage): Promise<Uint8Array> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    pieces.push(piece)
    length += piece.length
    if (length > answerBytesMax) break // The rest is not wanted: leaving the loop ends the connection.
  }
  return Buffer.concat(pieces).subarray(0, answerBytesMax)
}

/** A 2xx is success whatever its body: what is no answer of OTLP's says of nothing that it was rejected. */
function takenOf(encoding: Encoding, body: Uint8Array): OtlpAnswer {
  try {
    const { rejectedDataPoints: rejected, errorMessage: message } = decodeExportResponse(encoding, body)
    return { outcome: 'taken', rejected, message }
  } catch (error) {
    if (!(error instanceof OtlpError)) throw error
    return { outcome: 'taken', rejected: 0, message: '' }
  }
}

/** What a google.rpc.Status says; of another body its beginning. */
function messageOf(encoding: Encoding, body: Uint8Array): string {
  let message = ''
  try {
    message = decodeStatus(encoding, body).message
  } catch (error) {
    if (!(error instanceof OtlpError)) throw error
  }
  const said = message === '' ? Buffer.from(body).toString() : message
  return said.replaceAll(/[\p{Cc}\s]+/gu, ' ').slice(0, quoteLengthMax)
}

/** Seconds, or a date (CONFORMANCE A10); undefined for anything else. */
export function retryAfterMsOf(header: string | undefined, nowUnixMs: number): number | undefined {
  if (header === undefined) return undefined
  const text = header.trim()
  if (/^\d+$/.test(text)) return Number(text) * 1000
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowUnixMs)
}

/** Of several addresses that all failed there is a message for each, and none for all. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(wordsOf).join('; ')
  if (!(error instanceof Error)) return String(error)
  return error.name === 'AbortError' ? 'no answer in time' : error.message
}
