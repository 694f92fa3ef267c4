import { msMax, parseEndpoint } from './variables.ts'

/** What a job may say in its code. Each wins over the variables of the environment; what is left out is theirs. */
export interface SdkOptions {
  /**
   * Where to POST, as it is (`OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`): `http://host:4318/v1/metrics`, `https:`, or
   * `unix:/path/of/a/socket`, which is asked for `/v1/metrics`. Default: none; a journal where a spool is found, else
   * `http://127.0.0.1:4318/v1/metrics`.
   */
  endpoint?: string | URL | undefined
  /** Sent with each POST, beside those of the variables; by name these win. */
  headers?: Readonly<Record<string, string>> | undefined
  /** For one request, in milliseconds. Default: 10,000. */
  timeoutMs?: number | undefined
  /** Between POSTs of a process that goes on living, in milliseconds. Default: 60,000. */
  intervalMs?: number | undefined
  /** How long the end of the process may be held up, in milliseconds. Default: 2,000. */
  exitBudgetMs?: number | undefined
  /** Default: none. */
  compression?: 'gzip' | 'none' | undefined
  /** Path of a PEM file: the authorities to trust for `https:`, instead of those that Node trusts. */
  certificate?: string | undefined
  /** Path of a PEM file: the key of `clientCertificate`. */
  clientKey?: string | undefined
  /** Path of a PEM file: shown to a server of `https:` that asks for one. */
  clientCertificate?: string | undefined
  /** The gateway's spool directory. Default: `/var/spool/swansong`, where a gateway keeps it. */
  spoolDirectory?: string | undefined
  /** Sync each spool file to the disk, against power cuts. Default: false. */
  spoolSync?: boolean | undefined
  /** `always`: each record is written through, for a system call, and nothing is lost. Default: `interval`. */
  journal?: 'interval' | 'always' | undefined
  /** `ignore`: no signal handler is installed; SIGTERM then loses what was not yet posted. Default: `handle`. */
  signals?: 'handle' | 'ignore' | undefined
  /** Default: `unknown_service:node`. */
  serviceName?: string | undefined
  /** Beside those of OTEL_RESOURCE_ATTRIBUTES; by name these win. */
  resourceAttributes?: Readonly<Record<string, string>> | undefined
  /** Sets of attributes of one instrument; what comes past them counts under `otel.metric.overflow`. Default: 2,000. */
  cardinalityLimit?: number | undefined
  /**
   * Whether anything leaves the process. Default: true, but false in a test run. OTEL_SDK_DISABLED and
   * OTEL_METRICS_EXPORTER=none are the operator's, and stand above it.
   */
  export?: boolean | undefined
}

type Name = keyof SdkOptions

const names: Record<Name, true> = {
  endpoint: true,
  headers: true,
  timeoutMs: true,
  intervalMs: true,
  exitBudgetMs: true,
  compression: true,
  certificate: true,
  clientKey: true,
  clientCertificate: true,
  spoolDirectory: true,
  spoolSync: true,
  journal: true,
  signals: true,
  serviceName: true,
  resourceAttributes: true,
  cardinalityLimit: true,
  export: true,
}

/** Looks at what was given as the unknown thing that it is. Each reader says `undefined` for what is wrong, and complains. */
export class Given {
  #values: Readonly<Record<string, unknown>>
  #complaints: string[]

  constructor(options: unknown, complaints: string[]) {
    this.#complaints = complaints
    this.#values = isRecord(options) ? options : {}
    if (options !== undefined && !isRecord(options)) complaints.push('the options are no object: not used')
    for (const name of Object.keys(this.#values)) {
      if (!Object.hasOwn(names, name)) complaints.push(`there is no option ${name}`)
    }
  }

  text(name: Name): string | undefined {
    const value = this.#values[name]
    if (value === undefined || (typeof value === 'string' && value !== '')) return value
    return this.#refuse(name, value, 'no text')
  }

  flag(name: Name): boolean | undefined {
    const value = this.#values[name]
    return value === undefined || typeof value === 'boolean'
      ? value
      : this.#refuse(name, value, 'not true or false')
  }

  ms(name: Name): number | undefined {
    const value = this.#values[name]
    if (value === undefined || isWhole(value, 0, msMax)) return value
    return this.#refuse(name, value, 'no number of milliseconds')
  }

  count(name: Name): number | undefined {
    const value = this.#values[name]
    return value === undefined || isWhole(value, 1, 2 ** 31)
      ? value
      : this.#refuse(name, value, 'no number from 1 up')
  }

  choice<Choice extends string>(name: Name, choices: readonly Choice[]): Choice | undefined {
    const value = this.#values[name]
    const choice = choices.find((each) => each === value)
    return value === undefined || choice !== undefined
      ? choice
      : this.#refuse(name, value, `not ${choices.join(' or ')}`)
  }

  endpoint(): URL | undefined {
    const value = this.#values['endpoint']
    if (value === undefined) return undefined
    if (typeof value === 'string' || value instanceof URL)
      return parseEndpoint('the option endpoint', String(value), this.#complaints)
    return this.#refuse('endpoint', value, 'no address')
  }

  /** Those of its values that are texts; the others are complained of one by one. */
  texts(name: Name): Record<string, string> {
    const value = this.#values[name]
    const texts: Record<string, string> = {}
    if (value !== undefined && !isRecord(value)) this.#refuse(name, value, 'no object')
    for (const [key, each] of isRecord(value) ? Object.entries(value) : []) {
      if (typeof each === 'string') texts[key] = each
      else if (each !== undefined) this.#refuse(`${name}.${key}`, each, 'no text')
    }
    return texts
  }

  #refuse(name: string, value: unknown, why: string): undefined {
    let shown = typeof value
    try {
      shown = JSON.stringify(value) as typeof shown
    } catch {
      // Its type has to do.
    }
    this.#complaints.push(`the option ${name} is ${shown}, ${why}: it is not used`)
    return undefined
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
}
