import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { uncompressSync } from 'snappy'
import type { Does } from './receiver.ts'
import {
  decodeV1,
  decodeV2,
  staleBits,
  type WrittenHistogram,
  type WrittenSample,
  type WrittenSeries,
} from './remote-write-decoded.ts'

export interface WrittenRequest {
  url: string
  headers: IncomingHttpHeaders
  /** As it came. */
  body: Uint8Array
  version: 1 | 2
  series: WrittenSeries[]
}

/** What is kept of one series: in the order of its times. */
export interface Kept {
  samples: WrittenSample[]
  histograms: WrittenHistogram[]
}

export interface ReceiverOptions {
  /** What it does with a request, by its number from 0 on; undefined: takes it, as a receiver should. */
  does?: (request: number, written: WrittenRequest) => Does | 'takes and resets' | undefined
  /** Versions that it knows; it answers others 415. */
  versions?: readonly (1 | 2)[]
  serverOf?: (listener: RequestListener) => Server
  port?: number
}

/**
 * A receiver of remote write as strict as its specification allows: it notes whatever a sender must not do, and refuses
 * what is out of order within a series, as Prometheus does. What is told again with the same value is no harm.
 */
export class RemoteWriteReceiver {
  readonly requests: WrittenRequest[] = []
  /** What the sender did that it must not. */
  readonly violations: string[] = []
  readonly #kept = new Map<string, Kept>()
  readonly #options: ReceiverOptions
  #server: Server
  port = 0

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.#server = (options.serverOf ?? createServer)((request, response) => {
      void buffer(request).then((body) => this.#answer(request, body, response))
    })
  }

  async listen(): Promise<void> {
    this.#server.listen(this.#options.port ?? this.port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.port = (this.#server.address() as AddressInfo).port
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/api/v1/write`
  }

  get names(): string[] {
    return [...this.#kept.keys()].toSorted()
  }

  kept(name: string): Kept {
    return this.#kept.get(name) ?? { samples: [], histograms: [] }
  }

  /** Values of a series, oldest first; `stale` where it ended. */
  values(name: string): (number | 'stale')[] {
    return this.kept(name).samples.map(({ value, bits }) => (bits === staleBits ? 'stale' : value))
  }

  /** The newest of each that has not ended. */
  latest(): Map<string, number> {
    const latest = new Map<string, number>()
    for (const name of this.names) {
      const value = this.values(name).at(-1)
      if (typeof value === 'number') latest.set(name, value)
    }
    return latest
  }

  /** What Prometheus' increase() sees of a series from before its beginning: what it grew by, sample by sample. */
  increase(name: string): number {
    let [increase, before] = [0, Number.NaN]
    for (const value of this.values(name)) {
      if (value === 'stale') continue
      if (value < before) increase += value
      else if (!Number.isNaN(before)) increase += value - before
      before = value
    }
    return increase
  }

  #answer(
    { url = '', headers, socket }: IncomingMessage,
    body: Uint8Array,
    response: Parameters<RequestListener>[1]
  ): void {
    const written = this.#read(url, headers, body)
    if (written === undefined) return void response.writeHead(400).end('unreadable')
    const { versions = [1, 2], does } = this.#options
    const told = does?.(this.requests.length, written)
    this.requests.push(written)
    if (!versions.includes(written.version)) return void response.writeHead(415).end('unknown message')
    if (told === 'resets') return void socket.resetAndDestroy()
    if (told === 'hangs') return
    if (told !== undefined && told !== 'takes and resets')
      return void response.writeHead(told.status, told.headers ?? {}).end(told.body)
    const why = this.#take(written)
    if (told === 'takes and resets') return void socket.resetAndDestroy()
    if (why !== undefined) return void response.writeHead(400).end(why)
    const count = (of: (series: WrittenSeries) => readonly unknown[]): string =>
      String(written.series.reduce((sum, series) => sum + of(series).length, 0))
    response.writeHead(204, {
      'x-prometheus-remote-write-samples-written': count(({ samples }) => samples),
      'x-prometheus-remote-write-histograms-written': count(({ histograms }) => histograms),
      'x-prometheus-remote-write-exemplars-written': count(({ exemplars }) => exemplars),
    })
    response.end()
  }

  #read(url: string, headers: IncomingHttpHeaders, body: Uint8Array): WrittenRequest | undefined {
    try {
      const version = headers['content-type'] === 'application/x-protobuf' ? 1 : 2
      checkHeaders(headers, version)
      const message = uncompressSync(Buffer.from(body)) as Buffer
      const series = version === 1 ? decodeV1(message) : decodeV2(message)
      const seen = new Set<string>()
      for (const each of series) {
        checkSeries(each, version)
        assert.ok(!seen.has(each.name), `${each.name} stands twice in a request`)
        seen.add(each.name)
      }
      return { url, headers, body, version, series }
    } catch (error) {
      this.violations.push(String(error))
      return undefined
    }
  }

  /** All of it or, where something is out of order, nothing. */
  #take({ series }: WrittenRequest): string | undefined {
    for (const { name, samples, histograms } of series) {
      const kept = this.kept(name)
      const last = Math.max(kept.samples.at(-1)?.unixMs ?? 0, kept.histograms.at(-1)?.unixMs ?? 0)
      for (const sample of [...samples, ...histograms]) {
        if (sample.unixMs > last) continue
        const same = [...kept.samples, ...kept.histograms].find(({ unixMs }) => unixMs === sample.unixMs)
        const isSame = sample.unixMs === last && same !== undefined && sameValue(same, sample)
        if (!isSame) {
          this.violations.push(`${name} at ${sample.unixMs} comes after ${last}`)
          return `out of order: ${name}`
        }
      }
    }
    for (const { name, samples, histograms } of series) {
      const kept = this.#kept.get(name) ?? { samples: [], histograms: [] }
      this.#kept.set(name, kept)
      for (const each of samples)
        if (each.unixMs > (kept.samples.at(-1)?.unixMs ?? 0)) kept.samples.push(each)
      for (const each of histograms)
        if (each.unixMs > (kept.histograms.at(-1)?.unixMs ?? 0)) kept.histograms.push(each)
    }
    return undefined
  }
}

export async function startRemoteWriteReceiver(
  context: { after: (clean: () => void) => void },
  options: ReceiverOptions = {}
): Promise<RemoteWriteReceiver> {
  const receiver = new RemoteWriteReceiver(options)
  await receiver.listen()
  context.after(() => receiver.close())
  return receiver
}

function sameValue(one: WrittenSample | WrittenHistogram, other: WrittenSample | WrittenHistogram): boolean {
  if ('bits' in one && 'bits' in other) return one.bits === other.bits
  return 'sum' in one && 'sum' in other && one.count === other.count && one.sumBits === other.sumBits
}

/** CONFORMANCE F1. */
function checkHeaders(headers: IncomingHttpHeaders, version: 1 | 2): void {
  assert.equal(headers['content-encoding'], 'snappy')
  assert.match(headers['user-agent'] ?? '', /^swansong\/\d/)
  assert.equal(headers['x-prometheus-remote-write-version'], version === 1 ? '0.1.0' : '2.0.0')
  if (version === 2)
    assert.equal(headers['content-type'], 'application/x-protobuf;proto=io.prometheus.write.v2.Request')
}

/** CONFORMANCE F3, F4, F7, F8. */
function checkSeries(series: WrittenSeries, version: 1 | 2): void {
  const { name, labels, samples, histograms, exemplars, metadata } = series
  assert.match(labels.find(([label]) => label === '__name__')?.[1] ?? '', /^[a-zA-Z_:][a-zA-Z0-9_:]*$/, name)
  for (const [at, [label, value]] of labels.entries()) {
    assert.match(label, /^[a-zA-Z_][a-zA-Z0-9_]*$/, name)
    assert.notEqual(value, '', `${label} of ${name} is empty`)
    if (at > 0)
      assert.ok(label > (labels[at - 1]?.[0] as string), `labels of ${name} are sorted, and each stands once`)
  }
  assert.ok(samples.length > 0 !== histograms.length > 0, `${name} has samples or histograms`)
  for (const all of [samples, histograms])
    for (const [at, { unixMs, startUnixMs }] of all.entries()) {
      assert.ok(at === 0 || unixMs > (all[at - 1]?.unixMs as number), `samples of ${name} are in order`)
      assert.ok(startUnixMs < unixMs, `${name} begins before it is told`)
    }
  if (version === 1) return
  assert.ok((metadata?.type ?? 0) > 0, `${name} has a type`)
  for (const { unixMs } of exemplars) assert.ok(unixMs > 0, `exemplars of ${name} have times`)
}
