import { readFileSync } from 'node:fs'
import { Pool, type Dispatcher } from 'undici'
import type { RemoteWriteSettings } from '../../config/remote-write.ts'
import { DoorFileError, type Refreshing } from '../../doors/files.ts'
import { version } from '../../version.ts'
import { readClientTls } from '../client-tls.ts'
import { retryAfterMsOf } from '../otlp-sender.ts'
import type { ProtocolVersion, QueuedRequest } from './queue-file.ts'

const keepAliveMs = 60_000
/** Of an answer so much is read, and of that so much is told in the log. */
const answerBytesMax: number = 16 * 1024
const quoteLengthMax = 300

/**
 * What became of a request (CONFORMANCE F5, F6): taken; not now, so that it should be sent again; refused for good; or of a
 * version that the receiver does not know. `written`: samples and histograms that it says it has written, where it says so.
 */
export type Answer =
  | { outcome: 'taken'; written: number | undefined }
  | { outcome: 'again'; why: string; retryAfterMs: number | undefined }
  | { outcome: 'refused'; why: string; written: number }
  | { outcome: 'unknown_version'; why: string }

/** Posts requests to one receiver, by connections that are kept. Its files are read again when they change. */
export class Sender implements Refreshing {
  readonly #settings: RemoteWriteSettings
  readonly #url: URL
  #pool: Pool
  #authorization: string | undefined

  /** Throws DoorFileError where its files cannot be used. */
  constructor(settings: RemoteWriteSettings) {
    this.#settings = settings
    this.#url = new URL(settings.url)
    this.#pool = this.#newPool()
    this.#authorization = authorizationOf(settings)
  }

  files(): readonly string[] {
    const { basicPasswordFile, credentialsFile, caFile, certFile, keyFile } = this.#settings
    const files = [basicPasswordFile, credentialsFile, caFile, certFile, keyFile]
    return files.filter((file) => file !== undefined)
  }

  refresh(): void {
    const authorization = authorizationOf(this.#settings)
    const pool = this.#newPool()
    void this.#pool.close() // Requests that are under way end as they began.
    this.#authorization = authorization
    this.#pool = pool
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  /** Never rejects: what fails on the way, or by the signal, is to be sent again. */
  async send(request: QueuedRequest, signal: AbortSignal): Promise<Answer> {
    try {
      const response = await this.#pool.request({
        path: this.#url.pathname + this.#url.search,
        method: 'POST',
        headers: this.#headersOf(request.version),
        body: request.body,
        signal,
      })
      return answerOf(request.version, response, await readSome(response))
    } catch (error) {
      return { outcome: 'again', why: wordsOf(error), retryAfterMs: undefined }
    }
  }

  #headersOf(protocol: ProtocolVersion): Record<string, string> {
    const headers: Record<string, string> = {
      ...this.#settings.headers, // What the protocol says comes behind, so that none of these overrides it (F1).
      'content-encoding': 'snappy',
      'content-type': contentTypes[protocol],
      'user-agent': `swansong/${version}`,
      'x-prometheus-remote-write-version': versions[protocol],
    }
    if (this.#authorization !== undefined) headers['authorization'] = this.#authorization
    return headers
  }

  #newPool(): Pool {
    const { serverName, timeoutMs, queue } = this.#settings
    return new Pool(this.#url.origin, {
      connections: queue.shardCount,
      keepAliveTimeout: keepAliveMs, // Until the next interval; less where the receiver asks for less.
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connect: {
        timeout: timeoutMs,
        ...readClientTls(this.#settings),
        ...(serverName === undefined ? {} : { servername: serverName }),
      },
    })
  }
}

const contentTypes: Readonly<Record<ProtocolVersion, string>> = {
  1: 'application/x-protobuf',
  2: 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
}
const versions: Readonly<Record<ProtocolVersion, string>> = { 1: '0.1.0', 2: '2.0.0' }

function answerOf(
  protocol: ProtocolVersion,
  { statusCode: status, headers }: Dispatcher.ResponseData,
  body: string
): Answer {
  const written = writtenOf(headers)
  const why = `${status} ${body}`.trim()
  if (status >= 200 && status < 300) {
    if (protocol === 1 || written !== undefined) return { outcome: 'taken', written }
    return { outcome: 'unknown_version', why: `${status} without saying what was written` }
  }
  if (status === 415 && protocol === 2) return { outcome: 'unknown_version', why }
  if (status !== 429 && status < 500) return { outcome: 'refused', why, written: written ?? 0 }
  const retryAfter = headers['retry-after']
  return { outcome: 'again', why, retryAfterMs: retryAfterMsOf(textOf(retryAfter), Date.now()) }
}

/** Samples and histograms; undefined where none of the headers is there, exemplars' included. */
function writtenOf(headers: Dispatcher.ResponseData['headers']): number | undefined {
  const counts = ['samples', 'histograms', 'exemplars'].map((what) =>
    textOf(headers[`x-prometheus-remote-write-${what}-written`])
  )
  if (counts.every((count) => count === undefined)) return undefined
  const [samples = '0', histograms = '0'] = counts
  return (Number.parseInt(samples, 10) || 0) + (Number.parseInt(histograms, 10) || 0)
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}

/** Its beginning, on one line; the rest is not wanted. */
async function readSome({ body }: Dispatcher.ResponseData): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of body as AsyncIterable<Buffer>) {
    pieces.push(piece)
    length += piece.length
    if (length > answerBytesMax) break // Leaving the loop ends the connection.
  }
  const text = Buffer.concat(pieces).toString()
  return text
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, quoteLengthMax)
}

function authorizationOf(settings: RemoteWriteSettings): string | undefined {
  const { basicUsername, basicPasswordFile, authorizationType, credentialsFile } = settings
  if (credentialsFile !== undefined) return `${authorizationType} ${secretOf(credentialsFile)}`
  if (basicUsername === undefined) return undefined
  const password = basicPasswordFile === undefined ? '' : secretOf(basicPasswordFile)
  return `Basic ${Buffer.from(`${basicUsername}:${password}`).toString('base64')}`
}

/** The first line of a file. */
function secretOf(file: string): string {
  const secret = textOfFile(file).split(/\r?\n/, 1)[0]?.trim() ?? ''
  if (!/^[\x20-\x7e\x80-\xff]+$/.test(secret))
    throw new DoorFileError(`${file} holds no secret in its first line; write it there`)
  return secret
}

function textOfFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new DoorFileError(`cannot read the secret: ${(error as Error).message}`, { cause: error })
  }
}

/** Of several addresses that all failed there is a message for each, and none for all. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(wordsOf).join('; ')
  if (!(error instanceof Error)) return String(error)
  return error.name === 'TimeoutError' || error.name === 'AbortError' ? 'no answer in time' : error.message
}
