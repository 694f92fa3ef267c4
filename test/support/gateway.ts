import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Status } from '@swansong/gateway'
import { type Answer, ask, post } from './http.ts'
import { ended, hasEnded, spawnThatDiesWithUs } from './child.ts'
import { freePorts } from './ports.ts'
import { until } from './wait.ts'

/** What the project promises of a start (a million series included), and of a stop. */
const readyWithinMs = 20_000
export const stoppedWithinMs = 15_000
/** What is on its way is in the sums by then, however busy the machine is. */
const shownWithinMs = 30_000

const root: string = join(import.meta.dirname, '..', '..')
/** The command as a user has it. */
export const swansong: string = join(root, 'node_modules', '.bin', 'swansong')

export interface Ports {
  otlpHttp: number
  otlpGrpc: number
  metrics: number
  admin: number
}

export interface GatewayOptions {
  /** A directory of its own, removed at the end, unless given. */
  dataDir?: string
  /** `<dataDir>/spool` unless given. */
  spoolDir?: string
  ports?: Ports
  env?: Record<string, string>
  /** More flags of `swansong gateway`. */
  flags?: readonly string[]
  /** Programs that run it, each ending in `exec` of what follows it. */
  within?: readonly string[]
}

export interface Gateway {
  readonly pid: number
  readonly ports: Ports
  readonly dataDir: string
  readonly spoolDir: string
  /** What to POST to, what a worker is given as its endpoint, and the bases of the other two ports. */
  readonly urls: { otlp: string; endpoint: string; metrics: string; admin: string }
  /** All that it wrote to stderr, since the first start. */
  said(): string
  /** What /metrics shows: name and labels → value. */
  metrics(): Promise<Map<string, number>>
  /** One of them; 0 where there is none. */
  metric(line: string): Promise<number>
  /** Waits until a counter has come to this value; fails when it goes past it, or never gets there. */
  shows(line: string, value: number): Promise<void>
  status(): Promise<Status>
  post(body: Uint8Array, id?: string): Promise<Answer>
  /** Bytes of memory, now or at the highest. */
  memory(which: 'VmRSS' | 'VmHWM'): Promise<number>
  kill9(): Promise<void>
  /** Ends as asked; gives the exit code. */
  stop(signal?: 'SIGTERM' | 'SIGINT'): Promise<number | null>
  /** The exit code of one that ends by itself. */
  exited(): Promise<number | null>
  /** Starts again, on the same ports and data, and answers when it is ready. */
  restart(env?: Record<string, string>): Promise<void>
}

/**
 * A real gateway: the built command in a process of its own, answering once it is ready. It ends with the test that
 * started it, whatever becomes of that.
 */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const home = await mkdtemp(join(tmpdir(), 'swansong-gateway-'))
  const dataDir = options.dataDir ?? join(home, 'data')
  const spoolDir = options.spoolDir ?? join(dataDir, 'spool')
  const ports = options.ports ?? (await freeGatewayPorts())
  const urls = urlsOf(ports)
  const args = ['gateway', ...flagsOf(ports), '--data-dir', dataDir, ...(options.flags ?? [])]
  if (options.spoolDir !== undefined) args.push('--spool-dir', spoolDir)
  let child: ChildProcess
  let said = ''

  const start = async (env: Record<string, string> = {}): Promise<void> => {
    child = spawnThatDiesWithUs(swansong, args, {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      ...(options.within === undefined ? {} : { within: options.within }),
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
    await until('the gateway is ready', () => isReady(urls.metrics, child, () => said), readyWithinMs)
  }
  const metrics = async (): Promise<Map<string, number>> => {
    return linesOf((await ask(`${urls.metrics}/metrics`)).body.toString())
  }
  const metric = async (line: string): Promise<number> => (await metrics()).get(line) ?? 0
  after(async () => {
    await ended(child, 'SIGKILL', 0)
    await rm(home, { recursive: true, force: true })
  })
  await start(options.env)
  return {
    get pid() {
      return child.pid ?? 0
    },
    ports,
    dataDir,
    spoolDir,
    urls,
    said: () => said,
    metrics,
    metric,
    async shows(line, value) {
      let shown = 0
      const giveUpAt = performance.now() + shownWithinMs
      do {
        await sleep(20)
        shown = await metric(line)
      } while (shown < value && performance.now() < giveUpAt)
      assert.equal(shown, value, line)
    },
    async status() {
      return JSON.parse((await ask(`${urls.admin}/api/v1/status`)).body.toString()) as Status
    },
    post: (body, id) => post(urls.otlp, body, id),
    memory: (which) => memoryOf(child.pid ?? 0, which),
    kill9: () => ended(child, 'SIGKILL', 0),
    async stop(signal = 'SIGTERM') {
      await ended(child, signal, stoppedWithinMs)
      return child.exitCode
    },
    async exited() {
      if (!hasEnded(child)) await once(child, 'exit', { signal: AbortSignal.timeout(30_000) })
      return child.exitCode
    },
    restart: start,
  }
}

export async function freeGatewayPorts(): Promise<Ports> {
  const [otlpHttp = 0, otlpGrpc = 0, metrics = 0, admin = 0] = await freePorts(4)
  return { otlpHttp, otlpGrpc, metrics, admin }
}

/** The flags that make a gateway listen there. */
export function flagsOf(ports: Ports): string[] {
  const at = (port: number): string => `127.0.0.1:${port}`
  const otlp = ['--otlp-http', at(ports.otlpHttp), '--otlp-grpc', at(ports.otlpGrpc)]
  return [...otlp, '--metrics', at(ports.metrics), '--admin', at(ports.admin)]
}

function urlsOf(ports: Ports): Gateway['urls'] {
  const endpoint = `http://127.0.0.1:${ports.otlpHttp}`
  return {
    otlp: `${endpoint}/v1/metrics`,
    endpoint,
    metrics: `http://127.0.0.1:${ports.metrics}`,
    admin: `http://127.0.0.1:${ports.admin}`,
  }
}

async function isReady(url: string, child: ChildProcess, said: () => string): Promise<boolean> {
  if (hasEnded(child))
    throw new Error(`the gateway ended with ${child.exitCode ?? child.signalCode}: ${said()}`)
  return ask(`${url}/-/ready`).then(
    ({ status }) => status === 200,
    () => false // Nobody listens there yet.
  )
}

function linesOf(text: string): Map<string, number> {
  const values = new Map<string, number>()
  for (const line of text.split('\n')) {
    const end = line.lastIndexOf(' ')
    if (end > 0 && !line.startsWith('#')) values.set(line.slice(0, end), Number(line.slice(end + 1)))
  }
  return values
}

async function memoryOf(pid: number, which: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${which}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024
}
