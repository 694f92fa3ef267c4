import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addToSum } from '../../src/ledger/values/sum.ts'

function sumOf(amounts: Iterable<number>): number {
  const slots = new Float64Array(4)
  for (const amount of amounts) addToSum(slots, 1, amount)
  assert.equal(slots[0], 0)
  assert.equal(slots[3], 0)
  return slots[1] ?? Number.NaN
}

test('ten million times 0.1 is exactly a million', () => {
  const slots = new Float64Array(2)
  for (let at = 0; at < 10_000_000; at++) addToSum(slots, 0, 0.1)
  assert.equal(slots[0], 1_000_000)
})

test('a counter goes on counting by one past 2^53', () => {
  const slots = new Float64Array([2 ** 53, 0])
  for (let at = 0; at < 1000; at++) addToSum(slots, 0, 1)
  assert.equal(slots[0], 2 ** 53 + 1000)
})

test('integers add up as integers do, in any order', () => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeNat(), { maxLength: 200 }), (amounts) => {
      const exact = amounts.reduce((sum, amount) => sum + BigInt(amount), 0n)
      assert.equal(sumOf(amounts), Number(exact))
    })
  )
})

test('small amounts beside large ones are not lost', () => {
  const amounts = Array.from({ length: 100_000 }, (_, at) => (at === 0 ? 1e16 : 0.001))
  assert.equal(sumOf(amounts), 1e16 + 100)
})

test('a sum never goes down and is never more than the largest double', () => {
  const amount = fc.oneof(
    fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(Number.MAX_VALUE, 2 ** 970, 2 ** 969, 2 ** 1023, Number.MIN_VALUE, 0)
  )
  fc.assert(
    fc.property(fc.array(amount, { maxLength: 60 }), (amounts) => {
      const slots = new Float64Array(2)
      for (const next of amounts) {
        const before = slots[0] ?? 0
        addToSum(slots, 0, next)
        const after = slots[0] ?? 0
        assert.ok(after >= before, `${before} became ${after} by ${next}`)
        assert.ok(after <= Number.MAX_VALUE, `${before} and ${next} made ${after}`)
      }
    }),
    { numRuns: 2000 }
  )
})

test('a sum that has reached the largest double stays there', () => {
  assert.equal(sumOf([Number.MAX_VALUE, Number.MAX_VALUE, 1]), Number.MAX_VALUE)
})

test('a remainder that would carry the sum past the largest double does not', () => {
  const quarter = 2 ** 969 // Of the last place of the largest double.
  assert.equal(sumOf([quarter, Number.MAX_VALUE, quarter]), Number.MAX_VALUE)
})
