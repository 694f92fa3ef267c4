import type { MetricProducer } from '@opentelemetry/sdk-metrics'
import { drainBeforeExit, drainOnSignals, endWithProcess } from '../process/exit.ts'
import { bodyBytesMaxOf, makeSender } from '../post/open-sender.ts'
import type { Options } from '../options/options.ts'
import { BatchFiles } from './batch-files.ts'
import { StockSource } from './stock-source.ts'
import type { StockState } from './stock-state.ts'
import { findSpool } from '../spool/find-spool.ts'
import { makeUuid } from '../spool/spool.ts'

/** In a spool, deltas are looked for this long after the start, then after twice as long each time, … */
const lookMsMin = 20
/** … up to this: so much of its counting SIGKILL costs a job. */
const lookMsMax = 1000

/** What a reader does with its way out. */
export interface ReaderWay {
  /** Resolves when all that was counted is durable elsewhere; rejects when it could not be made so. */
  flush(): Promise<void>
  /** Every moment is the end, and there is no interval any more; what the end of the process does stays. */
  close(): void
}

/** Opens the way out of a reader: as the SDK chooses, but that a spool gets a file for each batch instead of a journal. */
export function openReaderWay(
  producer: MetricProducer,
  state: StockState | undefined,
  options: Options,
  producers: readonly MetricProducer[]
): ReaderWay {
  const spool = findSpool(options)
  const source = new StockSource(producer, state, {
    observeMsMax: Math.max(1, Math.min(options.exitBudgetMs, options.timeoutMs) / 4),
    instanceId: makeUuid(),
    producers,
    bodyBytesMax: () => bodyBytesMaxOf(spool),
  })
  const posts = options.endpoint !== undefined || spool === undefined
  const named = { ...options, serviceName: source.serviceName ?? options.serviceName }
  const way = posts ? makeSender(source, named, spool) : new BatchFiles(source, spool, named.serviceName)
  const interval = setInterval(() => void way.tick(), options.intervalMs)
  interval.unref()
  const stopLooking = way instanceof BatchFiles && source.isSynchronous ? startLooking(source, way) : () => {}
  endWithProcess(way)
  drainBeforeExit(way)
  if (options.signals === 'handle') drainOnSignals(way)
  return {
    flush: () => way.flush(),
    close() {
      source.close()
      clearInterval(interval)
      stopLooking()
    },
  }
}

/** Writes what was counted, without a callback, running totals or a collection: a look that finds nothing costs little. */
function startLooking(source: StockSource, files: BatchFiles): () => void {
  let timer: NodeJS.Timeout | undefined
  const lookAfter = (ms: number): void => {
    timer = setTimeout(() => {
      if (source.isSettled) files.write()
      lookAfter(Math.min(ms * 2, lookMsMax))
    }, ms)
    timer.unref()
  }
  lookAfter(lookMsMin)
  return () => clearTimeout(timer)
}
