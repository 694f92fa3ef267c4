import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ended, hasEnded, spawnThatDiesWithUs } from '../support/child.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/wait.ts'
import { debianPeer } from './debian.ts'

const readyWithinMs = 30_000
const stoppedWithinMs = 10_000

export interface PrometheusOptions {
  /** What to scrape, as `host:port`. */
  targets: string[]
  /** As Prometheus writes durations; 1s unless given. */
  scrapeInterval?: string
  /** True unless given: the scraped `job` stays. */
  honorLabels?: boolean
  /** More flags for the command line. */
  extraArgs?: string[]
  /** Where it keeps its samples; a directory of its own, removed at the end, unless given. */
  dataDir?: string
  /** A free one, unless given. */
  port?: number
}

export type Labels = Record<string, string>

export interface Range {
  labels: Labels
  /** Unix seconds, and the value then. */
  values: { at: number; value: number }[]
}

export interface Prometheus {
  url: string
  pid: number
  /** The value of each series that an instant query selects or computes. */
  query(promql: string): Promise<{ labels: Labels; value: number }[]>
  /** The values of each over a range of Unix seconds. */
  queryRange(promql: string, range: { start: number; end: number; step: number }): Promise<Range[]>
  /** Every sample that was stored of each series, in the order of time; `window` as Prometheus writes durations. */
  samples(selector: string, window: string): Promise<Range[]>
  /** The label sets that were ever seen for a selector. */
  series(match: string): Promise<Labels[]>
  stop(): Promise<void>
}

/**
 * A real Prometheus that scrapes `targets`, answering once it is ready. It ends with the test that started it, whatever
 * becomes of that.
 */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const program = await debianPeer('prometheus')
  const home = await mkdtemp(join(tmpdir(), 'swansong-prometheus-'))
  const port = options.port ?? (await freePorts(1))[0]
  await writeFile(join(home, 'prometheus.yml'), configuration(options)) // JSON is YAML.
  const args = [
    `--config.file=${join(home, 'prometheus.yml')}`,
    `--storage.tsdb.path=${options.dataDir ?? join(home, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
    ...(options.extraArgs ?? []),
  ]
  const child = spawnThatDiesWithUs(program, args)
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))

  const stop = async (): Promise<void> => {
    await ended(child, 'SIGTERM', stoppedWithinMs)
    await rm(home, { recursive: true, force: true })
  }
  after(stop)
  const url = `http://127.0.0.1:${port}`
  await ready(url, child, () => said)
  return {
    url,
    pid: child.pid ?? 0,
    async query(promql) {
      const { result } = await ask<{ result: InstantSeries[] }>(url, 'query', { query: promql })
      return result.map(({ metric, value }) => ({ labels: metric, value: valueOf(value[1]) }))
    },
    async queryRange(promql, { start, end, step }) {
      const parameters = { query: promql, start: String(start), end: String(end), step: String(step) }
      return rangesOf(await ask(url, 'query_range', parameters))
    },
    async samples(selector, window) {
      return rangesOf(await ask(url, 'query', { query: `${selector}[${window}]` }))
    },
    series: (match) => ask<Labels[]>(url, 'series', { 'match[]': match }),
    stop,
  }
}

/** Waits until it has scraped a gateway that holds no newborn series at 0 any more. */
export async function revealed(prometheus: Prometheus): Promise<void> {
  const isShown = async (): Promise<boolean> =>
    (await prometheus.query('swansong_series_held == 0')).length > 0
  await until('Prometheus is shown what there is', isShown, 60_000)
}

interface InstantSeries {
  metric: Labels
  value: [at: number, value: string]
}

interface RangeSeries {
  metric: Labels
  values: [at: number, value: string][]
}

function rangesOf({ result }: { result: RangeSeries[] }): Range[] {
  return result.map(({ metric, values }) => ({
    labels: metric,
    values: values.map(([at, value]) => ({ at, value: valueOf(value) })),
  }))
}

function configuration(options: PrometheusOptions): string {
  const job = {
    job_name: 'swansong',
    honor_labels: options.honorLabels ?? true,
    scrape_interval: options.scrapeInterval ?? '1s',
    scrape_timeout: options.scrapeInterval ?? '1s',
    static_configs: [{ targets: options.targets }],
  }
  return JSON.stringify({ scrape_configs: [job] })
}

async function ready(url: string, child: ChildProcess, said: () => string): Promise<void> {
  const giveUpAt = performance.now() + readyWithinMs
  for (;;) {
    if (hasEnded(child))
      throw new Error(`Prometheus ended with ${child.exitCode ?? child.signalCode}: ${said()}`)
    const status = await fetch(`${url}/-/ready`).then(
      (response) => response.status,
      () => undefined // Nobody listens there yet.
    )
    if (status === 200) return
    if (performance.now() > giveUpAt)
      throw new Error(`Prometheus was not ready in ${readyWithinMs} ms: ${said()}`)
    await sleep(50)
  }
}

async function ask<T>(url: string, what: string, parameters: Record<string, string>): Promise<T> {
  const response = await fetch(`${url}/api/v1/${what}?${new URLSearchParams(parameters).toString()}`)
  const answer = (await response.json()) as { status: string; data: T; error?: string }
  if (answer.status !== 'success') throw new Error(`Prometheus refused ${what}: ${answer.error}`)
  return answer.data
}

/** Prometheus writes infinities as +Inf and -Inf. */
function valueOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'))
}
