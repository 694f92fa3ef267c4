import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { builtPeer } from '../../test/peers/cached.ts'
import { debianPeer } from '../../test/peers/debian.ts'
import { spawnThatDiesWithUs } from '../../test/support/child.ts'
import { freePorts } from '../../test/support/ports.ts'
import { until } from '../../test/support/wait.ts'
import { otlp, otlpUnanswered, pushgateway, type Send, statsd } from './sends.ts'

/** A peer that runs, or somebody's gateway at its addresses. */
export interface Peer {
  name: string
  send: Send
  /** Hands over without reading the answer; undefined where there is none, or a retry is not what it does. */
  sendUnanswered: Send | undefined
  metricsUrl: string
  /** What OTLP is called there; others add nothing to names. */
  speaks: 'otlp' | 'pushgateway' | 'statsd'
  /** Ends by SIGKILL, and starts again with what it has on the disk. Undefined for what is not ours to kill. */
  killAndRestart: (() => Promise<void>) | undefined
  stop(): Promise<void>
}

interface Recipe {
  name: string
  speaks: Peer['speaks']
  /** Ports that it is given. */
  ports: number
  program: () => Promise<string>
  args: (home: string, ports: readonly number[]) => Promise<readonly string[]> | readonly string[]
  send: (ports: readonly number[]) => [send: Send, unanswered: Send | undefined]
  metricsUrl: (ports: readonly number[]) => string
}

const local = '127.0.0.1'
const root: string = join(import.meta.dirname, '..', '..')
const niceness = ['-n', '10']

function bothOtlp(url: string): [Send, Send] {
  return [otlp(url), otlpUnanswered(url)]
}

const swansong: Recipe = {
  name: 'Swansong',
  speaks: 'otlp',
  ports: 3,
  program: async () => join(root, 'node_modules', '.bin', 'swansong'),
  args: (home, [otlpPort, metrics, admin]) => [
    'gateway',
    '--data-dir',
    join(home, 'data'),
    '--otlp-grpc',
    'off',
    '--otlp-http',
    `${local}:${otlpPort}`,
    '--metrics',
    `${local}:${metrics}`,
    '--admin',
    `${local}:${admin}`,
  ],
  send: ([port]) => bothOtlp(`http://${local}:${port}/v1/metrics`),
  metricsUrl: ([, metrics]) => `http://${local}:${metrics}/metrics`,
}

const collector: Recipe = {
  name: 'OpenTelemetry Collector 0.155, deltatocumulative',
  speaks: 'otlp',
  ports: 2,
  async program() {
    const folder = await builtPeer({
      name: 'arrives-otelcol',
      folder: 'bench/arrives/peers/otelcol',
      files: ['manifest.yaml'],
      program: 'build/otelcol',
      commands: [
        [
          'nice',
          ...niceness,
          'go',
          'run',
          'go.opentelemetry.io/collector/cmd/builder@v0.155.0',
          '--config',
          'manifest.yaml',
        ],
      ],
    })
    return join(folder, 'build', 'otelcol')
  },
  async args(home, [port, metrics]) {
    const configuration = {
      receivers: { otlp: { protocols: { http: { endpoint: `${local}:${port}` } } } },
      processors: { deltatocumulative: {} },
      exporters: { prometheus: { endpoint: `${local}:${metrics}` } },
      service: {
        telemetry: { logs: { level: 'error' }, metrics: { level: 'none' } },
        pipelines: {
          metrics: { receivers: ['otlp'], processors: ['deltatocumulative'], exporters: ['prometheus'] },
        },
      },
    }
    await writeFile(join(home, 'otelcol.yaml'), JSON.stringify(configuration))
    return ['--config', join(home, 'otelcol.yaml')]
  },
  send: ([port]) => bothOtlp(`http://${local}:${port}/v1/metrics`),
  metricsUrl: ([, metrics]) => `http://${local}:${metrics}/metrics`,
}

