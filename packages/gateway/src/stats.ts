import type * as limits from './limits.ts'
import type { RejectionReason, RefusalCode } from './refusal.ts'

/** A request did not come in time, an answer was not read in time, or nothing moved while either was under way. */
export type Slowness = 'request' | 'answer' | 'stalled'

/** Whose request it was, and what it came to; nothing of it is known of a Unix socket. */
export interface Peer {
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly remoteAddress?: string | undefined
}

/** What the gateway counts of itself since its start: the `swansong_` metrics. One object a gateway; plain numbers. */
export interface Stats {
  /** Requests by the HTTP status that they were answered with. */
  requests: Map<number, number>
  /** Calls of OTLP/gRPC by the google.rpc.Code that they were answered with. */
  grpcCalls: Map<number, number>
  /** Requests of Pushgateway's API by the HTTP status that they were answered with. */
  pushRequests: Map<number, number>
  refusals: Map<RefusalCode, number>
  /** What is refused and rejected is said beside being counted: see doors/refusal-log. */
  onRefused: (reason: RefusalCode | 'TLS', why: string, peer: Peer | undefined) => void
  onRejected: (reason: RejectionReason, count: number, metric: string) => void
  /** Connections that no TLS came about on: without a certificate that the door wants, say. */
  tlsHandshakesFailed: number
  /** Points that were added (of journals: series whose total had grown). */
  points: number
  pointsRejected: Map<RejectionReason, number>
  /** Points of metrics that rules drop, by the rule's patterns. */
  pointsDropped: Map<string, number>
  /** Attributes that the rules leave out, by name: of resources each time, of points for each set of them that is new. */
  resourceAttributesDropped: () => Map<string, number>
  pointAttributesDropped: () => Map<string, number>
  /** Cumulative points that were no later than what their sender had told before. */
  pointsOld: number
  duplicates: number
  /** Points that were left out, as another attempt at their unit of work (`swansong.once`) counts. */
  pointsSuperseded: number
  receivedBytes: number
  /** Bytes of bodies under way, now: asked of the door. */
  bytesInFlight: () => number
  commits: number
  commitsFailed: number
  commitSeconds: number
  series: number
  /** Those of them that scrapers are shown at 0 still, and how long that takes now: asked of what measures it. */
  seriesHeld: () => number
  holdMs: () => number
  /** Series that ended, as nothing was told of them for their time to live. */
  seriesEnded: number
  /** Metrics that are not shown, as another kind of metric has their name by the translation strategy. */
  metricsHidden: number
  /** Lines that were pushed to groups and are not shown, as series have their names and labels: asked of what shows them. */
  pushedLinesHidden: () => number
  /** Pages of the store that did not match their checksum at the start. */
  pagesDamaged: number
  batchIds: number
  /** Units of work of which it is remembered whose attempt counts. */
  onceKeys: number
  /** Journals of living processes. */
  writers: number
  /** Senders of cumulative points. */
  senders: number
  spoolFilesTaken: { journal: number; batch: number }
  spoolFilesRejected: number
  spoolFilesWaiting: number
  multiprocess: MultiprocessStats
  scrapes: number
  /** By a client that reads what Prometheus does; undefined before the first. */
  lastScrape: { unixMs: number; by: string } | undefined
  scrapeSeconds: number
  /** Answers to scrapes that were refused: there was no room for their text. */
  scrapesRefused: number
  /** Connections that are open, by door. */
  connections: Map<string, number>
  /** Connections that were closed as soon as they came, by door. */
  connectionsRefused: Map<string, number>
  /** Connections that were cut because they were too slow, by what was. */
  connectionsCut: Map<Slowness, number>
  /** Points that were counted in an overflow series, by the name of their metric: of the first hundred of them. */
  pointsOverflow: Map<string, number>
  /** How much of a limit is used, by the limit: asked when it is shown. */
  used: Partial<Record<keyof typeof limits, () => number>>
  /** Of `otlp_out`; undefined where there is none. */
  otlpOut: OtlpOutStats | undefined
  /** Of `textfile`; undefined where there is none. */
  textfile: TextfileStats | undefined
  /** Of `remote_write`: one a receiver. */
  remoteWrite: RemoteWriteStats[]
  /** Of StatsD; undefined where it is not taken. */
  statsd: StatsdStats | undefined
  config: ConfigStats
  /** Requests that met a bug: always 0. */
  bugs: number
}

/** What became of the points that were told by OTLP. */
export interface OtlpOutStats {
  /** Points that the receiver took. */
  points: number
  /** Points that it did not take, by reason: of newer values, each is told again. */
  dropped: Map<string, number>
  /** When it last took a request; undefined before the first. */
  lastSuccessUnixMs: number | undefined
}

