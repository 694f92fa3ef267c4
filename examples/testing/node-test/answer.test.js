import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { capture } from '@swansong/sdk/testing'
import { answer } from '../answer.js'

let counts
beforeEach(() => {
  counts = capture()
})
afterEach(() => counts.restore())

test('tokens are counted by model and type', () => {
  answer('who was it that sang')
  answer('who else', 'large')
  assert.equal(counts.value('tokens', { model: 'small', type: 'input' }), 5)
  assert.equal(counts.value('tokens', { model: 'small', type: 'output' }), 3)
  assert.equal(counts.value('tokens'), 5 + 3 + 2 + 2)
})

test('a histogram has its count, sum, extremes and buckets', () => {
  answer('who was it that sang', 'large')
  answer('why', 'large')
  const want = { count: 2, sum: 6, min: 1, max: 5, buckets: [1, 1, 0, 0] }
  assert.deepEqual(counts.value('answer.size'), want)
})

test('what fails counts what it had counted by then', () => {
  assert.throws(() => answer(' '), /no question/)
  assert.equal(counts.value('tokens'), 0)
})
