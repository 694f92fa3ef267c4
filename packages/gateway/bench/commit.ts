/**
 * A durable commit alone: wall and CPU microseconds of this process for one group, on the disk under the temporary
 * directory. Medians over five rounds.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { receiptBytes } from '../src/ledger/dedup.ts'
import { pageBytes } from '../src/ledger/pages.ts'
import { openStore } from '../src/ledger/sqlite.ts'
import type { Group } from '../src/ledger/store.ts'
import { median } from './support/cpu.ts'

const none = { first: 0, rows: [] }

function groupOf(pages: number, ids: number): Group {
  const uptimeMs = performance.now()
  const bytes = new Uint8Array(pageBytes)
  const records = new Uint8Array(receiptBytes * ids)
  return {
    uptimeMs,
    resources: none,
    scopes: none,
    metrics: none,
    series: [],
    ended: [],
    lastEndUnixMs: undefined,
    revealed: undefined,
    touched: [],
    setAside: [],
    pushed: [],
    changedMetrics: [],
    bounds: [],
    pages: Array.from({ length: pages }, (_, page) => ({ page, bytes })),
    receipts: { uptimeMs, records, messages: Array.from({ length: ids }, () => undefined) },
    onceKeys: undefined,
    writers: [],
    horizonUnixNano: undefined,
    expireBeforeUptimeMs: 0,
    expireOnceBeforeUptimeMs: 0,
  }
}

console.log('pages    ids   wall us    CPU us')
for (const [pages, ids, commits] of [
  [2, 16, 500],
  [4, 128, 500],
  [200, 128, 50],
  [2000, 128, 10],
] as const) {
  const directory = mkdtempSync(join(tmpdir(), 'swansong-bench-'))
  const store = openStore(directory)
  const walls: number[] = []
  const cpus: number[] = []
  for (let round = 0; round < 5; round++) {
    const cpu = process.cpuUsage()
    const begun = performance.now()
    for (let commit = 0; commit < commits; commit++) store.commit(groupOf(pages, ids))
    walls.push(((performance.now() - begun) * 1000) / commits)
    const { user, system } = process.cpuUsage(cpu)
    cpus.push((user + system) / commits)
  }
  store.close()
  rmSync(directory, { recursive: true })
  const cells = [String(pages).padStart(5), String(ids).padStart(6), median(walls).toFixed(0).padStart(9)]
  console.log(cells.join(' '), median(cpus).toFixed(0).padStart(9))
}
