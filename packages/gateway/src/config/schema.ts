import { logLevels } from '../log.ts'
import type { Config, Door, TranslationStrategy } from './config.ts'
import { limitKeys } from './limit-keys.ts'
import { statsdKeys } from './statsd-keys.ts'
import { type GaugePolicy, presetRules } from './rules.ts'
import * as values from './values.ts'
import type { ValueType } from './values.ts'

/** A key of the configuration: the file, the variables, the flags, the defaults' names and the documentation are made of these. */
export interface Key {
  /** In the file, with dots: `otlp.http.listen`. */
  readonly path: string
  /** In Config, with dots: `otlpHttp`. */
  readonly field: FieldPath<Config>
  readonly type: ValueType
  /** Sentences, for the documentation. */
  readonly meaning: string
  /** `--otlp-http <host:port>`, and what `--help` says of it. Flags are for what is tried by hand. */
  readonly flag?: readonly [flag: string, help: string]
  /** A reload can change it; otherwise a restart is needed. */
  readonly reload: boolean
}

/** Where a value stands in an object of objects. Addresses are values. */
type FieldPath<Of> = {
  [Name in keyof Of & string]: NonNullable<Of[Name]> extends { port: number } | readonly unknown[]
    ? Name
    : NonNullable<Of[Name]> extends object
      ? `${Name}.${FieldPath<NonNullable<Of[Name]>>}`
      : Name
}[keyof Of & string]

const dayMs = 24 * 60 * 60 * 1000
const restart = { reload: false } as const
const live = { reload: true } as const

/** In the words of the file. */
export const gaugePolicies: readonly GaugePolicy[] = ['last', 'min', 'max', 'sum']

const translationStrategies: readonly TranslationStrategy[] = [
  'UnderscoreEscapingWithSuffixes',
  'UnderscoreEscapingWithoutSuffixes',
  'NoUTF8EscapingWithSuffixes',
  'NoTranslation',
]

