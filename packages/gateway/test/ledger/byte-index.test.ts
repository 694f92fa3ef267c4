import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteIndex } from '../../src/ledger/byte-index.ts'

const key = fc.record({ parent: fc.integer({ min: -1, max: 3 }), bytes: fc.uint8Array({ maxLength: 9 }) })

test('the index finds what a map finds, at any place in any array', () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 400 }), fc.nat(7), (keys, offset) => {
      const index = new ByteIndex()
      const model = new Map<string, number>()
      for (const { parent, bytes } of keys) {
        const shifted = new Uint8Array(offset + bytes.length + 3).fill(0xee)
        shifted.set(bytes, offset)
        const end = offset + bytes.length
        const known = model.get(`${parent} ${String(bytes)}`) ?? -1
        assert.equal(index.find(parent, shifted, offset, end), known)
        if (known >= 0) continue
        model.set(`${parent} ${String(bytes)}`, model.size * 3)
        index.insert(parent, shifted, offset, end, (model.size - 1) * 3)
      }
      assert.equal(index.count, model.size)
      for (const { parent, bytes } of keys) {
        const value = model.get(`${parent} ${String(bytes)}`)
        assert.equal(index.find(parent, bytes, 0, bytes.length), value)
      }
    })
  )
})

test('a hundred thousand keys are found after growing, and no other', () => {
  const index = new ByteIndex()
  const keys = Array.from({ length: 100_000 }, (_, at) => Buffer.from(`key number ${at}`))
  for (const [at, bytes] of keys.entries()) index.insert(at % 7, bytes, 0, bytes.length, at)
  for (const [at, bytes] of keys.entries()) {
    if (index.find(at % 7, bytes, 0, bytes.length) !== at) assert.fail(`key ${at} is not found`)
    if (index.find(8, bytes, 0, bytes.length) !== -1) assert.fail(`key ${at} is found under another parent`)
    if (index.find(at % 7, bytes, 0, bytes.length - 1) === at) assert.fail(`a prefix of key ${at} is found`)
  }
  assert.equal(
    index.byteLength,
    keys.reduce((sum, bytes) => sum + bytes.length, 0)
  )
})

test('keys are copied: whoever gave the bytes may use them for others', () => {
  const index = new ByteIndex()
  const bytes = Buffer.from('first')
  index.insert(0, bytes, 0, 5, 1)
  bytes.write('other')
  assert.equal(index.find(0, bytes, 0, 5), -1)
  assert.equal(index.find(0, Buffer.from('first'), 0, 5), 1)
  assert.equal(Buffer.from(index.keyOf(0)).toString(), 'first')
  assert.equal(index.parentOf(0), 0)
})

test('keys as long as a chunk, and those that would cross one, are whole', () => {
  const index = new ByteIndex()
  const chunk = 1 << 20
  const lengths = [chunk - 1, 2, chunk, 5, chunk - 6, 3, 0, chunk]
  const keys = lengths.map((length, at) => new Uint8Array(length).fill(at + 1))
  for (const [at, bytes] of keys.entries()) index.insert(0, bytes, 0, bytes.length, at)
  for (const [at, bytes] of keys.entries()) {
    assert.equal(index.find(0, bytes, 0, bytes.length), at)
    assert.deepEqual(index.keyOf(at), bytes)
  }
})

test('what is taken back is gone, what stood before is there, and its room is used again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 300 }), (kept, more) => {
      const index = new ByteIndex()
      const bytesOf = (name: string): Uint8Array => Buffer.from(name)
      const insert = (name: string, value: number): void => {
        index.insert(1, bytesOf(name), 0, name.length, value)
      }
      const find = (name: string): number => index.find(1, bytesOf(name), 0, name.length)
      for (let at = 0; at < kept; at++) insert(`kept ${at}`, at)
      const { byteLength } = index
      for (let at = 0; at < more; at++) insert(`more ${at}`, at)
      index.truncate(kept)
      assert.equal(index.count, kept)
      assert.equal(index.byteLength, byteLength)
      for (let at = 0; at < kept; at++) assert.equal(find(`kept ${at}`), at)
      for (let at = 0; at < more; at++) assert.equal(find(`more ${at}`), -1)
      for (let at = 0; at < more; at++) insert(`else ${at}`, at)
      for (let at = 0; at < kept; at++) assert.equal(find(`kept ${at}`), at)
      for (let at = 0; at < more; at++) assert.equal(find(`else ${at}`), at)
    }),
    { numRuns: 50 }
  )
})

test('what is removed is gone, the rest is found, before and after its room is given back', () => {
  const step = fc.record({ key, removes: fc.boolean(), compacts: fc.integer({ min: 0, max: 19 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const index = new ByteIndex()
      const model = new Map<string, { entry: number; value: number; parent: number; bytes: Uint8Array }>()
      for (const [
        value,
        {
          key: { parent, bytes },
          removes,
          compacts,
        },
      ] of steps.entries()) {
        const name = `${parent} ${String(bytes)}`
        const known = model.get(name)
        if (known === undefined) {
          model.set(name, { entry: index.count, value, parent, bytes })
          index.insert(parent, bytes, 0, bytes.length, value)
        } else if (removes) {
          index.remove(known.entry)
          model.delete(name)
        }
        if (compacts === 0) {
          const places = index.compact()
          for (const each of model.values()) each.entry = places[each.entry] as number
          assert.equal(index.count, model.size)
        }
        assert.equal(index.count - index.removed, model.size)
        assert.equal(index.find(parent, bytes, 0, bytes.length), model.get(name)?.value ?? -1)
      }
      let byteLength = 0
      for (const { entry, value, parent, bytes } of model.values()) {
        assert.equal(index.find(parent, bytes, 0, bytes.length), value)
        assert.equal(index.valueOf(entry), value)
        assert.deepEqual(index.keyOf(entry), bytes)
        byteLength += bytes.length
      }
      assert.equal(index.byteLength, byteLength)
      const { count } = index
      for (let at = 0; at < 50; at++) index.insert(9, Uint8Array.of(at), 0, 1, at)
      index.truncate(count)
      for (const { value, parent, bytes } of model.values())
        assert.equal(index.find(parent, bytes, 0, bytes.length), value)
    })
  )
})
