import assert from 'node:assert/strict'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { Metric } from '@swansong/otlp'
import { DataDirError } from '../../src/ledger/database.ts'
import { openStore } from '../../src/ledger/sqlite.ts'
import { dataDirectory, temporaryDirectory } from '../support/directories.ts'
import { exponentialPoint, gauge, histogram, labels, post, sum, tell, worker } from '../support/kinds.ts'
import { committed, open, postBatch, shown, valuesOf, type Opened } from '../support/ledgers.ts'
import { keyValues } from '../support/requests.ts'

const later: bigint = BigInt(Date.now() + 3_600_000) * 1_000_000n
const point = { startTimeUnixNano: later, timeUnixNano: later + 1n }
const total = (value: number, step = 1n): Metric =>
  sum({ ...point, timeUnixNano: later + step, asInt: BigInt(value) }, 2, true, 'told')
const sizes = (counts: number[], step = 1n): Metric => {
  const count = counts.reduce((before, each) => before + each, 0)
  const given = { count, sum: count, explicitBounds: [1, 2], bucketCounts: counts }
  return histogram({ ...point, timeUnixNano: later + step, ...given }, 2, 'told.size')
}
const level = (value: number): Metric => sum({ ...point, asInt: BigInt(value) }, 2, false, 'active')
const many: Metric[] = Array.from({ length: 400 }, (_, at) =>
  sum({ ...point, asInt: 1n, attributes: keyValues({ n: at }) }, 1, true, 'many')
)

/** A ledger whose first page has what writers tell, and whose others have what they do not. */
async function filled(dataDir: string): Promise<Opened> {
  const opened = open(openStore(dataDir))
  await tell(opened, 'journal', 1, [total(40), sizes([1, 0, 2]), level(5)])
  await post(opened, [sum({ ...point, asInt: 2n }, 1, true, 'posted')])
  await post(opened, many)
  return opened
}

/** Flips a bit of a page where it lies in the file. */
function flip(dataDir: string, page: number, at: number): void {
  const file = join(dataDir, 'ledger.db')
  const db = new DatabaseSync(file)
  const slots = db.prepare('SELECT slots FROM page WHERE id = ?').get(page)?.['slots'] as Uint8Array
  db.close()
  const bytes = readFileSync(file)
  const place = bytes.indexOf(slots)
  assert.ok(place > 0 && bytes.indexOf(slots, place + 1) < 0, 'it lies in one place')
  bytes[place + at] = (bytes[place + at] ?? 0) ^ 0x10
  writeFileSync(file, bytes)
}

test('a page that was damaged is set aside, its series begin anew, and the rest is served', async (context) => {
  for (const at of [6, 8 * 30, 8 * 506]) {
    const dataDir = dataDirectory(temporaryDirectory(context))
    const before = await filled(dataDir)
    const values = shown(before)
    const { series } = before.ledger
    const started = series.startOf(0)
    before.ledger.close()
    flip(dataDir, 0, at)

    const opened = open(openStore(dataDir))
    const damage = opened.ledger.damage ?? assert.fail('it was noticed')
    assert.deepEqual(
      damage.pages.map(({ page }) => page),
      [0]
    )
    assert.deepEqual(damage.metrics, ['active', 'many', 'posted', 'told', 'told.size'])
    assert.equal(opened.stats.pagesDamaged, 1)
    const left = shown(opened)
    for (const [name, value] of left) {
      if (name.startsWith('many')) assert.equal(value, values.get(name), `${name} was in another page`)
    }
    assert.ok([...left.keys()].filter((name) => name.startsWith('many')).length > 100)
    assert.equal(left.get(`posted_total{${labels}}`), undefined, 'nobody can say what it was')
    assert.equal(left.get(`told_total{${labels}}`), 0)
    assert.equal(left.get(`told_size_count{${labels}}`), 0)
    assert.equal(left.get(`active{${labels}}`), 5, 'what a living writer holds is known')
    const told = damage.restarted[0] ?? assert.fail('some go on')
    assert.ok(opened.ledger.series.startOf(told) >= started, 'B8')

    await tell(opened, 'journal', 2, [total(42), sizes([1, 3, 2]), level(6)])
    await post(opened, [sum({ ...point, asInt: 3n }, 1, true, 'posted')])
    const check = (of: Opened): void => {
      const after = shown(of)
      assert.equal(after.get(`told_total{${labels}}`), 2, 'what was told before does not count twice')
      assert.equal(after.get(`told_size_bucket{${labels},le="2"}`), 3)
      assert.equal(after.get(`active{${labels}}`), 6)
      assert.equal(after.get(`posted_total{${labels}}`), 3)
    }
    check(opened)
    opened.ledger.close()
    const again = open(openStore(dataDir))
    assert.equal(again.ledger.damage, undefined, 'it was put right on the disk')
    check(again)
    again.ledger.close()
    const db = new DatabaseSync(join(dataDir, 'ledger.db'))
    const aside = db.prepare('SELECT page, length(slots) AS bytes FROM set_aside').all()
    db.close()
    assert.deepEqual(aside.map(Object.values), [[0, 4056]])
  }
})

