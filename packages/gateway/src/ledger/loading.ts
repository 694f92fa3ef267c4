import assert from 'node:assert/strict'
import type { TouchedRow } from './lives.ts'
import { repair, type Damage, type DamagedPage } from './damage.ts'
import { PageError } from './pages.ts'
import type { PushedGroups } from './pushed/groups.ts'
import type { OnceKeys } from './once-keys.ts'
import type { Receipts } from './receipts.ts'
import type { Series } from './series.ts'
import type { Store, StoreIdentity } from './store.ts'
import { freeUnusedBounds } from './unused-bounds.ts'
import { WriterBook } from './writer-book.ts'

/** What is read into. */
interface Loaded {
  series: Series
  receipts: Receipts
  onceKeys: OnceKeys
  pushed: PushedGroups
}

/** Reads what the store holds into a ledger that is empty. `damage`: what could not be, and is to be stored as it is now. */
export function loadLedger(
  store: Store,
  { series, receipts, onceKeys, pushed }: Loaded,
  unixMs: number
): { identity: StoreIdentity; writers: WriterBook; damage: Damage | undefined } {
  const { metrics, lives, pages } = series
  const told: [string, number, Uint8Array][] = []
  const touched: TouchedRow[] = []
  /** Ids of series that were born held, by the second of uptime: numbers alone, as there may be a million. */
  const heldSince = new Map<number, number[]>()
  const damaged: DamagedPage[] = []
  const identity = store.load({
    resource: (attributes) => metrics.bearResource(attributes),
    scope: (row) => metrics.bearScope(row),
    metric: (metric) => metrics.bearMetric(metric),
    series(row) {
      series.restore(row.id, row.metric, row.attributes, row.slot)
      lives.restore(row.id, row.startUnixMs, row.bornUptimeS)
      if (!row.isHeld) return
      const born = heldSince.get(row.bornUptimeS)
      if (born === undefined) heldSince.set(row.bornUptimeS, [row.id])
      else born.push(row.id)
    },
    touched: (row) => touched.push(row),
    bounds: (values) => series.bounds.bear(values),
    page(page, bytes) {
      try {
        pages.restore(page, bytes)
      } catch (error) {
        if (!(error instanceof PageError)) throw error
        damaged.push({ page, bytes: bytes.slice() })
      }
    },
    receipts: (row) => receipts.ids.restore(row),
    onceKeys: (row) => onceKeys.ids.restore(row),
    writer: (id, sequence, totals) => told.push([id, sequence, totals]),
    pushed: (key, group) => pushed.restore(key, group),
  })
  assert(identity.ledgerId !== '', 'BUG: a ledger without an id')
  lives.now(identity.uptimeMs, unixMs)
  lives.restoreAll(series.idEnd, identity, touched)
  const revealedUptimeS = identity.revealed?.uptimeS ?? -1
  if (identity.revealed !== undefined) series.reveal(identity.revealed)
  for (const [bornUptimeS, ids] of [...heldSince].toSorted(([a], [b]) => a - b))
    if (bornUptimeS > revealedUptimeS) for (const id of ids) series.held.add(id, bornUptimeS)
  const writers = new WriterBook(identity.horizonUnixNano)
  for (const writer of told) writers.restore(...writer)
  const damage = damaged.length > 0 ? repair(series, writers, damaged) : undefined
  series.bounds.commit() // They came from the store.
  freeUnusedBounds(series, writers)
  series.claim()
  return { identity, writers, damage }
}
