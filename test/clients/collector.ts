import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import type { ChildProcess } from 'node:child_process'
import { collectorProgram } from '../peers/collector.ts'
import { ended, hasEnded, spawnThatDiesWithUs } from '../support/child.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/wait.ts'

const stoppedWithinMs = 15_000

export interface CollectorOptions {
  /** The configuration: a file of examples/collector. */
  file: string
  /** What the file takes from its environment, beside its doors and its queue. */
  env: Record<string, string>
  /** What is otherwise than in the file: paths in the configuration, with `::` between their parts → values. */
  changes?: Record<string, string>
}

export interface Collector {
  /** What workers are given as their endpoint. */
  readonly http: string
  readonly grpc: string
  /** All that it wrote to stderr, since the first start. */
  said(): string
  kill9(): Promise<void>
  /** Starts again, on the same ports and queue. */
  restart(): Promise<void>
  /** Ends as asked; gives the exit code. */
  stop(): Promise<number | null>
}

/** A real OpenTelemetry Collector with a configuration of examples/collector, answering once it is ready. */
export async function startCollector({ file, env, changes = {} }: CollectorOptions): Promise<Collector> {
  const program = await collectorProgram()
  const home = await mkdtemp(join(tmpdir(), 'swansong-collector-'))
  const [http = 0, grpc = 0] = await freePorts(2)
  // Two on one machine would want the same port for what they count of themselves.
  const all = { 'service::telemetry::metrics::level': 'none', ...changes }
  const path = join(import.meta.dirname, '..', '..', 'examples', 'collector', file)
  const configs = [path, ...Object.entries(all).map(([key, value]) => `yaml:${key}: ${value}`)]
  let child: ChildProcess
  let said = ''

  const start = async (): Promise<void> => {
    const from = said.length
    child = spawnThatDiesWithUs(
      program,
      configs.flatMap((config) => ['--config', config]),
      {
        env: {
          PATH: process.env['PATH'] ?? '',
          OTLP_HTTP: `127.0.0.1:${http}`,
          OTLP_GRPC: `127.0.0.1:${grpc}`,
          QUEUE_DIRECTORY: join(home, 'queue'),
          ...env,
        },
      }
    )
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
    await until('the Collector is ready', () => {
      if (hasEnded(child)) throw new Error(`the Collector ended with ${child.exitCode}: ${said.slice(from)}`)
      return said.includes('Everything is ready', from)
    })
  }
  after(async () => {
    await ended(child, 'SIGKILL', 0)
    await rm(home, { recursive: true, force: true })
  })
  await start()
  return {
    http: `http://127.0.0.1:${http}`,
    grpc: `http://127.0.0.1:${grpc}`,
    said: () => said,
    kill9: () => ended(child, 'SIGKILL', 0),
    restart: start,
    async stop() {
      await ended(child, 'SIGTERM', stoppedWithinMs)
      return child.exitCode
    },
  }
}
