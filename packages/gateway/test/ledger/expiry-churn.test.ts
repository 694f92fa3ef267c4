import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { encodeExportRequest } from '@swansong/otlp'
import { openStore } from '../../src/ledger/sqlite.ts'
import { dataDirectory, temporaryDirectory } from '../support/directories.ts'
import { committed, open, postBatch, shown } from '../support/ledgers.ts'
import { keyValues, metricsOf } from '../support/requests.ts'

const generations = 100
/** Of each generation; held with 10,000 too, which takes a minute. */
const births = 1000
/** The database's log grows to this before it is written back. */
const logBytesMax = 4000 * 4120 + 1_000_000
const ttlMs = 3_600_000

test('births over a hundred times to live take no more memory and disk than those of a few', async (context) => {
  const dataDir = dataDirectory(temporaryDirectory(context))
  let ms = 0
  const options = { ttl: { seriesTtlMs: ttlMs }, clock: () => ms, now: () => 1_700_000_000_000 + ms }
  const opened = open(openStore(dataDir), options)
  opened.ledger.holdExpiry(false)
  const { series } = opened.ledger
  const sizes: { slots: number; ids: number; bytes: number; held: number; index: number }[] = []
  for (let generation = 0; generation < generations; generation++) {
    void postBatch(opened, bodyOf(generation * births))
    await committed()
    assert.equal(series.count, births)
    ms += ttlMs + 60_000
    opened.ledger.tick()
    assert.equal(series.count, 0)
    assert.equal(shown(opened).size, 0)
    const bytes = statSync(join(dataDir, 'ledger.db')).size + statSync(join(dataDir, 'ledger.db-wal')).size
    if (generation % 20 === 19) {
      collect()
      await committed() // Memory outside of the heap is given back in a turn of its own.
      collect()
    }
    const { heapUsed, external } = process.memoryUsage()
    sizes.push({
      slots: series.pages.next,
      ids: series.idEnd,
      bytes,
      held: heapUsed + external,
      index: series.mark().keys,
    })
  }
  const most = (key: 'slots' | 'ids' | 'bytes' | 'index', from: number, to: number): number =>
    Math.max(...sizes.slice(from, to).map((size) => size[key]))
  assert.equal(opened.stats.seriesEnded, generations * births)
  assert.ok(most('slots', 0, generations) <= 2.1 * births, `${most('slots', 0, generations)} slots`)
  assert.ok(most('ids', 0, generations) <= births)
  assert.ok(most('index', 0, generations) <= 6 * births, `${most('index', 0, generations)} keys`)
  assert.ok(most('bytes', 50, generations) <= most('bytes', 0, 20) + logBytesMax, 'the file does not grow')
  const grown = (sizes[99]?.held ?? 0) - (sizes[19]?.held ?? 0)
  // What V8 compiled meanwhile is some of it; eighty thousand series that were kept would be more.
  assert.ok(grown < 10_000_000, `${grown} bytes more than after 20 generations`)
  opened.ledger.close()
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** A point of each of a generation's series. */
function bodyOf(first: number): Uint8Array {
  const dataPoints = Array.from({ length: births }, (_, at) => ({
    attributes: keyValues({ run: first + at, shard: 'x' }),
    timeUnixNano: 2n,
    asInt: 1n,
  }))
  const sum = { aggregationTemporality: 1, isMonotonic: true, dataPoints }
  return encodeExportRequest(metricsOf([{ name: 'work', sum }]))
}
