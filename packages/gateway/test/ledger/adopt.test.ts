import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import type { Metric } from '@swansong/otlp'
import { DataDirError } from '../../src/ledger/database.ts'
import { isSameFile } from '../../src/ledger/database-file.ts'
import { openStore } from '../../src/ledger/sqlite.ts'
import { dataDirectory, temporaryDirectory } from '../support/directories.ts'
import { startJob } from '../support/jobs.ts'
import { committed, open, postBatch, shown, valuesOf, type Opened } from '../support/ledgers.ts'
import {
  exponentialPoint,
  gauge,
  histogram,
  labels,
  post,
  second,
  sum,
  tell,
  time,
} from '../support/kinds.ts'
import { deltas } from '../support/requests.ts'

async function filled(dataDir: string): Promise<{ ledgerId: string; values: Map<string, number> }> {
  const opened = open(openStore(dataDirectory(dataDir)))
  void postBatch(opened, deltas([{ value: 7 }]), 'a')
  await committed()
  const values = shown(opened)
  opened.ledger.close()
  return { ledgerId: opened.ledger.identity.ledgerId, values }
}

function refused(dataDir: string): void {
  assert.throws(
    () => openStore(dataDir),
    (error) => {
      assert.ok(error instanceof DataDirError, 'the command ends with 2')
      assert.match(error.message, /is a copy, or was restored from a backup.*swansong gateway --adopt/)
      return true
    }
  )
}

test('a copied directory is refused until it is adopted, then is a ledger of its own that begins at 0', async (context) => {
  const root = temporaryDirectory(context)
  const { ledgerId, values } = await filled(join(root, 'first'))
  cpSync(join(root, 'first'), join(root, 'copy'), { recursive: true, preserveTimestamps: true })
  refused(join(root, 'copy'))
  refused(join(root, 'copy')) // Looking at it did not make it known.

  const notices: string[] = []
  const adopted = open(openStore(join(root, 'copy'), { adopt: true, say: (notice) => notices.push(notice) }))
  assert.deepEqual([...values.values()], [7])
  assert.deepEqual([...shown(adopted).values()], [0])
  assert.notEqual(adopted.ledger.identity.ledgerId, ledgerId)
  assert.match(notices.join(), /copy was adopted/)
  const answer = postBatch(adopted, deltas([{ value: 7 }]), 'a')
  await committed()
  await answer
  assert.equal(adopted.stats.duplicates, 1, 'batches that it counted are known')
  adopted.ledger.close()

  const again = open(openStore(join(root, 'copy')))
  assert.equal(again.ledger.identity.ledgerId, adopted.ledger.identity.ledgerId)
  again.ledger.close()
  const first = open(openStore(join(root, 'first')))
  assert.equal(first.ledger.identity.ledgerId, ledgerId, 'the other goes on')
  first.ledger.close()
})

test('totals of every kind begin at 0, levels stay, and who is followed adds what is new', async (context) => {
  const root = temporaryDirectory(context)
  const told = (value: number, at: number): Metric[] => [
    sum({ asDouble: value, timeUnixNano: time + BigInt(at) * second }, 2, true, 'told'),
    histogram(
      {
        explicitBounds: [1, 2],
        bucketCounts: [value, 0, value],
        count: 2 * value,
        sum: value * 4,
        timeUnixNano: time + BigInt(at) * second,
      },
      2,
      'told_sizes'
    ),
  ]
  const exponential = (values: readonly number[]): Metric => {
    const dataPoints = [
      { timeUnixNano: time, startTimeUnixNano: time - second, ...exponentialPoint(values, 2) },
    ]
    return { name: 'wide', exponentialHistogram: { aggregationTemporality: 1, dataPoints } }
  }
  const size = { explicitBounds: [1, 2], bucketCounts: [1, 2, 3], count: 6, sum: 9, min: 1, max: 3 }
  const before = open(openStore(dataDirectory(join(root, 'first'))))
  await post(before, [sum({ asDouble: 5 }, 1, true, 'jobs'), sum({ asDouble: 3 }, 1, false), gauge(2, time)])
  await post(before, [histogram(size), exponential([1, 2, 300])])
  await tell(before, 'writer', 1, told(10, 0))
  before.ledger.close()
  cpSync(join(root, 'first'), join(root, 'copy'), { recursive: true })

  const adopted = open(openStore(join(root, 'copy'), { adopt: true, say: () => {} }))
  const value = (name: string, more = ''): number | undefined =>
    shown(adopted).get(`${name}{${labels}${more}}`)
  for (const name of ['jobs_total', 'size_sum', 'size_count', 'wide_count', 'told_total', 'told_sizes_count'])
    assert.equal(value(name), 0, name)
  assert.equal(value('size_bucket', ',le="1"'), 0)
  assert.deepEqual([value('active'), value('depth')], [3, 2])
  await tell(adopted, 'writer', 2, told(14, 1))
  assert.deepEqual([value('told_total'), value('told_sizes_count')], [4, 8])
  await post(adopted, [histogram(size), exponential([5, 6])])
  assert.deepEqual([value('size_sum'), value('wide_count'), value('wide_sum')], [9, 2, 11])
  const values = shown(adopted)
  adopted.ledger.close()
  const again = open(openStore(join(root, 'copy')))
  assert.deepEqual(shown(again), values)
  again.ledger.close()
})

