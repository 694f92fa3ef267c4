import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { crc32 } from '@swansong/otlp'

test('crc32 is what zlib computes, over any part of any bytes', () => {
  assert.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf43926)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), fc.nat(200), (bytes, one, other) => {
      const start = Math.min(one, other, bytes.length)
      const end = Math.min(Math.max(one, other), bytes.length)
      assert.equal(crc32(bytes, start, end), zlibCrc32(bytes.subarray(start, end)))
    })
  )
})
