import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { beat } from '../../../src/in/heartbeat.ts'
import { open, type Opened, shown } from '../../support/ledgers.ts'
import { counter, FakeApplication, histogram, multiprocessFile } from '../../support/multiprocess.ts'
import { SimStore, type Fault } from '../../support/sim-store.ts'

const jobs = 'jobs_total{job="shop"}'

/** Waits until a line has this value, and never finds it above. */
async function comesTo(
  application: FakeApplication,
  opened: Opened,
  want: number,
  line = jobs
): Promise<void> {
  await application.eventually(() => {
    const value = shown(opened).get(line)
    if ((value ?? 0) > want) throw new Error(`${line} is ${value}, above ${want}`)
    assert.equal(value, want, line)
  })
}

test('counts of a living process are seen while it lives, and its file goes when it is dead', async (context) => {
  const application = new FakeApplication(context)
  application.write('counter_70.db', [counter(3), counter(1, { kind: 'b' })])
  application.starts(70, 'counter_70.db')
  const opened = open(new SimStore())
  application.follow(opened)
  await comesTo(application, opened, 3)
  application.write('counter_70.db', [counter(5), counter(1, { kind: 'b' }), counter(0, { kind: 'c' })])
  await comesTo(application, opened, 5)
  assert.deepEqual(application.files(), ['counter_70.db'], 'its process lives')
  application.write('counter_70.db', [counter(8), counter(1, { kind: 'b' }), counter(0, { kind: 'c' })])
  application.dies(70)
  await application.settles()
  assert.deepEqual(
    [...shown(opened)],
    [
      [jobs, 8],
      ['jobs_total{job="shop",kind="b"}', 1],
      ['jobs_total{job="shop",kind="c"}', 0],
    ]
  )
  assert.equal(opened.stats.multiprocess.taken, 1)
  assert.deepEqual(
    opened.ledger.tellers.followedIds('multiprocess:'),
    [],
    'nothing is remembered of a file that is gone'
  )
})

test('a pid that is reused: the next process goes on in the same file, or begins another', async (context) => {
  const application = new FakeApplication(context)
  application.write('counter_70.db', [counter(3)])
  application.starts(70, 'counter_70.db')
  const opened = open(new SimStore())
  application.follow(opened)
  await comesTo(application, opened, 3)
  application.dies(70)
  application.write('counter_70.db', [counter(4)]) // What it opened it continues from there.
  application.starts(70, 'counter_70.db')
  await comesTo(application, opened, 4)
  application.dies(70)
  await application.settles()
  for (let life = 1; life <= 3; life++) {
    application.write('counter_70.db', [counter(10)]) // Where file systems give the same inode again.
    await comesTo(application, opened, 4 + 10 * life)
    await application.settles()
  }
})

test('a process that opened the file before it was put aside is followed until it is dead', async (context) => {
  const application = new FakeApplication(context)
  application.write('counter_70.db', [counter(3)])
  const opened = open(new SimStore())
  application.follow(opened)
  await application.eventually(() => assert.equal(application.aside().length, 1))
  const aside = join('.swansong', application.aside()[0] ?? '')
  application.starts(70, aside) // In the moment between: it has the same inode, whatever that is called.
  application.write(aside, [counter(9)])
  await comesTo(application, opened, 9)
  application.write('counter_70.db', [counter(100)]) // One that was not that early has a file of its own.
  await comesTo(application, opened, 109)
  application.write(aside, [counter(10)])
  await comesTo(application, opened, 110)
  application.dies(70)
  await application.settles()
  assert.equal(shown(opened).get(jobs), 110)
})

