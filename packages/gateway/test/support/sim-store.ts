import assert from 'node:assert/strict'
import type { RevealedRow } from '../../src/ledger/held.ts'
import type { Metric, ScopeRow } from '../../src/ledger/metrics.ts'
import type { PushedGroup } from '../../src/ledger/pushed/groups.ts'
import {
  StoreError,
  type Group,
  type LoadSink,
  type ReceiptsRow,
  type SeriesRow,
  type Store,
  type StoreIdentity,
} from '../../src/ledger/store.ts'

/** What befalls one commit. `within`: the power goes when half of its rows are written. */
export type Fault = 'crash before' | 'crash within' | 'crash after' | 'full' | 'failed'

interface Disk {
  resources: Uint8Array[]
  scopes: ScopeRow[]
  metrics: Metric[]
  series: Map<number, SeriesRow>
  touched: Map<number, Uint8Array>
  lastEndUnixMs: number
  revealed: RevealedRow | undefined
  bounds: Float64Array[]
  pages: Map<number, Uint8Array>
  receipts: ReceiptsRow[]
  onceKeys: ReceiptsRow[]
  writers: Map<string, { sequence: number; totals: Uint8Array }>
  pushed: Map<string, PushedGroup>
  uptimeMs: number
  horizonUnixNano: number
}

/**
 * A store whose disk is an object: it changes only when a commit is through. `faults` says what befalls which commit,
 * counted from 0 over all starts. After a crash nothing works any more until `restarted()` gives the store that the next
 * process would open.
 */
export class SimStore implements Store {
  crashed = false
  closed = false
  commits: number
  readonly faults: ReadonlyMap<number, Fault>
  #disk: Disk
  readonly #createdUnixNano: number

  constructor(faults: ReadonlyMap<number, Fault> = new Map(), createdUnixNano = 0, from?: SimStore) {
    this.faults = faults
    this.commits = from?.commits ?? 0
    this.#createdUnixNano = createdUnixNano
    this.#disk = from === undefined ? emptyDisk() : copied(from.#disk)
  }

