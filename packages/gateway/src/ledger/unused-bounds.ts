import { metricTypes } from './metric-types.ts'
import type { Series } from './series.ts'
import { timedPrefix, type WriterBook } from './writer-book.ts'
import { eachRecord, timedLeadCells } from './writers.ts'

/** Fewer sets than this are not looked through: they are far from any limit. */
const boundsMin = 1000

/** After loading: frees the sets of bounds that no series has, and in which no writer that is followed has told. */
export function freeUnusedBounds(series: Series, writers: WriterBook): void {
  const { bounds, pages } = series
  if (bounds.sets.length < boundsMin) return
  const isUsed = new Uint8Array(bounds.sets.length)
  for (let id = 0; id < series.idEnd; id++) {
    if (!series.isLive(id) || series.typeOf(id) !== metricTypes.histogram) continue
    const set = pages.value(series.slotOf(id)) - 1
    if (set >= 0) isUsed[set] = 1
  }
  for (const [writer, { records }] of writers.all()) {
    const lead = writer.startsWith(timedPrefix) ? timedLeadCells : 0
    eachRecord(records, (id, at) => {
      // Of a series that is over it is not known any more what it was: too much rather than too little.
      const isOther = series.isLive(id) && series.typeOf(id) !== metricTypes.histogram
      if (!isOther) isUsed[records[at + lead] as number] = 1 // What is no id of a set changes nothing.
    })
  }
  bounds.freeUnused(isUsed)
}
