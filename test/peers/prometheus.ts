import { type ChildProcess, execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ended, hasEnded, spawnThatDiesWithUs } from '../support/child.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/wait.ts'
import { debianPeer } from './debian.ts'

const readyWithinMs = 30_000
const stoppedWithinMs = 10_000

export interface PrometheusOptions {
  /** The machine's own Debian has 2 unless it is a new one. */
  major?: 3
  /** What to scrape, as `host:port`. */
  targets: string[]
  /** As Prometheus writes durations; 1s unless given. */
  scrapeInterval?: string
  /** True unless given: the scraped `job` stays. */
  honorLabels?: boolean
  /** How it scrapes them otherwise than by default, each of these in a job of its own. */
  scrapes?: object[]
  /** What else its configuration says. */
  configuration?: object
  /** Native histograms are scraped: by a flag, from 3.8 on by the configuration. */
  takesNativeHistograms?: boolean
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
  /** What another question of `/api/v1` is answered. */
  ask<T>(what: string, parameters: Record<string, string>): Promise<T>
  stop(): Promise<void>
}

/**
 * A real Prometheus that scrapes `targets`, answering once it is ready. It ends with the test that started it, whatever
 * becomes of that.
 */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const program = await debianPeer(options.major === 3 ? 'prometheus-3' : 'prometheus')
  const home = await mkdtemp(join(tmpdir(), 'swansong-prometheus-'))
  const port = options.port ?? (await freePorts(1))[0]
  const isByFlag = options.takesNativeHistograms === true && !(await hasNativeHistogramsSetting(program))
  await writeFile(join(home, 'prometheus.yml'), configuration(options, isByFlag)) // JSON is YAML.
  const args = [
    `--config.file=${join(home, 'prometheus.yml')}`,
    `--storage.tsdb.path=${options.dataDir ?? join(home, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
    ...(isByFlag ? ['--enable-feature=native-histograms'] : []),
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
    ask: (what, parameters) => ask(url, what, parameters),
    stop,
  }
}

/**
 * The paths of promtool, of Prometheus 2 and of 3. Where the machine's own Debian has 3, it has none beside it, and the
 * other one does.
 */
export async function promtools(): Promise<string[]> {
  const peers = await Promise.all([debianPeer('prometheus'), debianPeer('prometheus-3')])
  return peers.map((program) => join(dirname(program), 'promtool')).filter((program) => existsSync(program))
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

function configuration(options: PrometheusOptions, isByFlag: boolean): string {
  const common = {
    honor_labels: options.honorLabels ?? true,
    scrape_interval: options.scrapeInterval ?? '1s',
    scrape_timeout: options.scrapeInterval ?? '1s',
    static_configs: [{ targets: options.targets }],
    ...(options.takesNativeHistograms === true && !isByFlag ? { scrape_native_histograms: true } : {}),
  }
  const jobs = (options.scrapes ?? [{}]).map((scrape, at) =>
    Object.assign({ job_name: at === 0 ? 'swansong' : `swansong-${at}` }, common, scrape)
  )
  return JSON.stringify({ scrape_configs: jobs, ...options.configuration })
}

/** From 3.8 on, of which the flag does nothing any more. */
async function hasNativeHistogramsSetting(program: string): Promise<boolean> {
  const { stdout, stderr } = await promisify(execFile)(program, ['--version'])
  const [, major = 0, minor = 0] = /version (\d+)\.(\d+)/.exec(stdout + stderr) ?? []
  return Number(major) > 3 || (Number(major) === 3 && Number(minor) >= 8)
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
