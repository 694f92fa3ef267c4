import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TranslationStrategy } from '../../src/config/config.ts'
import { familyName } from '../../src/ledger/family-names.ts'
import { metricTypes } from '../../src/ledger/metric-types.ts'
import { escaped, namingOf, sameNames } from '../../src/out/naming.ts'
import type { Escaping } from '../../src/out/negotiation.ts'

const escapings: readonly Escaping[] = ['allow-utf-8', 'underscores', 'dots', 'values']
const { counter, gauge, histogram } = metricTypes

// CONFORMANCE D1 to D4, E4; the names of escapings are those that Prometheus' Go library gives.

test('each strategy names metrics as Prometheus names it', () => {
  const check = (strategy: TranslationStrategy, ...want: string[]): void => {
    const names = [
      familyName(strategy, counter, 'jobs.done', '{job}'),
      familyName(strategy, counter, 'io', 'By'),
      familyName(strategy, gauge, 'water.level', 'm'),
      familyName(strategy, histogram, 'wait', 'ms'),
      familyName(strategy, counter, '日本', 's'),
      familyName(strategy, counter, '2.fast_total', ''),
    ]
    assert.deepEqual(names, want, strategy)
  }
  const signs = 'U___65e5__672c_'
  check(
    'UnderscoreEscapingWithSuffixes',
    'jobs_done_total',
    'io_bytes_total',
    'water_level_meters',
    'wait_milliseconds',
    `${signs}_seconds_total`,
    '_2_fast_total'
  )
  check('UnderscoreEscapingWithoutSuffixes', 'jobs_done', 'io', 'water_level', 'wait', signs, '_2_fast_total')
  check(
    'NoUTF8EscapingWithSuffixes',
    'jobs.done_total',
    'io_bytes_total',
    'water.level_meters',
    'wait_milliseconds',
    '日本_seconds_total',
    '2.fast_total'
  )
  check('NoTranslation', 'jobs.done', 'io', 'water.level', 'wait', '日本', '2.fast_total')
})

test('names of nothing but signs are as many names as they were', () => {
  const names = ['日本', '中国', '💥', '.', '..', '-', '_', 'é'].map((name) =>
    familyName('UnderscoreEscapingWithSuffixes', counter, name, '')
  )
  assert.equal(new Set(names).size, names.length)
  for (const name of names) assert.match(name, /^[a-zA-Z_:][a-zA-Z0-9_:]*_total$/)
})

test('an escaping makes of a name what the Go library makes of it', () => {
  const check = (name: string, underscores: string, dots: string, values: string): void => {
    assert.deepEqual(
      escapings.map((escaping) => escaped(name, escaping)),
      [name, underscores, dots, values]
    )
  }
  check('no:escaping_required', 'no:escaping_required', 'no:escaping__required', 'no:escaping_required')
  check(
    'mysystem.prod.west',
    'mysystem_prod_west',
    'mysystem_dot_prod_dot_west',
    'U__mysystem_2e_prod_2e_west'
  )
  check('name_with.dot', 'name_with_dot', 'name__with_dot_dot', 'U__name__with_2e_dot')
  check('花火', '__', '____', 'U___82b1__706b_')
  check('label with 😱', 'label_with__', 'label__with____', 'U__label_20_with_20__1f631_')
  check('1st', '_st', '__st', 'U___31_st')
})

test('a label has no colon, and none begins with __', () => {
  const check = (escaping: Escaping, ...want: string[]): void => {
    const naming = namingOf('NoTranslation', escaping)
    assert.deepEqual(
      ['a:b', '__name__', '花火'].map((key) => naming.labelName(key)),
      want
    )
  }
  check('allow-utf-8', 'a:b', 'key__name__', '花火')
  check('underscores', 'a_b', 'key__name__', 'key__')
  check('dots', 'a__b', 'key____name____', 'key____')
  check('values', 'U__a_3a_b', 'key__name__', 'U___82b1__706b_')
})

test('names that are the same are rendered once', () => {
  for (const escaping of escapings) {
    const same = escaping === 'dots' ? 'dots' : 'underscores'
    assert.equal(sameNames('UnderscoreEscapingWithSuffixes', escaping), same)
    assert.equal(sameNames('UnderscoreEscapingWithoutSuffixes', escaping), same)
    assert.equal(sameNames('NoUTF8EscapingWithSuffixes', escaping), escaping)
    assert.equal(sameNames('NoTranslation', escaping), escaping)
  }
  for (const strategy of ['UnderscoreEscapingWithSuffixes', 'UnderscoreEscapingWithoutSuffixes'] as const) {
    for (const name of ['日本', 'a.b', '2fast', '', ':', 'swansong.x']) {
      const plain = familyName(strategy, gauge, name, 'By/s')
      for (const escaping of escapings.filter((one) => one !== 'dots'))
        assert.equal(namingOf(strategy, escaping).familyName(gauge, name, 'By/s'), plain)
    }
  }
})