/** Every key there is, in the order of the documentation. */
export const keys: readonly Key[] = [
  {
    path: 'data_dir',
    field: 'dataDir',
    type: values.directory,
    meaning: 'Where the ledger is kept. A data directory has one gateway.',
    flag: ['--data-dir <dir>', 'where the ledger is kept'],
    ...restart,
  },
  {
    path: 'spool_dir',
    field: 'spoolDir',
    type: values.directory,
    meaning: 'Where workers leave what they could not hand over. Without it: `spool` in the data directory.',
    flag: ['--spool-dir <dir>', 'where workers leave counts as files'],
    ...restart,
  },
  {
    path: 'log.level',
    field: 'logLevel',
    type: values.oneOf('log level', logLevels),
    meaning: 'How much is said on stderr.',
    flag: ['--log-level <level>', 'how much is said on stderr'],
    ...live,
  },
  ...doorKeys('otlp.http', 'otlpHttp', values.address, 'OTLP/HTTP: `POST /v1/metrics`.', [
    '--otlp-http <host:port>',
    'OTLP/HTTP, POST /v1/metrics',
  ]),
  ...doorKeys('otlp.grpc', 'otlpGrpc', values.addressOrOff, 'OTLP/gRPC.', [
    '--otlp-grpc <host:port>',
    'OTLP/gRPC, or off',
  ]),
  {
    path: 'otlp.socket.path',
    field: 'otlpSocket.path',
    type: values.socketPath,
    meaning: 'OTLP/HTTP on a Unix socket. Without it there is none.',
    flag: ['--otlp-socket <path>', 'OTLP/HTTP on a Unix socket'],
    ...restart,
  },
  {
    path: 'otlp.socket.mode',
    field: 'otlpSocket.mode',
    type: values.fileMode,
    meaning: 'File mode of the socket: who may write to it may send.',
    ...restart,
  },
  {
    path: 'otlp.socket.group',
    field: 'otlpSocket.group',
    type: values.text('name or number'),
    meaning: 'Group of the socket. Without it: that of the gateway.',
    ...restart,
  },
  ...doorKeys(
    'pushgateway',
    'pushgateway',
    values.addressOrOff,
    "Pushgateway's API: see [Pushgateway](pushgateway.md).",
    ['--pushgateway <host:port>', "Pushgateway's API, or off"]
  ),
  {
    path: 'pushgateway.add',
    field: 'pushgatewayGroups.add',
    type: values.listOf(values.text('patterns')),
    meaning:
      'Groups whose processes push once each, so that what they push adds up: `job/nightly*`, `*` standing for any ' +
      'characters. Pushes to others replace what was there.',
    ...live,
  },
  {
    path: 'pushgateway.ttl',
    field: 'pushgatewayGroups.ttlMs',
    type: values.within(values.durationOrNever, 1000, Infinity),
    meaning:
      "A group that nobody pushed to for so long (gateway's uptime) ends. A push says another by `?ttl=1h`.",
    ...live,
  },
  ...statsdKeys,
  ...doorKeys('metrics', 'metrics', values.address, '`/metrics`, `/-/healthy` and `/-/ready`.', [
    '--metrics <host:port>',
    'GET /metrics for Prometheus, /-/healthy, /-/ready',
  ]),
  ...doorKeys('admin', 'admin', values.address, '`/api/v1/status`, `/api/v1/series` and `POST /-/reload`.', [
    '--admin <host:port>',
    'GET /api/v1/status, POST /-/reload',
  ]),
  {
    path: 'otlp_out.endpoint',
    field: 'otlpOut.endpoint',
    type: values.otlpUrl,
    meaning:
      'Every interval all series are posted there by OTLP/HTTP, as cumulative protobuf: to a Collector, or to Prometheus ' +
      '(`/api/v1/otlp/v1/metrics`, with `--web.enable-otlp-receiver`). The URL is taken as it is written. Without it: nowhere.',
    flag: ['--otlp-out <url>', 'post all series by OTLP every interval, as http://HOST:4318/v1/metrics'],
    ...restart,
  },
  {
    path: 'otlp_out.interval',
    field: 'otlpOut.intervalMs',
    type: values.within(values.duration, 1000, dayMs),
    meaning:
      'How often. A request that is not taken is sent again for so long; then newer values go instead.',
    ...live,
  },
  {
    path: 'otlp_out.timeout',
    field: 'otlpOut.timeoutMs',
    type: values.within(values.duration, 1, dayMs),
    meaning: 'From the beginning of a request until its answer is read.',
    ...live,
  },
  {
    path: 'otlp_out.compression',
    field: 'otlpOut.compression',
    type: values.oneOf('compression', ['gzip', 'none']),
    meaning: 'How the requests are compressed.',
    ...live,
  },
  {
    path: 'otlp_out.headers_file',
    field: 'otlpOut.headersFile',
    type: values.readableFile,
    meaning: 'Headers that are sent along, one `Name: value` a line, as `Authorization: Bearer TOKEN`.',
    ...restart,
  },
  {
    path: 'otlp_out.tls.ca_file',
    field: 'otlpOut.caFile',
    type: values.readableFile,
    meaning:
      'Authorities in PEM that may have signed the certificate of an `https` endpoint. Without it: those that Node trusts.',
    ...restart,
  },
  {
    path: 'otlp_out.tls.cert_file',
    field: 'otlpOut.certFile',
    type: values.readableFile,
    meaning: 'Certificate chain in PEM, for a receiver that wants one of who tells it.',
    ...restart,
  },
  {
    path: 'otlp_out.tls.key_file',
    field: 'otlpOut.keyFile',
    type: values.readableFile,
    meaning: 'Its private key in PEM.',
    ...restart,
  },
  {
    path: 'textfile.path',
    field: 'textfile.path',
    type: values.promFile,
    meaning:
      "Every interval what scrapers see is written there, for node_exporter's textfile collector: whole, by renaming, so " +
      'that no reader sees half of it. Its directory must exist. Without it: nowhere.',
    flag: [
      '--textfile <file>',
      "write all series for node_exporter's textfile collector, as DIR/swansong.prom",
    ],
    ...restart,
  },
  {
    path: 'textfile.interval',
    field: 'textfile.intervalMs',
    type: values.within(values.duration, 1000, dayMs),
    meaning: 'How often, at most.',
    ...live,
  },
  {
    path: 'multiprocess.dirs',
    field: 'multiprocess.dirs',
    type: values.multiprocessDirs,
    meaning:
      "Directories of Python's prometheus_client (`PROMETHEUS_MULTIPROC_DIR`), whose counts are taken over. `JOB=DIR` says " +
      'what `job` they have; without it, what the directory is called.',
    flag: [
      '--multiprocess-dir <dir>',
      "a PROMETHEUS_MULTIPROC_DIR of Python's prometheus_client, or JOB=DIR; may be repeated",
    ],
    ...restart,
  },
  {
    path: 'multiprocess.processes',
    field: 'multiprocess.processes',
    type: values.oneOf('view of processes', ['auto', 'here']),
    meaning:
      'How it is known that the process of a file is dead. `auto`: by what all processes have mapped, where the gateway can ' +
      'see that, else by silence (`limits.multiprocess_silence`). `here`: files are called by pids, and one that the gateway does not see is dead.',
    ...restart,
  },
  {
    path: 'remote_write',
    field: 'remoteWrite',
    type: values.remoteWrite,
    meaning:
      'Every interval all series are written there by remote write, through a queue on the disk: see ' +
      '[remote write](remote-write.md). Flag and variable name URLs alone.',
    flag: [
      '--remote-write <url>',
      'write all series by remote write every interval, as http://HOST:9090/api/v1/write',
    ],
    ...restart,
  },
  {
    path: 'resource_attributes.keep',
    field: 'resourceAttributes.keep',
    type: values.listOf(values.text('patterns')),
    meaning:
      'Resource attributes that become labels, `*` standing for any characters. All others are dropped, so that series do ' +
      'not grow with processes.',
    ...live,
  },
  {
    path: 'resource_attributes.drop',
    field: 'resourceAttributes.drop',
    type: values.listOf(values.text('patterns')),
    meaning: 'What is dropped of those.',
    ...live,
  },
  {
    path: 'gauge_policy',
    field: 'gaugePolicy',
    type: values.oneOf('gauge policy', gaugePolicies),
    meaning:
      'What is shown of a gauge of many writers: the latest value, the least, the greatest, or what living ones have together.',
    ...live,
  },
  {
    path: 'rules',
    field: 'rules',
    type: values.structure('rules'),
    meaning: 'What becomes of some metrics: see Rules, below.',
    ...live,
  },
  {
    path: 'presets',
    field: 'presets',
    type: values.listOf(values.oneOf('preset', Object.keys(presetRules))),
    meaning: 'Rules that come with Swansong; they are looked at after `rules`.',
    ...live,
  },
  {
    path: 'translation_strategy',
    field: 'translationStrategy',
    type: values.oneOf('translation strategy', translationStrategies),
    meaning:
      'What metrics and labels are called where they are shown to Prometheus: characters that it did not always take as `_`, ' +
      'or as they are; with the unit and `_total` behind, or not. docs/exposition.md has a table.',
    ...restart,
  },
  {
    path: 'openmetrics_created',
    field: 'openMetricsCreated',
    type: values.boolean,
    meaning:
      'In OpenMetrics each counter and histogram has a further line, `_created`: when it began. Leave it, unless Prometheus ' +
      'runs with `--enable-feature=created-timestamp-zero-ingestion`: else these are further series.',
    ...live,
  },
  {
    path: 'retries',
    field: 'retries',
    type: values.oneOf('way to tell retries', ['auto', 'strict']),
    meaning:
      'Which identical batches without ids are retries. `auto`: those whose first answer was not certainly delivered; ' +
      '`strict`: all, for gateways behind a proxy.',
    ...live,
  },
  {
    path: 'first_increment_hold',
    field: 'firstIncrementHoldMs',
    type: values.hold,
    meaning:
      'How long scrapers are shown a newborn counter or histogram at 0, so that Prometheus sees its first increment ' +
      '([why](first-increment.md)). `auto`: twice the longest interval at which one of them scrapes, from 2 to 130 s, and ' +
      '70 s until one was seen twice.',
    ...live,
  },
  {
    path: 'series_ttl',
    field: 'seriesTtlMs',
    type: values.within(values.durationOrNever, 60_000, Infinity),
    meaning:
      "A line of `/metrics` that nothing was added to for so long (gateway's uptime) ends. Gauges do not.",
    ...live,
  },
  {
    path: 'gauge_ttl',
    field: 'gaugeTtlMs',
    type: values.within(values.durationOrNever, 60_000, Infinity),
    meaning: 'The same for gauges.',
    ...live,
  },
  ...limitKeys.map(({ name, key, type, meaning }): Key => {
    return { path: `limits.${key}`, field: `limits.${name}`, type, meaning, reload: true }
  }),
]

