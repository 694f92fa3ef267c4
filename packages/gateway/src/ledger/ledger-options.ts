import type { TranslationStrategy } from '../config/config.ts'
import type { Stats } from '../stats.ts'
import type { AgingLimits } from './aging.ts'
import type { TimesToLive } from './expiry.ts'
import type { Hold } from './held.ts'
import type { StoreError } from './store.ts'

export interface SeriesLimits {
  seriesCountMax: number
  attributesBytesMax: number
  attributesBytesTotalMax: number
  aliasBytesTotalMax: number
  labelCountMax: number
  labelValueBytesMax: number
  slotCountMax: number
  attributeMemoBytesMax: number
}

export interface LedgerLimits extends SeriesLimits, AgingLimits {
  batchIdCountMax: number
  onceKeyCountMax: number
  onceWindowMs: number
  exemplarCountMax: number
  retryWindowMs: number
  boundsCountMax: number
  bucketCountMax: number
  metricCountMax: number
  metricBytesTotalMax: number
  descriptionBytesMax: number
  bodyCellCountMax: number
  nameBytesMax: number
}

export interface LedgerOptions {
  limits: LedgerLimits
  translationStrategy: TranslationStrategy
  stats: Stats
  /** Milliseconds from any fixed point, never backwards: only differences count. */
  clock: () => number
  /** Unix milliseconds. */
  now: () => number
  /** How long what is shown may be idle. */
  ttl: TimesToLive
  /** How long newborn counters and histograms are shown to scrapers at 0, now. */
  hold: () => Hold
  /** The disk failed: what it holds is not known. The ledger takes nothing more; the process should end with 3. */
  onFailed: (error: StoreError) => void
}
