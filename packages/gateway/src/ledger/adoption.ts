import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { metricTypes } from './metric-types.ts'
import { PageError, Pages, slotsPerPage } from './pages.ts'
import { exponentialSlots } from './values/exponential.ts'
import { histogramHeadSlots } from './values/histogram.ts'
import { sumSlots } from './values/sum.ts'

/**
 * Makes another ledger of one that is a copy, or was restored. What the other showed may have been seen: all starts anew,
 * later than that (CONFORMANCE B8), and totals at 0. Writers that are not known here may have been counted there, so that
 * they begin at what they have. Within the transaction that the database is opened in.
 */
export function adoptLedger(db: DatabaseSync): void {
  const set = db.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
  set.run('ledger_id', randomUUID())
  set.run('created_unix_nano', Date.now() * 1e6)
  set.run('start_floor_unix_ms', Math.max(Date.now(), lastStartUnixMs(db) + 1))
  holdTotals(db)
  zeroTotals(db)
}

/** Of all series that there are or were, also where the clock was ahead. */
function lastStartUnixMs(db: DatabaseSync): number {
  const last = db.prepare(
    `SELECT max(coalesce((SELECT max(start_unix_ms) FROM series), 0),
      coalesce((SELECT max(value) FROM meta WHERE key IN ('start_floor_unix_ms', 'last_end_unix_ms')), 0)) AS unix_ms`
  )
  return Number(last.get()?.['unix_ms'])
}

/** What begins anew is newborn: scrapers are to see it at 0 before they see what it has come to. */
function holdTotals(db: DatabaseSync): void {
  const { counter, histogram, exponentialHistogram } = metricTypes
  db.prepare(
    `UPDATE series SET held = 1, born_uptime_s =
      (SELECT CAST(max(value, coalesce((SELECT max(id) / 1000.0 FROM receipts), 0)) / 1000 AS INTEGER)
        FROM meta WHERE key = 'uptime_ms')
      WHERE metric IN (SELECT id FROM metric WHERE type IN (?, ?, ?))`
  ).run(counter, histogram, exponentialHistogram)
}

/**
 * Counters and histograms go back to 0: a reader that knows starts takes a value under a new start for an increase by all of
 * it, and one that does not takes a lower value than it saw for the same. Both find 0, and count only what is new. Gauges
 * and up-down counters are no totals, and stay. A page that does not match its checksum is left: loading finds it.
 */
function zeroTotals(db: DatabaseSync): void {
  const pages = new Pages()
  const damaged = new Set<number>()
  for (const row of db.prepare('SELECT id, slots FROM page').iterate()) {
    const page = row['id'] as number
    try {
      pages.restore(page, row['slots'] as Uint8Array)
    } catch (error) {
      if (!(error instanceof PageError)) throw error
      damaged.add(page)
    }
  }
  const boundCounts: number[] = []
  for (const row of db.prepare('SELECT length(bounds) AS bytes FROM bounds ORDER BY id').iterate())
    boundCounts.push((row['bytes'] as number) / 8)
  const series = db.prepare('SELECT slot, type FROM series JOIN metric ON metric.id = series.metric')
  for (const row of series.iterate()) {
    const slot = row['slot'] as number
    if (damaged.has(Math.floor(slot / slotsPerPage))) continue
    zero(pages, boundCounts, slot, row['type'] as number)
  }
  const write = db.prepare('UPDATE page SET slots = ? WHERE id = ?')
  for (const page of pages.dirty) write.run(pages.seal(page), page)
}

function zero(pages: Pages, boundCounts: readonly number[], slot: number, type: number): void {
  if (type === metricTypes.counter) fill(pages, slot, sumSlots)
  else if (type === metricTypes.exponentialHistogram) fill(pages, slot, exponentialSlots)
  else if (type === metricTypes.histogram) {
    // Its bounds stay: writers have told in them.
    const bounds = pages.value(slot)
    const count = boundCounts[bounds - 1]
    if (count === undefined) return
    fill(pages, slot, histogramHeadSlots + count + 1)
    pages.touch(slot)[pages.offsetOf(slot)] = bounds
  }
}

function fill(pages: Pages, slot: number, count: number): void {
  const offset = pages.offsetOf(slot)
  pages.touch(slot).fill(0, offset, offset + count)
}
