import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { adler32 } from '../src/adler32.ts'

/** A zlib stream ends with the checksum of what went in (RFC 1950). */
function byZlib(bytes: Uint8Array): number {
  return deflateSync(bytes).readUInt32BE(deflateSync(bytes).length - 4)
}

test('adler32 is what zlib computes, over any part of any bytes', () => {
  assert.equal(adler32(new TextEncoder().encode('Wikipedia')), 0x11e60398)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), fc.nat(200), (bytes, one, other) => {
      const start = Math.min(one, other, bytes.length)
      const end = Math.min(Math.max(one, other), bytes.length)
      assert.equal(adler32(bytes, start, end), byZlib(bytes.subarray(start, end)))
    })
  )
})

test('adler32 of a megabyte of the largest bytes does not overflow', () => {
  const bytes = new Uint8Array(1_000_003).fill(255)
  assert.equal(adler32(bytes), byZlib(bytes))
})
