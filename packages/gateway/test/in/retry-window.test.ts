import assert from 'node:assert/strict'
import { test } from 'node:test'
import { committed, open, postBatch, shown, type Opened } from '../support/ledgers.ts'
import { deltas } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

// CONFORMANCE C7: keys age by accumulated gateway uptime, not by the clock; none is evicted inside the window.

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
const limits = { retryWindowMs: 10 * minuteMs }
const ways = {
  'with an id': { resource: { 'service.name': 'jobs' }, id: 'a' },
  'with an instance id': {
    resource: { 'service.name': 'jobs', 'service.instance.id': 'worker 1' },
    id: undefined,
  },
  anonymous: { resource: { 'service.name': 'jobs' }, id: undefined },
} as const

for (const [way, { resource, id }] of Object.entries(ways)) {
  test(`a batch ${way} is known for ten minutes of uptime, over restarts and whatever the clock says`, async () => {
    let uptimeMs = 0
    let wallMs = Date.now()
    let store = new SimStore()
    const start = (): Opened => {
      uptimeMs = 0 // Each process counts from a point of its own.
      const opened = open(store, { limits, clock: () => uptimeMs, now: () => wallMs })
      opened.ledger.holdExpiry(false)
      return opened
    }
    const pass = (opened: Opened, minutes: number): void => {
      for (let minute = 0; minute < minutes; minute++) {
        uptimeMs += minuteMs
        opened.ledger.tick()
      }
    }
    let opened = start()
    const send = async (): Promise<number | undefined> => {
      const answer = postBatch(opened, deltas([{ value: 5 }], resource), id, undefined)
      await committed()
      assert.equal((await answer).refused, undefined)
      return shown(opened).get('work_total{job="jobs",otel_scope_name="test"}')
    }
    assert.equal(await send(), 5)
    for (const awayMs of [dayMs, -2 * dayMs]) {
      pass(opened, 4)
      opened.ledger.close()
      wallMs += awayMs
      store = store.restarted()
      opened = start()
      assert.equal(await send(), 5, 'it is inside the window')
    }
    pass(opened, 1)
    assert.equal(await send(), 5, 'nine minutes in all')
    pass(opened, 2)
    assert.equal(await send(), 10, 'the window is over, counted from when it came first')
  })
}
