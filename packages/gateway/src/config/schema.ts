import { logLevels } from '../log.ts'
import type { Config } from './config.ts'
import { doorKeys } from './door-keys.ts'
import { limitKeys } from './limit-keys.ts'
import { outKeys } from './out-keys.ts'
import { seriesKeys } from './series-keys.ts'
import { statsdKeys } from './statsd-keys.ts'
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

const restart = { reload: false } as const
const live = { reload: true } as const

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
  ...outKeys,
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
  ...seriesKeys,
  ...limitKeys.map(({ name, key, type, meaning }): Key => {
    return { path: `limits.${key}`, field: `limits.${name}`, type, meaning, reload: true }
  }),
]

/** `SWANSONG_OTLP_HTTP_LISTEN` for `otlp.http.listen`; undefined for what only a file can say. */
export function variableOf(key: Key): string | undefined {
  if (key.type.isStructure === true) return undefined
  return `SWANSONG_${key.path.replaceAll('.', '_').toUpperCase()}`
}

/** What a Config says under a key. */
export function valueOf(config: Config, key: Key): unknown {
  return key.field.split('.').reduce<unknown>((of, name) => (of as Record<string, unknown>)[name], config)
}
