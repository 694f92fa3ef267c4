import { join } from 'node:path'
import * as limits from './limits.ts'
import type { Address } from './server.ts'

/** What is shown of the gauges of many writers: the latest value, the least, the greatest, or what living ones have together. */
export type GaugePolicy = 'last' | 'min' | 'max' | 'sum'

/** Everything that a gateway is told. Complete: the defaults are here and nowhere else. */
export interface Config {
  /** Where the ledger is kept. */
  dataDir: string
  /** Where workers leave what they could not hand over; undefined: `<dataDir>/spool`. */
  spoolDir: string
  otlpHttp: Address
  metrics: Address
  admin: Address
  logLevel: string
  /** Resource attributes that become labels; the others are dropped, so that series do not grow with processes. */
  keptResourceAttributes: readonly string[]
  /** What becomes of the gauges of many writers. */
  gaugePolicy: GaugePolicy
  limits: typeof limits
}

export type ConfigInput = Partial<Omit<Config, 'limits'>> & {
  limits?: Partial<Record<keyof typeof limits, number>>
}

export function completeConfig(input: ConfigInput = {}): Config {
  const dataDir = input.dataDir ?? './swansong-data'
  return {
    spoolDir: join(dataDir, 'spool'),
    otlpHttp: { host: '127.0.0.1', port: 4318 },
    metrics: { host: '127.0.0.1', port: 9464 },
    admin: { host: '127.0.0.1', port: 9465 },
    logLevel: 'info',
    keptResourceAttributes: ['service.namespace', 'service.name', 'deployment.environment.name'],
    gaugePolicy: 'last',
    ...input,
    dataDir,
    limits: { ...limits, ...input.limits } as typeof limits,
  }
}

/** `HOST:PORT`, `:PORT`, `[::1]:PORT`. Throws a TypeError that says what is wrong with it. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new TypeError(`${JSON.stringify(text)} is no address: write HOST:PORT, as 127.0.0.1:4318`)
  }
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port }
}
