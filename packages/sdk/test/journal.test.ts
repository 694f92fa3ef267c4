import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import { encodeResource } from '../src/encode/resource.ts'
import { readOptions } from '../src/options/read-options.ts'
import { SwansongMeter } from '../src/record/meter.ts'
import { Observers } from '../src/record/observers.ts'
import { nowMs, Recorder } from '../src/record/recorder.ts'
import { Journal } from '../src/spool/journal.ts'
import { readOwner } from '../src/spool/spool.ts'
import { sums } from './support/read-request.ts'
import { makeSpool, run, start } from './support/run.ts'

/** Milliseconds of increments that SIGKILL may cost, one series. */
const lossMsMax = 25

test('SIGKILL in a busy loop costs at most 25 ms of increments', async (t) => {
  const overdue: number[] = []
  for (let round = 0; round < 10; round++) overdue.push((await killBusy('fast', 150 + round * 7)).overdueAdds)
  t.diagnostic(`adds beyond that: ${overdue.join(' ')}`)
  // A note or two, of 500 adds each, may come before the add that looks at the clock.
  for (const adds of overdue) assert.ok(adds <= 1000, `${adds} adds were made when 25 ms were over`)
})

test('also when a burst of fast adds turns into slow ones', async () => {
  const losses: number[] = []
  for (let round = 0; round < 3; round++) losses.push((await killBusy('slow', 60 + round * 7)).adds)
  losses.sort((a, b) => a - b)
  // A millisecond an add: the interval, and the adds that may share one look at the clock.
  assert.ok(
    (losses[1] as number) <= lossMsMax + 16,
    `the median of ${losses.join(' ')} adds of a millisecond`
  )
})

test('a clock of the day that somebody has stopped does not stop the checkpoints of a busy loop', () => {
  const spool = makeSpool()
  const recorder = new Recorder(Date.now(), () => journal.look())
  const resource = encodeResource(readOptions({}), 'one')
  const journal = new Journal(
    recorder,
    { directory: spool.directory, sync: false, owner: readOwner() },
    { serviceName: 'svc', pace: 'interval', identify: () => ({ instanceId: 'one', resource }) }
  )
  const meter = new SwansongMeter(recorder, new Observers(() => {}), 'lib')
  const busy = meter.createCounter('busy').bind({})
  const stopped = Date.now()
  const clock = mock.method(Date, 'now', () => stopped)
  let added = 0
  try {
    for (const end = nowMs() + 300; nowMs() < end;) {
      for (let each = 0; each < 100; each++) busy.add(1)
      added += 100
    }
  } finally {
    clock.mock.restore()
  }
  const held = sums(spool.read().map(({ request }) => request))['busy'] ?? 0
  assert.ok(held > added / 2, `${held} of ${added}`)
  spool.remove()
})

test('a living job is seen soon after it counted, and its journal is open', { timeout: 10_000 }, async () => {
  const spool = makeSpool()
  const job = start('living', [], { SWANSONG_SPOOL_DIR: spool.directory })
  await job.saw('ready')
  job.kill('SIGUSR2')
  await job.saw('counted')
  const seen = (): number => sums(spool.read('living').map((each) => each.request))['seen'] ?? 0
  while (seen() < 2) await new Promise((resolve) => setTimeout(resolve, 1)) // Or the test times out.
  const [journal] = spool.read('living')
  assert.ok(journal)
  assert.equal(journal.header.ended, false)
  assert.equal(journal.header.owner.pid, job.pid)
  const stat = readFileSync(`/proc/${job.pid}/stat`, 'latin1')
  assert.equal(journal.header.owner.startTicks, Number(stat.split(') ').at(-1)?.split(' ')[19]))
  assert.equal(journal.header.owner.bootId, readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim())
  assert.equal(statSync(join(spool.directory, journal.name)).mode & 0o777, 0o640)
  job.kill('SIGTERM')
  assert.equal((await job.ended).signal, 'SIGTERM')
  spool.remove()
})

test('on a slow disk, a job that counts no more is not killed with counts unwritten', async () => {
  const spool = makeSpool()
  const job = start('slow-disk', [], { SWANSONG_SPOOL_DIR: spool.directory })
  await job.saw('idle')
  job.kill('SIGKILL')
  await job.ended
  assert.equal(sums(spool.read('living').map((each) => each.request))['pieces'], 20)
  spool.remove()
})

test('checkpoints follow each other by sequence and by time', async () => {
  const spool = makeSpool()
  const job = start('living', ['flush'], { SWANSONG_SPOOL_DIR: spool.directory })
  await job.saw('ready')
  let before = { sequence: 0, time: 0n }
  for (let round = 0; round < 20; round++) {
    job.kill('SIGUSR2')
    await job.saw('flushed\n'.repeat(round + 1))
    const [journal] = spool.read('living')
    const now = { sequence: journal?.header.sequence ?? 0, time: journal?.request.points[0]?.time ?? 0n }
    assert.ok(now.sequence > before.sequence && now.time > before.time, JSON.stringify([round, now.sequence]))
    before = now
  }
  job.kill('SIGKILL')
  await job.ended
  spool.remove()
})

test('a spool that cannot be written costs one line at the end, and nothing else', async () => {
  const ended = await run('ending', ['exit'], {
    SWANSONG_SPOOL_DIR: '/nowhere/at/all',
    OTEL_SERVICE_NAME: 'svc',
  })
  assert.equal(ended.code, 7)
  assert.match(
    ended.stderr,
    /^swansong: what was counted in 2 points of svc is lost: \/nowhere\/at\/all: ENOENT.*\n$/
  )
})

