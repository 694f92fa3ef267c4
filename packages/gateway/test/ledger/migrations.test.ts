import assert from 'node:assert/strict'
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { DataDirError } from '../../src/ledger/database.ts'
import { formatVersion } from '../../src/ledger/migrations.ts'
import { openStore } from '../../src/ledger/sqlite.ts'
import { dataDirectory, temporaryDirectory } from '../support/directories.ts'
import { startJob } from '../support/jobs.ts'
import { sum, tell } from '../support/kinds.ts'
import { committed, open, postBatch, rendered, shown } from '../support/ledgers.ts'
import { deltas } from '../support/requests.ts'

const fixture = (name: string): URL => new URL(`../fixtures/${name}`, import.meta.url)
const formatOne = readFileSync(fixture('format-1.prom'), 'utf8')

/** A data directory with the ledger that format 1's last version wrote. */
function old(context: TestContext): string {
  const dataDir = dataDirectory(temporaryDirectory(context))
  copyFileSync(fixture('format-1.db'), join(dataDir, 'ledger.db'))
  return dataDir
}

function inDatabase<T>(dataDir: string, use: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(join(dataDir, 'ledger.db'))
  try {
    return use(db)
  } finally {
    db.close()
  }
}

function versionOf(dataDir: string): unknown {
  return inDatabase(dataDir, (db) => db.prepare('PRAGMA user_version').get()?.['user_version'])
}

/** All tables with all that is in them. */
function contentOf(dataDir: string): unknown {
  return inDatabase(dataDir, (db) => {
    const tables = db.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all()
    return tables.map((table) => [table, db.prepare(`SELECT * FROM ${String(table['name'])}`).all()])
  })
}

test('a ledger of format 1 is read whole: every kind of metric, ids, senders and journals', async (context) => {
  const dataDir = old(context)
  const notices: string[] = []
  const opened = open(openStore(dataDir, { say: (notice) => notices.push(notice) }))
  assert.equal(rendered(opened.exposition), formatOne)
  assert.match(notices.join(), /ledger\.db was brought from format 1 to 2\.0/)
  const again = postBatch(
    opened,
    deltas([{ name: 'seconds', unit: 's', value: 0.2 }], {
      'service.name': 'jobs',
      'service.instance.id': 'one',
    })
  )
  await committed()
  assert.equal((await again).refused, undefined)
  assert.equal(opened.stats.duplicates, 1, 'a batch that it counted is known')
  await tell(opened, 'journal-one', 4, [sum({ asInt: 12n }, 2, true, 'told')])
  const labels = '{job="jobs",otel_scope_name="test"}'
  assert.equal(shown(opened).get(`told_total${labels}`), 12, 'a journal goes on')
  const before = rendered(opened.exposition)
  opened.ledger.close()
  assert.equal(versionOf(dataDir), formatVersion)
  const reopened = open(openStore(dataDir))
  assert.equal(rendered(reopened.exposition), before)
  reopened.ledger.close()
})

test('killed at any step of a migration, the ledger is of the old format or of the new, and whole', async (context) => {
  const states = new Set<unknown>()
  const killedAt = async (step: number): Promise<boolean> => {
    const dataDir = old(context)
    const job = startJob('open-until-killed', [dataDir, String(step)])
    const { signal, stdout, stderr } = await job.ended
    assert.ok(signal === 'SIGKILL' || stdout === 'opened\n', stderr)
    const version = versionOf(dataDir)
    states.add(version)
    const columns = inDatabase(dataDir, (db) => db.prepare('PRAGMA table_info(series)').all().length)
    assert.equal(columns, version === 1 ? 4 : 6, `step ${step}`)
    const opened = open(openStore(dataDir))
    assert.equal(rendered(opened.exposition), formatOne, `step ${step}`)
    opened.ledger.close()
    return signal !== null
  }
  const firstStep = 5 // Before it are pragmas.
  for (let step = firstStep, goesOn = true; goesOn; step += 4) {
    assert.ok(step < 40, 'it comes to an end')
    goesOn = (await Promise.all([0, 1, 2, 3].map((at) => killedAt(step + at)))).every(Boolean)
  }
  assert.deepEqual(states, new Set([1, formatVersion]))
})

test('a format that is too new is refused by name, with what to do, and left as it is', (context) => {
  const dataDir = old(context)
  const check = (version: number, want: RegExp): void => {
    inDatabase(dataDir, (db) => db.exec(`PRAGMA user_version = ${version}`))
    const before = contentOf(dataDir)
    assert.throws(
      () => openStore(dataDir),
      (error) => {
        assert.ok(error instanceof DataDirError, 'the command ends with 2')
        assert.match(error.message, want)
        return true
      }
    )
    assert.equal(versionOf(dataDir), version)
    assert.deepEqual(contentOf(dataDir), before)
  }
  check(formatVersion + 2, /ledger\.db has format 2\.2, this version writes 2\.0 .*: update swansong/)
  check(3000, /has format 3\.0, .*: update swansong/)
  check(2, /has format 2, .*: update swansong/)
})

test('one minor newer is read and written, and what only the newer version knows stays as it is', async (context) => {
  const dataDir = old(context)
  const first = open(openStore(dataDir))
  first.ledger.close()
  inDatabase(dataDir, (db) => {
    db.exec(`
      ALTER TABLE page ADD COLUMN added TEXT NOT NULL DEFAULT 'default';
      ALTER TABLE series ADD COLUMN added TEXT NOT NULL DEFAULT 'default';
      ALTER TABLE writer ADD COLUMN added TEXT NOT NULL DEFAULT 'default';
      ALTER TABLE meta ADD COLUMN added TEXT;
      UPDATE page SET added = 'kept'; UPDATE series SET added = 'kept'; UPDATE writer SET added = 'kept';
      UPDATE meta SET added = 'kept';
      CREATE TABLE unheard_of (id INTEGER PRIMARY KEY, what TEXT) STRICT;
      INSERT INTO unheard_of VALUES (1, 'of');
      PRAGMA user_version = ${formatVersion + 1}`)
  })
  const notices: string[] = []
  const opened = open(openStore(dataDir, { say: (notice) => notices.push(notice) }))
  assert.match(notices.join(), /has format 2\.1, this version writes 2\.0: it is read/)
  assert.equal(rendered(opened.exposition), formatOne)
  void postBatch(
    opened,
    deltas([
      { name: 'seconds', unit: 's', value: 1 },
      { name: 'born', value: 2 },
    ])
  )
  await committed()
  await tell(opened, 'journal-one', 4, [sum({ asInt: 13n }, 2, true, 'told')])
  const before = rendered(opened.exposition)
  opened.ledger.close()
  assert.equal(versionOf(dataDir), formatVersion + 1)
  inDatabase(dataDir, (db) => {
    const of = (table: string): string => {
      const rows = db.prepare(`SELECT added, count(*) AS n FROM ${table} GROUP BY added ORDER BY added`).all()
      return rows.map(({ added, n }) => `${String(added)} ${String(n)}`).join(', ')
    }
    assert.equal(of('page'), 'kept 1')
    assert.match(of('series'), /^default 1, kept \d+$/)
    assert.match(of('writer'), /^kept \d+$/)
    assert.match(of('meta'), /^kept \d+$/)
    assert.equal(db.prepare('SELECT what FROM unheard_of').get()?.['what'], 'of')
  })
  const reopened = open(openStore(dataDir))
  assert.equal(rendered(reopened.exposition), before)
  reopened.ledger.close()
})
