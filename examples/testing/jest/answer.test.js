import { afterEach, beforeEach, expect, test } from '@jest/globals'
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
  expect(counts.value('tokens', { model: 'small', type: 'input' })).toBe(5)
  expect(counts.value('tokens', { model: 'small', type: 'output' })).toBe(3)
  expect(counts.value('tokens')).toBe(5 + 3 + 2 + 2)
})

test('a histogram has its count, sum, extremes and buckets', () => {
  answer('who was it that sang', 'large')
  answer('why', 'large')
  const want = { count: 2, sum: 6, min: 1, max: 5, buckets: [1, 1, 0, 0] }
  expect(counts.value('answer.size')).toEqual(want)
})

test('what fails counts what it had counted by then', () => {
  expect(() => answer(' ')).toThrow('no question')
  expect(counts.value('tokens')).toBe(0)
})
