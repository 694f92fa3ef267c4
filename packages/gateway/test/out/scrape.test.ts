import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codingOf } from '../../src/out/compression.ts'
import { timeoutMsOf } from '../../src/out/scrape.ts'

test('an answer is compressed by what is named and not refused', () => {
  const check = (header: string | undefined, want: string | undefined): void => {
    assert.equal(codingOf(header), want, header)
  }
  check('gzip', 'gzip')
  check('GZIP', 'gzip')
  check('deflate, gzip;q=0.5, br', 'gzip')
  check('gzip; q=1.0', 'gzip')
  check('gzip;q=0.001', 'gzip')
  check('*', 'gzip')
  check('identity;q=1, *;q=0.5', 'gzip')
  check('*;q=0, gzip', 'gzip')
  check('zstd', 'zstd')
  check('gzip, deflate, br, zstd', 'zstd')
  check('zstd;q=0.5, gzip;q=0.8', 'gzip')
  check('zstd;q=0, gzip', 'gzip')
  check('zstd;q=x, gzip', 'gzip')
  check(undefined, undefined)
  check('', undefined)
  check('identity', undefined)
  check('gzip;q=0', undefined)
  check('gzip;q=0.000', undefined)
  check('gzip; Q=0', undefined)
  check('gzip;q=0, *', undefined)
  check('*;q=0', undefined)
  check('not-gzip, gzipped', undefined)
})

test('what a scraper says of its patience is a number of seconds, or nothing', () => {
  assert.equal(timeoutMsOf('10'), 10_000)
  assert.equal(timeoutMsOf('0.5'), 500)
  for (const header of [undefined, '', '0', '-1', 'soon', ['1', '2']])
    assert.equal(timeoutMsOf(header), undefined)
})
