import { batchKey } from '../../src/in/body.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { shown, type Opened } from './ledgers.ts'

/** All that a ledger knows, as a value that can be compared. `ids`: the batches that it may have seen, with their bodies. */
export function memoryOf(
  opened: Opened,
  ids: ReadonlyMap<string, Uint8Array>,
  writers: readonly string[]
): Record<string, unknown> {
  const { ledger, stats } = opened
  const { metrics } = ledger.series
  return {
    values: shown(opened),
    resources: metrics.resources.map(hex),
    scopes: metrics.scopes.map(({ resource, scope, schemaUrl }) => [resource, hex(scope), hex(schemaUrl)]),
    metrics: [...metrics.metrics],
    series: seriesOf(ledger),
    seen: [...ids].map(([id, body]) => [id, ledger.receipts.seen(batchKey(id, body))]),
    writers: writers.map((id) => [id, ledger.tellers.get(id)]),
    counted: [stats.series, stats.batchIds, stats.writers],
  }
}

function seriesOf({ series }: Ledger): unknown[] {
  const ids = Array.from({ length: series.idEnd }, (_, id) => id).filter((id) => series.isLive(id))
  return ids.map((id) => [
    id,
    series.startOf(id),
    series.metricOf(id),
    series.slotOf(id),
    hex(series.attributesOf(id)),
    series.pages.value(series.slotOf(id)),
    series.pages.value(series.slotOf(id) + 1),
  ])
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
