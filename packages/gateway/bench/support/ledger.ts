import { completeConfig } from '../../src/config/config.ts'
import { Receiver } from '../../src/in/receive.ts'
import { Ledger } from '../../src/ledger/ledger.ts'
import type { Store } from '../../src/ledger/store.ts'
import { newStats } from '../../src/stats.ts'
import { sumBody } from './bodies.ts'

/** Forgets everything: to measure what is beside the disk. */
const nowhere: Store = {
  load: () => ({
    ledgerId: 'bench',
    createdUnixNano: 1,
    startFloorUnixMs: 0,
    lastEndUnixMs: 0,
    touchedFloorUptimeS: 0,
    revealed: undefined,
    uptimeMs: 0,
    horizonUnixNano: 0,
  }),
  commit: () => undefined,
  page: () => undefined,
  close: () => undefined,
}

/** A ledger in memory alone that holds `count` series. */
export async function ledgerOf(count: number): Promise<Ledger> {
  const config = completeConfig()
  const stats = newStats()
  const ledger = new Ledger(nowhere, {
    limits: config.limits,
    stats,
    clock: () => performance.now(),
    now: () => Date.now(),
    ttl: config,
    translationStrategy: config.translationStrategy,
    hold: () => ({ ms: 0, scrapeIntervalMs: 0 }),
    onFailed: () => undefined,
  })
  const receiver = new Receiver(ledger, stats, config)
  const step = 1000
  for (let first = 0; first < count; first += step) {
    const body = sumBody({ points: step, first })
    await new Promise<void>((resolve) => {
      receiver.batch({
        body,
        key: undefined,
        digest: undefined,
        connection: undefined,
        settle: () => resolve(),
      })
    })
  }
  return ledger
}
