import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeDirectory } from '../make-directory.ts'
import { adoptLedger } from './adoption.ts'
import { identityOf, isSameFile, type FileIdentity } from './database-file.ts'
import { formatText, formatVersion, migrate, standOf } from './migrations.ts'
import { freeUnusedNames } from './unused-names.ts'

const busyCode = 5
const corruptCode = 11
const notDatabaseCode = 26

/** What to do where SQLite cannot read its file. */
export const damagedHint = 'restore ledger.db from a backup, or move it away to begin anew'

const elsewhereHint = 'let this user write there, or give another --data-dir'

/** A data directory that cannot be used, and why: exit 2. */
export class DataDirError extends Error {
  /** It is a copy, or was restored, and nobody said that this is meant. */
  readonly isCopy: boolean

  constructor(message: string, { isCopy = false, ...options }: ErrorOptions & { isCopy?: boolean } = {}) {
    super(message, options)
    this.name = 'DataDirError'
    this.isCopy = isCopy
  }
}

export interface StoreOptions {
  /** The directory may be a copy, or restored: it becomes a ledger of its own. */
  adopt: boolean
  /** Told what a person should know of what was found. */
  say: (notice: string) => void
}

/** Opens the database of a data directory, made or migrated where it has to be, locked. Throws a DataDirError. */
export function openDatabase(dataDir: string, options: StoreOptions): DatabaseSync {
  const file = join(dataDir, 'ledger.db')
  const ownerFile = join(dataDir, 'owner.json')
  let db: DatabaseSync | undefined
  try {
    makeDirectory(dataDir, 0o711) // Workers of other users pass through it to the spool.
    db = new DatabaseSync(file)
    chmodSync(file, 0o600) // The files that SQLite puts beside it take this mode from it.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    db.exec('PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16000; BEGIN IMMEDIATE')
    const isNew = prepare(db, file, dataDir, options)
    db.exec('COMMIT')
    if (isNew) syncDirectory(dataDir)
    tellOwner(ownerFile)
    return db
  } catch (error) {
    db?.close() // What was begun is rolled back.
    if (error instanceof DataDirError) throw error
    if (sqliteCode(error) === busyCode) throw new DataDirError(inUse(dataDir, ownerFile), { cause: error })
    const isDamaged = [corruptCode, notDatabaseCode].includes(sqliteCode(error) ?? 0)
    const hint = isDamaged ? damagedHint : elsewhereHint
    throw new DataDirError(`the data directory ${dataDir} cannot be used: ${messageOf(error)}; ${hint}`, {
      cause: error,
    })
  }
}

/** Looks at what was opened and brings it to this version's format. True where it was empty. */
function prepare(db: DatabaseSync, file: string, dataDir: string, { adopt, say }: StoreOptions): boolean {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
  const stand = standOf(version)
  const formats = `format ${formatText(version)}, this version writes ${formatText(formatVersion)}`
  if (stand === 'unreadable') {
    throw new DataDirError(
      `${file} has ${formats} and reads at most one minor more: update swansong, or give it another --data-dir`
    )
  }
  const stored = stand === 'empty' ? undefined : storedIdentity(db)
  const now = identityOf(file)
  const isCopy = stored !== undefined && !isSameFile(stored, now, dataDir)
  if (isCopy && !adopt) throw new DataDirError(copied(dataDir), { isCopy: true })
  migrate(db, version)
  if (stand === 'empty') beginLedger(db)
  if (isCopy) adoptLedger(db)
  if (stand !== 'newer') freeUnusedNames(db) // What is new there may name them, too.
  if (stored?.inode !== now.inode || stored.birthUnixNano !== now.birthUnixNano) storeIdentity(db, now)
  if (stand === 'older')
    say(`${file} was brought from format ${formatText(version)} to ${formatText(formatVersion)}`)
  if (stand === 'newer') say(`${file} has ${formats}: it is read, and what is new in it is left alone`)
  if (isCopy)
    say(`${dataDir} was adopted: it is a ledger of its own, whose counters and histograms begin at 0`)
  return stand === 'empty'
}

function beginLedger(db: DatabaseSync): void {
  const set = db.prepare('INSERT INTO meta VALUES (?, ?)')
  set.run('ledger_id', randomUUID())
  set.run('created_unix_nano', Date.now() * 1e6)
  set.run('uptime_ms', 0)
}

function storedIdentity(db: DatabaseSync): FileIdentity | undefined {
  const read = db.prepare('SELECT value FROM meta WHERE key = ?')
  const inode = read.get('file_inode')?.['value']
  const birth = read.get('file_birth_unix_nano')?.['value']
  if (typeof inode !== 'string' || typeof birth !== 'string') return undefined
  return { inode: BigInt(inode), birthUnixNano: BigInt(birth) }
}

/** As text: SQLite's integers are signed, and neither fits a double. */
function storeIdentity(db: DatabaseSync, { inode, birthUnixNano }: FileIdentity): void {
  const set = db.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
  set.run('file_inode', String(inode))
  set.run('file_birth_unix_nano', String(birthUnixNano))
}

function copied(dataDir: string): string {
  return (
    `the data directory ${dataDir} is a copy, or was restored from a backup: its ledger.db is not the file that the ` +
    'gateway made. What it counted since, or still counts elsewhere, would be counted twice or go backwards. If it is ' +
    'meant, start once with: swansong gateway --adopt (its counters and histograms then begin at 0; what stands in a ' +
    'spool that was copied along counts here, too)'
  )
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

/** The primary result code of an SQLite error; undefined for any other. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined
  return error.errcode & 0xff
}

export function messageOf(error: unknown): string {
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
