import { relative, resolve } from 'node:path'
import type { Address } from '../doors/server.ts'
import { keys, valueOf } from './schema.ts'
import { placeOf, type Settings } from './settings.ts'
import { jobAndDirectory, showAddress } from './values.ts'

/** What is right by itself and wrong beside something else: a line each, as those of a ConfigError. */
export function relationProblems(settings: Settings): string[] {
  return [
    ...directories(settings),
    ...multiprocessDirs(settings),
    ...doors(settings),
    ...pairs(settings),
    ...statsdBounds(settings),
    ...otlpOut(settings),
    ...textfile(settings),
    ...remoteWrite(settings),
  ]
}

/** Workers may write into the spool: what stands in it is theirs to remove. */
function directories(settings: Settings): string[] {
  const { dataDir, spoolDir } = settings.config
  const away = relative(spoolDir, dataDir)
  if (away.startsWith('..') || (away !== '' && away.startsWith('/'))) return []
  const at = placeOf(settings, settings.told.has('spool_dir') ? 'spool_dir' : 'data_dir')
  return [
    `${at}: data_dir (${dataDir}) is within spool_dir (${spoolDir}), where anybody may write; put it elsewhere`,
  ]
}

/** Each file counts in one of them. */
function multiprocessDirs(settings: Settings): string[] {
  const { dataDir, spoolDir, multiprocess } = settings.config
  const taken = new Map([
    [resolve(dataDir), 'data_dir'],
    [resolve(spoolDir), 'spool_dir'],
  ])
  const problems: string[] = []
  for (const written of multiprocess.dirs) {
    const directory = resolve(jobAndDirectory(written).directory)
    const other = taken.get(directory)
    if (other !== undefined)
      problems.push(
        `${placeOf(settings, 'multiprocess.dirs')}: ${directory} is ${other} too; name each directory once`
      )
    taken.set(directory, 'one of multiprocess.dirs')
  }
  return problems
}

/** Port 0 is any that is free. */
function doors(settings: Settings): string[] {
  const problems: string[] = []
  const taken: { path: string; address: Address }[] = []
  for (const key of keys) {
    if (!key.path.endsWith('.listen')) continue
    const address = valueOf(settings.config, key) as Address | undefined
    if (address === undefined || address.port === 0) continue
    const other = taken.find((one) => meets(one.address, address))
    if (other !== undefined) {
      const at = placeOf(settings, settings.told.has(key.path) ? key.path : other.path)
      const both = `${other.path} and ${key.path} are both ${showAddress(address)}`
      problems.push(`${at}: ${both}; give one of them another port`)
    }
    taken.push({ path: key.path, address })
  }
  return problems
}

function meets(one: Address, other: Address): boolean {
  if (one.port !== other.port) return false
  return one.host === other.host || isAnyHost(one.host) || isAnyHost(other.host)
}

function isAnyHost(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** What it tells would come in again as somebody else's totals, and be added to what it is. */
function otlpOut(settings: Settings): string[] {
  const { otlpOut: out, otlpHttp } = settings.config
  const problems = out.endpoint === undefined ? needing(settings, 'otlp_out', 'endpoint') : []
  const { hostname, port, protocol } = new URL(out.endpoint ?? 'http://127.0.0.1:0')
  const isOurs = Number(port || (protocol === 'https:' ? 443 : 80)) === otlpHttp.port && otlpHttp.port !== 0
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const isHere =
    host === 'localhost' || host === otlpHttp.host || (isLoopback(host) && isAnyHost(otlpHttp.host))
  if (isOurs && isHere)
    problems.push(
      `${placeOf(settings, 'otlp_out.endpoint')}: ${out.endpoint} is the gateway's own door otlp.http, which would count ` +
        'everything again; name the receiver behind it'
    )
  return problems
}

function textfile(settings: Settings): string[] {
  return settings.config.textfile.path === undefined ? needing(settings, 'textfile', 'path') : []
}

/** What is told of something that there is none of. */
function needing(settings: Settings, part: string, needed: string): string[] {
  const told = [...settings.told.keys()].filter((path) => path.startsWith(`${part}.`))
  return told.map((path) => `${placeOf(settings, path)}: it needs ${part}.${needed} too; set both or none`)
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}

/** Under one door (or wherever), this needs that. */
const needs: readonly (readonly [string, string])[] = [
  ['tls.cert_file', 'tls.key_file'],
  ['tls.key_file', 'tls.cert_file'],
  ['tls.client_ca_file', 'tls.cert_file'],
  ['auth.basic.username', 'auth.basic.password_file'],
  ['auth.basic.password_file', 'auth.basic.username'],
]

function pairs(settings: Settings): string[] {
  const problems: string[] = []
  for (const path of settings.told.keys()) {
    for (const [one, other] of needs) {
      if (!path.endsWith(`.${one}`)) continue
      const needed = path.slice(0, -one.length) + other
      if (!settings.told.has(needed))
        problems.push(`${placeOf(settings, path)}: it needs ${needed} too; set both or none`)
    }
  }
  return problems
}

/** Queues have their receivers' names, and must not be of two. */
function remoteWrite(settings: Settings): string[] {
  const names = settings.config.remoteWrite.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice === undefined) return []
  return [`${placeOf(settings, 'remote_write')}: two receivers are ${twice}; give each a name of its own`]
}

function statsdBounds(settings: Settings): string[] {
  const { timerBounds, histogramBounds } = settings.config.statsd
  const problems: string[] = []
  for (const [path, bounds] of [
    ['statsd.timer_bounds', timerBounds],
    ['statsd.histogram_bounds', histogramBounds],
  ] as const) {
    const ascend = bounds.every((bound, at) => at === 0 || bound > (bounds[at - 1] as number))
    if (!ascend)
      problems.push(
        `${placeOf(settings, path)}: ${path}: bounds ascend; write them from the least to the greatest`
      )
  }
  return problems
}
