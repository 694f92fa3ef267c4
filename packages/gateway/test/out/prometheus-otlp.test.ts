import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TranslationStrategy } from '../../src/config/config.ts'
import { OtlpRequests } from '../../src/out/otlp-requests.ts'
import { awkwardRequest } from '../support/awkward.ts'
import { committed, open, postBatch } from '../support/ledgers.ts'
import { SimStore } from '../support/sim-store.ts'

/*
 * What Prometheus' OTLP receiver makes of what goes out by OTLP, beside what /metrics shows by the same strategy. Building
 * that receiver takes a minute of CPU, so its answers are recorded: UPDATE_GOLDEN=1 asks it again (Go is needed).
 */

/** A series, as Prometheus has it; of a native histogram sum and count. */
interface Received {
  labels: Labels
  value: string
  count?: number
}

type Labels = Record<string, string>

interface Answer {
  series: Received[]
  /** Why the receiver takes nothing of the request. */
  refused: string | undefined
}

const files: Readonly<Record<TranslationStrategy, string>> = {
  UnderscoreEscapingWithSuffixes: 'with-suffixes',
  UnderscoreEscapingWithoutSuffixes: 'without-suffixes',
  NoUTF8EscapingWithSuffixes: 'utf-8-with-suffixes',
  NoTranslation: 'untranslated',
}
const strategies = Object.keys(files) as TranslationStrategy[]
const golden: string = join(import.meta.dirname, 'golden')
const receiver: string = join(import.meta.dirname, '../../../../bench/arrives/peers/prometheus')
const promoted = 'deployment.environment.name'
const begun = 1_700_000_000_000

async function openAwkward(translationStrategy: TranslationStrategy): Promise<ReturnType<typeof open>> {
  const opened = open(new SimStore(), { translationStrategy, clock: () => 0, now: () => begun })
  const answer = postBatch(opened, awkwardRequest())
  await committed()
  assert.equal((await answer).receipt.message, '')
  return opened
}

/** The one request that tells all of it. */
function told({ ledger }: ReturnType<typeof open>): Uint8Array {
  const requests = new OtlpRequests(ledger, () => begun + 1000)
  for (;;) {
    const step = requests.step()
    assert.ok(step !== undefined)
    if (step !== 'more') return step.body
  }
}

function answerTo(body: Uint8Array, strategy: TranslationStrategy): Answer {
  const file = join(golden, `prometheus-otlp-${files[strategy]}.jsonl`)
  const request = createHash('sha256').update(body).digest('hex')
  if (process.env['UPDATE_GOLDEN'] === '1') {
    const made = execFileSync('go', ['run', './translate', strategy, promoted], {
      cwd: receiver,
      input: body,
    })
    writeFileSync(file, `${JSON.stringify({ request })}\n${made.toString()}`)
  }
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const [of, ...rows] = lines.map((line) => JSON.parse(line) as Received | { refused: string })
  assert.deepEqual(of, { request }, 'what goes out is another request: ask again by UPDATE_GOLDEN=1')
  const series = rows.filter((row) => 'labels' in row)
  return { series, refused: rows.find((row) => 'refused' in row)?.refused }
}

/** What /metrics shows: labels and values of each line. */
function shownBy({ exposition }: ReturnType<typeof open>, strategy: TranslationStrategy): [Labels, number][] {
  const isUtf8 = strategy === 'NoTranslation' || strategy === 'NoUTF8EscapingWithSuffixes'
  const format = isUtf8 ? 'text-1.0.0' : 'text-0.0.4'
  const escaping = isUtf8 ? 'allow-utf-8' : 'underscores'
  const steps = exposition.steps({ format, escaping, room: 0, bytesMax: Infinity, forScraper: false })
  for (;;) {
    const { done, value } = steps.next()
    if (done !== true) continue
    const lines = Buffer.from(value.finish()).toString().split('\n')
    return lines.filter((line) => line !== '' && !line.startsWith('#')).map(readLine)
  }
}

function readLine(line: string): [Labels, number] {
  const space = line.lastIndexOf(' ')
  const [, name = '', inner = ''] = /^([^{]*)\{(.*)\}$/s.exec(line.slice(0, space)) ?? []
  const labels: Labels = { __name__: name }
  for (const [, quoted, bare = '', of] of inner.matchAll(
    /(?:"((?:[^"\\]|\\.)*)"|([\w:]+))(?:="((?:[^"\\]|\\.)*)")?(?:,|$)/g
  ))
    if (of === undefined) labels['__name__'] = unescaped(quoted ?? '')
    else labels[quoted === undefined ? bare : unescaped(quoted)] = unescaped(of)
  return [labels, Number(line.slice(space + 1).replace('Inf', 'Infinity'))]
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
}

/** By name and labels, sorted; without those whose names either side has made of what no name can be made of. */
function comparable(lines: readonly (readonly [Labels, number])[], isUtf8: boolean): [string, number][] {
  const result: [string, number][] = []
  for (const [{ instance: _, ...labels }, value] of lines) {
    if (passedOver(labels, isUtf8)) continue
    if (labels['__name__']?.endsWith('_bucket') === true)
      labels['le'] = String(Number(labels['le']?.replace('Inf', 'Infinity')))
    const sorted = Object.entries(labels).toSorted(([one], [other]) => (one < other ? -1 : 1))
    result.push([JSON.stringify(sorted), value])
  }
  return result.toSorted(([one], [other]) => (one < other ? -1 : 1))
}

/** Where Prometheus' receiver differs, and why we do. */
function passedOver(labels: Labels, isUtf8: boolean): boolean {
  const { __name__: name = '', id = '' } = labels
  // Names and labels without any ASCII letter or digit: Prometheus refuses the whole request, we write their numbers.
  if (!isUtf8 && ['signs', 'other signs', 'labels'].includes(id)) return true
  // Two names that become one: Prometheus keeps the value of one of them, we add.
  if (!isUtf8 && id === 'merged') return true
  // Names of our own, and of the labels that Prometheus gives a meaning: Prometheus mixes them up, ours are `exported_…`.
  if (['own', 'target', 'reserved'].includes(id) || /^request.size/.test(name)) return true
  // A label `__name__` is left out there.
  if (id === 'labels') return true
  // The specification has no `_ratio` any more; and it looks for a unit at the end of a name alone.
  return id === 'ratio' || (isUtf8 && id === 'there')
}

for (const strategy of strategies) {
  test(`by ${strategy} Prometheus' OTLP receiver has the names and values that /metrics shows`, async () => {
    const opened = await openAwkward(strategy)
    const { series, refused } = answerTo(told(opened), strategy)
    const isUtf8 = strategy.startsWith('No')
    assert.equal(
      refused === undefined,
      isUtf8,
      'it refuses names without any ASCII letter or digit, and all beside them'
    )
    const received = series.flatMap(({ labels, value, count }): [Labels, number][] => {
      const number = Number(value.replace('Inf', 'Infinity'))
      if (count === undefined) return [[labels, number]]
      const named = (suffix: string): Labels => ({ ...labels, __name__: `${labels['__name__']}${suffix}` })
      return [
        [named('_sum'), number],
        [named('_count'), count],
      ]
    })
    const shown = shownBy(opened, strategy).filter(
      ([{ __name__: name }]) => !/^fine.*_bucket$/.test(name ?? '')
    )
    const want = comparable(shown, isUtf8)
    assert.ok(want.length > 20)
    assert.deepEqual(comparable(received, isUtf8), want)
  })
}
