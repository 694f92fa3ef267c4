import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { MetricType } from './metric-types.ts'
import { makeReserve, releaseReserve } from './reserve.ts'
import { StoreError, type Group, type LoadSink, type Store, type StoreIdentity } from './store.ts'

/** The format that this version writes and reads: ARCHITECTURE.md, The store. */
const formatVersion = 1
const busyCode = 5
const fullCode = 13
/** Rows of receipts are numbered by the uptime of their commit, in microseconds: so the old ones are a range. */
const receiptsPerMs = 1000

/** A data directory that cannot be used, and why: exit 2. */
export class DataDirError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DataDirError'
  }
}

const schema = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) WITHOUT ROWID, STRICT;
  CREATE TABLE resource (id INTEGER PRIMARY KEY, attributes BLOB NOT NULL) STRICT;
  CREATE TABLE scope (id INTEGER PRIMARY KEY, resource INTEGER NOT NULL, scope BLOB NOT NULL, schema_url BLOB NOT NULL) STRICT;
  CREATE TABLE metric (id INTEGER PRIMARY KEY, scope INTEGER NOT NULL, type INTEGER NOT NULL, name TEXT NOT NULL,
    unit TEXT NOT NULL, description TEXT NOT NULL) STRICT;
  CREATE TABLE series (id INTEGER PRIMARY KEY, metric INTEGER NOT NULL, slot INTEGER NOT NULL, attributes BLOB NOT NULL) STRICT;
  CREATE TABLE bounds (id INTEGER PRIMARY KEY, bounds BLOB NOT NULL) STRICT;
  CREATE TABLE page (id INTEGER PRIMARY KEY, slots BLOB NOT NULL) STRICT;
  CREATE TABLE receipts (id INTEGER PRIMARY KEY, records BLOB NOT NULL, messages TEXT NOT NULL) STRICT;
  CREATE TABLE writer (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, totals BLOB NOT NULL) WITHOUT ROWID, STRICT;
