import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { awkwardNumbers, awkwardRequest } from '../packages/gateway/test/support/awkward.ts'
import { checkedByPromtool, parsedByPython, type ParsedFamily } from './peers/parsers.ts'
import { startGateway, type Gateway } from './support/gateway.ts'
import { ask } from './support/http.ts'

const golden = new URL('../packages/gateway/test/out/golden/', import.meta.url)
const text0 = 'text/plain;version=0.0.4'
const text1 = 'text/plain;version=1.0.0;escaping=allow-utf-8'
const openMetrics = 'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8'

async function gatewayOf(strategy: string): Promise<Gateway> {
  const env = { SWANSONG_TRANSLATION_STRATEGY: strategy, SWANSONG_FIRST_INCREMENT_HOLD: 'off' }
  const gateway = await startGateway({ env })
  const { status, body } = await gateway.post(awkwardRequest())
  assert.deepEqual([status, body.length], [200, 0])
  return gateway
}

/** What is shown, which is what the golden file holds, beside the gateway's own metrics. */
async function shown(gateway: Gateway, accept: string, file: string): Promise<string> {
  const { status, body } = await ask(`${gateway.urls.metrics}/metrics`, { headers: { accept } })
  assert.equal(status, 200)
  const text = body.toString()
  const workers = text.replaceAll(/^(?:# \w+ )?swansong_.*\n|^# EOF\n/gm, '')
  assert.deepEqual(workers.split('\n'), readFileSync(new URL(file, golden), 'utf8').split('\n'))
  return text
}

/** By `id`: all lines of it together. */
function numbersOf(families: readonly ParsedFamily[]): Map<string, number> {
  const numbers = new Map<string, number>()
  for (const { samples } of families)
    for (const { labels, value } of samples) {
      const { id } = labels
      if (id !== undefined) numbers.set(id, (numbers.get(id) ?? 0) + Number(value.replace('inf', 'Infinity')))
    }
  return numbers
}

/** Of a histogram, by its name: bounds and counts, and what stands beside them. */
function bucketsOf(families: readonly ParsedFamily[], name: string): Record<string, number> {
  const family = families.find((one) => one.name === name)
  assert.equal(family?.type, 'histogram')
  return Object.fromEntries(
    family.samples.map(({ name: sample, labels, value }) => [labels['le'] ?? sample, Number(value)])
  )
}

test('by the default strategy promtool and the Python client read all that is shown, as it was counted', async () => {
  const gateway = await gatewayOf('UnderscoreEscapingWithSuffixes')
  const text = await shown(gateway, text0, 'with-suffixes.txt')
  await checkedByPromtool(text)
  const families = await parsedByPython('text', text)
  assert.deepEqual(numbersOf(families), awkwardNumbers)
  const size = { '1e-05': 1, '0.5': 1, '1': 2, '1e+06': 3, '1e+21': 3, '+Inf': 4 }
  const beside = { request_size_bytes_sum: 1e22, request_size_bytes_count: 4 }
  assert.deepEqual(bucketsOf(families, 'request_size_bytes'), { ...size, ...beside })

  const strict = await parsedByPython(
    'openmetrics',
    await shown(gateway, openMetrics, 'with-suffixes.openmetrics')
  )
  assert.deepEqual(numbersOf(strict), awkwardNumbers)
  const { '1': one, ...rest } = size
  assert.deepEqual(bucketsOf(strict, 'request_size_bytes'), { ...rest, '1.0': one, ...beside })
  assert.equal(strict.find(({ name }) => name === 'io_bytes')?.unit, 'bytes')
  assert.equal(strict.find(({ name }) => name === 'request_size_bytes')?.help, 'How "large",\nin \\ bytes.')
  const marks = strict.flatMap(({ samples }) => samples.flatMap(({ exemplar }) => exemplar ?? []))
  const traced = { trace_id: '0102030405060708090a0b0c0d0e0f10', span_id: 'fffefdfcfbfaf9f8' }
  assert.deepEqual(
    marks.map(({ labels, value }) => [labels, Number(value)]),
    [
      [{ ...traced, http_path: '/"x"' }, 0.75],
      [traced, 1e22],
      [traced, 3],
      [traced, 1],
    ]
  )
  assert.equal(strict.find(({ name }) => name === 'target')?.type, 'info')
})

test('names in UTF-8, and names without suffixes, are read by the Python client as they were counted', async () => {
  const check = async (strategy: string, file: string, text: string): Promise<void> => {
    const gateway = await gatewayOf(strategy)
    const relaxed = await parsedByPython('text', await shown(gateway, text, `${file}.txt`))
    assert.deepEqual(numbersOf(relaxed), awkwardNumbers, `${strategy} as text`)
    const strict = await parsedByPython(
      'openmetrics',
      await shown(gateway, openMetrics, `${file}.openmetrics`)
    )
    assert.deepEqual(numbersOf(strict), awkwardNumbers, `${strategy} as OpenMetrics`)
    if (text === text0) return
    const names = new Set(relaxed.map(({ name }) => name))
    for (const name of ['日本', '中国', 'größe', 'with"quote\\and\nline'])
      assert.ok(names.has(name), `${name} is not among ${[...names].join(' ')}`)
    for (const escaping of ['underscores', 'dots', 'values']) {
      const headers = { accept: `text/plain;version=1.0.0;escaping=${escaping}` }
      const { body, headers: told } = await ask(`${gateway.urls.metrics}/metrics`, { headers })
      assert.equal(told['content-type'], `text/plain; version=1.0.0; charset=utf-8; escaping=${escaping}`)
      await checkedByPromtool(body.toString())
      assert.deepEqual(numbersOf(await parsedByPython('text', body.toString())), awkwardNumbers, escaping)
    }
  }
  await check('UnderscoreEscapingWithoutSuffixes', 'without-suffixes', text0)
  await check('NoTranslation', 'untranslated', text1)
})

test('what is compressed says the same, whoever asks and in whatever order', async () => {
  const gateway = await gatewayOf('NoUTF8EscapingWithSuffixes')
  const unzip = { identity: (body: Buffer) => body, gzip: gunzipSync, zstd: zstdDecompressSync }
  const asked = [text0, text1, openMetrics].flatMap((accept) =>
    Object.entries(unzip).map(async ([coding, undo]) => {
      const headers = { accept, 'accept-encoding': coding, 'x-prometheus-scrape-timeout-seconds': '60' }
      const answer = await ask(`${gateway.urls.metrics}/metrics`, { headers })
      assert.equal(answer.headers['content-encoding'], coding === 'identity' ? undefined : coding)
      assert.equal(answer.headers['vary'], 'Accept, Accept-Encoding')
      return [
        accept,
        undo(answer.body)
          .toString()
          .replaceAll(/^swansong_.*\n/gm, ''),
      ] as const
    })
  )
  const byFormat = Map.groupBy(await Promise.all(asked), ([accept]) => accept)
  for (const [accept, answers] of byFormat)
    assert.equal(new Set(answers.map(([, text]) => text)).size, 1, `${accept} is not always the same`)
  const file = readFileSync(new URL('utf-8-with-suffixes.txt', golden), 'utf8')
  assert.ok(byFormat.get(text1)?.[0]?.[1].startsWith(file))
})
