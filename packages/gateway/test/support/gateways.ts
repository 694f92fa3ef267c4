import type { TestContext } from 'node:test'
import { decodeExportResponse, decodeStatus, type Encoding, type ExportResponse } from '@swansong/otlp'
import { completeConfig, type ConfigInput } from '../../src/config/config.ts'
import { openGateway, type Gateway } from '../../src/gateway.ts'
import type { Store } from '../../src/ledger/store.ts'
import { openLog, type Log } from '../../src/log.ts'
import { dataDirectory, temporaryDirectory } from './directories.ts'
import { valuesOf } from './ledgers.ts'

const anyPort = { host: '127.0.0.1', port: 0 }

export interface StartOptions extends ConfigInput {
  store?: Store
  log?: Log
}

/** A whole gateway in this process, with doors on ports of the system's choice. Closed after the test. */
export async function startGateway(context: TestContext, options: StartOptions = {}): Promise<TestGateway> {
  const { store, log = openLog('silent'), ...input } = options
  const dataDir = options.dataDir ?? dataDirectory(temporaryDirectory(context))
  const ports = {
    otlpHttp: anyPort,
    otlpGrpc: anyPort,
    pushgateway: anyPort,
    metrics: anyPort,
    admin: anyPort,
  }
  const config = completeConfig({ ...ports, ...input, dataDir })
  const failures: Error[] = []
  const onFailed = (error: Error): void => void failures.push(error)
  const gateway = await openGateway(config, { log, onFailed, ...(store === undefined ? {} : { store }) })
  context.after(() => gateway.close())
  return new TestGateway(gateway, dataDir, config.spoolDir, failures)
}

export interface Answered {
  http: number
  headers: Headers
  /** What is in the body, read by the encoding that its Content-Type says. */
  said: { rejected: number; message: string } | { code: number; message: string }
}

export class TestGateway {
  readonly gateway: Gateway
  readonly dataDir: string
  readonly spoolDir: string
  readonly failures: readonly Error[]

  constructor(gateway: Gateway, dataDir: string, spoolDir: string, failures: readonly Error[]) {
    this.gateway = gateway
    this.dataDir = dataDir
    this.spoolDir = spoolDir
    this.failures = failures
  }

  get url(): string {
    return `http://127.0.0.1:${this.gateway.addresses.otlpHttp.port}/v1/metrics`
  }

  get grpcPort(): number {
    return this.gateway.addresses.otlpGrpc?.port ?? 0
  }

  get metricsUrl(): string {
    return `http://127.0.0.1:${this.gateway.addresses.metrics.port}`
  }

  get pushUrl(): string {
    return `http://127.0.0.1:${this.gateway.addresses.pushgateway?.port}`
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.gateway.addresses.admin.port}`
  }

  /** Posts a body, as protobuf unless the headers say otherwise. */
  async post(body: Uint8Array | string, headers: Record<string, string> = {}): Promise<Answered> {
    const type = { 'content-type': 'application/x-protobuf' }
    const sent = typeof body === 'string' ? body : new Uint8Array(body)
    return read(await fetch(this.url, { method: 'POST', body: sent, headers: { ...type, ...headers } }))
  }

  /** What Prometheus sees. */
  async scrape(): Promise<Map<string, number>> {
    const response = await fetch(`${this.metricsUrl}/metrics`)
    return valuesOf(await response.text())
  }

  /** The value of the counter `work` of a service without labels of its own. */
  async work(name = 'work', job = 'jobs'): Promise<number | undefined> {
    return (await this.scrape()).get(`${name}_total{job="${job}",otel_scope_name="test"}`)
  }

  close(): Promise<void> {
    return this.gateway.close()
  }
}

export async function read(response: Response): Promise<Answered> {
  const body = new Uint8Array(await response.arrayBuffer())
  const { status: http, headers } = response
  const type = headers.get('content-type')
  const encoding: Encoding = type === 'application/json' ? 'json' : 'protobuf'
  if (type !== 'application/json' && type !== 'application/x-protobuf')
    throw new Error(`answered with ${type}`)
  if (http !== 200) return { http, headers, said: decodeStatus(encoding, body) }
  const { rejectedDataPoints: rejected, errorMessage: message }: ExportResponse = decodeExportResponse(
    encoding,
    body
  )
  return { http, headers, said: { rejected, message } }
}
