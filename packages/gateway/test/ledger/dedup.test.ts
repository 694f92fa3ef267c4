import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Dedup, type BatchKey, type Receipt } from '../../src/ledger/dedup.ts'

const none: Receipt = { rejected: 0, message: '' }

/** Ids that begin alike, so that they meet in the table. */
function keyOf(id: number, digest = 0): BatchKey {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, id % 5)
  view.setUint32(12, id)
  const digests = new Uint8Array(8)
  new DataView(digests.buffer).setUint32(4, digest)
  return { id: bytes, digest: digests }
}

test('an id is known with its receipt, and with another body it is told apart', () => {
  const dedup = new Dedup()
  const receipt = { rejected: 3, message: 'three were wrong' }
  assert.equal(dedup.find(keyOf(1)), undefined)
  dedup.insert(keyOf(1, 7), 0, receipt)
  dedup.insert(keyOf(2, 7), 0, none)
  assert.deepEqual(dedup.find(keyOf(1, 7)), receipt)
  assert.deepEqual(dedup.find(keyOf(2, 7)), none)
  assert.equal(dedup.find(keyOf(1, 8)), 'other')
  assert.equal(dedup.find(keyOf(3, 7)), undefined)
})

interface Entry {
  id: number
  second: number
  receipt: Receipt
}

type Step = { do: 'insert'; ids: number; later: number } | { do: 'undo' } | { do: 'expire'; before: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('insert' as const), ids: fc.nat(40), later: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('undo' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('expire' as const), before: fc.nat(30) }) }
)

test('what is remembered, expired, taken back, grown and moved is what a list would hold', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const dedup = new Dedup()
      let model: Entry[] = []
      let nextId = 0
      let second = 0
      for (const action of steps) {
        if (action.do === 'expire') {
          const before = second - action.before
          dedup.expire(before * 1000)
          model = model.filter((entry) => entry.second >= before)
        } else {
          if (action.do === 'insert') second += action.later
          const count = action.do === 'insert' ? action.ids : 5
          for (let at = 0; at < count; at++) {
            const receipt = nextId % 3 === 0 ? { rejected: nextId + 1, message: `no ${nextId}` } : none
            dedup.insert(keyOf(nextId), second * 1000 + 500, receipt)
            model.push({ id: nextId++, second, receipt })
          }
          if (action.do === 'undo') {
            dedup.undo(3)
            model = model.slice(0, -3)
          }
        }
        check(dedup, model, nextId)
      }
    }),
    { numRuns: 60 }
  )
})

function check(dedup: Dedup, model: readonly Entry[], idsSoFar: number): void {
  assert.equal(dedup.count, model.length)
  const living = new Map(model.map((entry) => [entry.id, entry.receipt]))
  for (let id = 0; id < idsSoFar; id++) assert.deepEqual(dedup.find(keyOf(id)), living.get(id), `id ${id}`)
}

test('what was handed to the store comes back from it, messages included', () => {
  const dedup = new Dedup()
  for (let id = 0; id < 200; id++) {
    dedup.insert(keyOf(id, 1), id * 1000, id % 2 === 0 ? none : { rejected: id, message: `no ${id}` })
  }
  const { records, messages } = dedup.latest(150)
  assert.equal(records.length, 150 * 32)
  const restored = new Dedup()
  restored.restore({ records, messages: JSON.parse(JSON.stringify(messages)) as (string | null)[] })
  assert.equal(restored.count, 150)
  for (let id = 0; id < 200; id++) {
    assert.deepEqual(restored.find(keyOf(id, 1)), id < 50 ? undefined : dedup.find(keyOf(id, 1)))
  }
  restored.expire(100_000)
  assert.equal(restored.count, 100)
})

test('of messages beyond the limit the number of points is remembered', () => {
  const dedup = new Dedup()
  const message = 'x'.repeat(2_000_000)
  for (let id = 0; id < 3; id++) dedup.insert(keyOf(id), 0, { rejected: 5, message })
  assert.deepEqual(dedup.find(keyOf(1)), { rejected: 5, message })
  const third = dedup.find(keyOf(2))
  assert.ok(typeof third === 'object' && third.rejected === 5 && third.message.length < 200)
})

test('the age of an id is counted from when it came, in whole seconds', () => {
  const dedup = new Dedup()
  dedup.insert(keyOf(1), 10_900, none)
  dedup.insert(keyOf(2), 11_000, none)
  dedup.expire(10_999)
  assert.equal(dedup.count, 2)
  dedup.expire(11_000)
  assert.equal(dedup.find(keyOf(1)), undefined)
  assert.deepEqual(dedup.find(keyOf(2)), none)
})

test('an anonymous body that was delivered is remembered anew when it comes again, and as before if that is taken back', () => {
  const dedup = new Dedup()
  for (let id = 0; id < 40; id++) dedup.insertAnonymous(keyOf(id), 1000, none)
  dedup.commit()
  dedup.deliver(keyOf(1))
  assert.equal(dedup.findBody(keyOf(1))?.isDelivered, true)
  assert.equal(dedup.findBody(keyOf(2))?.isDelivered, false)
  dedup.insertAnonymous(keyOf(1), 5000, { rejected: 2, message: 'two' })
  for (let id = 40; id < 45; id++) dedup.insertAnonymous(keyOf(id), 5000, none)
  const again = { receipt: { rejected: 2, message: 'two' }, isAnonymous: true, isDelivered: false }
  assert.deepEqual(dedup.findBody(keyOf(1)), again)
  dedup.undo()
  assert.equal(dedup.findBody(keyOf(1))?.isDelivered, true)
  for (let id = 40; id < 45; id++) assert.equal(dedup.findBody(keyOf(id)), undefined)
  for (let id = 0; id < 40; id++) assert.ok(dedup.findBody(keyOf(id)), `id ${id}`)

  for (let times = 0; times < 1000; times++) dedup.insertAnonymous(keyOf(1), 6000, none) // Through moves and growth.
  const { records, messages } = dedup.latest(1000)
  dedup.commit()
  dedup.deliver(keyOf(1))
  const restored = new Dedup()
  restored.restore({ records, messages })
  assert.equal(restored.findBody(keyOf(1))?.isDelivered, false, 'after a restart it is unknown')
  dedup.expire(6000)
  assert.equal(dedup.findBody(keyOf(1))?.isDelivered, true)
  dedup.expire(7000)
  assert.equal(dedup.findBody(keyOf(1)), undefined)
})
