import assert from 'node:assert/strict'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { type Language, stockWorker } from '../peers/stock-sdks.ts'
import { spawnThatDiesWithUs } from '../support/child.ts'
import { lineOf, linesOf } from '../support/exposition.ts'
import type { Gateway } from '../support/gateway.ts'
import { ask } from '../support/http.ts'
import { until } from '../support/wait.ts'

/** A worker that hangs is ended, and its test fails by that. Go waits five seconds before it tries again. */
const workerMsMax = 60_000
/** What the values of `work.size` are: at a power of two every scale has a bound. */
const sizeBounds = ['1', '2', '4', '8', '16', '1024']

export type Encoding = 'proto' | 'json' | 'grpc'

/** Some workers of a stock SDK: test/clients/fixtures/README.md says what they do. */
export interface Crew {
  language: Language
  encoding: Encoding
  temporality: 'delta' | 'cumulative'
  /** Workers in all, and the real processes that they share. */
  workers: number
  processes: number
  /** What OTEL_EXPORTER_OTLP_ENDPOINT says. */
  endpoint: string
  /** Without service.instance.id. */
  anonymous?: boolean
  /** Added to its name, where a language, an encoding and a temporality are not all that it is about. */
  suffix?: string
}

/** The `service.name` of a crew. */
export function nameOf({ language, encoding, temporality, suffix }: Crew): string {
  return [language, encoding, temporality, ...(suffix === undefined ? [] : [suffix])].join('-')
}

/** Each process of a crew, to be run; each gives what it wrote to stderr, and ends with 0. */
export function processesOf(crew: Crew): (() => Promise<string>)[] {
  const each = crew.workers / crew.processes
  assert.ok(Number.isInteger(each), 'every process of a crew has as many workers')
  return Array.from({ length: crew.processes }, (_, at) => () => runWorkers(crew, at * each, each))
}

async function runWorkers(crew: Crew, first: number, count: number): Promise<string> {
  const [program, ...args] = await stockWorker(crew.language)
  const more = crew.anonymous === true ? ['anonymous'] : []
  const child = spawnThatDiesWithUs(program, [...args, crew.encoding, `${first}`, `${count}`, ...more], {
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE_COMPILE_CACHE: join(import.meta.dirname, '..', '..', '.cache', 'compiled'),
      OTEL_SERVICE_NAME: nameOf(crew),
      OTEL_EXPORTER_OTLP_ENDPOINT: crew.endpoint,
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: crew.temporality,
      OTEL_EXPORTER_OTLP_TIMEOUT: crew.language === 'python' ? '30' : '30000', // Seconds there, milliseconds by the specification.
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), workerMsMax)
  const ended = new Promise<number | string | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? signal))
  })
  const [stdout, stderr, code] = await Promise.all([
    buffer(child.stdout as Readable),
    buffer(child.stderr as Readable),
    ended,
  ])
  clearTimeout(timer)
  assert.deepEqual([code, stdout.toString()], [0, ''], `${nameOf(crew)}: ${stderr.toString()}`)
  return stderr.toString()
}

/** What is shown of a crew when all has arrived, once: name and labels → value. */
export function sumsOf(crew: Crew): Map<string, number> {
  const { workers } = crew
  const sums = new Map<string, number>()
  const show = (name: string, labels: Record<string, string>, value: number): void => {
    sums.set(lineOf(name, { ...labels, job: nameOf(crew) }), value)
  }
  for (const [at, queue] of ['even', 'odd'].entries()) {
    let jobs = 0
    let count = 0
    for (let worker = at; worker < workers; worker += 2) {
      jobs += worker + 1 + 2
      count++
    }
    show('work_jobs_total', { queue }, jobs)
    show('work_active', { queue }, count * (5 - 2))
  }
  show('work_cost_total', { cached: 'true', status: '200' }, workers * 0.75)
  show('work_temperature', { room: 'lab' }, 21.5)
  show('work_polls_total', { via: 'timer' }, workers * 20)
  show('work_open', {}, workers * 4)
  show('work_load', {}, 0.5)
  for (const [at, le] of ['0.1', '1', '10', '+Inf'].entries())
    show('work_duration_seconds_bucket', { le }, workers * [1, 3, 4, 5][at]!)
  show('work_duration_seconds_count', {}, workers * 5)
  show('work_duration_seconds_sum', {}, workers * 56.0625)
  for (const [at, le] of sizeBounds.entries()) show('work_size_bucket', { le }, workers * (at + 1))
  show('work_size_bucket', { le: '+Inf' }, workers * 6)
  show('work_size_count', {}, workers * 6)
  show('work_size_sum', {}, workers * 1031)
  return sums
}

/** What lines show of a crew, without the bounds of `work.size` that lie between those of its values. */
export function shownOf(crew: Crew, lines: ReadonlyMap<string, number>): Map<string, number> {
  const shown = new Map<string, number>()
  const own = `job=${JSON.stringify(nameOf(crew))}`
  for (const [line, value] of lines) {
    const [, le] = /^work_size_bucket\{.*le="([^"]*)"/.exec(line) ?? []
    if (le !== undefined && le !== '+Inf' && !sizeBounds.includes(le)) continue
    if (line.startsWith('work_') && line.includes(own)) shown.set(line, value)
  }
  return shown
}

/** Waits until the gateway shows all of these crews; what is missing then, or too much, fails the test. */
export async function holdsSums(gateway: Gateway, crews: readonly Crew[], withinMs = 5000): Promise<void> {
  let lines = new Map<string, number>()
  const areThere = async (): Promise<boolean> => {
    lines = linesOf((await ask(`${gateway.urls.metrics}/metrics`)).body.toString())
    // Every line: the batch that completes one of them may come before the one that another still lacks.
    return crews.every((crew) => [...sumsOf(crew)].every(([line, sum]) => lines.get(line) === sum))
  }
  await until('the sums are there', areThere, withinMs).catch(() => {}) // What is missing is told below.
  for (const crew of crews) sameLines(shownOf(crew, lines), sumsOf(crew), nameOf(crew))
}

export function sameLines(
  have: ReadonlyMap<string, number>,
  want: ReadonlyMap<string, number>,
  whose: string
): void {
  const sorted = (lines: ReadonlyMap<string, number>): [string, number][] =>
    [...lines].toSorted(([one], [other]) => (one < other ? -1 : 1))
  assert.deepEqual(sorted(have), sorted(want), whose)
}