test('a gateway that dies at any moment counts nothing twice', async (context) => {
  for (const fault of ['crash before', 'crash within', 'crash after'] as const) {
    for (let commit = 0; commit < 4; commit++) {
      const application = new FakeApplication(context)
      application.write('counter_70.db', [counter(3)])
      application.write('histogram_70.db', histogram([1, 2, 3], 4.5))
      application.starts(70, 'counter_70.db', 'histogram_70.db')
      let store = new SimStore(new Map([[commit, fault]]))
      let opened = open(store)
      let follower = application.follow(opened)
      await application.eventually(() => assert.ok(store.crashed || shown(opened).get(jobs) === 3))
      application.write('counter_70.db', [counter(5)])
      application.dies(70)
      await application.eventually(() =>
        assert.ok(store.crashed || application.files().length + application.aside().length === 0)
      )
      follower.close()
      const left = application.files().length + application.aside().length
      store = store.restarted(new Map())
      opened = open(store)
      follower = application.follow(opened)
      await application.settles()
      const told = `${fault} ${commit}, ${left} files left`
      assert.equal(shown(opened).get(jobs), 5, told)
      assert.equal(shown(opened).get('seconds_count{job="shop"}'), 6, told)
      assert.equal(shown(opened).get('seconds_sum{job="shop"}'), 4.5, told)
      follower.close()
    }
  }
})

test('a file that was counted for good and stands there again is removed, and not counted', async (context) => {
  const application = new FakeApplication(context)
  application.write('counter_70.db', [counter(3)])
  const store = new SimStore()
  const opened = open(store)
  const kept = join(application.dataDir, 'kept.db')
  let aside = ''
  const follower = application.follow(opened)
  await application.eventually(() => {
    aside = application.aside()[0] ?? aside
    if (!existsSync(kept) && aside !== '') copyFileSync(application.path(join('.swansong', aside)), kept)
    assert.deepEqual([application.files(), application.aside()], [[], []])
  })
  follower.close()
  if (!existsSync(kept)) return // It was faster than we looked.
  renameSync(kept, application.path(join('.swansong', aside)))
  const again = open(store.restarted())
  application.follow(again)
  await application.eventually(() => assert.deepEqual(application.aside(), []))
  assert.equal(shown(again).get(jobs), 3)
})

test('files that somebody else removes stay counted, and count no more when they are there again', async (context) => {
  const application = new FakeApplication(context)
  application.write('counter_70.db', [counter(3)])
  application.write('counter_71.db', [counter(1)])
  application.starts(70, 'counter_70.db')
  application.starts(71, 'counter_71.db')
  const opened = open(new SimStore())
  application.follow(opened)
  await comesTo(application, opened, 4)
  const away = join(application.dataDir, 'away')
  renameSync(application.path('counter_70.db'), away)
  application.write('counter_71.db', [counter(2)])
  await comesTo(application, opened, 5)
  renameSync(away, application.path('counter_70.db')) // As a volume that is mounted again.
  application.write('counter_70.db', [counter(4)])
  await comesTo(application, opened, 6)
  rmSync(application.path('counter_70.db'))
  application.write('counter_70.db', [counter(10)]) // Another file.
  await comesTo(application, opened, 16)
})

test('a counter that its process resets counts whole from there; the others of its file go on', async (context) => {
  const application = new FakeApplication(context)
  application.write('counter_70.db', [counter(30), counter(7, { kind: 'b' })])
  application.starts(70, 'counter_70.db')
  const store = new SimStore()
  const opened = open(store)
  const follower = application.follow(opened)
  await comesTo(application, opened, 30)
  application.write('counter_70.db', [counter(2), counter(8, { kind: 'b' })])
  await comesTo(application, opened, 32)
  assert.equal(shown(opened).get('jobs_total{job="shop",kind="b"}'), 8)
  follower.close()
  const again = open(store.restarted())
  application.follow(again)
  application.write('counter_70.db', [counter(3), counter(9, { kind: 'b' })])
  await comesTo(application, again, 33)
  assert.equal(shown(again).get('jobs_total{job="shop",kind="b"}'), 9)
  assert.equal(again.ledger.tellers.followedIds('multiprocess:').length, 1)
})

