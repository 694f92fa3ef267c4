import { join } from 'node:path'
import * as limits from '../limits.ts'
import type { Address } from '../doors/server.ts'
import { completeRemoteWrite, type RemoteWriteInput, type RemoteWriteSettings } from './remote-write.ts'
import type { ResourceAttributeRules, RuleSettings } from './rules.ts'

/**
 * Which anonymous batches are retries. `auto`: identical ones whose first answer was not certainly delivered; `strict`: all
 * identical ones, for gateways behind a proxy.
 */
export type Retries = 'auto' | 'strict'

/** What becomes of a metric's name and unit before it is shown, as Prometheus calls these. */
export type TranslationStrategy =
  | 'UnderscoreEscapingWithSuffixes'
  | 'UnderscoreEscapingWithoutSuffixes'
  | 'NoUTF8EscapingWithSuffixes'
  | 'NoTranslation'

/** The doors that listen on an address. */
export type Door = 'otlpHttp' | 'otlpGrpc' | 'pushgateway' | 'metrics' | 'admin'

/** Files in PEM; read again when they change. Without a certificate a door speaks plain text. */
export interface TlsFiles {
  certFile: string | undefined
  keyFile: string | undefined
  /** Whoever connects must show a certificate that one of these authorities has signed. */
  clientCaFile: string | undefined
}

/** Who is let in. Secrets are in files, never in flags; who satisfies one of the ways that are set is let in. */
export interface AuthFiles {
  /** One token a line: `Authorization: Bearer TOKEN`. */
  bearerTokensFile: string | undefined
  basicUsername: string | undefined
  /** The password is the file's first line. */
  basicPasswordFile: string | undefined
}

/** HTTP on a Unix socket. */
export interface SocketAddress {
  /** undefined: there is no such door. */
  path: string | undefined
  /** File mode, as 0o660. */
  mode: number
  /** Name or number of the group that the socket is given to. */
  group: string | undefined
}

/** What becomes of the groups of Pushgateway's API. */
export interface PushgatewaySettings {
  /** Groups whose pushes are added up, as `job/nightly/*`; those of others replace what was pushed before. */
  add: readonly string[]
  /** How long a group is shown after the last push to it (gateway's uptime), where that push does not say; Infinity: for good. */
  ttlMs: number
}

/** StatsD, and DogStatsD. */
export interface StatsdSettings {
  /** undefined: not there. */
  udp: Address | undefined
  tcp: Address | undefined
  /** A datagram socket, also a Unix one, that the gateway was started with. */
  descriptor: number | undefined
  /** Whose its metrics are: their `job`. */
  serviceName: string
  /** Of timers, in seconds, and of histograms and distributions; ascending. */
  timerBounds: readonly number[]
  histogramBounds: readonly number[]
  /** How long a set gathers values before their number is told. */
  setWindowMs: number
}

/** Where all series are told by OTLP/HTTP. */
export interface OtlpOutSettings {
  /** A URL, posted to as it is written; undefined: nowhere. */
  endpoint: string | undefined
  intervalMs: number
  /** Of one request, until its answer is read. */
  timeoutMs: number
  compression: 'gzip' | 'none'
  /** Headers that are sent along: secrets are in files, never in flags. */
  headersFile: string | undefined
  /** Authorities in PEM that the receiver's certificate is from; those that Node trusts where there is no file. */
  caFile: string | undefined
  /** What is shown to a receiver that wants to know who tells it, and its key. */
  certFile: string | undefined
  keyFile: string | undefined
}

/** A file for node_exporter's textfile collector. */
export interface TextfileSettings {
  /** undefined: none. */
  path: string | undefined
  intervalMs: number
}

/** Directories of prometheus_client's multiprocess mode. */
export interface MultiprocessSettings {
  /** Each a path, or `JOB=` and a path: without it the job is what the directory is called. */
  dirs: readonly string[]
  /** Whose processes write there: `here`: a pid that is not seen is dead; `auto`: where that is certain. */
  processes: 'auto' | 'here'
}

/** Every limit by its name in limits.ts, in bytes, milliseconds or as a count. */
export type Limits = { [Name in keyof typeof limits]: number }

/** Everything that a gateway is told. Complete: the defaults are here and nowhere else. */
export interface Config extends RuleSettings {
  /** Where the ledger is kept. */
  dataDir: string
  /** Where workers leave what they could not hand over; `<dataDir>/spool` where nothing else is told. */
  spoolDir: string
  logLevel: string
  otlpHttp: Address
  /** undefined: closed. */
  otlpGrpc: Address | undefined
  otlpSocket: SocketAddress
  /** undefined: closed. */
  pushgateway: Address | undefined
  pushgatewayGroups: PushgatewaySettings
  statsd: StatsdSettings
  metrics: Address
  admin: Address
  tls: Record<Door, TlsFiles>
  auth: Record<Door, AuthFiles>
  otlpOut: OtlpOutSettings
  textfile: TextfileSettings
  translationStrategy: TranslationStrategy
  /** OpenMetrics says when each series began, in a line of its own (`_created`). */
  openMetricsCreated: boolean
  multiprocess: MultiprocessSettings
  /** Where all series are written by remote write. */
  remoteWrite: readonly RemoteWriteSettings[]
  retries: Retries
  /** How long scrapers are shown newborn counters and histograms at 0; 0: not at all, auto: as their intervals ask for. */
  firstIncrementHoldMs: number | 'auto'
  /** A line that nothing was added to for so long ends: milliseconds of the gateway's uptime; Infinity: never. */
  seriesTtlMs: number
  /** The same for gauges. */
  gaugeTtlMs: number
  limits: Limits
}

