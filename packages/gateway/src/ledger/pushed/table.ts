import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { Reader, Writer } from '@swansong/otlp/wire'
import type { LoadSink } from '../store.ts'
import { readFamily } from './family.ts'
import { labelsOfKey, type PushedFamily, type PushedRow } from './groups.ts'

/** The table `push_group`: a row is a group, its families one after the other, each behind its length. */
export class PushedTable {
  readonly #db: DatabaseSync
  readonly #insert: StatementSync
  readonly #delete: StatementSync

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#insert = db.prepare(
      `INSERT INTO push_group (key, families, pushed_unix_ms, failed_unix_ms, pushed_uptime_ms, ttl_ms)
       VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET families = excluded.families, pushed_unix_ms = excluded.pushed_unix_ms,
         failed_unix_ms = excluded.failed_unix_ms, pushed_uptime_ms = excluded.pushed_uptime_ms, ttl_ms = excluded.ttl_ms`
    )
    this.#delete = db.prepare('DELETE FROM push_group WHERE key = ?')
  }

  load(sink: LoadSink): void {
    const columns = 'key, families, pushed_unix_ms, failed_unix_ms, pushed_uptime_ms, ttl_ms'
    for (const row of this.#db.prepare(`SELECT ${columns} FROM push_group`).iterate()) {
      const key = row['key'] as string
      sink.pushed(key, {
        labels: labelsOfKey(key),
        families: readFamilies(row['families'] as Uint8Array),
        pushedUnixMs: row['pushed_unix_ms'] as number,
        failedUnixMs: row['failed_unix_ms'] as number,
        pushedUptimeMs: row['pushed_uptime_ms'] as number,
        ttlMs: (row['ttl_ms'] as number | null) ?? Infinity,
      })
    }
  }

  /** Within a transaction. */
  write({ key, group }: PushedRow): void {
    if (group === undefined) this.#delete.run(key)
    else {
      const { families, pushedUnixMs, failedUnixMs, pushedUptimeMs, ttlMs } = group
      const uptimeMs = Math.round(pushedUptimeMs)
      const ttl = ttlMs === Infinity ? null : Math.round(ttlMs)
      this.#insert.run(key, writeFamilies(families), pushedUnixMs, failedUnixMs, uptimeMs, ttl)
    }
  }
}

function writeFamilies(families: ReadonlyMap<string, PushedFamily>): Uint8Array {
  const writer = new Writer()
  for (const { bytes } of families.values()) {
    writer.varint(bytes.length)
    writer.raw(bytes)
  }
  return writer.finish()
}

function readFamilies(bytes: Uint8Array): Map<string, PushedFamily> {
  const families = new Map<string, PushedFamily>()
  const reader = new Reader(bytes)
  while (reader.at < bytes.length) {
    const end = reader.lengthEnd()
    const own = bytes.slice(reader.at, end)
    const { name, type } = readFamily(own)
    families.set(name, { name, type, bytes: own })
    reader.at = end
  }
  return families
}