test('buckets of an exponential histogram in a damaged page are not shown as if they were empty', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  const opened = open(openStore(dataDir))
  const exponential = (count: number): Metric => ({
    name: 'latency',
    exponentialHistogram: {
      aggregationTemporality: 1,
      dataPoints: [
        {
          ...point,
          ...exponentialPoint(
            Array.from({ length: count }, (_, at) => 1.1 ** at),
            3
          ),
        },
      ],
    },
  })
  await post(opened, [exponential(2)])
  await post(opened, many)
  await post(opened, [exponential(60)]) // Its buckets have moved to another page.
  opened.ledger.close()
  flip(dataDir, 1, 8 * 500)
  const again = open(openStore(dataDir))
  assert.ok(again.ledger.damage?.metrics.includes('latency'))
  assert.equal(again.ledger.damage?.metrics.includes('many'), true)
  assert.equal(shown(again).get(`latency_count{${labels}}`), undefined)
  await post(again, [exponential(3)])
  assert.equal(shown(again).get(`latency_count{${labels}}`), 3)
  again.ledger.close()
})

test('a sender of running totals does not count twice what was lost with a page', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  const opened = open(openStore(dataDir))
  await post(opened, [total(40)], worker('sender'))
  opened.ledger.close()
  flip(dataDir, 0, 0)
  const again = open(openStore(dataDir))
  await post(again, [total(41, 2_000_000n)], worker('sender'))
  assert.equal(shown(again).get(`told_total{${labels}}`), 1)
  again.ledger.close()
})

test('a database that cannot be read is refused by name, with what to do', async (context) => {
  const check = async (damage: (file: string) => void): Promise<void> => {
    const dataDir = dataDirectory(temporaryDirectory(context))
    const opened = await filled(dataDir)
    void postBatch(opened, new Uint8Array(0), 'an id')
    await committed()
    opened.ledger.close()
    damage(join(dataDir, 'ledger.db'))
    assert.throws(
      () => open(openStore(dataDir)),
      (error) => {
        assert.ok(error instanceof DataDirError, `the command ends with 2: ${String(error)}`)
        assert.match(error.message, /restore ledger\.db from a backup, or move it away/)
        return true
      }
    )
  }
  await check((file) => truncateSync(file, 4096 * 5))
  await check((file) => truncateSync(file, 5000))
  await check((file) => writeFileSync(file, readFileSync(file).fill(0xff, 0, 16)))
  for (const page of [1, 3, 5, 7])
    await check((file) => writeFileSync(file, readFileSync(file).fill(0xff, page * 4096, page * 4096 + 12)))
})

test('a series that was held when its page was damaged holds nothing that has its id later', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  const times = { holdMs: () => 60_000 }
  const scraped = ({ exposition }: Opened): Map<string, number> =>
    valuesOf(Buffer.from(exposition.render(0, Infinity, true).finish()).toString())
  const first = open(openStore(dataDir), times)
  await post(first, [sum({ ...point, asInt: 2n }, 1, true, 'posted')])
  assert.equal(scraped(first).get(`posted_total{${labels}}`), 0)
  first.ledger.close()
  flip(dataDir, 0, 6)

  const second = open(openStore(dataDir), times)
  assert.equal(second.ledger.damage?.ended.length, 1)
  assert.equal(second.stats.seriesHeld(), 0)
  await post(second, [gauge(7, later, 'depth')])
  assert.equal(scraped(second).get(`depth{${labels}}`), 7)
  second.ledger.close()
})
