import { dirname, isAbsolute, join } from 'node:path'
import * as v from 'valibot'
import { mapping, parsed, scalar, wanted } from './file-shapes.ts'
import { remoteWriteFiles, type RemoteWriteInput } from './remote-write.ts'
import {
  boolean,
  count,
  duration,
  oneOf,
  readableFile,
  remoteWriteUrl,
  size,
  text,
  within,
} from './values.ts'
import type { ValueType } from './values.ts'

const hourMs = 60 * 60 * 1000
const dayMs = 24 * hourMs
const messages = { 'prometheus.WriteRequest': 1, 'io.prometheus.write.v2.Request': 2 } as const

/** What the request itself says, or a key of its own: a header that said otherwise would break it (CONFORMANCE F1). */
const reservedHeaders = new Set([
  'accept-encoding',
  'authorization',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'www-authenticate',
  'x-prometheus-remote-write-version',
])

/** `remote_write` in the file: receivers in a list, each in Prometheus' words, or its URL alone. */
export function remoteWriteSchema(): v.GenericSchema {
  const entry = v.pipe(
    v.unknown(),
    v.transform((value) => (typeof value === 'string' && value !== '' ? { url: value } : value)),
    mapping({
      url: of(remoteWriteUrl),
      name: scalar('a name', parseName),
      protobuf_message: of(oneOf('message', Object.keys(messages))),
      send_native_histograms: of(boolean),
      remote_timeout: of(within(duration, 100, hourMs)),
      interval: of(within(duration, 1000, hourMs)),
      headers: texts(parseHeader),
      external_labels: texts(parseLabel),
      basic_auth: mapping({ username: of(text('name')), password_file: of(readableFile) }),
      authorization: mapping({ type: scalar('a type', parseToken), credentials_file: of(readableFile) }),
      tls_config: mapping({
        ca_file: of(readableFile),
        cert_file: of(readableFile),
        key_file: of(readableFile),
        server_name: of(text('name')),
      }),
      queue_config: mapping({
        max_bytes: of(within(size, 1024 * 1024, Infinity)),
        sample_age_limit: of(within(duration, 60_000, 30 * dayMs)),
        max_shards: of(within(count, 1, 64)),
        max_samples_per_send: of(within(count, 1, 50_000)),
        min_backoff: of(within(duration, 1, hourMs)),
        max_backoff: of(within(duration, 1, hourMs)),
      }),
    }),
    complete(),
    v.transform((value) => inputOf(value as FileEntry))
  )
  return v.pipe(
    v.unknown(),
    v.transform((value) => (value === '' ? [] : value)), // All of it may be commented out.
    wanted('a list of receivers, each with its url,', Array.isArray),
    v.array(entry)
  )
}

/** The same with files taken from where the configuration stands. */
export function remoteWriteFrom(
  file: string,
  receivers: readonly RemoteWriteInput[]
): readonly RemoteWriteInput[] {
  return receivers.map((receiver) => {
    const moved: Record<string, unknown> = { ...receiver }
    for (const name of remoteWriteFiles) {
      const path = receiver[name]
      if (path !== undefined && !isAbsolute(path)) moved[name] = join(dirname(file), path)
    }
    return moved as unknown as RemoteWriteInput
  })
}

/** As the shapes above leave it. */
interface FileEntry {
  url?: string
  name?: string
  protobuf_message?: keyof typeof messages
  send_native_histograms?: boolean
  remote_timeout?: number
  interval?: number
  headers?: Record<string, string>
  external_labels?: Record<string, string>
  basic_auth?: { username?: string; password_file?: string }
  authorization?: { type?: string; credentials_file?: string }
  tls_config?: { ca_file?: string; cert_file?: string; key_file?: string; server_name?: string }
  queue_config?: {
    max_bytes?: number
    sample_age_limit?: number
    max_shards?: number
    max_samples_per_send?: number
    min_backoff?: number
    max_backoff?: number
  }
}

