import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mulberry32 } from '../support/random.ts'
import { SimStore, type Fault } from '../support/sim-store.ts'
import { Workload } from '../support/workload.ts'

const crashes = ['crash before', 'crash within', 'crash after'] as const

test('without a crash every batch counts once, with commits enough for the tests that follow', async () => {
  const workload = new Workload(1, new SimStore())
  await workload.run()
  assert.ok(workload.store.commits > 15, `${workload.store.commits} commits`)
  assert.ok(workload.opened.stats.duplicates > 0, 'something was sent twice')
})

for (const crash of crashes) {
  test(`a ${crash} each commit loses nothing acknowledged and adds nothing twice`, async () => {
    const seed = 7
    const whole = new Workload(seed, new SimStore())
    await whole.run()
    for (let step = 0; step < whole.store.commits; step++) {
      const workload = new Workload(seed, new SimStore(new Map([[step, crash]])))
      await workload.run()
      assert.equal(workload.restarts, 1, `the crash at commit ${step} came`)
    }
  })
}

test('crashes at random commits, many in a row, lose nothing and add nothing twice', async () => {
  for (let seed = 100; seed < 115; seed++) {
    const random = mulberry32(seed)
    const faults = new Map<number, Fault>()
    for (let step = 0; step < 200; step++) {
      if (random() < 0.3) faults.set(step, crashes[Math.floor(random() * 3)] ?? 'crash after')
    }
    const workload = new Workload(seed, new SimStore(faults))
    await workload.run()
    assert.ok(workload.restarts > 1, `${workload.restarts} restarts`)
  }
})

test('crashes among full disks lose nothing and add nothing twice', async () => {
  for (let seed = 200; seed < 210; seed++) {
    const random = mulberry32(seed)
    const faults = new Map<number, Fault>()
    for (let step = 0; step < 200; step++) {
      if (random() < 0.3) faults.set(step, random() < 0.5 ? 'full' : 'crash after')
    }
    await new Workload(seed, new SimStore(faults)).run()
  }
})
