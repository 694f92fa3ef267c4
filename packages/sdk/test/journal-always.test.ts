import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeSpool, start } from './support/run.ts'

test(
  'with journal always, SIGKILL at any moment costs no add that had returned',
  { timeout: 120_000 },
  async () => {
    let patched = 0
    for (let round = 0; round < 24; round++) {
      const { returned, held, isPatched } = await killAlways(round % 3 === 0 ? 500 : 1, (round * 7) % 40)
      assert.ok(held === returned || held === returned + 1, `round ${round}: ${held} of ${returned}`)
      if (isPatched) patched++
    }
    assert.ok(patched > 6, `${patched} of 24 died between checkpoints`)
  }
)

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