/** What is right by itself and wrong beside something else. */
function complete(): v.GenericSchema {
  return parsed((value) => {
    const { url, basic_auth: basic, authorization, tls_config: tls, queue_config: queue } = value as FileEntry
    if (url === undefined)
      throw new TypeError('it has no url; write where to, as url: http://HOST:9090/api/v1/write')
    if (basic !== undefined && authorization !== undefined)
      throw new TypeError('basic_auth and authorization are both set; leave one of them out')
    if (basic !== undefined && basic.username === undefined)
      throw new TypeError('basic_auth has no username; write one')
    if (authorization !== undefined && authorization.credentials_file === undefined)
      throw new TypeError('authorization has no credentials_file; name the file that holds the token')
    if ((tls?.cert_file === undefined) !== (tls?.key_file === undefined))
      throw new TypeError('tls_config has one of cert_file and key_file; set both or none')
    const { min_backoff: min, max_backoff: max } = queue ?? {}
    if (min !== undefined && max !== undefined && min > max)
      throw new TypeError('min_backoff is longer than max_backoff; exchange them')
    return value
  })
}

function inputOf(entry: FileEntry): RemoteWriteInput {
  const { basic_auth: basic, authorization, tls_config: tls, queue_config: queue } = entry
  const message = entry.protobuf_message
  return without({
    url: entry.url,
    name: entry.name,
    protocol: message === undefined ? undefined : messages[message],
    sendsNativeHistograms: entry.send_native_histograms,
    timeoutMs: entry.remote_timeout,
    intervalMs: entry.interval,
    headers: entry.headers,
    externalLabels: entry.external_labels,
    basicUsername: basic?.username,
    basicPasswordFile: basic?.password_file,
    authorizationType: authorization?.type,
    credentialsFile: authorization?.credentials_file,
    caFile: tls?.ca_file,
    certFile: tls?.cert_file,
    keyFile: tls?.key_file,
    serverName: tls?.server_name,
    queue: without({
      bytesMax: queue?.max_bytes,
      ageMaxMs: queue?.sample_age_limit,
      shardCount: queue?.max_shards,
      requestSamplesMax: queue?.max_samples_per_send,
      backoffMinMs: queue?.min_backoff,
      backoffMaxMs: queue?.max_backoff,
    }),
  }) as unknown as RemoteWriteInput
}

/** What is not told has its default. */
function without(told: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined))
}

function of(type: ValueType): v.GenericSchema {
  return scalar(type.name, (written) => type.parse(written))
}

/** Texts by names that anybody may choose. */
function texts(parse: (name: string, value: string) => readonly [string, string]): v.GenericSchema {
  return parsed((value) => {
    const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (value !== '' && !isMapping) throw new TypeError('write names here, each with its value')
    const entries = Object.entries(value === '' ? {} : (value as Record<string, unknown>))
    return Object.fromEntries(
      entries.map(([name, each]) => {
        if (typeof each !== 'string') throw new TypeError(`write one text as the value of ${name}`)
        return parse(name, each)
      })
    )
  })
}

function parseHeader(name: string, value: string): readonly [string, string] {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name))
    throw new TypeError(`${JSON.stringify(name)} is no name of a header`)
  if (!/^[\x21-\x7e\x80-\xff \t]+$/.test(value))
    throw new TypeError(`the header ${name} has no value that can be sent`)
  const lower = name.toLowerCase()
  if (lower === 'authorization')
    throw new TypeError('authorization is no header here; write authorization or basic_auth beside headers')
  if (reservedHeaders.has(lower)) throw new TypeError(`${name} is set by the gateway itself; leave it out`)
  return [lower, value]
}

function parseLabel(name: string, value: string): readonly [string, string] {
  if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) || name.startsWith('__'))
    throw new TypeError(`${JSON.stringify(name)} is no name of a label; write letters, digits and single _`)
  if (value === '') throw new TypeError(`the label ${name} has no value; write one, or leave it out`)
  return [name, value]
}

/** It is a directory's name as well. */
function parseName(written: string): string {
  if (/^[a-zA-Z0-9_-][a-zA-Z0-9_.-]{0,63}$/.test(written)) return written
  throw new TypeError(`${JSON.stringify(written)} is no name; write letters, digits, _, . and -, 64 at most`)
}

function parseToken(written: string): string {
  if (/^[\w!#$%&'*+.^`|~-]+$/.test(written) && written.toLowerCase() !== 'basic') return written
  throw new TypeError(`${JSON.stringify(written)} is no type here; write Bearer, or use basic_auth`)
}
