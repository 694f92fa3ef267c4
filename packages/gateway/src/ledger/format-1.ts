import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { isOverflow } from './key-values.ts'
import { isLevel, type MetricType } from './metric-types.ts'
import { PageError, Pages, slotsPerPage } from './pages.ts'

/*
 * What format 1 kept of writers, as format 2 has it. The numbers are those of the two formats, whatever later ones have.
 *
 * A writer's row: when it was heard of, its horizon, then records: a head (series × 4096 + cells) and cells. Those of a
 * sender (not of a journal) began with start, time and part, and now with start and time. What was told for a series of its
 * own is the same stream now. What was told for an overflow series is not: format 1 told such streams of a sender apart by
 * another hash, and of a journal not at all.
 */

const cellCountEnd = 4096
const headCells = 2
const horizonCell = 1
const leadCells = 3
const timedPrefix = 'otlp:'

interface SeriesOne {
  slot: number
  type: MetricType
  isOverflow: boolean
}

/**
 * Rewrites the records of all writers. What they told for overflow series is forgotten: it stays counted, and the writer's
 * horizon says that it begins there at what it has (too little rather than twice). What it held there of levels is taken
 * out, as it will tell that whole again.
 */
export function convertWriters(db: DatabaseSync): void {
  const seriesOf = seriesReader(db)
  const heldOf = new Map<number, number>() // Slot → what is to be taken out there.
  const write = db.prepare('UPDATE writer SET totals = ? WHERE id = ?')
  for (const { id, totals } of db.prepare('SELECT id, totals FROM writer').all()) {
    const cells = new Float64Array((totals as Uint8Array).slice().buffer)
    const lead = String(id).startsWith(timedPrefix) ? leadCells : 0
    const kept = converted(cells, lead, seriesOf, heldOf)
    write.run(new Uint8Array(kept.buffer, 0, kept.byteLength), id as string)
  }
  takeOut(db, heldOf)
}

/** A writer's cells without what it told for overflow series, whose levels are added to `heldOf`, and without parts. */
function converted(
  cells: Float64Array,
  lead: number,
  seriesOf: (id: number) => SeriesOne | undefined,
  heldOf: Map<number, number>
): Float64Array {
  const kept = cells.slice(0, headCells)
  const records: number[] = []
  for (let at = headCells, next = 0; at < cells.length; at = next) {
    const head = cells[at] as number
    const id = Math.floor(head / cellCountEnd)
    next = at + 1 + (head - id * cellCountEnd)
    const series = seriesOf(id)
    if (series === undefined) continue
    const told = cells.subarray(at + 1 + lead, next)
    if (!series.isOverflow) {
      const timed = lead > 0 ? [cells[at + 1] as number, cells[at + 2] as number] : []
      records.push(id * cellCountEnd + timed.length + told.length, ...timed, ...told)
      continue
    }
    // A journal's points carry no time of their own: whatever it has there when it is read next.
    const startUnixNano = lead > 0 ? (cells[at + 1] as number) : Infinity
    kept[horizonCell] = Math.max(kept[horizonCell] as number, startUnixNano)
    if (!isLevel(series.type)) continue
    const held = (told[0] as number) - (told[1] as number)
    heldOf.set(series.slot, (heldOf.get(series.slot) ?? 0) + held)
  }
  const all = new Float64Array(headCells + records.length)
  all.set(kept)
  all.set(records, headCells)
  return all
}

function takeOut(db: DatabaseSync, heldOf: ReadonlyMap<number, number>): void {
  const read = db.prepare('SELECT slots FROM page WHERE id = ?')
  const write = db.prepare('UPDATE page SET slots = ? WHERE id = ?')
  const pages = new Pages()
  const isRead = new Map<number, boolean>()
  for (const [slot, held] of heldOf) {
    const page = Math.floor(slot / slotsPerPage)
    if (!isRead.has(page)) isRead.set(page, restore(pages, page, read.get(page)?.['slots']))
    if (isRead.get(page) === true) pages.add(slot, -held)
  }
  for (const page of pages.dirty) write.run(pages.seal(page), page)
}

/** False where it is damaged: it is found again when the ledger is loaded, and its series begin anew. */
function restore(pages: Pages, page: number, bytes: SQLOutputValue | undefined): boolean {
  try {
    pages.restore(page, bytes as Uint8Array)
    return bytes !== undefined
  } catch (error) {
    if (error instanceof PageError) return false
    throw error
  }
}

function seriesReader(db: DatabaseSync): (id: number) => SeriesOne | undefined {
  const read = db.prepare(
    'SELECT slot, type, attributes FROM series JOIN metric ON metric.id = series.metric WHERE series.id = ?'
  )
  const known = new Map<number, SeriesOne | undefined>()
  return (id) => {
    if (known.has(id)) return known.get(id)
    const row = read.get(id)
    const series = row && {
      slot: row['slot'] as number,
      type: row['type'] as MetricType,
      isOverflow: isOverflow(row['attributes'] as Uint8Array),
    }
    known.set(id, series)
    return series
  }
}