test('a reset that is refused for now changes nothing: neither of its writers is counted twice, or followed for good', async (context) => {
  const faults = new Map<number, Fault>()
  const application = new FakeApplication(context)
  application.write('counter_70.db', [counter(30), counter(7, { kind: 'b' })])
  application.starts(70, 'counter_70.db')
  const store = new SimStore(faults)
  const opened = open(store, { limits: { writerCountMax: 1 } })
  application.follow(opened)
  await comesTo(application, opened, 30)
  faults.set(store.commits, 'full')
  application.write('counter_70.db', [counter(2), counter(8, { kind: 'b' })])
  await comesTo(application, opened, 32)
  assert.equal(opened.stats.commitsFailed, 1)
  assert.equal(shown(opened).get('jobs_total{job="shop",kind="b"}'), 8)
  assert.equal(opened.ledger.tellers.followedIds('multiprocess:').length, 1)
})

test('what is wrong is set aside with its reason, and holds up nothing', async (context) => {
  const application = new FakeApplication(context)
  const wants = new Map<string, RegExp>()
  const bad = (name: string, file: Uint8Array, want: RegExp): void => {
    writeFileSync(application.path(name), file)
    wants.set(name, want)
  }
  const torn = multiprocessFile([counter(1), counter(2, { kind: 'b' })])
  torn.writeInt32LE(torn.readInt32LE(0) - 8, 0)
  bad('counter_1.db', torn, /its entries are not whole/)
  bad('counter_2.db', Buffer.from('nonsense'.repeat(20)), /bytes/)
  bad('counter_3.db', Buffer.from('no'), /2 bytes are less than a head/)
  const huge = multiprocessFile([counter(1)])
  huge.writeInt32LE(100_001, 0)
  bad('counter_4.db', huge, /100001 bytes in use are over the limit of 100000/)
  const short = multiprocessFile([counter(1)])
  short.writeInt32LE(80_000, 0)
  bad('counter_5.db', short, /80000 bytes are in use, and 65536 are there/)
  bad('counter_6.db', multiprocessFile([{ metric: 'a', name: 'b', value: 1 }]).fill('!', 13, 20), /not JSON/)
  application.write('counter_7.db', [counter(1)])
  writeFileSync(application.path('notes.db'), 'of somebody else')
  const opened = open(new SimStore())
  application.follow(opened)
  await application.eventually(() =>
    assert.deepEqual([application.files(), application.aside()], [['notes.db'], []])
  )
  assert.equal(shown(opened).get(jobs), 1)
  const rejected = application.path('.swansong/rejected')
  const reasons = readdirSync(rejected).filter((name) => name.endsWith('.reason'))
  assert.equal(reasons.length, wants.size)
  for (const [name, want] of wants) {
    const reason = reasons.find((one) => one.startsWith(name.slice(0, -2)))
    assert.match(readFileSync(join(rejected, reason ?? name), 'utf8'), want, name)
  }
  assert.deepEqual([...opened.stats.multiprocess.rejected], [['not_readable', wants.size]])
})

test('a file that is read while it is being made is not wrong, and histograms count when all of their buckets are there', async (context) => {
  const application = new FakeApplication(context)
  writeFileSync(application.path('histogram_70.db'), '')
  application.starts(70, 'histogram_70.db')
  const opened = open(new SimStore())
  application.follow(opened)
  truncateSync(application.path('histogram_70.db'), 65_536)
  application.write('counter_71.db', [counter(1)])
  application.starts(71, 'counter_71.db')
  await comesTo(application, opened, 1)
  const entries = histogram([1, 0, 2], 7)
  for (let count = 1; count < entries.length; count++) {
    application.write('histogram_70.db', entries.slice(0, count))
    application.write('counter_71.db', [counter(1 + count)])
    await comesTo(application, opened, 1 + count)
    assert.equal(shown(opened).has('seconds_count{job="shop"}'), false)
  }
  application.write('histogram_70.db', entries)
  await comesTo(application, opened, 3, 'seconds_count{job="shop"}')
  assert.deepEqual(
    [...shown(opened)].filter(([line]) => line.startsWith('seconds')),
    [
      ['seconds_bucket{job="shop",le="0.5"}', 1],
      ['seconds_bucket{job="shop",le="1"}', 1],
      ['seconds_bucket{job="shop",le="+Inf"}', 3],
      ['seconds_sum{job="shop"}', 7],
      ['seconds_count{job="shop"}', 3],
    ]
  )
})

