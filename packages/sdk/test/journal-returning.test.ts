import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { heartbeatName, readSpoolFile } from '@swansong/otlp/spool'
import { readRequest, sums } from './support/read-request.ts'
import { makeSpool, run, start } from './support/run.ts'

const hourMs = 3_600_000

/** What the one journal holds that such a job leaves: where it begins, and what it says. */
async function returns(
  pace: string,
  awayMs: number,
  what: string,
  when = 'living'
): Promise<[number, number]> {
  const spool = makeSpool()
  const ended = await run('returning', [pace, String(awayMs), what, when], {
    SWANSONG_SPOOL_DIR: spool.directory,
  })
  assert.deepEqual([ended.code, ended.stderr], [0, ''])
  const [journal, ...more] = spool.read()
  assert.ok(journal)
  assert.equal(more.length, 0)
  const { body, baseline, header } = readSpoolFile(readFileSync(join(spool.directory, journal.name)))
  assert.equal(header.ended, true)
  const { resource } = readRequest(body)
  assert.equal(journal.name, `${String(resource['service.instance.id'])}.journal`)
  if (baseline.length > 0) {
    assert.notEqual(resource['service.instance.id'], readRequest(baseline).resource['service.instance.id'])
  }
  spool.remove()
  const seen = (bytes: Uint8Array): number => sums([readRequest(bytes)])['seen'] ?? 0
  return [baseline.length === 0 ? 0 : seen(baseline), seen(body)]
}

for (const pace of ['interval', 'always']) {
  test(`a process that was away finds its journal, or carries on from it in another (${pace})`, async () => {
    assert.deepEqual(await returns(pace, 0, 'removed'), [0, 8], 'somebody removed it: it is put there again')
    assert.deepEqual(await returns(pace, 0.9 * hourMs, 'removed'), [0, 8])
    assert.deepEqual(await returns(pace, 1.1 * hourMs, 'kept'), [0, 8])
    assert.deepEqual(await returns(pace, 1.1 * hourMs, 'removed'), [5, 8], 'it may have been taken for good')
    assert.deepEqual(await returns(pace, 0.001 * hourMs, 'removed', 'ended'), [0, 8])
    assert.deepEqual(await returns(pace, 40_000, 'kept', 'ended'), [0, 8])
    assert.deepEqual(await returns(pace, 40_000, 'removed', 'ended'), [5, 8])
  })
}

test('a spool that is removed under a living job, and made again before it ends, gets all of it', async (context) => {
  const spool = makeSpool()
  const job = start('living', ['flush'], { SWANSONG_SPOOL_DIR: spool.directory })
  context.after(() => job.kill('SIGKILL'))
  await job.saw('ready')
  for (let round = 1; round <= 3; round++) {
    job.kill('SIGUSR2')
    await job.saw('flushed\n'.repeat(round))
    spool.remove()
    mkdirSync(spool.directory)
  }
  job.kill('SIGUSR2')
  await job.saw('flushed\n'.repeat(4))
  spool.remove()
  job.kill('SIGUSR2')
  await job.saw('swansong: the journal could not be written')
  mkdirSync(spool.directory)
  job.kill('SIGUSR2')
  await job.saw('could not be written\nflushed\n')
  job.kill('SIGKILL')
  assert.equal((await job.ended).stderr, '')
  assert.deepEqual(sums(spool.read('living').map(({ request }) => request)), { seen: 7 })
  spool.remove()
})

test('a journal over what the gateway takes holds the first series, and the others are said to be lost', async () => {
  const check = async (fileBytesMax: number | undefined, pace: string): Promise<void> => {
    const spool = makeSpool()
    if (fileBytesMax !== undefined) {
      const heartbeat = { ledger: 'x', at: Date.now(), pid: 1, host: 'h', stopped: false, fileBytesMax }
      writeFileSync(join(spool.directory, heartbeatName), JSON.stringify(heartbeat))
    }
    const env = { SWANSONG_SPOOL_DIR: spool.directory, OTEL_SERVICE_NAME: 'svc' }
    const { stderr, stdout, code } = await run('many-series', [pace, '300'], env)
    assert.equal(code, 0)
    rmSync(join(spool.directory, heartbeatName), { force: true })
    const [journal] = spool.read()
    assert.ok(journal)
    const size = readFileSync(join(spool.directory, journal.name)).length
    const { points } = journal.request
    // The last add of each goes to the first series: that one goes on counting.
    assert.equal(points.find(({ attributes }) => attributes === 'series="0"')?.value, 2)
    if (fileBytesMax === undefined) {
      assert.deepEqual([points.length, stderr, stdout], [300, '', 'flushed'])
    } else {
      assert.ok(size <= fileBytesMax && size > fileBytesMax - 200, `${size} of ${fileBytesMax}`)
      const lost = `${300 - points.length} points of svc is lost: the gateway of ${spool.directory} takes no journal over`
      assert.equal(stderr, `swansong: what was counted in ${lost} ${fileBytesMax} bytes\n`)
      assert.match(
        stdout,
        /^swansong: \d+ points are lost: the gateway of .* takes no journal over \d+ bytes$/
      )
    }
    spool.remove()
  }
  for (const pace of ['interval', 'always']) {
    await check(undefined, pace)
    await check(9000, pace)
    await check(4096, pace)
  }
})

test('a disk that is full costs one line, whatever is written when', async () => {
  const spool = makeSpool()
  for (const pace of ['interval', 'always']) {
    const { code, stderr } = await run('full-disk', [pace, 'full'], {
      SWANSONG_SPOOL_DIR: spool.directory,
      OTEL_SERVICE_NAME: 'svc',
    })
    assert.equal(code, 0)
    assert.match(stderr, /^swansong: what was counted in 1 points of svc.* is lost: .*ENOSPC[^\n]*\n$/)
  }
  spool.remove()
  for (const pace of ['interval', 'always']) {
    const other = makeSpool()
    const env = { SWANSONG_SPOOL_DIR: other.directory, OTEL_SERVICE_NAME: 'svc' }
    assert.equal((await run('full-disk', [pace, 'passing'], env)).stderr, '')
    assert.deepEqual(sums(other.read().map(({ request }) => request)), { seen: 300 })
    other.remove()
  }
  const hiccup = makeSpool()
  await run('full-disk', ['always', 'hiccup'], { SWANSONG_SPOOL_DIR: hiccup.directory })
  const held = sums(hiccup.read('living').map(({ request }) => request))
  assert.deepEqual(held, { seen: 300 }, 'nothing is written behind half a patch')
  hiccup.remove()
})