/** What became of the file for node_exporter. */
export interface TextfileStats {
  written: number
  /** How often it stayed as it was, by reason. */
  failed: Map<string, number>
  /** undefined before the first. */
  lastSuccessUnixMs: number | undefined
}

/** Of files of prometheus_client's multiprocess mode. */
export interface MultiprocessStats {
  /** Files that are followed, by directory. */
  followed: Map<string, number>
  /** Files of dead processes that were taken whole and removed. */
  taken: number
  /** Times that a file could not be taken, by reason. */
  rejected: Map<string, number>
}

/** What became of the samples for one receiver of remote write. */
export interface RemoteWriteStats {
  name: string
  /** The version of remote write that is written. */
  protocol: number
  /** Samples and native histograms that the receiver took; those in refused requests that it says it wrote among them. */
  samples: number
  exemplars: number
  /** Samples that will not arrive, by reason. */
  dropped: Map<string, number>
  /** Requests that were to be sent again. */
  retried: number
  queueBytes: () => number
  queueBytesMax: number
  /** Of the oldest collection that was not sent whole; undefined where there is none. */
  oldestQueuedUnixMs: () => number | undefined
  /** Of the newest that was sent; 0 before the first. */
  lastSentUnixMs: number
  lastSuccessUnixMs: number | undefined
}

/** What came by StatsD, and what did not. */
export interface StatsdStats {
  packets: number
  lines: number
  /** Lines that were not counted, by reason. */
  rejected: Map<string, number>
  /** Datagrams that were received, and that there was no room for. */
  gatewayDropped: number
  /** Datagrams that the kernel dropped, of each socket. */
  kernelDropped: (() => number)[]
  /** What the kernel gave, as it counts it. */
  receiveBufferBytes: number
}

/** Of the configuration: whether it was right when it was last read, and when it last was. */
export interface ConfigStats {
  isReloaded: boolean
  reloadedAtMs: number
}

export function newStats(): Stats {
  return {
    requests: new Map(),
    grpcCalls: new Map(),
    pushRequests: new Map(),
    refusals: new Map(),
    onRefused: () => undefined,
    onRejected: () => undefined,
    tlsHandshakesFailed: 0,
    points: 0,
    pointsRejected: new Map(),
    pointsDropped: new Map(),
    resourceAttributesDropped: () => new Map(),
    pointAttributesDropped: () => new Map(),
    pointsOld: 0,
    duplicates: 0,
    pointsSuperseded: 0,
    receivedBytes: 0,
    bytesInFlight: () => 0,
    commits: 0,
    commitsFailed: 0,
    commitSeconds: 0,
    series: 0,
    seriesHeld: () => 0,
    holdMs: () => 0,
    seriesEnded: 0,
    metricsHidden: 0,
    pushedLinesHidden: () => 0,
    pagesDamaged: 0,
    batchIds: 0,
    onceKeys: 0,
    writers: 0,
    senders: 0,
    spoolFilesTaken: { journal: 0, batch: 0 },
    spoolFilesRejected: 0,
    spoolFilesWaiting: 0,
    multiprocess: { followed: new Map(), taken: 0, rejected: new Map() },
    scrapes: 0,
    lastScrape: undefined,
    scrapeSeconds: 0,
    scrapesRefused: 0,
    connections: new Map(),
    connectionsRefused: new Map(),
    connectionsCut: new Map(),
    pointsOverflow: new Map(),
    used: {},
    otlpOut: undefined,
    textfile: undefined,
    remoteWrite: [],
    statsd: undefined,
    config: { isReloaded: true, reloadedAtMs: Date.now() },
    bugs: 0,
  }
}

/** Of a receiver to which nothing was written yet. */
export function newRemoteWriteStats({
  name,
  protocol,
}: Pick<RemoteWriteStats, 'name' | 'protocol'>): RemoteWriteStats {
  return {
    name,
    protocol,
    samples: 0,
    exemplars: 0,
    dropped: new Map(),
    retried: 0,
    queueBytes: () => 0,
    queueBytesMax: 0,
    oldestQueuedUnixMs: () => undefined,
    lastSentUnixMs: 0,
    lastSuccessUnixMs: undefined,
  }
}

/** Counts a request of which nothing is counted, and says why. */
export function countRefusal(stats: Stats, code: RefusalCode, why: string, peer: Peer | undefined): void {
  countUp(stats.refusals, code)
  stats.onRefused(code, why, peer)
}

/** Adds to one of a map of counts. */
export function countUp<Key>(counts: Map<Key, number>, key: Key, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by)
}