test('a spool that is there again is written again', async () => {
  const spool = makeSpool()
  const job = start('living', ['flush'], { SWANSONG_SPOOL_DIR: `${spool.directory}/gone` })
  await job.saw('ready')
  job.kill('SIGUSR2')
  await job.saw('swansong: the journal could not be written')
  mkdirSync(`${spool.directory}/gone`)
  job.kill('SIGUSR2')
  await job.saw('flushed')
  job.kill('SIGKILL')
  assert.equal((await job.ended).stderr, '')
  spool.remove()
})

test('a spool that may be entered and written but not listed is enough', async () => {
  const spool = makeSpool()
  chmodSync(spool.directory, 0o3733)
  assert.equal(
    (await run('ending', ['natural'], { SWANSONG_SPOOL_DIR: spool.directory, SWANSONG_SPOOL_SYNC: '1' }))
      .stderr,
    ''
  )
  assert.deepEqual(sums(spool.read().map((each) => each.request)), {
    'done{kind="a"}': 250,
    'done{kind="b"}': 750,
  })
  spool.remove()
})

test('who counted nothing opens nothing and says nothing; so does who runs tests', async () => {
  const spool = makeSpool()
  const silent = { code: 0, signal: null, stderr: '' }
  const check = async (job: string, what: string, env: Record<string, string>): Promise<void> => {
    const { code, signal, stderr } = await run(job, [what], { SWANSONG_SPOOL_DIR: spool.directory, ...env })
    assert.deepEqual({ code, signal, stderr }, silent)
    assert.deepEqual(spool.read(), [])
  }
  await check('modules', 'import', { OTEL_METRIC_EXPORT_INTERVAL: 'wrong' })
  await check('ending', 'natural', { NODE_ENV: 'test', SWANSONG_EXPORT: '' })
  await check('ending', 'natural', { OTEL_SDK_DISABLED: 'true' })
  spool.remove()
})

test('forked children count for themselves, copies of the SDK together', async () => {
  const spool = makeSpool()
  await run('family', ['fork'], { SWANSONG_SPOOL_DIR: spool.directory })
  assert.deepEqual(new Set(spool.read().map(({ request }) => request.points[0]?.value)), new Set([1, 10]))
  spool.remove()
  const other = makeSpool()
  await run('family', ['copies'], { SWANSONG_SPOOL_DIR: other.directory })
  assert.deepEqual(
    other.read().map(({ request }) => sums([request])),
    [{ family: 101 }]
  )
  other.remove()
})

test('a first count in an exit handler still arrives', async () => {
  const spool = makeSpool()
  await run('first-at-exit', [], { SWANSONG_SPOOL_DIR: spool.directory })
  assert.deepEqual(sums(spool.read().map((each) => each.request)), { late: 3 })
  spool.remove()
})

test('a job with a journal loads no module of the network, of compression or of cryptography', async () => {
  const spool = makeSpool()
  const loaded = async (what: string, env: Record<string, string>): Promise<Set<string>> =>
    new Set(JSON.parse((await run('modules', [what], env)).stdout) as string[])
  const baseline = await loaded('nothing', {})
  const journal = await loaded('count', { SWANSONG_SPOOL_DIR: spool.directory })
  const added = [...journal].filter((name) => !baseline.has(name))
  const heavy = /\b(net|tls|http|https|_http\w*|undici|zlib|crypto|dns|stream|perf_hooks|worker_threads)\b/
  assert.deepEqual(
    added.filter((name) => heavy.test(name)),
    []
  )
  assert.equal(spool.read().length, 1)
  assert.ok(
    [...(await loaded('net', {}))].some((name) => heavy.test(name)),
    'this test can see such a module'
  )
})

/** Kills a busy job after so many milliseconds; tells what its journal misses, in adds and in milliseconds of its loop. */
/**
 * `adds`: how many are lost. `overdueAdds`: how many of those were made when the first of them was over 25 ms old: none,
 * however long a busy machine lets the loop wait.
 */
async function killBusy(
  pace: 'fast' | 'slow',
  afterMs: number
): Promise<{ adds: number; overdueAdds: number }> {
  const spool = makeSpool()
  const notesDirectory = mkdtempSync(join(tmpdir(), 'swansong-notes-'))
  const file = join(notesDirectory, 'notes')
  const job = start('busy', [file, pace], { SWANSONG_SPOOL_DIR: spool.directory })
  await job.saw(pace === 'slow' ? 'slow' : 'started')
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  job.kill('SIGKILL')
  await job.ended
  const [journal] = spool.read('living')
  const held = journal?.request.points[0]?.value ?? 0
  const notes = readNotes(file)
  spool.remove()
  rmSync(notesDirectory, { recursive: true })
  const lastCount = notes.at(-1)?.count ?? 0
  const lost = notes.filter(({ count }) => count > held)
  const overdue = lost.find(({ atMs }) => atMs > (lost[0]?.atMs ?? 0) + lossMsMax)
  return { adds: Math.max(0, lastCount - held), overdueAdds: lastCount - (overdue?.count ?? lastCount) }
}

function readNotes(file: string): { count: number; atMs: number }[] {
  const bytes = readFileSync(file)
  const numbers = new Float64Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 16) * 2)
  const notes: { count: number; atMs: number }[] = []
  for (let at = 0; at < numbers.length; at += 2)
    notes.push({ count: numbers[at] as number, atMs: numbers[at + 1] as number })
  return notes
}
