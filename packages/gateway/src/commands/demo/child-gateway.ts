import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Children } from './children.ts'

const extension = extname(import.meta.filename)
const mainFile = join(import.meta.dirname, '..', '..', `main${extension}`)
const leashFile = join(import.meta.dirname, `leash${extension}`)
const readyMsMax = 20_000
const stopMsMax = 15_000
const answerMsMax = 5000
/** A Ctrl-C reaches the gateway too, and its end may be seen before the signal is. */
const signalMsMax = 200
const saidCharsMax = 4000

export interface ChildGatewayOptions {
  dataDir: string
  ports: { otlpHttp: number; metrics: number; admin: number }
  /** It ended, and nobody had asked it to. */
  onDeath: (error: Error) => void
}

/** `swansong gateway` as a process of its own: always on the same ports and the same data. */
export class ChildGateway {
  readonly endpoint: string
  readonly metricsUrl: string
  readonly metricsAddress: string
  readonly #children: Children
  readonly #options: ChildGatewayOptions
  #child: ChildProcess | undefined
  #said = ''

  constructor(children: Children, options: ChildGatewayOptions) {
    this.#children = children
    this.#options = options
    this.endpoint = `http://127.0.0.1:${options.ports.otlpHttp}`
    this.metricsAddress = `127.0.0.1:${options.ports.metrics}`
    this.metricsUrl = `http://${this.metricsAddress}/metrics`
  }

  /** Resolves when it is ready. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { dataDir, ports } = this.#options
    const args = ['--import', pathToFileURL(leashFile).href, mainFile, 'gateway', '--data-dir', dataDir]
    args.push('--otlp-http', `127.0.0.1:${ports.otlpHttp}`, '--metrics', this.metricsAddress)
    args.push('--otlp-grpc', 'off', '--admin', `127.0.0.1:${ports.admin}`, '--log-level', 'warn')
    const child = this.#children.start(args, {}, ['pipe', 'ignore', 'pipe'])
    this.#child = child
    this.#said = ''
    child.stderr?.setEncoding('utf8').on('data', (said: string) => {
      this.#said = (this.#said + said).slice(-saidCharsMax)
    })
    child.once('error', (error) => this.#died(child, error.message))
    child.once('exit', (code, killedBy) => this.#died(child, killedBy ?? `exit code ${code}`))
    const giveUpAt = performance.now() + readyMsMax
    while (!(await this.#isReady())) {
      if (performance.now() > giveUpAt) throw this.#error(`is not ready after ${readyMsMax / 1000} s`)
      await sleep(20, undefined, { signal })
    }
  }

  /** `kill -9`: it gets no chance to do anything. */
  async kill(): Promise<void> {
    const child = this.#release()
    if (child === undefined) return
    const exit = ended(child)
    child.kill('SIGKILL')
    await exit
  }

  /** As an operator stops it. */
  async stop(): Promise<void> {
    const child = this.#release()
    if (child === undefined) return
    const exit = ended(child)
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax)
    await exit
    clearTimeout(timer)
  }

  /** What it shows; undefined when nobody answers. */
  async scrape(): Promise<string | undefined> {
    try {
      // A client that names no text format, as curl: it sees what there is, without Prometheus' first-increment hold.
      const headers = { accept: '*/*' }
      const response = await fetch(this.metricsUrl, { headers, signal: AbortSignal.timeout(answerMsMax) })
      return response.ok ? await response.text() : undefined
    } catch {
      return undefined
    }
  }

  async #isReady(): Promise<boolean> {
    const url = `http://${this.metricsAddress}/-/ready`
    const response = await fetch(url, { signal: AbortSignal.timeout(answerMsMax) }).catch(() => undefined)
    await response?.body?.cancel()
    return response?.status === 200
  }

  /** Its end is expected from here on. */
  #release(): ChildProcess | undefined {
    const child = this.#child
    this.#child = undefined
    return child
  }

  #died(child: ChildProcess, how: string): void {
    if (this.#child !== child) return
    setTimeout(() => {
      if (this.#release() !== undefined) this.#options.onDeath(this.#error(`ended by itself: ${how}`))
    }, signalMsMax)
  }

  #error(what: string): Error {
    return new Error(`the gateway ${what}${this.#said === '' ? '' : `; it said: ${this.#said.trim()}`}`)
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

/**
 * Ports that nobody listens on, below those that systems give to outgoing connections: while the gateway is down, none of
 * these may take its place.
 */
export async function freePorts(): Promise<ChildGatewayOptions['ports']> {
  const [from, to] = [20_000, 32_000]
  const free: number[] = []
  const first = from + Math.floor(Math.random() * (to - from))
  for (let port = first; port < first + 200 && free.length < 3; port++)
    if (await isFree(port)) free.push(port)
  const [otlpHttp, metrics, admin] = free
  if (otlpHttp === undefined || metrics === undefined || admin === undefined) {
    throw new Error(`no free ports on 127.0.0.1 from ${first} on`)
  }
  return { otlpHttp, metrics, admin }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const listening = new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
  })
  if (!(await listening)) return false
  server.close()
  await once(server, 'close')
  return true
}