test('what begins anew is held from scrapers as newborn series are, and starts later than all before, wherever the clock is', async (context) => {
  const root = temporaryDirectory(context)
  const inAnHour = Date.now() + 3_600_000
  const before = open(openStore(dataDirectory(join(root, 'first'))), { now: () => inAnHour })
  await post(before, [sum({ asDouble: 5 }, 1, true, 'jobs'), sum({ asDouble: 3 }, 1, false)])
  const startOf = ({ ledger }: Opened, id: number): number => ledger.series.startOf(id)
  const starts = [startOf(before, 0), startOf(before, 1)]
  before.ledger.close()
  cpSync(join(root, 'first'), join(root, 'copy'), { recursive: true })

  let now = 0
  const options = { clock: () => now, holdMs: () => 10_000 }
  const adopted = open(openStore(join(root, 'copy'), { adopt: true, say: () => {} }), options)
  for (const [id, start] of starts.entries()) assert.ok(startOf(adopted, id) > start)
  await post(adopted, [sum({ asDouble: 7 }, 1, true, 'jobs')])
  const scraped = (): number[] => {
    adopted.ledger.reveal()
    const text = Buffer.from(adopted.exposition.render(0, Infinity, true).finish()).toString()
    return [...valuesOf(text).values()]
  }
  assert.deepEqual([...shown(adopted).values()], [7, 3])
  assert.deepEqual(scraped(), [0, 3])
  now += 12_000
  assert.deepEqual(scraped(), [7, 3])
  adopted.ledger.close()
})

test('killed at any step of an adoption, the copy is as it was, or adopted wholly', async (context) => {
  const root = temporaryDirectory(context)
  const { ledgerId } = await filled(join(root, 'first'))
  const outcomes = new Set<string>()
  const killedAt = async (step: number): Promise<boolean> => {
    const copy = join(root, `copy-${step}`)
    cpSync(join(root, 'first'), copy, { recursive: true })
    const { signal, stdout, stderr } = await startJob('open-until-killed', [copy, String(step), 'adopt'])
      .ended
    assert.ok(signal === 'SIGKILL' || stdout === 'opened\n', stderr)
    let isAdopted = true
    try {
      openStore(copy).close()
    } catch (error) {
      assert.ok(error instanceof DataDirError)
      isAdopted = false
    }
    const opened = open(openStore(copy, { adopt: !isAdopted, say: () => {} }))
    assert.deepEqual([...shown(opened).values()], [0], `step ${step}`)
    assert.notEqual(opened.ledger.identity.ledgerId, ledgerId)
    opened.ledger.close()
    outcomes.add(`${signal} ${isAdopted}`)
    return signal !== null
  }
  const firstStep = 5 // Before it are pragmas.
  for (let step = firstStep, goesOn = true; goesOn; step += 4) {
    assert.ok(step < 40, 'it comes to an end')
    goesOn = (await Promise.all([0, 1, 2, 3].map((at) => killedAt(step + at)))).every(Boolean)
  }
  assert.deepEqual(outcomes, new Set(['SIGKILL false', 'null true']))
})

test('to adopt what is no copy changes nothing', async (context) => {
  const dataDir = join(temporaryDirectory(context), 'data')
  const { ledgerId } = await filled(dataDir)
  const opened = open(openStore(dataDir, { adopt: true, say: (notice) => assert.fail(notice) }))
  assert.equal(opened.ledger.identity.ledgerId, ledgerId)
  opened.ledger.close()
})

test('a directory that was moved within its file system, or vacuumed, is the same', async (context) => {
  const root = temporaryDirectory(context)
  const { ledgerId } = await filled(join(root, 'before'))
  renameSync(join(root, 'before'), join(root, 'after'))
  const db = new DatabaseSync(join(root, 'after', 'ledger.db'))
  db.exec('VACUUM')
  db.close()
  const opened = open(openStore(join(root, 'after')))
  assert.equal(opened.ledger.identity.ledgerId, ledgerId)
  opened.ledger.close()
})

test('a backup that is put back in place is noticed, also where the file system gives it the same inode', async (context) => {
  const dataDir = join(temporaryDirectory(context), 'data')
  const backup = join(dataDir, '..', 'backup')
  await filled(dataDir)
  cpSync(dataDir, backup, { recursive: true })
  rmSync(join(dataDir, 'ledger.db'))
  cpSync(backup, dataDir, { recursive: true })
  refused(dataDir)
})

test('a directory on another file system is noticed', async (context: TestContext) => {
  const memory = '/dev/shm'
  const other = existsSync(memory) ? memory : tmpdir() // Where there is no other, a copy is one as well.
  const there = mkdtempSync(join(other, 'swansong-'))
  context.after(() => rmSync(there, { recursive: true }))
  const root = temporaryDirectory(context)
  await filled(join(root, 'data'))
  cpSync(join(root, 'data'), join(there, 'data'), { recursive: true, preserveTimestamps: true })
  refused(join(there, 'data'))
  await filled(join(there, 'made-there'))
  open(openStore(join(there, 'made-there'))).ledger.close()
})

test('which identities are of one file', (context) => {
  const directory = join(temporaryDirectory(context), 'd')
  mkdirSync(directory)
  const check = (before: [number, number], now: [number, number], want: boolean): void => {
    const of = ([inode, birth]: [number, number]) => ({ inode: BigInt(inode), birthUnixNano: BigInt(birth) })
    assert.equal(isSameFile(of(before), of(now), directory), want, `${before.join()} and ${now.join()}`)
  }
  check([1, 5], [1, 5], true)
  check([1, 5], [2, 6], false)
  check([1, 5], [1, 6], statSync(directory).birthtimeMs === 0)
  check([1, 5], [2, 5], true) // A network's file system that numbers anew at each mount.
  check([1, 0], [1, 0], true)
  check([1, 0], [2, 0], false)
  check([1, 0], [1, 5], true) // A kernel that did not know births, and one that does.
  check([1, 5], [1, 0], true)
})
