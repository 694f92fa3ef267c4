import { Refusal } from '../refusal.ts'
import type { DamagedPage } from './damage.ts'
import type { RevealedRow } from './held.ts'
import type { TouchedRow } from './lives.ts'
import type { MetricType } from './metric-types.ts'
import type { Metric, ScopeRow } from './metrics.ts'
import type { PushedGroup, PushedRow } from './pushed/groups.ts'

/** A series as stored. */
export interface SeriesRow {
  id: number
  metric: number
  slot: number
  attributes: Uint8Array
  /** When it began, Unix milliseconds. */
  startUnixMs: number
  /** The ledger's uptime at its birth, seconds. */
  bornUptimeS: number
  /** It was born to be held: not shown to scrapers until those of its time are revealed. */
  isHeld: boolean
}

/** A set of explicit bounds: a new one, or one in the place of another that nobody had any more. */
export interface BoundsRow {
  /** As many as there are, at most. */
  id: number
  values: Float64Array
}

/** The ids of one commit, as `Dedup.latest` gives them. */
export interface ReceiptsRow {
  uptimeMs: number
  records: Uint8Array
  messages: (string | undefined | null)[]
}

export interface WriterRow {
  id: string
  /** Undefined: the writer is gone. */
  state: { sequence: number; totals: Uint8Array } | undefined
}

/** What one group changes. All of it is durable when `commit` returns, or none of it when it throws. */
export interface Group {
  uptimeMs: number
  /** Rows behind those that there are, in the order of their ids. */
  resources: { first: number; rows: readonly Uint8Array[] }
  scopes: { first: number; rows: readonly ScopeRow[] }
  metrics: { first: number; rows: readonly Metric[] }
  /** Metrics that there are, with longer descriptions, or of which another thing is kept. */
  changedMetrics: readonly { metric: number; type: MetricType; description: string }[]
  /** Those that were born: under ids that are free. */
  series: readonly SeriesRow[]
  /** Ids of those that ended: free from now on. */
  ended: readonly number[]
  /** When they ended, Unix milliseconds; undefined where none did. */
  lastEndUnixMs: number | undefined
  /** Which series are revealed from now on; undefined: as before. */
  revealed: RevealedRow | undefined
  /** When series were last told of. */
  touched: readonly TouchedRow[]
  /** Sets of explicit bounds, ascending. */
  bounds: readonly BoundsRow[]
  pages: readonly { page: number; bytes: Uint8Array }[]
  /** Pages that did not match their checksum, as they were: to be kept for who may want to look at them. */
  setAside: readonly DamagedPage[]
  receipts: ReceiptsRow | undefined
  /** Units of work that were claimed, as ids are. */
  onceKeys: ReceiptsRow | undefined
  writers: readonly WriterRow[]
  /** Groups of Pushgateway's API that changed. */
  pushed: readonly PushedRow[]
  /** Undefined: as before. */
  horizonUnixNano: number | undefined
  /** Receipts of before this uptime may go. */
  expireBeforeUptimeMs: number
  /** The same of units of work. */
  expireOnceBeforeUptimeMs: number
}

/** Takes what is stored, row by row, in an order in which what is named stands before what names it. */
export interface LoadSink {
  resource(attributes: Uint8Array): void
  scope(row: ScopeRow): void
  metric(metric: Metric): void
  series(row: SeriesRow): void
  touched(row: TouchedRow): void
  bounds(values: Float64Array): void
  page(page: number, bytes: Uint8Array): void
  receipts(row: ReceiptsRow): void
  onceKeys(row: ReceiptsRow): void
  writer(id: string, sequence: number, totals: Uint8Array): void
  pushed(key: string, group: PushedGroup): void
}

/** What the ledger is told of itself at the start. */
export interface StoreIdentity {
  ledgerId: string
  /** When this ledger began, Unix nanoseconds as a double. */
  createdUnixNano: number
  /** No series began before, Unix milliseconds: when all of them began anew. */
  startFloorUnixMs: number
  /** When the last of them ended, Unix milliseconds; 0 where none did. */
  lastEndUnixMs: number
  /** No series is to count as idle for longer than since this uptime, seconds. */
  touchedFloorUptimeS: number
  /** Which series were revealed last; undefined where none ever was. */
  revealed: RevealedRow | undefined
  /** The uptime of all gateways that served it so far. */
  uptimeMs: number
  /** The latest start of a writer that was forgotten, Unix nanoseconds; 0 where none was. */
  horizonUnixNano: number
}

/**
 * Where a ledger is kept. `commit` is synchronous: a group is decided, added, committed and answered in one turn of the
 * event loop. Throws a StoreError.
 */
export interface Store {
  load(sink: LoadSink): StoreIdentity
  commit(group: Group): void
  /** A page as it was last committed; undefined where there was none. */
  page(page: number): Uint8Array | undefined
  close(): void
}

/** `full`: nothing was written, and there may be room later. `failed`: what is on the disk is not known any more. */
export class StoreError extends Error {
  readonly code: 'full' | 'failed'

  constructor(code: 'full' | 'failed', message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
    this.code = code
  }
}

/** What those are told who wait for a commit that failed. */
export function refusalOf(failure: StoreError): Refusal {
  return failure.code === 'full'
    ? new Refusal(
        'STORE_FULL',
        `the disk of the gateway is full: ${failure.message}; nothing was applied, try again`
      )
    : new Refusal('STORE_FAILED', `the store failed: ${failure.message}; nothing was applied, try again`)
}
