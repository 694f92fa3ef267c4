import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startPrometheus } from '../peers/prometheus.ts'
import { languages } from '../peers/stock-sdks.ts'
import { lineOf } from '../support/exposition.ts'
import { startGateway } from '../support/gateway.ts'
import { until } from '../support/wait.ts'
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
const workers = 40
const atOnce = 6
/** Python and JavaScript take most of a second to start, Go some milliseconds. */
const processes = { js: 4, python: 4, go: 40 }
const encodings: Record<(typeof languages)[number], Encoding[]> = {
  js: ['proto', 'json'],
  python: ['proto'],
  go: ['proto'],
}
const all: Crew[] = []

for (const language of languages) {
  test(`forty workers of the stock SDK of ${language}, in each encoding and temporality: every sum is exact`, async () => {
    const crews: Crew[] = []
    for (const encoding of encodings[language]) {
      for (const temporality of ['delta', 'cumulative'] as const) {
        const endpoint = gateway.urls.endpoint
        crews.push({ language, encoding, temporality, workers, processes: processes[language], endpoint })
      }
    }
    const said = await runAll(crews.flatMap(processesOf), atOnce)
    assert.deepEqual([...new Set(said)], [''])
    await holdsSums(gateway, crews)
    all.push(...crews)
  })
}

test('Prometheus reads the same of all of them', async () => {
  const prometheus = await startPrometheus({ targets: [`127.0.0.1:${gateway.ports.metrics}`] })
  await until('Prometheus has scraped', async () => (await prometheus.query('up == 1')).length > 0)
  const read = await prometheus.query('{__name__=~"work_.*"}')
  const lines = new Map(read.map(({ labels, value }) => [lineOf(labels['__name__'] ?? '', labels), value]))
  assert.equal(all.length, 8)
  for (const crew of all) sameLines(shownOf(crew, lines), sumsOf(crew), nameOf(crew))
})
