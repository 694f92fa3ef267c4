import assert from 'node:assert/strict'
import { test } from 'node:test'
import { committed, open, postJournal, shown, type Opened } from '../support/ledgers.ts'
import { totals, type Count } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

const named = 'job="jobs",otel_scope_name="test"'

async function tell(
  opened: Opened,
  sequence: number,
  counts: readonly Count[],
  final = false
): Promise<void> {
  const told = postJournal(opened, { writer: 'w', sequence, final, body: totals(counts) })
  await committed()
  assert.equal(await told, undefined)
}

function sumOf(opened: Opened): number {
  return [...shown(opened).values()].reduce((sum, value) => sum + value, 0)
}

test('a checkpoint adds what it tells more than the one before', async () => {
  const opened = open(new SimStore())
  await tell(opened, 1, [{ value: 5 }])
  await tell(opened, 2, [{ value: 7 }, { name: 'new', value: 1 }])
  await tell(opened, 2, [{ value: 70 }]) // The same again: nothing later than what was taken.
  await tell(opened, 1, [{ value: 70 }])
  await tell(opened, 5, [{ name: 'new', value: 2 }, { value: 7 }], true)
  assert.equal(shown(opened).get(`work_total{${named}}`), 7)
  assert.equal(shown(opened).get(`new_total{${named}}`), 2)
  assert.equal(opened.stats.writers, 0)
})

test('a final checkpoint counts once however often it comes, also with a later one', async () => {
  const opened = open(new SimStore())
  await tell(opened, 1, [{ value: 5 }], true)
  await tell(opened, 1, [{ value: 5 }], true)
  await tell(opened, 1, [{ value: 5 }])
  await tell(opened, 2, [{ value: 9 }], true)
  assert.equal(shown(opened).get(`work_total{${named}}`), 5)
})

test('a total that goes down is refused, and what was counted stays what the next is compared with', async () => {
  const opened = open(new SimStore())
  await tell(opened, 1, [{ value: 10 }])
  await tell(opened, 2, [{ value: 4 }])
  await tell(opened, 3, [{ value: 12 }])
  assert.equal(shown(opened).get(`work_total{${named}}`), 12)
  assert.equal(opened.stats.pointsRejected.get('TOTAL_WENT_DOWN'), 1)
})

test('a series that a checkpoint leaves out, or cannot tell, does not count again when it is told again', async () => {
  const opened = open(new SimStore())
  await tell(opened, 1, [{ value: 5 }, { name: 'b', value: 1 }])
  await tell(opened, 2, [{ name: 'b', value: 2 }])
  await tell(opened, 3, [{ value: Number.NaN }, { name: 'b', value: 3 }])
  await tell(opened, 4, [{ name: 'b', value: 3 }, { value: 6 }])
  assert.equal(shown(opened).get(`work_total{${named}}`), 6)
  assert.equal(shown(opened).get(`b_total{${named}}`), 3)
})

test('past the limit of series the totals of journals stay right, whatever is told in between', async () => {
  const opened = open(new SimStore(), { limits: { seriesCountMax: 2 } })
  const counts = (values: readonly number[]): Count[] =>
    values.map((value, n) => ({ value, attributes: { n } }))
  await tell(opened, 1, counts([1, 2, 3, 4]))
  assert.equal(sumOf(opened), 10)
  await tell(opened, 2, counts([1, 2, 3, 4, 5, 6]))
  assert.equal(sumOf(opened), 21)
  await tell(opened, 3, counts([2, 4, 6, 8, 10, 12]).reverse())
  assert.equal(sumOf(opened), 42)
  assert.equal(opened.stats.series, 3)
  assert.equal(opened.stats.pointsRejected.size, 0)
})

test('two orders of the same attributes in one journal are one total', async () => {
  const opened = open(new SimStore())
  await tell(opened, 1, [
    { value: 2, attributes: { a: 1, b: 2 } },
    { value: 3, attributes: { b: 2, a: 1 } },
  ])
  await tell(opened, 2, [{ value: 6, attributes: { a: 1, b: 2 } }])
  assert.equal(sumOf(opened), 6)
})

test('what a writer told is known after a restart', async () => {
  const store = new SimStore()
  await tell(open(store), 1, [{ value: 5 }, { name: 'b', value: 0.25 }])
  const opened = open(store.restarted())
  assert.equal(opened.stats.writers, 1)
  await tell(opened, 2, [{ value: 6 }, { name: 'b', value: 0.5 }])
  assert.equal(sumOf(opened), 6.5)
})

test('past the limit of writers further ones are told to come again, ended ones are taken', async () => {
  const opened = open(new SimStore(), { limits: { writerCountMax: 1 } })
  await tell(opened, 1, [{ value: 5 }])
  const body = totals([{ value: 100 }])
  const living = postJournal(opened, { writer: 'v', sequence: 1, final: false, body })
  const ended = postJournal(opened, { writer: 'u', sequence: 1, final: true, body })
  await committed()
  assert.equal(await living, 'WRITERS_FULL')
  assert.equal(await ended, undefined)
  await tell(opened, 2, [{ value: 6 }], true)
  const again = postJournal(opened, { writer: 'v', sequence: 1, final: false, body })
  await committed()
  assert.equal(await again, undefined)
  assert.equal(sumOf(opened), 206)
})

test('a living writer older than the ledger adds nothing first, an ended one all that it has', async () => {
  const created = Date.now() - 60_000
  const check = async (startMs: number, final: boolean, want: readonly number[]): Promise<void> => {
    const opened = open(new SimStore(new Map(), created * 1e6))
    const seen: number[] = []
    for (const [sequence, value] of [10, 15].entries()) {
      const body = totals([{ value }], startMs)
      void postJournal(opened, { writer: 'w', sequence: sequence + 1, final, body })
      await committed()
      seen.push(sumOf(opened))
    }
    assert.deepEqual(seen, want)
  }
  await check(created - 1, false, [0, 5])
  await check(created + 1, false, [10, 15])
  await check(created - 1, true, [10, 10])
})