  /** What the next process finds. */
  restarted(faults: ReadonlyMap<number, Fault> = this.faults): SimStore {
    return new SimStore(faults, this.#createdUnixNano, this)
  }

  load(sink: LoadSink): StoreIdentity {
    const disk = copied(this.#disk)
    for (const attributes of disk.resources) sink.resource(attributes)
    for (const row of disk.scopes) sink.scope(row)
    for (const metric of disk.metrics) sink.metric(metric)
    for (const row of [...disk.series.values()].toSorted((a, b) => a.id - b.id)) sink.series(row)
    for (const [row, bytes] of disk.touched) sink.touched({ row, bytes })
    for (const values of disk.bounds) sink.bounds(values)
    for (const [page, bytes] of disk.pages) sink.page(page, bytes)
    for (const row of disk.receipts) sink.receipts(row)
    for (const row of disk.onceKeys) sink.onceKeys(row)
    for (const [id, { sequence, totals }] of disk.writers) sink.writer(id, sequence, totals)
    for (const [key, group] of disk.pushed) sink.pushed(key, group)
    const { uptimeMs, horizonUnixNano, lastEndUnixMs, revealed } = disk
    const createdUnixNano = this.#createdUnixNano
    const floors = { startFloorUnixMs: 0, touchedFloorUptimeS: 0, lastEndUnixMs, revealed }
    return { ledgerId: 'simulated', createdUnixNano, uptimeMs, horizonUnixNano, ...floors }
  }

  commit(group: Group): void {
    assert.ok(!this.crashed && !this.closed, 'nobody commits to a store that is gone')
    const fault = this.faults.get(this.commits++)
    if (fault === 'full' || fault === 'failed') {
      write(copied(this.#disk), group, 0.5) // What was begun is rolled back.
      throw new StoreError(fault, 'simulated')
    }
    const next = copied(this.#disk)
    if (fault === 'crash before' || fault === 'crash within') {
      if (fault === 'crash within') write(next, group, 0.5)
      this.#crash()
    }
    write(next, group, 1)
    this.#disk = next
    if (fault === 'crash after') this.#crash()
  }

  page(page: number): Uint8Array | undefined {
    return this.#disk.pages.get(page)?.slice()
  }

  close(): void {
    this.closed = true
  }

  #crash(): never {
    this.crashed = true
    throw new Error('simulated: the process is gone')
  }
}

function emptyDisk(): Disk {
  return {
    resources: [],
    scopes: [],
    metrics: [],
    series: new Map(),
    touched: new Map(),
    lastEndUnixMs: 0,
    revealed: undefined,
    bounds: [],
    pages: new Map(),
    receipts: [],
    onceKeys: [],
    writers: new Map(),
    pushed: new Map(),
    uptimeMs: 0,
    horizonUnixNano: 0,
  }
}

/** Bytes are never changed in place here, so that they need no copy. */
function copied(disk: Disk): Disk {
  return {
    resources: [...disk.resources],
    scopes: [...disk.scopes],
    metrics: [...disk.metrics],
    series: new Map(disk.series),
    touched: new Map(disk.touched),
    lastEndUnixMs: disk.lastEndUnixMs,
    revealed: disk.revealed,
    bounds: [...disk.bounds],
    pages: new Map(disk.pages),
    receipts: [...disk.receipts],
    onceKeys: [...disk.onceKeys],
    writers: new Map(disk.writers),
    pushed: new Map(disk.pushed),
    uptimeMs: disk.uptimeMs,
    horizonUnixNano: disk.horizonUnixNano,
  }
}

/** Writes the first part of a group's rows, in the order of the database's tables. */
function write(disk: Disk, group: Group, part: number): void {
  const steps: (() => void)[] = []
  const append = <Row>(into: Row[], { first, rows }: { first: number; rows: readonly Row[] }): void => {
    if (rows.length > 0) assert.equal(first, into.length, 'rows are numbered without a gap')
    for (const row of rows) steps.push(() => into.push(structuredClone(row)))
  }
  append(disk.resources, group.resources)
  append(disk.scopes, group.scopes)
  append(disk.metrics, group.metrics)
  for (const { metric, type, description } of group.changedMetrics) {
    steps.push(
      () => (disk.metrics[metric] = { ...(disk.metrics[metric] ?? assert.fail()), type, description })
    )
  }
  for (const id of group.ended) {
    steps.push(() => assert.ok(disk.series.delete(id), 'a series ends that is there'))
  }
  for (const row of group.series) {
    steps.push(() => {
      assert.ok(!disk.series.has(row.id), 'a series is born under a free id')
      disk.series.set(row.id, structuredClone(row))
    })
  }
  for (const { row, bytes } of group.touched) steps.push(() => disk.touched.set(row, bytes.slice()))
  for (const { id, values } of group.bounds) {
    steps.push(() => {
      assert.ok(id <= disk.bounds.length, 'sets of bounds are numbered without a gap')
      disk.bounds[id] = values.slice()
    })
  }
  for (const { page, bytes } of group.pages) steps.push(() => disk.pages.set(page, bytes.slice()))
  const { receipts, onceKeys } = group
  if (receipts !== undefined) steps.push(() => disk.receipts.push(structuredClone(receipts)))
  if (onceKeys !== undefined) steps.push(() => disk.onceKeys.push(structuredClone(onceKeys)))
  for (const { id, state } of group.writers) {
    steps.push(() => {
      if (state === undefined) disk.writers.delete(id)
      else disk.writers.set(id, structuredClone(state))
    })
  }
  for (const { key, group: pushed } of group.pushed) {
    steps.push(() => {
      if (pushed === undefined) disk.pushed.delete(key)
      else disk.pushed.set(key, structuredClone(pushed))
    })
  }
  steps.push(() => {
    disk.uptimeMs = group.uptimeMs
    disk.lastEndUnixMs = group.lastEndUnixMs ?? disk.lastEndUnixMs
    disk.revealed = group.revealed ?? disk.revealed
    disk.horizonUnixNano = group.horizonUnixNano ?? disk.horizonUnixNano
    disk.receipts = disk.receipts.filter(({ uptimeMs }) => uptimeMs >= group.expireBeforeUptimeMs)
    disk.onceKeys = disk.onceKeys.filter(({ uptimeMs }) => uptimeMs >= group.expireOnceBeforeUptimeMs)
  })
  for (const step of steps.slice(0, Math.ceil(steps.length * part))) step()
}
