import type { LedgerLimits } from './ledger-options.ts'
import type { OnceKeys } from './once-keys.ts'
import type { PushedGroups } from './pushed/groups.ts'
import type { Receipts } from './receipts.ts'
import type { Series, SeriesMark } from './series.ts'
import type { Group } from './store.ts'
import type { WriterBook } from './writer-book.ts'

/** What a group may have changed. */
export interface Changed {
  series: Series
  receipts: Receipts
  onceKeys: OnceKeys
  pushed: PushedGroups
  limits: LedgerLimits
}

/** What it is stored for. */
export interface Occasion {
  uptimeMs: number
  /** Old ids may go. */
  expires: boolean
  /** The ledger is closed after it. */
  last: boolean
}

/** All that changed since the mark, as it is to be stored. */
export function groupSince(
  start: SeriesMark,
  { series, receipts, onceKeys, pushed, limits }: Changed,
  writers: WriterBook,
  { uptimeMs, expires, last }: Occasion
): Group {
  const { metrics, pages } = series
  return {
    uptimeMs,
    resources: { first: start.metrics.resources, rows: metrics.resources.slice(start.metrics.resources) },
    scopes: { first: start.metrics.scopes, rows: metrics.scopes.slice(start.metrics.scopes) },
    metrics: { first: start.metrics.metrics, rows: metrics.metrics.slice(start.metrics.metrics) },
    changedMetrics: metrics.changed(),
    series: series.rowsBorn(),
    ended: [],
    lastEndUnixMs: undefined,
    revealed: series.held.row(),
    touched: series.lives.rows(series.idEnd, last),
    setAside: [],
    bounds: series.bounds.since(start.bounds),
    pages: pages.dirty.map((page) => ({ page, bytes: pages.seal(page) })),
    receipts: receipts.ids.row(uptimeMs),
    onceKeys: onceKeys.ids.row(uptimeMs),
    writers: writers.rows(),
    pushed: pushed.rows(),
    horizonUnixNano: writers.movedHorizonUnixNano,
    expireBeforeUptimeMs: expires ? Math.max(0, uptimeMs - limits.retryWindowMs) : 0,
    expireOnceBeforeUptimeMs: expires ? Math.max(0, uptimeMs - limits.onceWindowMs) : 0,
  }
}
