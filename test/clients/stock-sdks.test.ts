import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Labels, revealed, startPrometheus } from '../peers/prometheus.ts'
import { type Language, languages } from '../peers/stock-sdks.ts'
import { lineOf } from '../support/exposition.ts'
import { type Fault, startFaultyProxy } from '../support/faulty-proxy.ts'
import { startGateway } from '../support/gateway.ts'
import { runAll } from '../support/worker.ts'
import {
  type Crew,
  type Encoding,
  holdsSums,
  nameOf,
  processesOf,
  sameLines,
  shownOf,
  sumsOf,
} from './work.ts'

/*
 * Stock SDKs in real processes, with nothing but environment variables: every instrument, every temporality, forty workers
 * of one name. Each exports twice, so their deltas overlap in time and are of the same series (CONFORMANCE B2, B3, B9).
 */

const gateway = await startGateway()
const endpoints: Record<Encoding, string> = {
  proto: gateway.urls.endpoint,
  json: gateway.urls.endpoint,
  grpc: `http://127.0.0.1:${gateway.ports.otlpGrpc}`,
}
const encodings: Record<Language, Encoding[]> = {
  js: ['proto', 'json', 'grpc'],
  python: ['proto', 'grpc'],
  go: ['proto', 'grpc'],
}
const temporalities = ['delta', 'cumulative'] as const
const workers = 40
/** Python and JavaScript take most of a second to start, Go some milliseconds. */
const processes: Record<Language, number> = { js: 4, python: 4, go: 40 }
const atOnce = 6
const counted: Crew[] = []

for (const language of languages) {
  test(`forty workers of the stock SDK of ${language}, in each encoding and temporality: every sum is exact`, async () => {
    const crews = encodings[language].flatMap((encoding) =>
      temporalities.map((temporality): Crew => {
        const endpoint = endpoints[encoding]
        return { language, encoding, temporality, workers, processes: processes[language], endpoint }
      })
    )
    const said = await runAll(crews.flatMap(processesOf), atOnce)
    assert.deepEqual([...new Set(said)], [''])
    await holdsSums(gateway, crews)
    counted.push(...crews)
  })
}

test('Prometheus reads the same of all of them', async () => {
  const prometheus = await startPrometheus({ targets: [`127.0.0.1:${gateway.ports.metrics}`] })
  await revealed(prometheus)
  const read = await prometheus.query('{__name__=~"work_.*"}')
  const lines = new Map(read.map(({ labels, value }) => [textLineOf(labels), value]))
  assert.equal(counted.length, 14)
  for (const crew of counted) sameLines(shownOf(crew, lines), sumsOf(crew), nameOf(crew))
})

/** The line of a series as text 0.0.4 has it: what Prometheus reads is OpenMetrics, whose bounds are `le="1.0"`. */
function textLineOf(labels: Labels): string {
  const { __name__: name = '', le, ...others } = labels
  if (le === undefined) return lineOf(name, others)
  return lineOf(name, { ...others, le: le === '+Inf' ? le : String(Number(le)) })
}

test('answers that are lost are asked for again, and nothing counts twice (CONFORMANCE C1, C2)', async () => {
  const faults: Record<Language, Fault[]> = {
    js: ['answered 503', 'none', 'cut', 'none', 'refused'],
    python: ['answered 503', 'none', 'cut', 'none', 'refused'],
    go: ['answered 503', 'none', 'refused'], // It does not send again when the connection breaks off, and says that.
  }
  const crews: Crew[] = []
  let lost = 0
  for (const language of languages) {
    const ways = faults[language]
    const proxy = await startFaultyProxy(gateway.ports.otlpHttp, (request) => {
      const fault = ways[request % ways.length] as Fault
      if (fault === 'answered 503' || fault === 'cut') lost++
      return fault
    })
    const crew = { language, encoding: 'proto', workers: 20, processes: 2, endpoint: proxy.endpoint } as const
    for (const temporality of temporalities) crews.push({ ...crew, temporality, suffix: 'retries' })
  }
  const before = await gateway.metric('swansong_duplicates_total')
  const said = await runAll(crews.flatMap(processesOf), atOnce)
  await holdsSums(gateway, crews)
  assert.equal((await gateway.metric('swansong_duplicates_total')) - before, lost, said.join('\n'))
  assert.ok(lost >= 80, `${lost} of them came twice`)
})
