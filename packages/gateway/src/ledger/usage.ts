import type { Stats } from '../stats.ts'
import type { Ledger } from './ledger.ts'
import type { WriterBook } from './writer-book.ts'

/** Lets what is shown of limits ask how much of each is used. */
export function showUse(stats: Stats, ledger: Ledger, writers: WriterBook): void {
  const { used } = stats
  const { series, receipts, onceKeys, exemplars, pushed } = ledger
  stats.seriesHeld = () => series.held.count
  used.seriesCountMax = () => series.count
  used.metricCountMax = () => series.metrics.metrics.length
  used.metricBytesTotalMax = () => series.metrics.byteLength
  used.attributesBytesTotalMax = () => series.labelBytes
  used.aliasBytesTotalMax = () => series.aliasBytes
  used.boundsCountMax = () => series.bounds.count
  used.slotCountMax = () => series.pages.next
  used.exemplarCountMax = () => exemplars.count
  used.batchIdCountMax = () => receipts.count
  used.onceKeyCountMax = () => onceKeys.count
  used.writerCountMax = () => writers.size
  used.pushGroupCountMax = () => pushed.count
  used.pushBytesTotalMax = () => pushed.byteLength
  used.writerCellCountMax = () => writers.cellCount
}

/** Says how much there is now. */
export function report(stats: Stats, { series, receipts, onceKeys }: Ledger, writers: WriterBook): void {
  stats.series = series.count
  stats.batchIds = receipts.count
  stats.onceKeys = onceKeys.count
  stats.writers = writers.journalCount
  stats.senders = writers.size - writers.journalCount
}
