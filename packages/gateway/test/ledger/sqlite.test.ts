import assert from 'node:assert/strict'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DataDirError } from '../../src/ledger/database.ts'
import { openStore } from '../../src/ledger/sqlite.ts'
import { dataDirectory, temporaryDirectory } from '../support/directories.ts'
import { startJob } from '../support/jobs.ts'
import {
  committed,
  open,
  postBatch,
  postJournal,
  shown,
  type OpenOptions,
  type Opened,
} from '../support/ledgers.ts'
import { memoryOf } from '../support/memory.ts'
import { deltas, totals } from '../support/requests.ts'

const mixed = deltas([
  { value: 1.25, attributes: { n: 1 } },
  { value: -1, attributes: { n: 2 } },
  { name: 'b', value: 3 },
])
const ids = new Map([['mixed', mixed]])

async function filled(dataDir: string, options?: OpenOptions): Promise<Opened> {
  const opened = open(openStore(dataDir), options)
  void postBatch(opened, mixed, 'mixed')
  void postJournal(opened, {
    writer: 'w',
    sequence: 3,
    final: false,
    body: totals([{ name: 'j', value: 10 }]),
  })
  await committed()
  void postBatch(opened, deltas([{ name: 'c', value: 2 ** 40 }], { 'service.name': 'é' }))
  await committed()
  return opened
}

test('all of it is there after a reopen: values, births, receipts with their messages, writers', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  const opened = await filled(dataDir)
  const before = memoryOf(opened, ids, ['w'])
  opened.ledger.close()
  const again = open(openStore(dataDir))
  assert.deepEqual(memoryOf(again, ids, ['w']), before)
  assert.equal(again.ledger.identity.ledgerId, opened.ledger.identity.ledgerId)
  assert.equal(again.ledger.identity.createdUnixNano, opened.ledger.identity.createdUnixNano)
  const answer = postBatch(again, mixed, 'mixed')
  await committed()
  const { refused, receipt } = await answer
  assert.equal(refused, undefined)
  assert.equal(receipt.rejected, 1)
  assert.match(receipt.message, /NEGATIVE_DELTA/)
  assert.deepEqual(memoryOf(again, ids, ['w']), before)
  again.ledger.close()
})

test('ledgers of two directories are two ledgers', (context) => {
  const idOf = (): string => {
    const { ledger } = open(openStore(dataDirectory(temporaryDirectory(context))))
    ledger.close()
    return ledger.identity.ledgerId
  }
  assert.notEqual(idOf(), idOf())
})

test('a second gateway on the same directory is refused, and told who has it, until the first is gone', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  const first = startJob('hold-store', [dataDir])
  context.after(() => first.kill('SIGKILL'))
  await first.saw('open')
  assert.throws(
    () => openStore(dataDir),
    (error) => {
      assert.ok(error instanceof DataDirError)
      assert.match(error.message, new RegExp(`in use by the gateway with pid ${first.pid} `))
      return true
    }
  )
  first.kill('SIGKILL')
  await first.ended
  open(openStore(dataDir)).ledger.close()
})

test('a directory that cannot hold a ledger is refused with the reason', (context) => {
  const root = temporaryDirectory(context)
  const check = (dataDir: string, want: RegExp): void => {
    assert.throws(
      () => openStore(dataDir),
      (error) => {
        assert.ok(error instanceof DataDirError)
        assert.match(error.message, want)
        return true
      }
    )
  }
  writeFileSync(join(root, 'file'), '')
  check(join(root, 'file'), /file cannot be used: EEXIST.*; .* give another --data-dir$/)
  const other = dataDirectory(join(root, 'other'))
  writeFileSync(join(other, 'ledger.db'), 'no database at all, but long enough to be looked at'.repeat(100))
  check(other, /cannot be used: file is not a database; restore ledger\.db/)
})

test('the database is for its owner alone, others may pass to the spool', (context) => {
  const dataDir = join(temporaryDirectory(context), 'a', 'b')
  openStore(dataDir).close()
  assert.equal(statSync(dataDir).mode & 0o777, 0o711)
  assert.equal(statSync(join(dataDir, 'ledger.db')).mode & 0o777, 0o600)
  assert.ok(existsSync(join(dataDir, 'owner.json')))
  assert.equal(
    statSync(join(dataDir, 'reserve')).blocks * 512 >= 64 * 1024 * 1024,
    true,
    'the reserve has its room'
  )
})

