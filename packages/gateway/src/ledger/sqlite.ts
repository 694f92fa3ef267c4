import type { DatabaseSync, StatementSync } from 'node:sqlite'
import {
  damagedHint,
  DataDirError,
  messageOf,
  openDatabase,
  sqliteCode,
  type StoreOptions,
} from './database.ts'
import type { MetricType } from './metric-types.ts'
import { PushedTable } from './pushed/table.ts'
import { makeReserve, releaseReserve } from './reserve.ts'
import { StoreError, type Group, type LoadSink, type Store, type StoreIdentity } from './store.ts'

const fullCode = 13
/** Rows of receipts and of units of work are numbered by the uptime of their commit, in microseconds: the old are a range. */
const rowsPerMs = 1000
/** Of a large table, when it is read. */
const rowsAtOnce = 1000

type SeriesColumns = [
  id: number,
  metric: number,
  slot: number,
  attributes: Uint8Array,
  startUnixMs: number,
  bornUptimeS: number,
  held: number,
]

/**
 * Opens the ledger's store in a data directory, and holds it alone: the kernel refuses a second gateway. Throws a
 * DataDirError that says who has it, or why it cannot be used.
 */
export function openStore(dataDir: string, options: Partial<StoreOptions> = {}): Store {
  const database = openDatabase(dataDir, { adopt: false, say: () => {}, ...options })
  makeReserve(dataDir)
  return new SqliteStore(database, dataDir)
}

class SqliteStore implements Store {
  readonly #db: DatabaseSync
  readonly #dataDir: string
  #lastReceipts = 0
  #lastOnce = 0
  readonly #begin: StatementSync
  readonly #end: StatementSync
  readonly #setMeta: StatementSync
  readonly #inserts: Record<
    | 'resource'
    | 'scope'
    | 'metric'
    | 'series'
    | 'touched'
    | 'bounds'
    | 'page'
    | 'receipts'
    | 'once'
    | 'writer',
    StatementSync
  >
  readonly #changeMetric: StatementSync
  readonly #pushed: PushedTable
  readonly #deleteWriter: StatementSync
  readonly #deleteSeries: StatementSync
  readonly #expire: StatementSync
  readonly #expireOnce: StatementSync
  readonly #readPage: StatementSync

