import type { Accounts } from './accounts.ts'
import type { WriterBook } from './writer-book.ts'
import { eachRecord, timedLeadCells, type Writer } from './writers.ts'

export interface AgingLimits {
  writerCountMax: number
  writerCellCountMax: number
  writerSilenceMs: number
  writerForgetMs: number
}

/** Past so much of a limit, writers that are silent are forgotten at once, so that there is room for others. */
const crowded = 0.75

/**
 * What becomes of writers that are silent and are no journals: what they hold of levels is taken out of the sums after a
 * while, and in the end they are forgotten. Who was forgotten and comes back begins at what it has, as its starts are
 * before the horizon: too little rather than twice.
 */
export function ageWriters(
  book: WriterBook,
  accounts: Accounts,
  limits: AgingLimits,
  uptimeMs: number
): void {
  for (const id of book.timed) {
    const writer = book.get(id) as Writer
    const silentMs = uptimeMs - writer.seenUptimeMs
    if (silentMs < limits.writerSilenceMs) continue
    const isCrowded =
      book.size > limits.writerCountMax * crowded || book.cellCount > limits.writerCellCountMax * crowded
    const isForgotten = isCrowded || silentMs >= limits.writerForgetMs
    if (writer.sequence === 1) accounts.takeOut(writer.records, timedLeadCells)
    if (isForgotten) {
      eachRecord(writer.records, (_, at) => {
        book.horizonUnixNano = Math.max(book.horizonUnixNano, writer.records[at] as number)
      })
      book.set(id, undefined)
    } else if (writer.sequence === 1) {
      book.set(id, { ...writer, sequence: 0, records: accounts.silenced(writer.records) })
    }
  }
}
