import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { recorded } from './support/recorded.ts'

test('an observed counter counts what it grew by; one that fell began anew', () => {
  const { meter, observers, point } = recorded()
  let value = 5
  meter.createObservableCounter('c').addCallback((result) => result.observe(value, { a: 1 }))
  const seen = [5, 5, 12, 3, 4].map((next) => {
    value = next
    assert.equal(observers.observe(), undefined)
    return point('c')?.value
  })
  assert.deepEqual(seen, [5, 5, 12, 15, 16])
  assert.equal(point('c')?.monotonic, true)
})

test('what is observed twice in one collection counts once', () => {
  const { meter, observers, point } = recorded()
  const observable = meter.createObservableCounter('c')
  for (const value of [100, 50]) observable.addCallback((result) => result.observe(value))
  for (let round = 0; round < 3; round++) void observers.observe()
  assert.equal(point('c')?.value, 50)
})

test('an observed up-down counter is what was observed now, and nothing when it is not there any more', () => {
  const { meter, observers, read } = recorded()
  let queues = { a: 3, b: -2 } as Record<string, number>
  meter.createObservableUpDownCounter('u').addCallback((result) => {
    for (const [queue, size] of Object.entries(queues)) result.observe(size, { queue })
  })
  void observers.observe()
  queues = { b: 7 }
  void observers.observe()
  assert.deepEqual(
    read().points.map(({ attributes, value }) => [attributes, value]),
    [
      ['queue="a"', 0],
      ['queue="b"', 7],
    ]
  )
})

test('one callback observes several instruments, until it is removed', () => {
  const { meter, observers, point } = recorded()
  const one = meter.createObservableGauge('one')
  const two = meter.createObservableGauge('two')
  const other = meter.createObservableGauge('other')
  let value = 1
  const callback: Parameters<typeof meter.addBatchObservableCallback>[0] = (result) => {
    result.observe(one, value)
    result.observe(two, value * 2)
    result.observe(other, 9)
  }
  meter.addBatchObservableCallback(callback, [one, two])
  assert.equal(observers.any, true)
  void observers.observe()
  assert.deepEqual([point('one')?.value, point('two')?.value, point('other')], [1, 2, undefined])
  meter.removeBatchObservableCallback(callback, [two, one])
  value = 5
  void observers.observe()
  assert.deepEqual([point('one')?.value, observers.any], [1, false])
})

test('a callback that throws, rejects or observes nonsense takes nothing from the others', async () => {
  const { meter, observers, point } = recorded()
  const observable = meter.createObservableGauge('g')
  observable.addCallback(() => {
    throw new Error('on purpose')
  })
  observable.addCallback(async (result) => {
    result.observe(1, { by: 'async' })
    throw new Error('on purpose')
  })
  observable.addCallback((result) => {
    result.observe(Number.NaN)
    result.observe('7' as unknown as number)
    result.observe(3, { by: 'sync' })
  })
  observable.addCallback('no function' as unknown as () => void)
  await observers.observe()
  assert.equal(point('g')?.value, 1)
})

test('a callback that waits is waited for, and not called again before it has settled', async () => {
  const { meter, observers, read } = recorded()
  let calls = 0
  let rows = 100
  const settle: (() => void)[] = []
  meter.createObservableCounter('c').addCallback(async (result) => {
    calls++
    const value = rows
    await new Promise<void>((resolve) => settle.push(resolve))
    result.observe(value)
  })
  meter.createObservableUpDownCounter('u').addCallback(async (result) => {
    await sleep(1)
    result.observe(4)
  })
  const first = observers.observe()
  rows = 110
  const second = observers.observe()
  assert.equal(calls, 1)
  settle[0]?.()
  await Promise.all([first, second])
  const third = observers.observe()
  settle[1]?.()
  await third
  assert.deepEqual(
    read().points.map(({ metric, value }) => [metric, value]),
    [
      ['c', 110],
      ['u', 4],
    ]
  )
})

test('a callback that was removed is not called', () => {
  const { meter, observers, point } = recorded()
  const observable = meter.createObservableGauge('g')
  const callback = (result: { observe(value: number): void }): void => result.observe(1)
  observable.addCallback(callback)
  observable.removeCallback(callback)
  void observers.observe()
  assert.deepEqual([point('g'), observers.any], [undefined, false])
})