test('the uptime goes on where it was, whether receipts came last or nothing did', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  let now = 1_000_000
  const clock = (): number => now
  const first = open(openStore(dataDir), { clock })
  assert.equal(first.ledger.uptimeMs, 0)
  now += 5000
  void postBatch(first, mixed, 'mixed')
  await committed()
  first.ledger.close()

  now = 77
  const second = open(openStore(dataDir), { clock })
  assert.equal(second.ledger.uptimeMs, 5000)
  now += 9000
  second.ledger.tick()
  now += 2000
  second.ledger.tick() // Ten seconds are over: saved.
  now += 5000
  assert.equal(second.ledger.uptimeMs, 21_000)
  second.ledger.close()
  now = 0
  const third = open(openStore(dataDir), { clock })
  assert.equal(third.ledger.uptimeMs, 21_000)
  third.ledger.close()
})

test('ids expire after the window of uptime, over restarts, and never while the spool may hold them', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  const retryWindowMs = 600_000
  let now = 0
  const options: OpenOptions = { clock: () => now, limits: { retryWindowMs } }
  const first = open(openStore(dataDir), options)
  first.ledger.holdExpiry(false)
  void postBatch(first, mixed, 'mixed')
  await committed()
  for (let minute = 0; minute < 9; minute++) {
    now += 60_000
    first.ledger.tick()
  }
  assert.equal(first.stats.batchIds, 1)
  first.ledger.close()

  now = 0
  const second = open(openStore(dataDir), options)
  assert.equal(second.stats.batchIds, 1)
  now += 50_000 // Not yet: nine minutes and fifty seconds.
  second.ledger.holdExpiry(false)
  second.ledger.tick()
  assert.equal(second.stats.batchIds, 1)
  second.ledger.holdExpiry(true)
  now += 3_600_000
  second.ledger.tick()
  assert.equal(second.stats.batchIds, 1, 'held')
  const duplicate = postBatch(second, mixed, 'mixed')
  await committed()
  assert.equal((await duplicate).receipt.rejected, 1)
  assert.equal(second.stats.duplicates, 1)
  second.ledger.close()

  const third = open(openStore(dataDir), options)
  now += 20_000
  third.ledger.tick()
  assert.equal(third.stats.batchIds, 1, 'held from the start')
  third.ledger.holdExpiry(false)
  now += 20_000
  third.ledger.tick()
  assert.equal(third.stats.batchIds, 0)
  third.ledger.close()
  const fourth = open(openStore(dataDir), options)
  assert.equal(fourth.stats.batchIds, 0, 'on the disk too')
  fourth.ledger.close()
})

test('at the bound on ids new batches wait, anonymous ones too, and known ones are answered', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  let now = 0
  const opened = open(openStore(dataDir), { clock: () => now, limits: { batchIdCountMax: 2 } })
  opened.ledger.holdExpiry(false)
  const body = deltas([{ value: 1 }])
  const refusedOf = async (id?: string): Promise<string | undefined> => {
    const answer = postBatch(opened, body, id)
    await committed()
    return (await answer).refused
  }
  const seen = []
  for (const id of ['a', 'b', 'c', 'a', undefined, 'c']) seen.push(await refusedOf(id))
  const full = 'BATCH_IDS_FULL'
  assert.deepEqual(seen, [undefined, undefined, full, undefined, full, full])
  assert.deepEqual([...shown(opened).values()], [2])
  now += 3_600_000
  opened.ledger.tick()
  assert.equal(await refusedOf('c'), undefined)
  assert.deepEqual([...shown(opened).values()], [3])
  opened.ledger.close()
})

test('after a real I/O error all are refused, and what was acknowledged before is on the disk', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  const job = startJob('write-until-refused', [dataDir], { fileBlocksMax: 4000 })
  context.after(() => job.kill('SIGKILL'))
  const { stdout, stderr } = await job.ended
  const [acknowledged, refused, afterwards] = stdout.trim().split(' ')
  assert.equal(refused, 'STORE_FAILED', stderr)
  assert.equal(afterwards, 'STORE_FAILED')
  assert.ok(Number(acknowledged) > 10, `${acknowledged} were acknowledged`)
  const opened = open(openStore(dataDir))
  assert.equal(shown(opened).get('work_total{job="jobs",otel_scope_name="test"}'), Number(acknowledged))
  opened.ledger.close()
})
