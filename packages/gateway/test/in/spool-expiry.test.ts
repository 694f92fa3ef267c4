import assert from 'node:assert/strict'
import { mkdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../support/directories.ts'
import { committed, open, postBatch, shown, type Opened } from '../support/ledgers.ts'
import { deltas, totals } from '../support/requests.ts'
import { SimStore, type Fault } from '../support/sim-store.ts'
import { dead, eventually, filesIn, isThere, put, spoolFile, startSpool } from '../support/spools.ts'

const body = deltas([{ value: 1 }])
const batch = spoolFile(body, { kind: 'batch', ended: true, sequence: 0 })
const work = 'work_total{job="jobs",otel_scope_name="test"}'

/** A ledger whose uptime is told it, with an id that it remembers. */
async function remembering(store: SimStore): Promise<{ opened: Opened; later: () => void }> {
  const first = open(store)
  void postBatch(first, body, 'known')
  await committed()
  let now = 0
  const opened = open(store.restarted(), { clock: () => now })
  const later = (): void => {
    now += 3_600_000
    opened.ledger.tick()
  }
  return { opened, later }
}

test('with nothing in the spool old ids expire', async (context) => {
  const { opened, later } = await remembering(new SimStore())
  later()
  assert.equal(opened.stats.batchIds, 1, 'not before the spool was looked at')
  startSpool(context, opened)
  await eventually(() => {
    later()
    assert.equal(opened.stats.batchIds, 0)
  })
})

test('no id expires before what stood in the spool at the start was taken', async (context) => {
  const faults = new Map<number, Fault>()
  const { opened, later } = await remembering(new SimStore(faults))
  const directory = temporaryDirectory(context)
  put(directory, 'known.batch', batch)
  put(
    directory,
    'other.batch',
    spoolFile(deltas([{ value: 100 }]), { kind: 'batch', ended: true, sequence: 0 })
  )
  faults.set(1, 'full') // The first look's commit.
  startSpool(context, opened, directory)
  await eventually(() => assert.equal(opened.stats.commitsFailed, 1))
  later()
  assert.equal(opened.stats.batchIds, 1, 'held')
  await eventually(() => assert.deepEqual(filesIn(directory), []))
  assert.equal(shown(opened).get(work), 101, 'the batch that was known counts once')
  await eventually(() => {
    later()
    assert.equal(opened.stats.batchIds, 0)
  })
})

test('no id expires while a file that was taken cannot be removed', async (context) => {
  const store = new SimStore()
  let now = 0
  const opened = open(store, { clock: () => now })
  const directory = startSpool(context, opened)
  const path = join(directory, 'a.batch')
  const commit = store.commit.bind(store)
  let stuck = false
  store.commit = (group) => {
    commit(group)
    if (stuck) return
    stuck = true
    rmSync(path)
    mkdirSync(path) // Which nobody can unlink.
  }
  put(directory, 'a.batch', batch)
  await eventually(() => assert.equal(shown(opened).get(work), 1))
  await eventually(() => assert.equal(opened.stats.spoolFilesTaken.batch, 1))
  put(directory, 'b.batch', spoolFile(deltas([{ value: 2 }]), { kind: 'batch', ended: true, sequence: 0 }))
  await eventually(() => assert.equal(isThere(directory, 'b.batch'), false))
  now += 3_600_000
  opened.ledger.tick()
  assert.equal(opened.stats.batchIds, 2, 'held')
  rmdirSync(path)
  put(directory, 'a.batch', batch)
  await eventually(() => assert.deepEqual(filesIn(directory), []))
  assert.equal(shown(opened).get(work), 3)
  await eventually(() => {
    now += 3_600_000
    opened.ledger.tick()
    assert.equal(opened.stats.batchIds, 0)
  })
})

test('a file that somebody else removed holds nothing', async (context) => {
  const faults = new Map<number, Fault>()
  for (let at = 1; at < 1000; at++) faults.set(at, 'full')
  const { opened, later } = await remembering(new SimStore(faults))
  const directory = temporaryDirectory(context)
  put(
    directory,
    'other.batch',
    spoolFile(deltas([{ value: 100 }]), { kind: 'batch', ended: true, sequence: 0 })
  )
  startSpool(context, opened, directory)
  await eventually(() => assert.equal(opened.stats.commitsFailed, 1))
  rmSync(join(directory, 'other.batch'))
  faults.clear()
  await eventually(() => {
    later()
    assert.equal(opened.stats.batchIds, 0)
  })
})

test('a checkpoint that a full disk refused is taken when there is room, though its process adds nothing more', async (context) => {
  const store = new SimStore(
    new Map([
      [0, 'full'],
      [2, 'full'],
    ])
  )
  const opened = open(store)
  const directory = startSpool(context, opened)
  put(directory, 'a.journal', spoolFile(totals([{ value: 5 }])))
  await eventually(() => assert.equal(shown(opened).get(work), 5))
  put(directory, 'a.journal', spoolFile(totals([{ value: 8 }]), { sequence: 2 }))
  await eventually(() => assert.equal(shown(opened).get(work), 8))
  assert.equal(opened.stats.commitsFailed, 2)
  put(directory, 'a.journal', spoolFile(totals([{ value: 9 }]), { sequence: 3, ...dead }))
  await eventually(() => assert.deepEqual(filesIn(directory), []))
  assert.equal(shown(opened).get(work), 9)
})
