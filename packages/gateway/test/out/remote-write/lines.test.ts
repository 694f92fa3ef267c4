import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Interned } from '../../../src/out/remote-write/interned.ts'
import { RemoteLines } from '../../../src/out/remote-write/lines.ts'
import { committed, open, postBatch } from '../../support/ledgers.ts'
import { deltas } from '../../support/requests.ts'
import { SimStore } from '../../support/sim-store.ts'

const minute = 60_000

test('lines and symbols of series that ended are given to others: memory does not grow with lives', async () => {
  let ms = 0
  const opened = open(new SimStore(), {
    ttl: { seriesTtlMs: 2 * minute },
    clock: () => ms,
    now: () => 1e12 + ms,
  })
  opened.ledger.holdExpiry(false)
  const { series } = opened.ledger
  const lines = new RemoteLines(series, { instance: 'here' })
  opened.ledger.onCommit((born) => lines.keepUp(born))
  opened.ledger.onEnd((ended) => lines.endSeries(ended))
  for (let life = 0; life < 12; life++) {
    const points = Array.from({ length: 200 }, (_, at) => ({ value: 1, attributes: { id: `${life} ${at}` } }))
    void postBatch(opened, deltas(points))
    await committed()
    while (lines.nameSome(50));
    assert.equal(lines.count, 200)
    for (let minutes = 0; minutes < 4; minutes++) {
      ms += minute
      opened.ledger.tick()
    }
    assert.equal(lines.ended.length, 200)
    lines.forgetEnded(200)
    assert.equal(lines.count, 0)
  }
  assert.equal(lines.end, 200)
  assert.ok(lines.symbols.texts.end < 250, `${lines.symbols.texts.end} symbols`)
})

test('an interned text keeps its number as long as it is held, whatever comes and goes', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3000 })), {
    maxLength: 6000,
    minLength: 3000,
  })
  fc.assert(
    fc.property(steps, (all) => {
      const interned = new Interned()
      const held = new Map<string, { number: number; holds: number }>()
      for (const [holds, which] of all) {
        const text = `text ${which}`
        const bytes = Buffer.from(text)
        const known = held.get(text)
        assert.equal(interned.find(7, bytes, bytes.length), known?.number ?? -1)
        if (holds) {
          const number = interned.hold(7, bytes, bytes.length)
          assert.ok(known === undefined || known.number === number)
          held.set(text, { number, holds: (known?.holds ?? 0) + 1 })
        } else if (known !== undefined) {
          interned.release(known.number)
          if (known.holds === 1) held.delete(text)
          else held.set(text, { ...known, holds: known.holds - 1 })
        }
      }
      assert.ok(interned.end <= 3001)
      const view = new DataView(new ArrayBuffer(64))
      for (const [text, { number }] of held) {
        const end = interned.copy(number, view, 0)
        assert.equal(Buffer.from(view.buffer, 0, end).toString(), text)
        assert.deepEqual([interned.lengthOf(number), interned.parentOf(number)], [text.length, 7])
      }
    }),
    { numRuns: 10 }
  )
})
