import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import { encodeResource } from '../src/encode/resource.ts'
import { readOptions } from '../src/options/read-options.ts'
import { SwansongMeter } from '../src/record/meter.ts'
import { Observers } from '../src/record/observers.ts'
import { Recorder } from '../src/record/recorder.ts'
import { Journal } from '../src/spool/journal.ts'
import { readOwner } from '../src/spool/spool.ts'
import { sums } from './support/read-request.ts'
import { makeSpool, start } from './support/run.ts'

const seriesCount = 1500
/** Long, so that what is appended soon comes to more than is kept. */
const resource = encodeResource(readOptions({ OTEL_RESOURCE_ATTRIBUTES: `long=${'x'.repeat(1000)}` }), 'one')
const fileBytesMax = 700_000

test(
  'with journal always, SIGKILL at any moment costs no add that had returned',
  { timeout: 120_000 },
  async () => {
    let patched = 0
    // A few die before their first patch, and more of them where the machine is busy: then there are more rounds.
    for (let round = 0; round < 24 || (patched <= 6 && round < 60); round++) {
      const { returned, held, isPatched } = await killAlways(round % 3 === 0 ? 500 : 1, (round * 7) % 40)
      assert.ok(held === returned || held === returned + 1, `round ${round}: ${held} of ${returned}`)
      if (isPatched) patched++
    }
    assert.ok(patched > 6, `${patched} died between checkpoints`)
  }
)

test('with journal always, a series that is born is appended: thousands cost no new file each', () => {
  const spool = makeSpool()
  const { directory } = spool
  const recorder = new Recorder(Date.now(), () => journal.look())
  const meter = new SwansongMeter(recorder, new Observers(() => {}), 'lib')
  const journal = new Journal(
    recorder,
    { directory, sync: false, owner: readOwner() },
    { serviceName: 'svc', pace: 'always', identify: () => ({ instanceId: 'one', resource }) }
  )
  const fs = process.getBuiltinModule('node:fs')
  const renames = mock.method(fs, 'renameSync')
  const counter = meter.createCounter('counter')
  const histogram = meter.createHistogram('histogram', { advice: { explicitBucketBoundaries: [1] } })
  const gauge = meter.createGauge('gauge')
  const bound = counter.bind({ series: 0 }) // Born, and not written yet.
  const truth: Record<string, number> = {}
  const expect = (name: string, value: number): void => void (truth[name] = value)
  try {
    for (let series = 1; series <= seriesCount; series++) {
      if (series % 3 === 0) histogram.record(series, { series })
      else if (series % 3 === 1) gauge.record(series, { series })
      else counter.add(series, { series })
      expect(
        `${(['histogram', 'gauge', 'counter'] as const)[(series % 3) as 0 | 1 | 2]}{series=${series}n}`,
        series
      )
      if (series % 100 > 0) continue
      if (series === 500) {
        counter.bind({ series: -1 }) // Born and not written, so that the next record is not all that is new.
        expect('counter{series=-1n}', 0)
      }
      counter.add(1, { series: 2 }) // One that the file has, and may have been appended to it.
      bound.add(1)
      expect('counter{series=2n}', 2 + series / 100)
      expect('counter{series=0n}', series / 100)
      const [file] = spool.read()
      assert.ok(file)
      assert.ok(readFileSync(join(directory, file.name)).length < fileBytesMax)
      assert.deepEqual(sums([file.request]), truth)
      assert.equal(file.request.points.length, Object.keys(truth).length, 'each series is there once')
    }
  } finally {
    renames.mock.restore()
  }
  assert.ok(renames.mock.callCount() < 20, `${renames.mock.callCount()} new files for ${seriesCount} series`)
  spool.remove()
})

/** Kills a busy job after so many milliseconds: the adds that had returned, and those that its journal holds. */
async function killAlways(
  series: number,
  afterMs: number
): Promise<{ returned: number; held: number; isPatched: boolean }> {
  const spool = makeSpool()
  const directory = mkdtempSync(join(tmpdir(), 'swansong-record-'))
  const file = join(directory, 'record')
  const job = start('always', [file, String(series)], { SWANSONG_SPOOL_DIR: spool.directory })
  await job.saw('started')
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  job.kill('SIGKILL')
  await job.ended
  const record = readFileSync(file)
  const returned = record.length < 8 ? 0 : record.readDoubleLE(0)
  const [journal] = spool.read('living')
  const held = (journal?.request.points ?? []).reduce((sum, { value }) => sum + Number(value), 0)
  const isPatched =
    journal !== undefined &&
    readFileSync(join(spool.directory, journal.name)).length > 96 + journal.body.length
  spool.remove()
  rmSync(directory, { recursive: true })
  return { returned, held, isPatched }
}
