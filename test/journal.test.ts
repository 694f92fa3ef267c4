import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { lineOf } from './support/deltas.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { until } from './support/wait.ts'
import { ends, type Ending, type Work } from './support/work.ts'
import { runAll, startWorker, wayOut } from './support/worker.ts'

const living = lineOf('living')
const journalsTaken = 'swansong_spool_files_taken_total{kind="journal"}'
const dieAtUnlink = pathToFileURL(join(import.meta.dirname, 'support', 'die-at-unlink.js')).href
/** Several looks of the gateway into its spool: what is counted twice would be by then. */
const looksMs = 700

test('a journal counts once: read while its process lives, after it died, and after the gateway did', async () => {
  const gateway = await startGateway()
  const worker = startWorker('living', [], wayOut(gateway).journal)
  worker.tell('1000')
  await gateway.shows(living, 1000)
  worker.tell('234')
  await gateway.shows(living, 1234) // Its process still lives.
  const [name = '', ...more] = spooled(gateway)
  assert.deepEqual([name.endsWith('.journal'), more], [true, []])
  const copy = join(gateway.dataDir, 'copy')
  copyFileSync(join(gateway.spoolDir, name), copy)
  assert.equal((await gateway.status()).writers, 1)

  await gateway.kill9() // Of what it read, it remembers what it had counted.
  await gateway.restart()
  await gateway.shows(living, 1234)
  worker.tell('66')
  await gateway.shows(living, 1300)

  worker.kill('SIGKILL')
  assert.equal((await worker.ended).signal, 'SIGKILL')
  await until('the journal is taken', () => spooled(gateway).length === 0)
  assert.equal((await gateway.status()).writers, 0)
  assert.equal(await gateway.metric(journalsTaken), 1)
  await gateway.shows(living, 1300)

  copyFileSync(copy, join(gateway.spoolDir, name)) // As if its removal had not reached the disk.
  await until('the copy is removed', () => spooled(gateway).length === 0)
  await gateway.kill9()
  copyFileSync(copy, join(gateway.spoolDir, name))
  await gateway.restart()
  await until('the copy is removed again', () => spooled(gateway).length === 0)
  await sleep(looksMs)
  await gateway.shows(living, 1300)
})

test('a gateway that is killed between the commit and the removal of a spool file counts it once', async () => {
  const gateway = await startGateway()
  const ways = wayOut(gateway)
  await gateway.kill9()
  await work(ways.journal, { adds: 1000 })
  await work(ways.postOrSpool, { adds: 500 }) // Nobody answers: it is spooled as a batch.
  assert.deepEqual([spooled(gateway, '.journal').length, spooled(gateway, '.batch').length], [1, 1])

  await gateway.restart({ NODE_OPTIONS: `--import=${dieAtUnlink}` }).catch(() => undefined) // Or it dies first.
  assert.equal(await gateway.exited(), null)
  assert.equal(spooled(gateway).length, 2)
  await gateway.restart()
  await until('both are removed', () => spooled(gateway).length === 0)
  await sleep(looksMs)
  await gateway.shows(lineOf('work', { series: '0' }), 1500)
  // The one before had committed both; or the first, if it was slow enough to die before it looked at the other.
  assert.ok((await gateway.metric('swansong_points_total')) <= 1)
})

test('process.exit() right after a thousand adds, while the gateway is down, loses none of them', async () => {
  const gateway = await startGateway()
  const ways = wayOut(gateway)
  await gateway.kill9()
  const runs = Array.from({ length: 24 }, (_, at) => () => {
    const ending = (['exit code', 'uncaught error', 'natural end'] as const)[at % 3] as Ending
    return work(at % 2 === 0 ? ways.journal : ways.postOrSpool, { adds: 1000, ending })
  })
  await runAll(runs, 8)
  assert.equal(spooled(gateway).length, 24)
  await gateway.restart()
  await gateway.shows(lineOf('work', { series: '0' }), 24_000)
  await until('all are removed', () => spooled(gateway).length === 0)
  await sleep(looksMs)
  await gateway.shows(lineOf('work', { series: '0' }), 24_000)
})

test('SIGKILL in a busy loop costs at most 25 ms of increments', async (t) => {
  const gateway = await startGateway()
  const missing: number[] = []
  for (let run = 0; run < 12; run++) {
    const records = join(gateway.dataDir, `busy-${run}`)
    const worker = startWorker('busy', [String(run), records], wayOut(gateway).journal)
    const grown = (): boolean => existsSync(records) && readFileSync(records).length > 24_000
    await until('a million adds', grown)
    await sleep(Math.random() * 100)
    worker.kill('SIGKILL')
    await worker.ended
    await until('its journal is taken', () => spooled(gateway).length === 0)
    const counted = await gateway.metric(lineOf('busy', { run: String(run) }))
    missing.push(missingMs(readFileSync(records), counted))
  }
  t.diagnostic(`milliseconds missing: ${missing.map((ms) => ms.toFixed(1)).join(' ')}`)
  for (const ms of missing) assert.ok(ms <= 25, `${ms} ms of increments are missing`)
})

test('with journal always, what arrives is what had returned, or the add that was on its way', async () => {
  const gateway = await startGateway()
  for (let round = 0; round < 12; round++) {
    const record = join(gateway.dataDir, `always-${round}`)
    const worker = startWorker('always', [String(round), record], wayOut(gateway).journal)
    await until('it counts', () => existsSync(record) && readFileSync(record).length > 0)
    await sleep(Math.random() * 150)
    worker.kill('SIGKILL')
    await worker.ended
    await until('its journal is taken', () => spooled(gateway).length === 0)
    const counted = await gateway.metric(lineOf('always', { run: String(round) }))
    const returned = readFileSync(record).readDoubleLE(0)
    assert.ok(
      counted === returned || counted === returned + 1,
      `${counted} are counted, ${returned} returned`
    )
  }
})

/**
 * How long the loop took, on its CPU, from what was counted to where it came. By the CPU's time, as what the loop does
 * not count while it waits for a busy machine is not missing.
 */
function missingMs(file: Buffer, counted: number): number {
  const records = new Float64Array(
    file.buffer.slice(file.byteOffset, file.byteOffset + file.length - (file.length % 24))
  )
  const end = records.length - 3
  let at = end
  while (at > 0 && (records[at] as number) > counted) at -= 3
  return (records[end + 1] as number) - (records[at + 1] as number)
}

async function work(env: Record<string, string>, given: Partial<Work>): Promise<void> {
  const task: Work = { metric: 'work', seriesCount: 1, adds: 1, liveMs: 0, ending: 'exit code', ...given }
  const { code, signal, stderr } = await startWorker('work', [JSON.stringify(task)], env).ended
  assert.deepEqual({ code, signal }, ends[task.ending], stderr)
  assert.doesNotMatch(stderr, /swansong/) // It has nothing to complain of.
}

/** The files that wait in its spool. */
function spooled(gateway: Gateway, suffix = ''): string[] {
  const names = readdirSync(gateway.spoolDir)
  return names.filter((name) => /^[^.].*\.(journal|batch)$/.test(name) && name.endsWith(suffix))
}
