import type { DatabaseSync } from 'node:sqlite'
import { convertWriters } from './format-1.ts'

/**
 * The format of the database, in `user_version`: 1000 × major + minor (1 was written before there were minors). A new
 * minor only adds tables, and columns with defaults: an older release may leave them alone, and a newer one must be right
 * about rows that an older one wrote. Anything else is a new major.
 */
interface Step {
  to: number
  sql: string
  /** What SQL cannot say: called after it, where rows were there before. */
  convert?: (db: DatabaseSync) => void
}

const majorUnit = 1000

/** What leads from one format to the next, an empty database being 0. A step that was released is never changed again. */
const steps: readonly Step[] = [
  {
    to: 1,
    sql: `
      CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) WITHOUT ROWID, STRICT;
      CREATE TABLE resource (id INTEGER PRIMARY KEY, attributes BLOB NOT NULL) STRICT;
      CREATE TABLE scope (id INTEGER PRIMARY KEY, resource INTEGER NOT NULL, scope BLOB NOT NULL,
        schema_url BLOB NOT NULL) STRICT;
      CREATE TABLE metric (id INTEGER PRIMARY KEY, scope INTEGER NOT NULL, type INTEGER NOT NULL, name TEXT NOT NULL,
        unit TEXT NOT NULL, description TEXT NOT NULL) STRICT;
      CREATE TABLE series (id INTEGER PRIMARY KEY, metric INTEGER NOT NULL, slot INTEGER NOT NULL,
        attributes BLOB NOT NULL) STRICT;
      CREATE TABLE bounds (id INTEGER PRIMARY KEY, bounds BLOB NOT NULL) STRICT;
      CREATE TABLE page (id INTEGER PRIMARY KEY, slots BLOB NOT NULL) STRICT;
      CREATE TABLE receipts (id INTEGER PRIMARY KEY, records BLOB NOT NULL, messages TEXT NOT NULL) STRICT;
      CREATE TABLE writer (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, totals BLOB NOT NULL) WITHOUT ROWID, STRICT;`,
  },
  {
    to: 2 * majorUnit,
    // Series of format 1 start with their ledger, and are idle only from now on.
    sql: `
      ALTER TABLE series ADD COLUMN start_unix_ms INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE series ADD COLUMN born_uptime_s INTEGER NOT NULL DEFAULT 0;
      CREATE TABLE once (id INTEGER PRIMARY KEY, records BLOB NOT NULL) STRICT;
      CREATE TABLE touched (id INTEGER PRIMARY KEY, uptimes_s BLOB NOT NULL) STRICT;
      CREATE TABLE set_aside (id INTEGER PRIMARY KEY, found_unix_ms INTEGER NOT NULL, page INTEGER NOT NULL,
        slots BLOB NOT NULL) STRICT;
      INSERT INTO meta SELECT 'start_floor_unix_ms', value / 1000000 FROM meta WHERE key = 'created_unix_nano';
      INSERT INTO meta SELECT 'touched_floor_uptime_s',
        CAST(max(value, coalesce((SELECT max(id) / 1000.0 FROM receipts), 0)) / 1000 AS INTEGER)
        FROM meta WHERE key = 'uptime_ms';`,
    convert: convertWriters,
  },
  {
    to: 2 * majorUnit + 1,
    // What there is was shown, and so is what a release without it has born.
    sql: `
      ALTER TABLE series ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
      CREATE TABLE push_group (key TEXT PRIMARY KEY, families BLOB NOT NULL, pushed_unix_ms INTEGER NOT NULL,
        failed_unix_ms INTEGER NOT NULL, pushed_uptime_ms INTEGER NOT NULL, ttl_ms INTEGER) STRICT;`,
  },
]

/** The format that this version writes. */
export const formatVersion: number = (steps.at(-1) as Step).to

/** `2.1`. */
export function formatText(version: number): string {
  return version < majorUnit ? `${version}` : `${Math.floor(version / majorUnit)}.${version % majorUnit}`
}

/** What this version makes of a database of that format. One minor newer is read: so an update can be taken back. */
export function standOf(version: number): 'empty' | 'older' | 'own' | 'newer' | 'unreadable' {
  if (version === 0) return 'empty'
  if (version === formatVersion) return 'own'
  if (steps.some(({ to }) => to === version)) return 'older'
  const isNextMinor = version === formatVersion + 1 && version % majorUnit > 0
  return isNextMinor ? 'newer' : 'unreadable'
}

/** Brings an empty or older database to this version's format. Within a transaction: all of it or nothing. */
export function migrate(db: DatabaseSync, from: number): void {
  for (const { to, sql, convert } of steps) {
    if (to <= from) continue
    db.exec(sql)
    if (from > 0) convert?.(db)
  }
  if (from < formatVersion) db.exec(`PRAGMA user_version = ${formatVersion}`)
}