`

/**
 * Opens the ledger's store in a data directory, and holds it alone: the kernel refuses a second gateway. Throws a
 * DataDirError that says who has it, or why it cannot be used.
 */
export function openStore(dataDir: string): Store {
  const database = openDatabase(dataDir)
  makeReserve(dataDir)
  return new SqliteStore(database, dataDir)
}

class SqliteStore implements Store {
  readonly #db: DatabaseSync
  readonly #dataDir: string
  #lastReceipts = 0
  readonly #begin: StatementSync
  readonly #end: StatementSync
  readonly #setMeta: StatementSync
  readonly #inserts: Record<
    'resource' | 'scope' | 'metric' | 'series' | 'bounds' | 'page' | 'receipts' | 'writer',
    StatementSync
  >
  readonly #describe: StatementSync
  readonly #deleteWriter: StatementSync
  readonly #expire: StatementSync
  readonly #readPage: StatementSync

  constructor(db: DatabaseSync, dataDir: string) {
    this.#db = db
    this.#dataDir = dataDir
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#end = db.prepare('COMMIT')
    this.#setMeta = db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)')
    this.#inserts = {
      resource: db.prepare('INSERT INTO resource VALUES (?, ?)'),
      scope: db.prepare('INSERT INTO scope VALUES (?, ?, ?, ?)'),
      metric: db.prepare('INSERT INTO metric VALUES (?, ?, ?, ?, ?, ?)'),
      series: db.prepare('INSERT INTO series VALUES (?, ?, ?, ?)'),
      bounds: db.prepare('INSERT INTO bounds VALUES (?, ?)'),
      page: db.prepare('INSERT OR REPLACE INTO page VALUES (?, ?)'),
      receipts: db.prepare('INSERT INTO receipts VALUES (?, ?, ?)'),
      writer: db.prepare('INSERT OR REPLACE INTO writer VALUES (?, ?, ?)'),
    }
    this.#describe = db.prepare('UPDATE metric SET description = ? WHERE id = ?')
    this.#deleteWriter = db.prepare('DELETE FROM writer WHERE id = ?')
    this.#expire = db.prepare('DELETE FROM receipts WHERE id < ?')
    this.#readPage = db.prepare('SELECT slots FROM page WHERE id = ?')
  }

  load(sink: LoadSink): StoreIdentity {
    try {
      return this.#load(sink)
    } catch (error) {
      const why = messageOf(error)
      throw new DataDirError(`the ledger in ${this.#dataDir} cannot be read: ${why}`, { cause: error })
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
    for (const row of rows('SELECT metric, slot, attributes FROM series ORDER BY id')) {
      sink.series({
        metric: row['metric'] as number,
        slot: row['slot'] as number,
        attributes: row['attributes'] as Uint8Array,
      })
    }
    for (const row of rows('SELECT bounds FROM bounds ORDER BY id')) {
      sink.bounds(new Float64Array((row['bounds'] as Uint8Array).slice().buffer))
    }
    for (const row of rows('SELECT id, slots FROM page'))
      sink.page(row['id'] as number, row['slots'] as Uint8Array)
    for (const row of rows('SELECT id, records, messages FROM receipts ORDER BY id')) {
      this.#lastReceipts = row['id'] as number
      sink.receipts({
        uptimeMs: this.#lastReceipts / receiptsPerMs,
        records: row['records'] as Uint8Array,
        messages: row['messages'] === '' ? [] : (JSON.parse(row['messages'] as string) as (string | null)[]),
      })
    }
    for (const row of rows('SELECT id, sequence, totals FROM writer')) {
      sink.writer(row['id'] as string, row['sequence'] as number, row['totals'] as Uint8Array)
    }
    return this.#identity()
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
    for (const { metric, description } of group.descriptions) this.#describe.run(description, metric)
    id = group.series.first
    for (const row of group.series.rows) inserts.series.run(id++, row.metric, row.slot, row.attributes)
    id = group.bounds.first
    for (const values of group.bounds.rows) inserts.bounds.run(id++, new Uint8Array(values.buffer))
    for (const { page, bytes } of group.pages) inserts.page.run(page, bytes)
    if (group.receipts !== undefined) {
      const { uptimeMs, records, messages } = group.receipts
      const any = messages.some((message) => message !== undefined)
      const row = Math.max(this.#lastReceipts + 1, Math.floor(uptimeMs * receiptsPerMs))
      inserts.receipts.run(row, records, any ? JSON.stringify(messages) : '')
      this.#lastReceipts = row // Also when this fails: a number more or less does not matter.
    } else this.#setMeta.run('uptime_ms', group.uptimeMs)
    for (const { id: writer, state } of group.writers) {
      if (state === undefined) this.#deleteWriter.run(writer)
      else inserts.writer.run(writer, state.sequence, state.totals)
    }
    if (group.horizonUnixNano !== undefined) this.#setMeta.run('horizon_unix_nano', group.horizonUnixNano)
    if (group.expireBeforeUptimeMs > 0) {
      this.#expire.run(Math.floor(group.expireBeforeUptimeMs * receiptsPerMs))
    }
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
    return {
      ledgerId: String(read('ledger_id')),
      createdUnixNano: Number(read('created_unix_nano')),
      horizonUnixNano: Number(read('horizon_unix_nano') ?? 0),
      uptimeMs: Math.max(Number(read('uptime_ms')), this.#lastReceipts / receiptsPerMs),
    }
  }
}

function openDatabase(dataDir: string): DatabaseSync {
  const file = join(dataDir, 'ledger.db')
  const ownerFile = join(dataDir, 'owner.json')
  let db: DatabaseSync | undefined
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o711 }) // Workers of other users pass through it to the spool.
    db = new DatabaseSync(file)
    chmodSync(file, 0o600) // The files that SQLite puts beside it take this mode from it.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    db.exec('PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16000; BEGIN IMMEDIATE')
    const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
    if (version > formatVersion) {
      throw new DataDirError(
        `${file} has format ${version}, this version reads ${formatVersion}: update swansong`
      )
    }
    if (version === 0) makeSchema(db)
    db.exec('COMMIT')
    if (version === 0) syncDirectory(dataDir)
    tellOwner(ownerFile)
    return db
  } catch (error) {
    db?.close()
    if (error instanceof DataDirError) throw error
    if (sqliteCode(error) === busyCode) throw new DataDirError(inUse(dataDir, ownerFile), { cause: error })
    throw new DataDirError(`the data directory ${dataDir} cannot be used: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** For the message to a second gateway. Best effort: a full disk must not keep this one from starting. */
function tellOwner(ownerFile: string): void {
  const owner = JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() })
  try {
    writeFileSync(`${ownerFile}.new`, `${owner}\n`)
    renameSync(`${ownerFile}.new`, ownerFile)
  } catch {
    rmSync(ownerFile, { force: true }) // It names another.
  }
}

function makeSchema(db: DatabaseSync): void {
  db.exec(`${schema} PRAGMA user_version = ${formatVersion}`)
  const set = db.prepare('INSERT INTO meta VALUES (?, ?)')
  set.run('ledger_id', randomUUID())
  set.run('created_unix_nano', Date.now() * 1e6)
  set.run('uptime_ms', 0)
}

function inUse(dataDir: string, ownerFile: string): string {
  let by = 'another process'
  try {
    const owner = JSON.parse(readFileSync(ownerFile, 'utf8')) as { pid: number; host: string; since: string }
    by = `the gateway with pid ${owner.pid} on ${owner.host}, since ${owner.since}`
  } catch {
    // The other has not written it yet, or may not be read: the lock says enough.
  }
  return `the data directory ${dataDir} is in use by ${by}; stop it, or give this one another --data-dir`
}

function storeError(error: unknown): StoreError {
  const code = sqliteCode(error)
  return new StoreError(code === fullCode ? 'full' : 'failed', messageOf(error), { cause: error })
}

/** The primary result code of an SQLite error; undefined for any other. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined
  return error.errcode & 0xff
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
