import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { encodeExportRequest, type ExportRequest } from '@swansong/otlp'
import { openStore } from '../../src/ledger/sqlite.ts'
import { dataDirectory, temporaryDirectory } from '../support/directories.ts'
import { sum, time, worker } from '../support/kinds.ts'
import { committed, open, postBatch, shown } from '../support/ledgers.ts'
import { metricsOf } from '../support/requests.ts'

const generations = 4
/** New in each generation: services with a metric each. */
const births = 1100
const ttlMs = 3_600_000
/** Later than the ledger, so that running totals count whole. */
const began = 4_102_444_800_000_000_000n
const limits = { metricCountMax: 2500 }

test('names of services that come and go are freed at a start, and what lives on is what it was', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  let ms = 0
  const options = { limits, ttl: { seriesTtlMs: ttlMs }, clock: () => ms, now: () => 1_700_000_000_000 + ms }
  for (let generation = 1; generation <= generations; generation++) {
    const opened = open(openStore(dataDir), options)
    opened.ledger.holdExpiry(false)
    const tellAll = async (step: number): Promise<void> => {
      // Those that live on: one from before the others, one from among them, a sender of running totals.
      for (const name of ['first', 'of 1, 700']) await count(opened, [name])
      const told = {
        timeUnixNano: began + BigInt(generation * 10 + step) * 1_000_000n,
        startTimeUnixNano: began,
      }
      const total = [sum({ ...told, asInt: BigInt(generation * 10 + step) }, 2, true, 'running')]
      void postBatch(opened, encodeExportRequest(metricsOf(total, worker('sender'))))
      await committed()
    }
    const names = Array.from({ length: births }, (_, at) => `of ${generation}, ${at}`)
    await count(opened, names)
    await tellAll(0) // After the others, so that these are moved when they are freed.
    assert.equal(opened.stats.pointsRejected.size, 0, 'there is room for all names')
    ms += ttlMs / 2
    opened.ledger.tick()
    await tellAll(1)
    const values = shown(opened)
    const valueOf = (job: string): number | undefined =>
      values.get(`work_total{job="${job}",otel_scope_name="test"}`)
    assert.equal(valueOf('first'), generation * 2)
    assert.equal(valueOf('of 1, 700'), generation * 2 + 1)
    assert.equal(valueOf(`of ${generation}, 3`), 1)
    assert.equal(values.get('running_total{job="jobs",otel_scope_name="test"}'), generation * 10 + 1)
    ms += ttlMs / 2 + 60_000
    opened.ledger.tick()
    assert.equal(opened.ledger.series.count, 3, 'the others ended')
    const left = shown(opened)
    opened.ledger.close()
    const again = open(openStore(dataDir), options)
    assert.deepEqual(shown(again), left)
    assert.equal(again.ledger.series.metrics.metrics.length, 3)
    again.ledger.close()
    assert.deepEqual(idsOf(dataDir), { resource: [0, 1, 2], scope: [0, 1, 2], metric: [0, 1, 2] })
  }
})

/** Posts one of the counter `work` for each of these services. */
async function count(opened: ReturnType<typeof open>, services: readonly string[]): Promise<void> {
  const resourceMetrics = services.flatMap((name) => {
    const work = sum({ timeUnixNano: time, asInt: 1n }, 1, true, 'work')
    const request: ExportRequest = metricsOf([work], { 'service.name': name })
    return request.resourceMetrics ?? []
  })
  void postBatch(opened, encodeExportRequest({ resourceMetrics }))
  await committed()
}

function idsOf(dataDir: string): Record<string, unknown[]> {
  const db = new DatabaseSync(join(dataDir, 'ledger.db'))
  const ids = (table: string): unknown[] =>
    db
      .prepare(`SELECT id FROM ${table} ORDER BY id`)
      .all()
      .map(({ id }) => id)
  const all = { resource: ids('resource'), scope: ids('scope'), metric: ids('metric') }
  db.close()
  return all
}
