import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TranslationStrategy } from '../../src/config/config.ts'
import type { Escaping, Format } from '../../src/out/negotiation.ts'
import { awkwardRequest } from '../support/awkward.ts'
import { committed, open, postBatch } from '../support/ledgers.ts'
import { SimStore } from '../support/sim-store.ts'

const golden: string = join(import.meta.dirname, 'golden')
/** Writes down what is shown now: to be looked at before it is committed. */
const isWriting = process.env['UPDATE_GOLDEN'] === '1'

async function shownAs(strategy: TranslationStrategy, format: Format, escaping: Escaping): Promise<string> {
  const opened = open(new SimStore(), { translationStrategy: strategy })
  const answer = postBatch(opened, awkwardRequest())
  await committed()
  assert.equal((await answer).receipt.message, '')
  const options = { format, escaping, room: 0, bytesMax: Infinity, forScraper: false }
  const steps = opened.exposition.steps(options)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return Buffer.from(value.finish()).toString()
  }
}

const files: [file: string, TranslationStrategy, Format, Escaping][] = [
  ['with-suffixes.txt', 'UnderscoreEscapingWithSuffixes', 'text-0.0.4', 'underscores'],
  ['with-suffixes.openmetrics', 'UnderscoreEscapingWithSuffixes', 'openmetrics-1.0', 'underscores'],
  ['without-suffixes.txt', 'UnderscoreEscapingWithoutSuffixes', 'text-0.0.4', 'underscores'],
  ['without-suffixes.openmetrics', 'UnderscoreEscapingWithoutSuffixes', 'openmetrics-1.0', 'underscores'],
  ['utf-8-with-suffixes.txt', 'NoUTF8EscapingWithSuffixes', 'text-1.0.0', 'allow-utf-8'],
  ['utf-8-with-suffixes.openmetrics', 'NoUTF8EscapingWithSuffixes', 'openmetrics-1.0', 'allow-utf-8'],
  ['untranslated.txt', 'NoTranslation', 'text-1.0.0', 'allow-utf-8'],
  ['untranslated.openmetrics', 'NoTranslation', 'openmetrics-1.0', 'allow-utf-8'],
  ['untranslated-underscores.txt', 'NoTranslation', 'text-0.0.4', 'underscores'],
  ['untranslated-dots.txt', 'NoTranslation', 'text-1.0.0', 'dots'],
  ['untranslated-values.txt', 'NoTranslation', 'text-1.0.0', 'values'],
]

for (const [file, strategy, format, escaping] of files) {
  test(`names, units, escapes, collisions and floats are those of golden/${file}`, async () => {
    const text = await shownAs(strategy, format, escaping)
    const path = join(golden, file)
    if (isWriting) writeFileSync(path, text)
    assert.equal(text, readFileSync(path, 'utf8'))
  })
}