const prometheus: Recipe = {
  name: 'Prometheus 3.16, its OTLP receiver and otlp-deltatocumulative',
  speaks: 'otlp',
  ports: 1,
  program: () =>
    goTool('prometheus', 'github.com/prometheus/prometheus/cmd/prometheus', '-tags', 'remove_all_sd'),
  async args(home, [port]) {
    await writeFile(join(home, 'prometheus.yml'), '{}')
    return [
      `--config.file=${join(home, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(home, 'data')}`,
      `--web.listen-address=${local}:${port}`,
      '--web.enable-otlp-receiver',
      '--enable-feature=otlp-deltatocumulative',
      '--log.level=error',
    ]
  },
  send: ([port]) => bothOtlp(`http://${local}:${port}/api/v1/otlp/v1/metrics`),
  metricsUrl: ([port]) =>
    `http://${local}:${port}/federate?match[]=${encodeURIComponent('{__name__=~"a.+"}')}`,
}

const push: Recipe = {
  name: 'Pushgateway 1.5',
  speaks: 'pushgateway',
  ports: 1,
  program: () => debianPeer('prometheus-pushgateway'),
  args: (_, [port]) => [`--web.listen-address=${local}:${port}`, '--log.level=error'],
  send: ([port]) => [pushgateway(`http://${local}:${port}`), undefined],
  metricsUrl: ([port]) => `http://${local}:${port}/metrics`,
}

const statsdExporter: Recipe = {
  name: 'statsd_exporter 0.31, UDP',
  speaks: 'statsd',
  ports: 2,
  program: () => goTool('statsd-exporter', 'github.com/prometheus/statsd_exporter'),
  args: (_, [udp, metrics]) => [
    `--statsd.listen-udp=${local}:${udp}`,
    '--statsd.listen-tcp=',
    '--log.level=error',
    `--web.listen-address=${local}:${metrics}`,
  ],
  send: ([udp = 0]) => [statsd(udp), undefined],
  metricsUrl: ([, metrics]) => `http://${local}:${metrics}/metrics`,
}

export const recipes: readonly Recipe[] = [collector, prometheus, push, statsdExporter, swansong]

/** Built from the Go module proxy the first time, in minutes. */
async function goTool(name: string, path: string, ...flags: readonly string[]): Promise<string> {
  const folder = await builtPeer({
    name: `arrives-${name}`,
    folder: `bench/arrives/peers/${name}`,
    files: ['go.mod', 'go.sum'],
    program: name,
    commands: [['nice', ...niceness, 'go', 'build', ...flags, '-o', name, path]],
  })
  return join(folder, name)
}

export async function startPeer(recipe: Recipe): Promise<Peer> {
  const program = await recipe.program()
  const home = await mkdtemp(join(tmpdir(), 'arrives-'))
  const ports = await freePorts(recipe.ports)
  const args = await recipe.args(home, ports)
  const metricsUrl = recipe.metricsUrl(ports)
  let child: ChildProcess
  const start = async (): Promise<void> => {
    child = spawnThatDiesWithUs(program, [...args], { stdio: ['ignore', 'ignore', 'ignore'] })
    await until(`${recipe.name} is ready`, () => isReady(metricsUrl), 60_000)
  }
  const kill = async (): Promise<void> => {
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }
  await start()
  const [send, sendUnanswered] = recipe.send(ports)
  return {
    name: recipe.name,
    speaks: recipe.speaks,
    send,
    sendUnanswered,
    metricsUrl,
    async killAndRestart() {
      await kill()
      await start()
    },
    async stop() {
      await kill()
      await rm(home, { recursive: true, force: true })
    },
  }
}

function isReady(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ status }) => status === 200,
    () => false
  )
}

/** Somebody's gateway, at its addresses. */
export function foreignPeer(endpoint: string, metricsUrl: string): Peer {
  const [send, sendUnanswered] = bothOtlp(endpoint)
  const stop = async (): Promise<void> => {}
  return { name: endpoint, speaks: 'otlp', send, sendUnanswered, metricsUrl, killAndRestart: undefined, stop }
}
