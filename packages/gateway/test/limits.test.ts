import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeExportRequest, type Metric } from '@swansong/otlp'
import type { Limits } from '../src/config/config.ts'
import * as limits from '../src/limits.ts'
import { open, postBatch, type Answer, type Opened } from './support/ledgers.ts'
import { deltas, keyValues, metricsOf, type Count } from './support/requests.ts'
import { SimStore } from './support/sim-store.ts'
import { startGateway } from './support/gateways.ts'

/** A limit that is set, what is sent at it, what above it, and what is then said: a reason, or a refusal. */
interface Row {
  limit: number
  /** Sends `size` of what is limited to a ledger that holds nothing yet. */
  send: (opened: Opened, size: number) => Promise<Answer>
  says: RegExp
}

const time = { startTimeUnixNano: 1_700_000_000_000_000_000n, timeUnixNano: 1_700_000_001_000_000_000n }

function counts(opened: Opened, sent: readonly Count[]): Promise<Answer> {
  return postBatch(opened, deltas(sent))
}

function listOf<Item>(count: number, item: (at: number) => Item): Item[] {
  return Array.from({ length: count }, (_, at) => item(at))
}

function histograms(opened: Opened, bounds: readonly (readonly number[])[]): Promise<Answer> {
  const metrics = bounds.map((explicitBounds, at): Metric => {
    const bucketCounts = [...explicitBounds, 0].map(() => 1)
    const point = {
      ...time,
      explicitBounds: [...explicitBounds],
      bucketCounts,
      count: bucketCounts.length,
      sum: 1,
    }
    return { name: `took${at}`, histogram: { aggregationTemporality: 1, dataPoints: [point] } }
  })
  return postBatch(opened, encodeExportRequest(metricsOf(metrics)))
}

/** Running totals of so many senders, of so many series each. */
async function told(opened: Opened, senders: number, series: number): Promise<Answer> {
  let last: Answer | undefined
  for (let sender = 0; sender < senders; sender++) {
    for (let at = 0; at < series; at++) {
      const point = { ...time, attributes: keyValues({ at }), asDouble: 1 }
      const metric = {
        name: 'work',
        sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [point] },
      } as const
      const resource = { 'service.name': 'jobs', 'service.instance.id': String(sender) }
      last = await postBatch(opened, encodeExportRequest(metricsOf([metric], resource)))
    }
  }
  return last as Answer
}

