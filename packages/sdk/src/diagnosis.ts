import { batchSuffix } from '@swansong/otlp/spool'
import { readRefusal } from './post/answer.ts'
import { encodeRequest, type Endpoint, openEndpoint } from './post/endpoint.ts'
import { becauseOf } from './process/exit.ts'
import { post } from './post/http.ts'
import { endpointDefault, type Options } from './options/options.ts'
import { readOptions } from './options/read-options.ts'
import { findSpool } from './spool/find-spool.ts'
import { isThere, makeUuid, readHeartbeat, type Spool, spoolBatch } from './spool/spool.ts'
import type { Environment } from './options/variables.ts'

const fs = process.getBuiltinModule('node:fs')

/** Which way counts of a process with this environment leave, and what happened when it was tried. */
export interface Diagnosis {
  way: 'journal' | 'post' | 'nowhere'
  /** What in the environment decided that, as a sentence. */
  why: string
  /** Variables that are set wrong, a sentence each. */
  complaints: readonly string[]
  /** The directory that a journal is kept in, or that takes what cannot be posted. */
  spool: SpoolDiagnosis | undefined
  /** Where counts are posted to. */
  endpoint: EndpointDiagnosis | undefined
}

export interface SpoolDiagnosis {
  directory: string
  /** What the gateway last said of itself there; undefined where nobody did, or it cannot be read. */
  heartbeat: { ageMs: number; pid: number; host: string; ledger: string; stopped: boolean } | undefined
  /** Permission bits, as 0o3733; undefined where there is no such directory. */
  mode: number | undefined
  /** Free part of its disk, 0 to 1. */
  freeShare: number | undefined
  /** Why an empty batch could not be put there; undefined where it could. */
  fault: string | undefined
  /** Milliseconds until the gateway took that batch; undefined where it did not within `waitMs`. */
  takenMs: number | undefined
}

export interface EndpointDiagnosis {
  /** An origin, or `unix:` and a path. */
  name: string
  /** The status that an empty request was answered with; undefined where there was no answer. */
  status: number | undefined
  /** What was said instead of 200; empty where it was 200. */
  fault: string
  tookMs: number
}

/** A gateway looks ten times a second; a busy one takes longer. */
const waitMsDefault = 3000
const lookMs = 20

/**
 * Does what a job would do with this environment, as this user: an empty batch is put into the spool directory, or posted.
 * It counts nothing, and the gateway takes it like any other. Never rejects.
 */
export async function diagnose(
  env: Environment = process.env,
  waitMs: number = waitMsDefault
): Promise<Diagnosis> {
  const options = readOptions(env)
  const { complaints } = options
  if (!options.exports) {
    const why = `${silencerOf(env)} says that nothing leaves`
    return { way: 'nowhere', why, complaints, spool: undefined, endpoint: undefined }
  }
  const found = findSpool(options)
  const isJournal = options.endpoint === undefined && found !== undefined
  const spool = found === undefined ? undefined : await trySpool(found, waitMs)
  const endpoint = isJournal ? undefined : await tryEndpoint(options)
  return { way: isJournal ? 'journal' : 'post', why: whyOf(options, found), complaints, spool, endpoint }
}

/** The variable for which nothing leaves, and its value: the operator's first, as where they are read. */
function silencerOf(env: Environment): string {
  const names = [
    ...(env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' ? ['OTEL_SDK_DISABLED'] : []),
    ...(env['OTEL_METRICS_EXPORTER'] === 'none' ? ['OTEL_METRICS_EXPORTER'] : []),
    'SWANSONG_EXPORT',
    ...(env['NODE_ENV'] === 'test' ? ['NODE_ENV'] : []),
    'VITEST',
    'JEST_WORKER_ID',
  ]
  const name = names.find((each) => (env[each] ?? '') !== '') ?? ''
  return `${name}=${env[name]}`
}

function whyOf(options: Options, spool: Spool | undefined): string {
  if (options.endpoint !== undefined) {
    const beside = spool === undefined ? '' : `; what cannot be delivered goes to ${spool.directory}`
    return `an endpoint is set${beside}`
  }
  if (spool === undefined) return 'no endpoint is set, and no gateway of this machine keeps a spool directory'
  return options.spoolDirectory === undefined
    ? `no endpoint is set, and a gateway keeps ${spool.directory}`
    : `SWANSONG_SPOOL_DIR is ${spool.directory}, and no endpoint is set`
}

async function trySpool(spool: Spool, waitMs: number): Promise<SpoolDiagnosis> {
  const { directory } = spool
  const id = makeUuid()
  const name = `${id}${batchSuffix}`
  let fault: string | undefined
  try {
    spoolBatch(spool, { id, body: new Uint8Array(0), points: 0 })
  } catch (error) {
    fault = becauseOf(error)
  }
  const takenMs = fault === undefined ? await untilTaken(spool, name, waitMs) : undefined
  return { directory, heartbeat: heartbeatOf(directory), ...placeOf(directory), fault, takenMs }
}

/** Milliseconds until a file is gone. One that stays is removed: it was a probe. */
async function untilTaken(spool: Spool, name: string, waitMs: number): Promise<number | undefined> {
  const begun = performance.now()
  while (performance.now() - begun < waitMs) {
    await new Promise((resolve) => setTimeout(resolve, lookMs))
    if (!isThere(spool, name)) return performance.now() - begun
  }
  fs.rmSync(`${spool.directory}/${name}`, { force: true })
  return undefined
}

function placeOf(directory: string): Pick<SpoolDiagnosis, 'mode' | 'freeShare'> {
  try {
    const { bavail, blocks } = fs.statfsSync(directory)
    return { mode: fs.statSync(directory).mode & 0o7777, freeShare: blocks === 0 ? 0 : bavail / blocks }
  } catch {
    return { mode: undefined, freeShare: undefined }
  }
}

function heartbeatOf(directory: string): SpoolDiagnosis['heartbeat'] {
  const { at, pid, host, ledger, stopped } = readHeartbeat(directory) ?? {}
  if (typeof at !== 'number') return undefined
  return {
    ageMs: Date.now() - at,
    pid: pid ?? 0,
    host: host ?? '',
    ledger: ledger ?? '',
    stopped: stopped === true,
  }
}

async function tryEndpoint(options: Options): Promise<EndpointDiagnosis> {
  const url = options.endpoint ?? new URL(endpointDefault)
  const endpoint: Endpoint = openEndpoint(url, options.credentials, options.endpointFault)
  const { name, fault } = endpoint
  if (fault !== undefined) return { name, status: undefined, fault, tookMs: 0 }
  const headers = {
    ...options.headers,
    'content-type': 'application/x-protobuf',
    'idempotency-key': makeUuid(),
  }
  const begun = performance.now()
  const exchange = post(endpoint, encodeRequest(endpoint, headers, new Uint8Array(0)))
  const timer = setTimeout(
    () => exchange.abort(`no answer within ${options.timeoutMs} ms`),
    options.timeoutMs
  )
  const reply = await exchange.reply
  clearTimeout(timer)
  const tookMs = performance.now() - begun
  if (reply.status === undefined) return { name, status: undefined, fault: reply.why, tookMs }
  const isTaken = reply.status >= 200 && reply.status < 300
  return {
    name,
    status: reply.status,
    fault: isTaken ? '' : `${reply.status}${readRefusal(reply.body)}`,
    tookMs,
  }
}
