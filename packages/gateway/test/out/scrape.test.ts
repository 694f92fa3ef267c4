import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptsGzip } from '../../src/out/scrape.ts'

test('gzip is sent where it is named and not refused', () => {
  const check = (header: string | undefined, want: boolean): void => {
    assert.equal(acceptsGzip(header), want, header)
  }
  check('gzip', true)
  check('GZIP', true)
  check('deflate, gzip;q=0.5, br', true)
  check('gzip; q=1.0', true)
  check('gzip;q=0.001', true)
  check('*', true)
  check('identity;q=1, *;q=0.5', true)
  check('*;q=0, gzip', true)
  check(undefined, false)
  check('', false)
  check('identity', false)
  check('gzip;q=0', false)
  check('gzip;q=0.000', false)
  check('gzip; Q=0', false)
  check('gzip;q=0, *', false)
  check('*;q=0', false)
  check('not-gzip, gzipped', false)
})
