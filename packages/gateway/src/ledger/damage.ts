import { isLevel, metricTypes } from './metric-types.ts'
import { slotsPerPage } from './pages.ts'
import type { Series } from './series.ts'
import { eachRun, exponentialSlots } from './values/exponential.ts'
import { timedPrefix, type WriterBook } from './writer-book.ts'
import { eachRecord, timedLeadCells } from './writers.ts'

/** A page as it was stored, that does not match its checksum. */
export interface DamagedPage {
  page: number
  bytes: Uint8Array
}

/** What was lost with pages. */
export interface Damage {
  pages: readonly DamagedPage[]
  /** Series that are over: they are born again with their next point. */
  ended: readonly number[]
  /** Series that go on from 0, as writers that are followed have told of them. */
  restarted: readonly number[]
  /** The names of their metrics. */
  metrics: readonly string[]
}

/** What writers that are followed have told of a series. */
interface Told {
  /** Of an explicit histogram, the id of the fewest bounds that any of them tells; else -1. */
  bounds: number
  /** Of a level, what they hold together. */
  level: number
}

/**
 * Lets all series with slots in these pages begin anew: what they were is not known any more, and a sum without a part of it
 * must not be shown as if it were whole (law 4). After it the pages are dirty, and to be stored.
 */
export function repair(series: Series, writers: WriterBook, damaged: readonly DamagedPage[]): Damage {
  const lost = seriesIn(series, new Set(damaged.map(({ page }) => page)))
  const told = toldOf(series, writers, lost)
  for (const { page } of damaged) series.pages.touch(page * slotsPerPage).fill(0)
  const restarted: number[] = []
  const ended: number[] = []
  const names = new Set<string>()
  for (const id of lost) {
    names.add(series.metrics.metrics[series.metricOf(id)]?.name ?? '')
    const of = told.get(id)
    const type = series.typeOf(id)
    if (of === undefined) {
      ended.push(id)
      continue
    }
    const slot = series.slotOf(id)
    const offset = series.pages.offsetOf(slot)
    const slots = series.pages.touch(slot)
    if (type === metricTypes.exponentialHistogram) slots.fill(0, offset, offset + exponentialSlots)
    if (type === metricTypes.histogram) slots[offset] = of.bounds + 1
    if (isLevel(type)) slots[offset] = of.level
    series.lives.begin(id)
    restarted.push(id)
  }
  return { pages: damaged, ended, restarted, metrics: [...names].toSorted() }
}

/** Those that have slots in one of these pages. Runs do not cross pages. */
function seriesIn(series: Series, damaged: ReadonlySet<number>): number[] {
  const found: number[] = []
  const isIn = (slot: number): boolean => damaged.has(Math.floor(slot / slotsPerPage))
  for (let id = 0; id < series.idEnd; id++) {
    if (!series.isLive(id)) continue
    let isLost = isIn(series.slotOf(id))
    if (!isLost && series.typeOf(id) === metricTypes.exponentialHistogram)
      eachRun(series.pages, series.slotOf(id), (run) => (isLost ||= isIn(run)))
    if (isLost) found.push(id)
  }
  return found
}

/**
 * Each writer has told in bounds that the series had then, and a series only gets fewer: so the fewest bounds that were told
 * are within those of all others.
 */
function toldOf(series: Series, writers: WriterBook, lost: readonly number[]): Map<number, Told> {
  const isLost = new Set(lost)
  const told = new Map<number, Told>()
  const { sets } = series.bounds
  for (const [writer, { records }] of writers.all()) {
    const lead = writer.startsWith(timedPrefix) ? timedLeadCells : 0
    eachRecord(records, (id, at) => {
      if (!isLost.has(id)) return
      const of = told.get(id) ?? { bounds: -1, level: 0 }
      told.set(id, of)
      const first = records[at + lead] as number
      const type = series.typeOf(id)
      if (isLevel(type)) of.level += first - (records[at + lead + 1] as number)
      if (type !== metricTypes.histogram) return
      const before = sets[of.bounds]?.length ?? Infinity
      if ((sets[first]?.length ?? Infinity) < before) of.bounds = first
    })
  }
  return told
}