function doorKeys(
  path: string,
  door: Door,
  type: ValueType,
  meaning: string,
  flag: readonly [string, string]
): Key[] {
  return [
    { path: `${path}.listen`, field: door, type, meaning, flag, ...restart },
    file(
      'tls.cert_file',
      `tls.${door}.certFile`,
      'Certificate chain in PEM. Without it the door speaks plain text.'
    ),
    file('tls.key_file', `tls.${door}.keyFile`, 'Its private key in PEM.'),
    file(
      'tls.client_ca_file',
      `tls.${door}.clientCaFile`,
      'Authorities in PEM: who connects must show a certificate of theirs.'
    ),
    file(
      'auth.bearer_tokens_file',
      `auth.${door}.bearerTokensFile`,
      'One token a line: who sends one of them as `Authorization: Bearer` is let in.'
    ),
    {
      path: `${path}.auth.basic.username`,
      field: `auth.${door}.basicUsername`,
      type: values.text('name'),
      meaning: 'Who sends this name and the password in that file is let in.',
      ...restart,
    },
    file(
      'auth.basic.password_file',
      `auth.${door}.basicPasswordFile`,
      'The password: the first line of this file.'
    ),
  ]

  function file(under: string, field: Key['field'], says: string): Key {
    return { path: `${path}.${under}`, field, type: values.readableFile, meaning: says, ...restart }
  }
}

/** `SWANSONG_OTLP_HTTP_LISTEN` for `otlp.http.listen`; undefined for what only a file can say. */
export function variableOf(key: Key): string | undefined {
  if (key.type.isStructure === true) return undefined
  return `SWANSONG_${key.path.replaceAll('.', '_').toUpperCase()}`
}

/** What a Config says under a key. */
export function valueOf(config: Config, key: Key): unknown {
  return key.field.split('.').reduce<unknown>((of, name) => (of as Record<string, unknown>)[name], config)
}
