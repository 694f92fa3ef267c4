import { type Options, readOptions as readVariables } from './options.ts'

/** Until the options of the SDK are an object: those that the bridge takes. */
export interface SdkOptions {
  endpoint?: string | URL
  headers?: Readonly<Record<string, string>>
  timeoutMs?: number
  intervalMs?: number
  exitBudgetMs?: number
  spoolDirectory?: string
  spoolSync?: boolean
  signals?: 'handle' | 'ignore'
  cardinalityLimit?: number
  export?: boolean
}

export interface ReaderOptions extends Options {
  signals: 'handle' | 'ignore'
  cardinalityLimit: number
}

export function readOptions(
  env: Readonly<Record<string, string | undefined>>,
  given: SdkOptions
): ReaderOptions {
  const { endpoint, export: exports, ...others } = given
  return {
    ...readVariables(env),
    ...(endpoint === undefined ? {} : { endpoint: new URL(endpoint) }),
    ...(exports === undefined ? {} : { exports }),
    signals: 'handle',
    cardinalityLimit: 2000,
    ...others,
  }
}