  constructor(db: DatabaseSync, dataDir: string) {
    this.#db = db
    this.#dataDir = dataDir
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#end = db.prepare('COMMIT')
    this.#setMeta = db.prepare(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value'
    )
    this.#inserts = {
      // Columns are named, and rows changed in place: what a newer minor format has beside them stays as it is.
      resource: db.prepare('INSERT INTO resource (id, attributes) VALUES (?, ?)'),
      scope: db.prepare('INSERT INTO scope (id, resource, scope, schema_url) VALUES (?, ?, ?, ?)'),
      metric: db.prepare(
        'INSERT INTO metric (id, scope, type, name, unit, description) VALUES (?, ?, ?, ?, ?, ?)'
      ),
      series: db.prepare(
        `INSERT INTO series (id, metric, slot, attributes, start_unix_ms, born_uptime_s, held)
         VALUES (?, ?, ?, ?, ?, ?, ?)`
      ),
      touched: db.prepare(
        'INSERT INTO touched (id, uptimes_s) VALUES (?, ?) ON CONFLICT DO UPDATE SET uptimes_s = excluded.uptimes_s'
      ),
      bounds: db.prepare(
        'INSERT INTO bounds (id, bounds) VALUES (?, ?) ON CONFLICT DO UPDATE SET bounds = excluded.bounds'
      ),
      page: db.prepare(
        'INSERT INTO page (id, slots) VALUES (?, ?) ON CONFLICT DO UPDATE SET slots = excluded.slots'
      ),
      receipts: db.prepare('INSERT INTO receipts (id, records, messages) VALUES (?, ?, ?)'),
      once: db.prepare('INSERT INTO once (id, records) VALUES (?, ?)'),
      writer: db.prepare(
        `INSERT INTO writer (id, sequence, totals) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET sequence = excluded.sequence, totals = excluded.totals`
      ),
    }
    this.#pushed = new PushedTable(db)
    this.#changeMetric = db.prepare('UPDATE metric SET type = ?, description = ? WHERE id = ?')
    this.#deleteSeries = db.prepare('DELETE FROM series WHERE id = ?')
    this.#deleteWriter = db.prepare('DELETE FROM writer WHERE id = ?')
    this.#expire = db.prepare('DELETE FROM receipts WHERE id < ?')
    this.#expireOnce = db.prepare('DELETE FROM once WHERE id < ?')
    this.#readPage = db.prepare('SELECT slots FROM page WHERE id = ?')
  }

  load(sink: LoadSink): StoreIdentity {
    try {
      return this.#load(sink)
    } catch (error) {
      const why = messageOf(error)
      throw new DataDirError(`the ledger in ${this.#dataDir} cannot be read: ${why}; ${damagedHint}`, {
        cause: error,
      })
    }
  }

  #load(sink: LoadSink): StoreIdentity {
    const rows = (sql: string) => this.#db.prepare(sql).iterate() as Iterable<Record<string, unknown>>
    for (const row of rows('SELECT attributes FROM resource ORDER BY id'))
      sink.resource(row['attributes'] as Uint8Array)
    for (const row of rows('SELECT resource, scope, schema_url FROM scope ORDER BY id')) {
      sink.scope({
        resource: row['resource'] as number,
        scope: row['scope'] as Uint8Array,
        schemaUrl: row['schema_url'] as Uint8Array,
      })
    }
    for (const row of rows('SELECT scope, type, name, unit, description FROM metric ORDER BY id')) {
      sink.metric({
        scope: row['scope'] as number,
        type: row['type'] as MetricType,
        name: row['name'] as string,
        unit: row['unit'] as string,
        description: row['description'] as string,
      })
    }
    for (const row of this.#byId('series', 'metric, slot, attributes, start_unix_ms, born_uptime_s, held')) {
      const [id, metric, slot, attributes, startUnixMs, bornUptimeS, held] = row as SeriesColumns
      sink.series({ id, metric, slot, attributes, startUnixMs, bornUptimeS, isHeld: held === 1 })
    }
    for (const row of rows('SELECT id, uptimes_s FROM touched'))
      sink.touched({ row: row['id'] as number, bytes: row['uptimes_s'] as Uint8Array })
    for (const row of rows('SELECT bounds FROM bounds ORDER BY id')) {
      sink.bounds(new Float64Array((row['bounds'] as Uint8Array).slice().buffer))
    }
    for (const [page, slots] of this.#byId('page', 'slots')) sink.page(page as number, slots as Uint8Array)
    for (const row of rows('SELECT id, records, messages FROM receipts ORDER BY id')) {
      this.#lastReceipts = row['id'] as number
      sink.receipts({
        uptimeMs: this.#lastReceipts / rowsPerMs,
        records: row['records'] as Uint8Array,
        messages: row['messages'] === '' ? [] : (JSON.parse(row['messages'] as string) as (string | null)[]),
      })
    }
    for (const row of rows('SELECT id, records FROM once ORDER BY id')) {
      this.#lastOnce = row['id'] as number
      const uptimeMs = this.#lastOnce / rowsPerMs
      sink.onceKeys({ uptimeMs, records: row['records'] as Uint8Array, messages: [] })
    }
    for (const row of rows('SELECT id, sequence, totals FROM writer')) {
      sink.writer(row['id'] as string, row['sequence'] as number, row['totals'] as Uint8Array)
    }
    this.#pushed.load(sink)
    return this.#identity()
  }

  /** The rows of a large table, many at a time and as lists: an iterator, and an object a row, take three times as long. */
  *#byId(table: string, columns: string): Iterable<readonly unknown[]> {
    const read = this.#db.prepare(
      `SELECT id, ${columns} FROM ${table} WHERE id > ? ORDER BY id LIMIT ${rowsAtOnce}`
    )
    read.setReturnArrays(true)
    for (let last = -1, isMore = true; isMore;) {
      const rows = read.all(last) as unknown as readonly (readonly unknown[])[]
      yield* rows
      isMore = rows.length === rowsAtOnce
      last = rows.at(-1)?.[0] as number
    }
  }

  commit(group: Group): void {
    try {
      this.#transact(group)
    } catch (error) {
      const failure = this.#rolledBack(error)
      if (failure.code !== 'full' || !releaseReserve(this.#dataDir)) throw failure
      try {
        this.#transact(group) // With the room that the reserve gave, so that the spool can be emptied.
      } catch (again) {
        throw this.#rolledBack(again)
      }
    }
  }

  page(page: number): Uint8Array | undefined {
    return this.#readPage.get(page)?.['slots'] as Uint8Array | undefined
  }

  close(): void {
    this.#db.close()
  }

  #transact(group: Group): void {
    this.#begin.run()
    const inserts = this.#inserts
    let id = group.resources.first
    for (const attributes of group.resources.rows) inserts.resource.run(id++, attributes)
    id = group.scopes.first
    for (const row of group.scopes.rows) inserts.scope.run(id++, row.resource, row.scope, row.schemaUrl)
    id = group.metrics.first
    for (const row of group.metrics.rows) {
      inserts.metric.run(id++, row.scope, row.type, row.name, row.unit, row.description)
    }
    for (const { metric, type, description } of group.changedMetrics)
      this.#changeMetric.run(type, description, metric)
    for (const ended of group.ended) this.#deleteSeries.run(ended)
    for (const row of group.series) {
      const { id: series, metric, slot, attributes, startUnixMs, bornUptimeS, isHeld } = row
      inserts.series.run(series, metric, slot, attributes, startUnixMs, bornUptimeS, Number(isHeld))
    }
    for (const { row, bytes } of group.touched) inserts.touched.run(row, bytes)
    for (const { id: set, values } of group.bounds) inserts.bounds.run(set, new Uint8Array(values.buffer))
    for (const { page, bytes } of group.pages) inserts.page.run(page, bytes)
    if (group.receipts !== undefined) {
      const { uptimeMs, records, messages } = group.receipts
      const any = messages.some((message) => message !== undefined)
      const row = Math.max(this.#lastReceipts + 1, Math.floor(uptimeMs * rowsPerMs))
      inserts.receipts.run(row, records, any ? JSON.stringify(messages) : '')
      this.#lastReceipts = row // Also when this fails: a number more or less does not matter.
    } else this.#setMeta.run('uptime_ms', group.uptimeMs)
    if (group.onceKeys !== undefined) {
      this.#lastOnce = Math.max(this.#lastOnce + 1, Math.floor(group.onceKeys.uptimeMs * rowsPerMs))
      inserts.once.run(this.#lastOnce, group.onceKeys.records)
    }
    for (const { id: writer, state } of group.writers) {
      if (state === undefined) this.#deleteWriter.run(writer)
      else inserts.writer.run(writer, state.sequence, state.totals)
    }
    for (const row of group.pushed) this.#pushed.write(row)
    if (group.lastEndUnixMs !== undefined) this.#setMeta.run('last_end_unix_ms', group.lastEndUnixMs)
    if (group.revealed !== undefined) {
      this.#setMeta.run('revealed_uptime_s', group.revealed.uptimeS)
      this.#setMeta.run('scrape_interval_ms', group.revealed.scrapeIntervalMs)
    }
    if (group.horizonUnixNano !== undefined) this.#setMeta.run('horizon_unix_nano', group.horizonUnixNano)
    if (group.expireBeforeUptimeMs > 0) {
      this.#expire.run(Math.floor(group.expireBeforeUptimeMs * rowsPerMs))
    }
    if (group.expireOnceBeforeUptimeMs > 0) {
      this.#expireOnce.run(Math.floor(group.expireOnceBeforeUptimeMs * rowsPerMs))
    }
    const setAside = 'INSERT INTO set_aside (found_unix_ms, page, slots) VALUES (?, ?, ?)'
    for (const { page, bytes } of group.setAside) this.#db.prepare(setAside).run(Date.now(), page, bytes)
    this.#end.run()
  }

  #rolledBack(error: unknown): StoreError {
    const failure = storeError(error)
    try {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
    } catch (cause) {
      return new StoreError('failed', `${failure.message}, and it could not be rolled back`, { cause })
    }
    return failure
  }

  /** The uptime is that of the last commit: a receipt's, or the one saved where a commit had none. */
  #identity(): StoreIdentity {
    const get = this.#db.prepare('SELECT value FROM meta WHERE key = ?')
    const read = (key: string): unknown => get.get(key)?.['value']
    const revealedUptimeS = read('revealed_uptime_s')
    return {
      ledgerId: String(read('ledger_id')),
      createdUnixNano: Number(read('created_unix_nano')),
      horizonUnixNano: Number(read('horizon_unix_nano') ?? 0),
      startFloorUnixMs: Number(read('start_floor_unix_ms') ?? 0),
      lastEndUnixMs: Number(read('last_end_unix_ms') ?? 0),
      touchedFloorUptimeS: Number(read('touched_floor_uptime_s') ?? 0),
      revealed:
        typeof revealedUptimeS === 'number'
          ? { uptimeS: revealedUptimeS, scrapeIntervalMs: Number(read('scrape_interval_ms') ?? 0) }
          : undefined,
      uptimeMs: Math.max(Number(read('uptime_ms')), this.#lastReceipts / rowsPerMs),
    }
  }
}

function storeError(error: unknown): StoreError {
  const code = sqliteCode(error)
  return new StoreError(code === fullCode ? 'full' : 'failed', messageOf(error), { cause: error })
}
