import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openStore } from '../../src/ledger/sqlite.ts'
import { dataDirectory } from '../support/directories.ts'
import { committed, open, postBatch, postJournal, shown, type Opened } from '../support/ledgers.ts'
import { memoryOf } from '../support/memory.ts'
import { deltas, totals } from '../support/requests.ts'
import { fill, smallDisk } from '../support/small-disk.ts'

/** More than a few pages of the database, so that no room that happens to be left is enough. */
const many = Array.from({ length: 3000 }, (_, n) => ({ value: n, attributes: { n, long: 'x'.repeat(200) } }))
const one = deltas([{ name: 'one', value: 1 }])
const large = deltas(many)
const ids = new Map([
  ['one', one],
  ['large', large],
])

async function posted(opened: Opened): Promise<(string | undefined)[]> {
  const answers = Promise.all([
    postBatch(opened, one, 'one').then(({ refused }) => refused),
    postBatch(opened, large, 'large').then(({ refused }) => refused),
    postJournal(opened, { writer: 'w', sequence: 2, final: true, body: totals([{ name: 'j', value: 15 }]) }),
  ])
  await committed()
  return answers
}

test('a disk that is really full refuses all, keeps memory as it was, and works again when there is room', async (context) => {
  const dataDir = dataDirectory(smallDisk(context, 12))
  const opened = open(openStore(dataDir))
  void postBatch(opened, deltas([{ name: 'first', value: 1 }]))
  void postJournal(opened, {
    writer: 'w',
    sequence: 1,
    final: false,
    body: totals([{ name: 'j', value: 10 }]),
  })
  await committed()
  const before = memoryOf(opened, ids, ['w'])

  const makeRoom = fill(dataDir)
  for (let tries = 0; tries < 3; tries++) {
    assert.deepEqual(await posted(opened), ['STORE_FULL', 'STORE_FULL', 'STORE_FULL'])
    assert.deepEqual(memoryOf(opened, ids, ['w']), before)
  }
  assert.equal(opened.ledger.failed, false)

  makeRoom()
  assert.deepEqual(await posted(opened), [undefined, undefined, undefined])
  const after = memoryOf(opened, ids, ['w'])
  assert.equal(shown(opened).get('j_total{job="jobs",otel_scope_name="test"}'), 15)
  assert.equal(shown(opened).size, 3003)
  opened.ledger.close()
  assert.deepEqual(memoryOf(open(openStore(dataDir)), ids, ['w']), after)
})

test('what is acknowledged while the disk fills up is there after it, and nothing else', async (context) => {
  const dataDir = dataDirectory(smallDisk(context, 12))
  const opened = open(openStore(dataDir))
  let acknowledged = 0
  let refused = 0
  for (let round = 0; refused < 20; round++) {
    const counts = many
      .slice(0, 200)
      .map(({ attributes }) => ({ value: 1, attributes: { ...attributes, round } }))
    const answer = postBatch(opened, deltas(counts))
    await committed()
    if ((await answer).refused === undefined) acknowledged += counts.length
    else refused++
  }
  assert.ok(acknowledged > 1000, `${acknowledged} were acknowledged`)
  assert.equal(shown(opened).size, acknowledged)
  const want = shown(opened)
  opened.ledger.close()
  assert.deepEqual(shown(open(openStore(dataDir))), want)
})

test('the reserve is given back when the disk is full, so that the next commits go through', async (context) => {
  const dataDir = smallDisk(context, 12)
  const reserve = join(dataDir, 'reserve')
  writeFileSync(reserve, new Uint8Array(4 * 1024 * 1024)) // As one of 64 MiB would stand there.
  const opened = open(openStore(dataDir))
  const makeRoom = fill(dataDir)
  assert.deepEqual(await posted(opened), [undefined, undefined, undefined])
  assert.equal(existsSync(reserve), false)
  assert.equal(opened.stats.commitsFailed, 0)
  makeRoom()
  opened.ledger.close()
  assert.equal(shown(open(openStore(dataDir))).size, 3002)
})
