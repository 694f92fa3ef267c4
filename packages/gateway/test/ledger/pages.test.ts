import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pageBytes, Pages, slotsPerPage, Used } from '../../src/ledger/pages.ts'

test('a run of slots never crosses a page, and no two overlap', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: slotsPerPage }), { maxLength: 50 }), (runs) => {
      const pages = new Pages()
      let next = 0
      for (const count of runs) {
        const slot = pages.allocate(count)
        assert.ok(slot >= next, 'behind the run before')
        assert.equal(Math.floor(slot / slotsPerPage), Math.floor((slot + count - 1) / slotsPerPage))
        for (let at = slot; at < slot + count; at++) assert.equal(pages.value(at), 0)
        next = slot + count
        assert.equal(pages.next, next)
      }
    })
  )
  assert.throws(() => new Pages().allocate(slotsPerPage + 1), /BUG/)
})

test('a page is dirty once, from its first addition until it is clean', () => {
  const pages = new Pages()
  const first = pages.allocate(2)
  for (let at = 0; at < slotsPerPage; at++) pages.allocate(2)
  const last = pages.allocate(2)
  pages.add(first, 1)
  pages.add(last, 2)
  pages.add(first, 3)
  assert.deepEqual([...pages.dirty], [0, 2])
  pages.clean()
  assert.deepEqual([...pages.dirty], [])
  pages.add(last, 1)
  assert.deepEqual([...pages.dirty], [2])
  assert.equal(pages.value(first), 4)
  assert.equal(pages.value(last), 3)
})

test('a sealed page is restored as it was, elsewhere too', () => {
  const pages = new Pages()
  const slot = pages.allocate(2)
  pages.add(slot, 1.5)
  const sealed = pages.seal(0).slice()
  assert.equal(sealed.length, pageBytes)
  pages.add(slot, 100)
  pages.restore(0, sealed)
  assert.equal(pages.value(slot), 1.5)

  const others = new Pages()
  const shifted = new Uint8Array(pageBytes + 3)
  shifted.set(sealed, 3) // As a driver may hand it out: not at a multiple of eight.
  others.restore(0, shifted.subarray(3))
  others.claim(usedOf([[slot, 2]]))
  assert.equal(others.value(slot), 1.5)
  assert.equal(others.next, 2)

  pages.restore(0, undefined)
  assert.equal(pages.value(slot), 0)
})

test('a page of which any bit is wrong, or that is not whole, is refused', () => {
  const pages = new Pages()
  pages.add(pages.allocate(2), 12_345.678)
  const sealed = pages.seal(0).slice()
  for (let at = 0; at < slotsPerPage * 8 + 4; at += 1 + (at % 13)) {
    const damaged = sealed.slice()
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8))
    assert.throws(() => new Pages().restore(7, damaged), /page 7 does not match its checksum/)
  }
  assert.throws(() => new Pages().restore(0, sealed.subarray(0, -8)), /checksum/)
  assert.throws(() => new Pages().restore(0, new Uint8Array(0)), /checksum/)
})

test('what was allocated and taken back is allocated again', () => {
  const pages = new Pages()
  pages.allocate(2)
  const mark = pages.mark()
  const slot = pages.allocate(2)
  pages.release(mark)
  assert.equal(pages.allocate(2), slot)
})

test("what lies between runs that are somebody's is allocated again, zeroed, before anything behind them", () => {
  const run = fc.record({ length: fc.integer({ min: 1, max: 60 }), kept: fc.boolean() })
  const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 60 })
  fc.assert(
    fc.property(fc.array(run, { maxLength: 60 }), lengths, (runs, more) => {
      const pages = new Pages()
      const all = runs.map(({ length }): [number, number] => [pages.allocate(length), length])
      for (const [slot, length] of all)
        pages.touch(slot).fill(7, pages.offsetOf(slot), pages.offsetOf(slot) + length)
      const kept = all.filter((_, at) => runs[at]?.kept)
      const { next: before } = pages
      pages.claim(usedOf(kept))
      assert.ok(pages.next <= before)
      pages.keep()
      pages.clean()
      const mark = pages.mark()
      const born = (): number[] => more.map((length) => pages.allocate(length))
      const slots = born()
      for (const [at, slot] of slots.entries()) {
        const length = more[at] as number
        const offset = pages.offsetOf(slot)
        assert.ok(offset + length <= slotsPerPage, 'it does not cross a page')
        assert.deepEqual(
          [...pages.slotsOf(slot).subarray(offset, offset + length)],
          Array<number>(length).fill(0)
        )
        for (const [other, otherLength] of [
          ...kept,
          ...slots.slice(0, at).map((s, i) => [s, more[i] as number]),
        ])
          assert.ok(
            slot + length <= (other as number) || (other as number) + (otherLength as number) <= slot,
            'none overlap'
          )
      }
      for (const [slot, length] of kept)
        for (let at = slot; at < slot + length; at++) assert.equal(pages.value(at), 7)
      pages.release(mark)
      assert.deepEqual(pages.mark(), mark)
      assert.equal(new Set(born()).size, more.length, 'taken back, and allocated once more')
    })
  )
})

test('churn of runs of one length needs no more room than the most that there were at once', () => {
  const pages = new Pages()
  for (let generation = 0; generation < 20; generation++) {
    for (let at = 0; at < 1000; at++) pages.allocate(17)
    assert.ok(pages.next <= (Math.ceil(1000 / 29) + 1) * slotsPerPage)
    pages.claim(usedOf([]))
  }
})

function usedOf(runs: readonly (readonly [number, number])[]): Used {
  const used = new Used()
  for (const [slot, length] of runs) used.add(slot, length)
  return used
}