test('where processes cannot be seen, files stay while anything changes, and go when they are silent', async (context) => {
  const application = new FakeApplication(context, 4_026_532_000)
  application.write('counter_70.db', [counter(3)])
  const opened = open(new SimStore())
  const limits = { multiprocessFileBytesMax: 100_000, multiprocessSilenceMs: 60_000, deadGaugeCountMax: 0 }
  const follower = application.follow(opened, { limits })
  await comesTo(application, opened, 3)
  application.write('counter_70.db', [counter(4)])
  await comesTo(application, opened, 4)
  assert.equal(application.files().length + application.aside().length, 1)
  await application.settles()
  assert.equal(shown(opened).get(jobs), 4)
  follower.close()

  application.write('counter_70.db', [counter(1)])
  application.write('counter_71.db', [counter(1)])
  application.starts(71, 'counter_71.db')
  application.follow(opened) // One that is seen to be called by its pid tells that the others can be seen.
  await application.eventually(() =>
    assert.deepEqual([application.files(), application.aside()], [['counter_71.db'], []])
  )
  assert.equal(shown(opened).get(jobs), 6)
})

test('names that are no pids, and pids that are those of others, say nothing: who has a file mapped does', async (context) => {
  const application = new FakeApplication(context)
  application.write('counter_worker-1.db', [counter(1)])
  application.write('counter_2.db', [counter(10)])
  application.write('counter_72.db', [counter(100)])
  application.starts(900, 'counter_worker-1.db')
  application.starts(901, 'counter_2.db') // The second worker of somebody who numbers them.
  application.starts(2)
  application.starts(72) // A stranger, who came to have the pid of a dead one.
  const opened = open(new SimStore())
  application.follow(opened)
  await comesTo(application, opened, 111)
  await application.eventually(() => assert.equal(application.files().length, 2))
  assert.deepEqual(application.files().toSorted(), ['counter_2.db', 'counter_worker-1.db'])
  application.dies(900)
  application.dies(901)
  await application.settles()
  assert.equal(shown(opened).get(jobs), 111)
})

test('where it is said that all processes are here, a pid that is not seen is dead, and a stranger with it no owner', async (context) => {
  const application = new FakeApplication(context, 4_026_532_000)
  application.write('counter_70.db', [counter(3)])
  application.write('counter_71.db', [counter(10)])
  application.write('counter_72.db', [counter(100)])
  application.starts(71, 'counter_71.db')
  application.starts(72)
  const opened = open(new SimStore())
  application.follow(opened, { view: 'here' })
  await application.eventually(() =>
    assert.deepEqual([application.files(), application.aside()], [['counter_71.db'], []])
  )
  assert.equal(shown(opened).get(jobs), 113)
})

test('a directory has one gateway: where that of another ledger lives, another is refused', (context) => {
  const application = new FakeApplication(context)
  const opened = open(new SimStore())
  const aside = application.path('.swansong')
  mkdirSync(aside)
  beat(aside, 'another', 1, false)
  const why = /is taken up by another gateway, pid \d+ on .*, with another ledger/
  assert.throws(() => application.follow(opened), why)
  beat(aside, 'another', 1, true) // It stopped.
  application.follow(opened)
})

test('a directory that cannot be used is counted as such, and taken up when it can', async (context) => {
  const application = new FakeApplication(context)
  const opened = open(new SimStore())
  writeFileSync(application.path('.swansong'), 'in the way')
  application.write('counter_70.db', [counter(3)])
  application.follow(opened)
  await application.eventually(() =>
    assert.ok((opened.stats.multiprocess.rejected.get('directory_unusable') ?? 0) > 0)
  )
  assert.equal(shown(opened).size, 0)
  rmSync(application.path('.swansong'))
  await comesTo(application, opened, 3)
})
