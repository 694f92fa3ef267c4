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
import { histogram, post, sum, tell, worker } from '../support/kinds.ts'
import { committed, open, postBatch, rendered, shown, type Opened } from '../support/ledgers.ts'
import { deltas, keyValues } from '../support/requests.ts'

const fixture = (name: string): URL => new URL(`../fixtures/${name}`, import.meta.url)
/** What it showed, and shows once it is brought up to date: levels past the limit of series wait for their senders. */
const formatOne = readFileSync(fixture('format-1.prom'), 'utf8')
const migrated = formatOne.replace(/^(held\{.*\}) 8$/m, '$1 0')

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
  assert.equal(rendered(opened.exposition), migrated)
  assert.match(notices.join(), /ledger\.db was brought from format 1 to 2\.1/)
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

/** When all totals in the fixture began, and were told. */
const began = 4_102_444_800_000_000_000n
const overflow = '{job="jobs",otel_metric_overflow="true",otel_scope_name="test"}'
const own = '{job="jobs",otel_scope_name="test"}'

/** Points as the fixture's sender and journals have them, so many milliseconds later. */
function later(ms: bigint) {
  const times = { startTimeUnixNano: began, timeUnixNano: began + ms * 1_000_000n }
  const of = (shard: string) => ({ ...times, attributes: keyValues({ shard }) })
  return {
    count: (shard: string, asInt: bigint) => sum({ ...of(shard), asInt }, 2, true, 'crowded'),
    held: (shard: string, asInt: bigint) => sum({ ...of(shard), asInt }, 2, false, 'held'),
    cumulative: (asInt: bigint) => sum({ ...times, asInt }, 2, true, 'cumulative'),
    active: (asInt: bigint) => sum({ ...times, asInt }, 2),
    spread: (shard: string, by: number) => {
      const counts = { count: 4 * by, sum: 14.5 * by, bucketCounts: [by, 0, 2 * by, by] }
      return histogram({ ...of(shard), explicitBounds: [1, 2, 5], ...counts, min: 0.5, max: 7 }, 2, 'spread')
    },
  }
}

async function checkLiving(context: TestContext, seriesCountMax: number): Promise<void> {
  const dataDir = old(context)
  let opened = open(openStore(dataDir), { limits: { seriesCountMax } })
  /** The sum of all series of a name: the shards' own and the one past the limit. */
  const total = (name: string): number => {
    let added = 0
    for (const [line, value] of shown(opened)) if (line.startsWith(`${name}{`)) added += value
    return added
  }
  const sender = async (ms: bigint, more: bigint): Promise<void> => {
    const { count, held, cumulative, active, spread } = later(ms)
    const points = [
      cumulative(70n + more),
      count('a', 10n + more),
      count('b', 20n + more),
      held('a', 3n + more),
    ]
    await post(opened, [...points, active(5n + more), spread('a', 1 + Number(more))], worker('sender'))
  }
  await sender(0n, 0n) // Told before the migration: not later, so that it is no news.
  assert.equal(total('cumulative_total'), 70)
  assert.equal(total('crowded_total'), 100, 'never twice')
  await sender(1n, 1n)
  assert.equal(shown(opened).get(`cumulative_total${own}`), 71, 'a sender goes on where it was')
  assert.equal(shown(opened).get(`active${own}`), 8)
  assert.equal(total('crowded_total'), 102, 'past the limit it began at what it had')
  assert.equal(total('held'), 4, 'what it holds of levels is told whole')
  await sender(2n, 3n)
  assert.equal(total('crowded_total'), 106)
  assert.equal(total('spread_count'), 8 + 12)
  const { count, held, spread } = later(0n)
  await tell(opened, 'journal-two', 2, [count('c', 31n), count('d', 41n), held('c', 6n), spread('c', 2)])
  assert.equal(total('crowded_total'), 106, 'so does a journal')
  assert.equal(total('held'), 6 + 6)
  opened.ledger.close()
  opened = open(openStore(dataDir), { limits: { seriesCountMax } })
  await tell(opened, 'journal-two', 3, [count('c', 35n), count('d', 41n), held('c', 7n), spread('c', 3)])
  assert.equal(total('crowded_total'), 110)
  assert.equal(total('spread_count'), 20 + 4)
  await tell(opened, 'journal-two', 4, [count('c', 36n), count('e', 9n), held('c', 7n)], true)
  assert.equal(total('crowded_total'), 111)
  assert.equal(total('held'), 6, 'what a journal held goes with its process')
  opened.ledger.close()
}

test('senders and journals that live through a migration are never counted twice', async (context) => {
  await checkLiving(context, 1)
  await checkLiving(context, 1000) // What was past the limit has series of its own now.
})

test('what is forgotten of senders past the limit stays in its series', (context) => {
  const opened = open(openStore(old(context)))
  assert.equal(shown(opened).get(`crowded_total${overflow}`), 100)
  assert.equal(shown(opened).get(`held${overflow}`), 0)
  opened.ledger.close()
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
    assert.equal(columns, version === 1 ? 4 : 7, `step ${step}`)
    const opened = open(openStore(dataDir))
    assert.equal(rendered(opened.exposition), migrated, `step ${step}`)
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
  check(formatVersion + 2, /ledger\.db has format 2\.3, this version writes 2\.1 .*: update swansong/)
  check(3000, /has format 3\.0, .*: update swansong/)
  check(2, /has format 2, .*: update swansong/)
})

test('what was shown before there was a hold is shown for good, as is what such a release has born since', async (context) => {
  const dataDir = old(context)
  const scraped = ({ exposition }: Opened): string =>
    Buffer.from(exposition.render(0, Infinity, true).finish()).toString()
  const times = { holdMs: () => 60_000 }
  const first = open(openStore(dataDir), times)
  assert.equal(scraped(first), migrated)
  await Promise.all([postBatch(first, deltas([{ name: 'here', value: 2 }])), committed()])
  assert.match(scraped(first), /^here_total\{.*\} 0$/m)
  first.ledger.close()
  inDatabase(dataDir, (db) => {
    // As format 2.0's release writes rows, whose column has its default.
    const columns = 'metric, slot, attributes, start_unix_ms, born_uptime_s'
    db.exec(`CREATE TEMP TABLE born AS SELECT id, ${columns} FROM series WHERE held = 1;
      DELETE FROM series WHERE held = 1;
      INSERT INTO series (id, ${columns}) SELECT id, ${columns} FROM born`)
  })
  const second = open(openStore(dataDir), times)
  assert.match(scraped(second), /^here_total\{.*\} 2$/m)
  await Promise.all([postBatch(second, deltas([{ name: 'there', value: 3 }])), committed()])
  second.ledger.close()
  const third = open(openStore(dataDir), times)
  assert.match(scraped(third), /^there_total\{.*\} 0$/m, 'held over a restart')
  third.ledger.close()
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
  assert.match(notices.join(), /has format 2\.2, this version writes 2\.1: it is read/)
  assert.equal(rendered(opened.exposition), migrated)
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
