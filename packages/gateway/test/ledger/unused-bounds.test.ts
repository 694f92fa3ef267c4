import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeExportRequest, type Metric } from '@swansong/otlp'
import { openStore } from '../../src/ledger/sqlite.ts'
import type { Store } from '../../src/ledger/store.ts'
import { dataDirectory, temporaryDirectory } from '../support/directories.ts'
import { histogram, labels, post, second, tell, time } from '../support/kinds.ts'
import { committed, open, postBatch, shown, type Opened } from '../support/ledgers.ts'
import { metricsOf } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

const ttlMs = 3_600_000
const setCount = 1200

/** A histogram of other bounds, two that differ from any of another number. */
function sized(at: number, count = 1): Metric {
  return histogram({ explicitBounds: [at, at + 0.5], bucketCounts: [0, count, 0], count }, 1, `size${at}`)
}

/** A running total of bounds of which `sized(5000)` has some. */
function fine(count: number, later: number): Metric {
  const timeUnixNano = time + BigInt(later) * second
  const explicitBounds = [5000, 5000.25, 5000.5]
  return histogram({ explicitBounds, bucketCounts: [0, 0, count, 0], count, timeUnixNano }, 2, 'size5000')
}

/** Many sets of bounds at once: from one number to another. */
async function postSets(opened: Opened, from: number, to: number): Promise<string> {
  const metrics = Array.from({ length: to - from }, (_, at) => sized(from + at))
  const answer = postBatch(opened, encodeExportRequest(metricsOf(metrics)))
  await committed()
  return (await answer).receipt.message
}

/** All but one end; another is told in by a journal, of a series that stays as long as that. */
async function churn(first: Store, reopened: (before: Store) => Store): Promise<void> {
  let ms = 0
  const options = {
    clock: () => ms,
    ttl: { seriesTtlMs: ttlMs },
    limits: { boundsCountMax: setCount },
  }
  let store = first
  let opened = open(store, options)
  assert.equal(await postSets(opened, 0, setCount - 2), '')
  const toldLine = `size5000_bucket{${labels},le="5000.5"}`
  await tell(opened, 'writer', 1, [fine(2, 1)])
  await post(opened, [sized(5000)]) // Its series has fewer bounds now than it tells.
  const told = shown(opened).get(toldLine) ?? 0 // On the disk the ledger is younger than its process.
  assert.match(await postSets(opened, 6000, 6001), /BOUNDS_FULL/)
  ms += ttlMs / 2
  await post(opened, [sized(7)])
  ms += ttlMs / 2 + 60_000
  opened.ledger.holdExpiry(false)
  opened.ledger.tick()
  await committed()
  assert.equal(opened.stats.series, 2)
  assert.match(await postSets(opened, 6000, 6001), /BOUNDS_FULL/, 'they are freed at a start')

  const restart = (): void => {
    opened.ledger.close()
    store = reopened(store)
    opened = open(store, options)
  }
  restart()
  assert.equal(await postSets(opened, 6000, 6000 + setCount - 3), '')
  assert.match(await postSets(opened, 9000, 9001), /BOUNDS_FULL/)
  await post(opened, [sized(7, 4)])
  await tell(opened, 'writer', 2, [fine(5, 2)])
  for (const again of [false, true]) {
    if (again) restart()
    const values = shown(opened)
    assert.equal(values.get(`size7_bucket{${labels},le="7.5"}`), 6)
    assert.equal(values.get(toldLine), told + 3)
    for (let at = 6000; at < 6000 + setCount - 3; at++)
      assert.equal(values.get(`size${at}_bucket{${labels},le="${at}.5"}`), 1, String(at))
  }
  opened.ledger.close()
}

test('sets of bounds that nobody has are freed at a start, and those that are told in stay', async (context) => {
  await churn(new SimStore(), (before) => (before as SimStore).restarted())
  const dataDir = dataDirectory(join(temporaryDirectory(context), 'data'))
  await churn(openStore(dataDir), () => openStore(dataDir))
})

test('sets whose commit fails leave no gap behind', async () => {
  const store = new SimStore(new Map([[0, 'full']]))
  const opened = open(store)
  const refused = postBatch(opened, encodeExportRequest(metricsOf([sized(1), sized(2), sized(3)])))
  await committed()
  assert.equal((await refused).refused, 'STORE_FULL')
  await post(opened, [sized(4)])
  await post(opened, [sized(5), sized(6), sized(7)])
  assert.deepEqual(shown(opened), shown(open(store.restarted())))
})

test('a set that was freed is given back where its commit fails', async () => {
  const faults = new Map<number, 'full'>()
  const first = new SimStore(faults)
  let ms = 0
  const options = { clock: () => ms, ttl: { seriesTtlMs: ttlMs } }
  const before = open(first, options)
  assert.equal(await postSets(before, 0, setCount), '')
  ms += ttlMs + 60_000
  before.ledger.holdExpiry(false)
  before.ledger.tick()
  await committed()
  const store = first.restarted(faults)
  const opened = open(store, options)
  assert.equal(opened.ledger.series.bounds.count, 0)
  for (let round = 0; round < 3; round++) {
    faults.set(store.commits, 'full')
    const refused = postBatch(opened, encodeExportRequest(metricsOf([sized(round), sized(round + 3000)])))
    await committed()
    assert.equal((await refused).refused, 'STORE_FULL')
    assert.equal(opened.ledger.series.bounds.count, round * 2)
    await post(opened, [sized(round + 6000), sized(round + 3000)])
  }
  assert.deepEqual(shown(opened), shown(open(store.restarted(), options)))
})