/** What is told of a Config: the rest has its default. */
export type ConfigInput = Partial<
  Omit<
    Config,
    | 'limits'
    | 'otlpSocket'
    | 'pushgatewayGroups'
    | 'statsd'
    | 'otlpOut'
    | 'textfile'
    | 'multiprocess'
    | 'remoteWrite'
    | 'tls'
    | 'auth'
    | 'resourceAttributes'
  >
> & {
  resourceAttributes?: Partial<ResourceAttributeRules>
  limits?: Partial<Limits>
  otlpSocket?: Partial<SocketAddress>
  pushgatewayGroups?: Partial<PushgatewaySettings>
  statsd?: Partial<StatsdSettings>
  otlpOut?: Partial<OtlpOutSettings>
  textfile?: Partial<TextfileSettings>
  multiprocess?: Partial<MultiprocessSettings>
  remoteWrite?: readonly RemoteWriteInput[]
  tls?: Partial<Record<Door, Partial<TlsFiles>>>
  auth?: Partial<Record<Door, Partial<AuthFiles>>>
}

const dayMs = 24 * 60 * 60 * 1000
const noTls: TlsFiles = { certFile: undefined, keyFile: undefined, clientCaFile: undefined }
const noAuth: AuthFiles = {
  bearerTokensFile: undefined,
  basicUsername: undefined,
  basicPasswordFile: undefined,
}

const noOtlpOut: OtlpOutSettings = {
  endpoint: undefined,
  intervalMs: 15_000,
  timeoutMs: 10_000,
  compression: 'gzip',
  headersFile: undefined,
  caFile: undefined,
  certFile: undefined,
  keyFile: undefined,
}

/** Prometheus' own: from 5 ms to 10 s. */
const statsdBounds: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const noStatsd: StatsdSettings = {
  udp: undefined,
  tcp: undefined,
  descriptor: undefined,
  serviceName: 'statsd',
  timerBounds: statsdBounds,
  histogramBounds: statsdBounds,
  setWindowMs: 10_000,
}

export function completeConfig(input: ConfigInput = {}): Config {
  const dataDir = input.dataDir ?? './swansong-data'
  return {
    spoolDir: join(dataDir, 'spool'),
    logLevel: 'info',
    otlpHttp: { host: '127.0.0.1', port: 4318 },
    otlpGrpc: { host: '127.0.0.1', port: 4317 },
    pushgateway: undefined,
    metrics: { host: '127.0.0.1', port: 9464 },
    admin: { host: '127.0.0.1', port: 9465 },
    gaugePolicy: 'last',
    rules: [],
    presets: [],
    translationStrategy: 'UnderscoreEscapingWithSuffixes',
    openMetricsCreated: false,
    retries: 'auto',
    firstIncrementHoldMs: 'auto',
    seriesTtlMs: 35 * dayMs,
    gaugeTtlMs: Infinity,
    ...input,
    dataDir,
    otlpSocket: { path: undefined, mode: 0o660, group: undefined, ...input.otlpSocket },
    pushgatewayGroups: { add: [], ttlMs: Infinity, ...input.pushgatewayGroups },
    statsd: { ...noStatsd, ...input.statsd },
    otlpOut: { ...noOtlpOut, ...input.otlpOut },
    textfile: { path: undefined, intervalMs: 15_000, ...input.textfile },
    multiprocess: { dirs: [], processes: 'auto', ...input.multiprocess },
    remoteWrite: (input.remoteWrite ?? []).map(completeRemoteWrite),
    tls: ofDoors(noTls, input.tls),
    auth: ofDoors(noAuth, input.auth),
    limits: { ...limits, ...input.limits },
    resourceAttributes: {
      keep: ['service.namespace', 'service.name', 'deployment.environment.name'],
      drop: [],
      ...input.resourceAttributes,
    },
  }
}

function ofDoors<Files>(none: Files, told: Partial<Record<Door, Partial<Files>>> = {}): Record<Door, Files> {
  return {
    otlpHttp: { ...none, ...told.otlpHttp },
    otlpGrpc: { ...none, ...told.otlpGrpc },
    pushgateway: { ...none, ...told.pushgateway },
    metrics: { ...none, ...told.metrics },
    admin: { ...none, ...told.admin },
  }
}