const attributesOverhead = 11 // Of one attribute `k` whose value is at least 128 bytes long, as encoded.
const rows: Partial<Record<keyof Limits, Row>> = {
  metricCountMax: {
    limit: 3,
    send: (opened, size) =>
      counts(
        opened,
        listOf(size, (at) => ({ name: `m${at}`, value: 1 }))
      ),
    says: /1 × METRICS_FULL .*\(3, or /,
  },
  metricBytesTotalMax: {
    limit: 200, // 30 are those of the resource and the scope.
    send: (opened, size) => counts(opened, [{ name: 'm'.repeat(size - 30), value: 1 }]),
    says: /1 × METRICS_FULL .*or 200 bytes/,
  },
  labelValueBytesMax: {
    limit: 10,
    send: (opened, size) => counts(opened, [{ value: 1, attributes: { k: 'v'.repeat(size) } }]),
    says: /1 × LABEL_VALUE_TOO_LONG .*the limit of 10 bytes/,
  },
  attributesBytesMax: {
    limit: 300,
    send: (opened, size) =>
      counts(opened, [{ value: 1, attributes: { k: 'v'.repeat(size - attributesOverhead - 1) } }]),
    says: /1 × ATTRIBUTES_TOO_LARGE .*the limit of 300 bytes/,
  },
  labelCountMax: {
    limit: 5,
    send: (opened, size) =>
      counts(opened, [{ value: 1, attributes: Object.fromEntries(listOf(size, (at) => [`k${at}`, at])) }]),
    says: /1 × ATTRIBUTES_TOO_LARGE .*or 5 labels/,
  },
  nameBytesMax: {
    limit: 20,
    send: (opened, size) => counts(opened, [{ name: 'n'.repeat(size), value: 1 }]),
    says: /1 × NAME_INVALID .*1 to 20 bytes/,
  },
  bucketCountMax: {
    limit: 7,
    send: (opened, size) => histograms(opened, [listOf(size - 1, (at) => at)]),
    says: /1 × BUCKETS_TOO_MANY .*may have 7 buckets/,
  },
  boundsCountMax: {
    limit: 4,
    send: (opened, size) =>
      histograms(
        opened,
        listOf(size, (at) => [at])
      ),
    says: /1 × BOUNDS_FULL .*holds 4 different sets/,
  },
  bodyCellCountMax: {
    limit: 50,
    send: (opened, size) =>
      counts(
        opened,
        listOf(size, () => ({ value: 1 }))
      ),
    says: /TOO_MANY_POINTS/,
  },
  batchIdCountMax: {
    limit: 3,
    async send(opened, size) {
      let last = await postBatch(opened, deltas([{ value: 1 }]), 'batch 0')
      for (let at = 1; at < size; at++) last = await postBatch(opened, deltas([{ value: 1 }]), `batch ${at}`)
      return last
    },
    says: /BATCH_IDS_FULL/,
  },
  writerCountMax: { limit: 3, send: (opened, size) => told(opened, size, 1), says: /WRITERS_FULL/ },
}

/** Where the others are held at their limit and above it. */
const elsewhere: Partial<Record<keyof Limits, string>> = {
  bodyBytesMax: 'in/http.test.ts',
  bodyBytesInflatedMax: 'in/http.test.ts',
  bytesInFlightMax: 'in/intake.test.ts',
  spoolFileBytesMax: 'support/spools.ts',
  scrapeBytesInFlightMax: 'connections.test.ts',
  scrapeBytesMax: 'connections.test.ts',
  connectionCountMax: 'connections.test.ts',
  headersMs: 'connections.test.ts',
  requestMs: 'connections.test.ts',
  stallMs: 'connections.test.ts',
  answerMs: 'connections.test.ts',
  seriesCountMax: 'ledger/overflow.test.ts',
  slotCountMax: 'ledger/kinds-failure.test.ts',
  attributesBytesTotalMax: 'ledger/series.test.ts',
  attributeMemoBytesMax: 'in/rules.test.ts',
  exemplarCountMax: 'ledger/exemplars.test.ts',
  retryWindowMs: 'ledger/sqlite.test.ts',
  journalSilenceMs: 'support/spools.ts',
  journalSilenceUptimeMs: 'support/spools.ts',
  multiprocessFileBytesMax: 'support/multiprocess.ts',
  multiprocessSilenceMs: 'support/multiprocess.ts',
  deadGaugeCountMax: 'support/multiprocess.ts',
  pushGroupCountMax: 'in/pushgateway/groups.test.ts',
  pushBytesTotalMax: 'in/pushgateway/groups.test.ts',
  pushGroupBytesMax: 'in/pushgateway/groups.test.ts',
  pushPartCountMax: 'in/pushgateway/groups.test.ts',
  pushBodyBytesMax: 'in/pushgateway/door.test.ts',
  statsdEntryCountMax: 'in/statsd/lines.test.ts',
  statsdGaugeCountMax: 'in/statsd/lines.test.ts',
  statsdSetValueCountMax: 'in/statsd/lines.test.ts',
  statsdLineBytesMax: 'in/statsd/doors.test.ts',
  statsdBytesInFlightMax: 'in/statsd/doors.test.ts',
  statsdFlushMs: 'in/statsd/doors.test.ts',
  stopMs: 'gateway.test.ts',
  writerCellCountMax: 'limits.test.ts',
  descriptionBytesMax: 'limits.test.ts',
  aliasBytesTotalMax: 'limits.test.ts',
  writerSilenceMs: 'limits-over-time.test.ts',
  writerForgetMs: 'limits-over-time.test.ts',
  keepAliveMs: 'limits-over-time.test.ts',
  retryAfterSecondsMax: 'limits-over-time.test.ts',
  descriptorReserveCount: 'limits-over-time.test.ts',
  deliveryWaitMs: 'in/delivery.test.ts',
  onceKeyCountMax: 'in/once.test.ts',
  onceWindowMs: 'in/once.test.ts',
}

test('every limit has its row', () => {
  const held = [...Object.keys(rows), ...Object.keys(elsewhere)].toSorted()
  assert.deepEqual(held, Object.keys(limits).toSorted())
})

for (const [name, row] of Object.entries(rows)) {
  test(`${name}: what is below it and at it counts, what is above it is refused, and the limit that is set is quoted`, async () => {
    const check = async (size: number): Promise<string> => {
      const opened = open(new SimStore(), { limits: { [name]: row.limit } })
      const { refused, receipt } = await row.send(opened, size)
      return refused ?? receipt.message
    }
    assert.equal(await check(row.limit - 1), '')
    assert.equal(await check(row.limit), '')
    assert.match(await check(row.limit + 1), row.says)
  })
}

test('running totals of more senders than are ever followed, in one body, are told to come in smaller ones', async (context) => {
  const body = (senders: number): Uint8Array => {
    const dataPoints = listOf(senders, (at) => ({
      ...time,
      startTimeUnixNano: time.startTimeUnixNano + BigInt(at) * 1_000_000n,
      asDouble: 1,
    }))
    const sum = { aggregationTemporality: 2, isMonotonic: true, dataPoints } as const
    return encodeExportRequest(metricsOf([{ name: 'work', sum }], { 'service.name': 'jobs' }))
  }
  const gateway = await startGateway(context, { limits: { writerCountMax: 20 } })
  const { http, said } = await gateway.post(body(21))
  assert.equal(http, 429)
  assert.match(said.message, /of more senders than the limit of 20; send deltas, or smaller/)
  assert.equal((await gateway.post(body(20))).http, 200)
})

test('what is born from a body keeps nothing else of it', async () => {
  const opened = open(new SimStore())
  await postBatch(opened, Buffer.from(deltas([{ value: 1, attributes: { pad: 'x'.repeat(3000) } }])))
  const { scopes, resources } = opened.ledger.series.metrics
  assert.equal(scopes.length, 1)
  for (const { scope, schemaUrl } of scopes)
    for (const bytes of [scope, schemaUrl]) assert.equal(bytes.buffer.byteLength, bytes.length)
  for (const bytes of resources) assert.equal(bytes.buffer.byteLength, bytes.length)
})

test('what is told by one that is followed is bounded too: past the limit only what is known of it counts on', async () => {
  const opened = open(new SimStore(), { limits: { writerCellCountMax: 30 } })
  const { receipt } = await told(opened, 1, 10)
  assert.match(receipt.message, /TOTALS_FULL .*\(30 numbers\); send deltas/)
})

test('other orders of the same attributes past their limit are decoded each time, and count all the same', async () => {
  const opened = open(new SimStore(), { limits: { aliasBytesTotalMax: 100 } })
  for (let round = 0; round < 3; round++) {
    await counts(opened, [{ value: 1, attributes: { b: 1, a: 1, c: round } }])
    await counts(opened, [{ value: 1, attributes: { c: round, b: 1, a: 1 } }])
  }
  assert.equal(opened.stats.series, 3)
  assert.ok(opened.ledger.series.aliasBytes > 0 && opened.ledger.series.aliasBytes <= 100)
})

test('a description is cut at its limit', async (context) => {
  const gateway = await startGateway(context, { limits: { descriptionBytesMax: 5 } })
  await gateway.post(deltas([{ value: 1, description: '123456' }]))
  assert.match(await (await fetch(`${gateway.metricsUrl}/metrics`)).text(), /# HELP work_total 12345\n/)
})

test('every limit is shown as it is set, by metric and status, with what is used of it', async (context) => {
  const gateway = await startGateway(context, { limits: { seriesCountMax: 7, retryWindowMs: 90_000 } })
  await gateway.post(deltas([{ value: 1 }, { name: 'other', value: 1 }]), { 'idempotency-key': 'a' })
  const scraped = await gateway.scrape()
  const shown = [...scraped.keys()].filter((line) => line.startsWith('swansong_limit{'))
  assert.equal(shown.length, Object.keys(limits).length)
  assert.equal(scraped.get('swansong_limit{limit="series_count"}'), 7)
  assert.equal(scraped.get('swansong_limit{limit="retry_window"}'), 90)
  assert.equal(scraped.get('swansong_limit_used{limit="series_count"}'), 2)
  assert.equal(scraped.get('swansong_limit_used{limit="metric_count"}'), 2)
  assert.equal(scraped.get('swansong_limit_used{limit="batch_id_count"}'), 1)
  assert.deepEqual(gateway.gateway.status().limits['series_count'], { limit: 7, used: 2 })
})

test('what is said to be held elsewhere is named there', () => {
  for (const [name, file] of Object.entries(elsewhere))
    assert.ok(
      readFileSync(join(import.meta.dirname, file), 'utf8').includes(name),
      `${file} names no ${name}`
    )
})
