import assert from 'node:assert/strict'
import { test } from 'node:test'
import { awkwardRequest } from '../packages/gateway/test/support/awkward.ts'
import { type Prometheus, startPrometheus } from './peers/prometheus.ts'
import { lineOf, linesOf } from './support/exposition.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { ask } from './support/http.ts'
import { until } from './support/wait.ts'

/** A way in which Prometheus scrapes, and what it then asks for. */
interface Scrape {
  /** What it calls its target. */
  instance: string
  gateway: Gateway
  configuration: object
  accept: string
}

const openMetrics = 'application/openmetrics-text;version=1.0.0;escaping='
const text1 = 'text/plain;version=1.0.0;escaping='
const text0 = 'text/plain;version=0.0.4'

async function gatewayOf(strategy: string): Promise<Gateway> {
  const env = { SWANSONG_TRANSLATION_STRATEGY: strategy, SWANSONG_FIRST_INCREMENT_HOLD: 'off' }
  const gateway = await startGateway({ env })
  assert.equal((await gateway.post(awkwardRequest())).status, 200)
  return gateway
}

test('Prometheus 3 has names, labels and values as they are shown, dots and all, by every format and escaping that it asks for', async () => {
  const untranslated = await gatewayOf('NoTranslation')
  const suffixed = await gatewayOf('NoUTF8EscapingWithSuffixes')
  const scrapes: Scrape[] = []
  const add = (instance: string, accept: string, configuration: object, gateway = untranslated): void => {
    scrapes.push({ instance, gateway, configuration, accept })
  }
  add('by default', `${openMetrics}allow-utf-8`, {})
  add('suffixes by default', `${openMetrics}allow-utf-8`, {}, suffixed)
  add('text 1.0.0', `${text1}allow-utf-8`, { scrape_protocols: ['PrometheusText1.0.0'] })
  add('text 0.0.4', text0, { scrape_protocols: ['PrometheusText0.0.4'] })
  const classic = { scrape_protocols: ['PrometheusProto'], always_scrape_classic_histograms: true }
  add('protobuf', `${text1}underscores`, classic) // With that it says nothing of names.
  for (const escaping of ['underscores', 'dots', 'values'])
    add(escaping, openMetrics + escaping, { metric_name_escaping_scheme: escaping })
  const legacy = { metric_name_validation_scheme: 'legacy', metric_name_escaping_scheme: 'underscores' }
  add('legacy', `${openMetrics}underscores`, legacy, suffixed)

  const prometheus = await startPrometheus({
    major: 3,
    targets: [],
    scrapes: scrapes.map(({ instance, gateway, configuration }) => ({
      ...configuration,
      static_configs: [{ targets: [`127.0.0.1:${gateway.ports.metrics}`], labels: { instance } }],
    })),
  })
  for (const scrape of scrapes) {
    const have = await until(`a scrape of ${scrape.instance}`, () => scrapedBy(prometheus, scrape.instance))
    assert.ok(have.size > 45)
    assert.deepEqual(have, await shownTo(scrape), scrape.instance)
  }
  const dotted = await until('a name with a dot', async () => {
    const found = await prometheus.query('{"jobs.done_total","deployment.environment.name"!=""}')
    return found.length > 0 && found
  })
  assert.deepEqual(
    dotted.map(({ value, labels }) => [value, labels['instance']]),
    [[1, 'suffixes by default']]
  )
})

/** Undefined while there was no scrape yet, or where the last one was late. */
async function scrapedBy(prometheus: Prometheus, instance: string): Promise<Map<string, number> | undefined> {
  const series = await prometheus.query(`{job="name space/awkward",instance="${instance}"}`)
  if (series.length === 0) return undefined
  return new Map(
    series.map(({ labels, value }) => [lineOf(labels['__name__'] ?? '', labels), value] as const)
  )
}

/** What the gateway answers, as text; Prometheus has bounds in one form, and by protobuf a sum of every histogram. */
async function shownTo({ gateway, accept, instance }: Scrape): Promise<Map<string, number>> {
  const { body } = await ask(`${gateway.urls.metrics}/metrics`, { headers: { accept } })
  const shown = new Map<string, number>()
  for (const [line, value] of linesOf(body.toString())) {
    if (!line.includes('job="name space/awkward"')) continue
    shown.set(line.replace(/(_bucket\{.*\ble="-?\d+)"/, '$1.0"'), value)
    const sumless = 'without_sum_count'
    if (instance === 'protobuf' && line.startsWith(sumless))
      shown.set(line.replace(sumless, 'without_sum_sum'), Number.NaN)
  }
  return shown
}
