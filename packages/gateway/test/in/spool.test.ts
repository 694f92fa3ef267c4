import assert from 'node:assert/strict'
import { readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGateway, type TestGateway } from '../support/gateways.ts'
import { ownerOf, startJob } from '../support/jobs.ts'
import { deltas, totals, type Count } from '../support/requests.ts'
import { dead, eventually, filesIn, isThere, put, spoolFile } from '../support/spools.ts'

const batchHeader = { kind: 'batch', ended: true, sequence: 0 } as const

function journal(value: number, sequence: number, more: Parameters<typeof spoolFile>[1] = {}): Uint8Array {
  return spoolFile(totals([{ value }]), { sequence, ...more })
}

async function shows(gateway: TestGateway, want: number | undefined): Promise<void> {
  await eventually(async () => assert.equal(await gateway.work(), want))
}

async function isEmpty(gateway: TestGateway): Promise<void> {
  await eventually(() => assert.equal(filesIn(gateway.spoolDir)[0], undefined))
}

/** Two looks at the directory at least: what was not taken then, is not going to be. */
async function looked(gateway: TestGateway): Promise<void> {
  for (const name of ['first-look.batch', 'second-look.batch']) {
    put(gateway.spoolDir, name, spoolFile(deltas([{ name: 'look', value: 1 }]), batchHeader))
    await eventually(() => assert.equal(isThere(gateway.spoolDir, name), false))
  }
}

test('a journal is read while its process lives, and each checkpoint adds what is new', async (context) => {
  const gateway = await startGateway(context)
  put(gateway.spoolDir, 'a.journal', journal(5, 1))
  await shows(gateway, 5)
  put(gateway.spoolDir, 'a.journal', journal(7, 2))
  await shows(gateway, 7)
  put(gateway.spoolDir, 'a.journal', journal(7, 2)) // The same under a new inode.
  put(gateway.spoolDir, 'b.journal', journal(100, 1))
  await shows(gateway, 107)
  assert.equal(gateway.gateway.status().writers, 2)
  assert.deepEqual(
    filesIn(gateway.spoolDir).toSorted((a, b) => (a < b ? -1 : 1)),
    ['a.journal', 'b.journal']
  )
})

test('a series that was appended to a journal counts once when the journal is written whole', async (context) => {
  const gateway = await startGateway(context)
  const startMs = Date.now()
  const first = { value: 5, attributes: { queue: 'mail' } }
  const second = { value: 7, attributes: { queue: 'print' } }
  const appended = Buffer.concat([totals([first], startMs), totals([second], startMs)])
  put(gateway.spoolDir, 'a.journal', spoolFile(appended, { sequence: 2 }))
  const shown = async (): Promise<number[]> => {
    const lines = [...(await gateway.scrape())].filter(([line]) => line.startsWith('work_total'))
    return lines.map(([, value]) => value).toSorted((a, b) => a - b)
  }
  await eventually(async () => assert.deepEqual(await shown(), [5, 7]))
  put(gateway.spoolDir, 'a.journal', spoolFile(totals([first, second], startMs), { sequence: 3 }))
  await looked(gateway)
  assert.deepEqual(await shown(), [5, 7])
})

test('a total that went down is refused and counted as rejected, once', async (context) => {
  const gateway = await startGateway(context)
  put(gateway.spoolDir, 'a.journal', journal(5, 1))
  await shows(gateway, 5)
  put(gateway.spoolDir, 'a.journal', journal(3, 2))
  const name = 'swansong_points_rejected_total{reason="total_went_down"}'
  await eventually(async () => assert.equal((await gateway.scrape()).get(name), 1))
  await looked(gateway)
  assert.equal(await gateway.work(), 5)
  assert.equal((await gateway.scrape()).get(name), 1)
  put(gateway.spoolDir, 'a.journal', journal(6, 3))
  await shows(gateway, 6)
})

test('an ended journal counts once: while its process lives, when it has long ended, when it comes again', async (context) => {
  const gateway = await startGateway(context)
  const ended = journal(9, 4, { ended: true })
  put(gateway.spoolDir, 'a.journal', ended)
  await shows(gateway, 9)
  put(gateway.spoolDir, 'a.journal', journal(10, 5, { ended: true })) // An exit handler of the job's own.
  await shows(gateway, 10)
  const longAgo = new Date(Date.now() - 3_600_000)
  utimesSync(join(gateway.spoolDir, 'a.journal'), longAgo, longAgo)
  await isEmpty(gateway)
  assert.equal(gateway.gateway.status().spool.journalsTaken, 1)
  assert.equal(gateway.gateway.status().writers, 0)
  put(gateway.spoolDir, 'a.journal', ended)
  utimesSync(join(gateway.spoolDir, 'a.journal'), longAgo, longAgo)
  await isEmpty(gateway)
  assert.equal(await gateway.work(), 10)
})

test('the journal of a process that was killed is taken whole and goes', async (context) => {
  const gateway = await startGateway(context)
  const child = startJob('wait', [])
  context.after(() => child.kill('SIGKILL'))
  await child.saw('here')
  const owner = ownerOf(child.pid)
  put(gateway.spoolDir, 'a.journal', journal(5, 1, { owner }))
  await shows(gateway, 5)
  put(gateway.spoolDir, 'a.journal', journal(8, 2, { owner }))
  await shows(gateway, 8)
  await looked(gateway)
  assert.equal(isThere(gateway.spoolDir, 'a.journal'), true)
  child.kill('SIGKILL')
  await isEmpty(gateway)
  assert.equal(await gateway.work(), 8)
  assert.equal(gateway.gateway.status().writers, 0)
})

test('a journal that is only found when its process is dead counts whole', async (context) => {
  const gateway = await startGateway(context)
  put(gateway.spoolDir, 'a.journal', journal(5, 17, dead))
  await isEmpty(gateway)
  assert.equal(await gateway.work(), 5)
})

test('what was taken and stands there again counts once: the gateway died before it was removed', async (context) => {
  const files: [string, Uint8Array][] = [
    ['a.journal', journal(5, 3, { ...dead })],
    ['b.journal', journal(50, 3, { ...dead, ended: true })],
    ['c.batch', spoolFile(deltas([{ value: 500 }, { value: -1 }]), batchHeader)],
  ]
  let gateway = await startGateway(context)
  for (let round = 0; round < 4; round++) {
    for (const [name, file] of files) put(gateway.spoolDir, name, file)
    await isEmpty(gateway)
    assert.equal(await gateway.work(), 555, `round ${round}`)
    if (round % 2 === 0) continue
    await gateway.close()
    for (const [name, file] of files) put(gateway.spoolDir, name, file)
    gateway = await startGateway(context, { dataDir: gateway.dataDir })
  }
})

test('the journal of a living process is followed over a restart', async (context) => {
  const first = await startGateway(context)
  put(first.spoolDir, 'a.journal', journal(5, 1))
  await shows(first, 5)
  await first.close()
  put(first.spoolDir, 'a.journal', journal(6, 2))
  const second = await startGateway(context, { dataDir: first.dataDir })
  await shows(second, 6)
  await looked(second)
  assert.equal(await second.work(), 6)
  await second.close()
  const third = await startGateway(context, { dataDir: first.dataDir })
  put(third.spoolDir, 'a.journal', journal(7, 3, dead))
  await isEmpty(third)
  assert.equal(await third.work(), 7)
})

test('a frozen batch that is posted and spooled under one id counts once, whichever comes first', async (context) => {
  const gateway = await startGateway(context)
  const body = deltas([{ value: 3 }])
  const file = spoolFile(body, batchHeader)
  const post = (id: string): Promise<unknown> =>
    gateway.post(body, { 'idempotency-key': id }).then(({ http }) => assert.equal(http, 200))
  await post('posted-first')
  put(gateway.spoolDir, 'posted-first.batch', file)
  await isEmpty(gateway)
  assert.equal(await gateway.work(), 3)

  put(gateway.spoolDir, 'spooled-first.batch', file)
  await isEmpty(gateway)
  assert.equal(await gateway.work(), 6)
  await post('spooled-first')
  assert.equal(await gateway.work(), 6)

  const uuid = '0191f3a6-7a3c-7d62-9c1e-0123456789ab'
  put(gateway.spoolDir, `${uuid}.batch`, file)
  await Promise.all([post(uuid), post(uuid), isEmpty(gateway)])
  assert.equal(await gateway.work(), 9)
  assert.equal(gateway.gateway.status().spool.batchesTaken, 3)
})

test('a frozen batch under an id that came with another body is set aside', async (context) => {
  const gateway = await startGateway(context)
  await gateway.post(deltas([{ value: 3 }]), { 'idempotency-key': 'a' })
  put(gateway.spoolDir, 'a.batch', spoolFile(deltas([{ value: 4 }]), batchHeader))
  await isEmpty(gateway)
  assert.equal(await gateway.work(), 3)
  const reason = readFileSync(join(gateway.spoolDir, 'rejected/a.batch.reason'), 'utf8')
  assert.match(reason, /came with another body before/)
})

test('a living process older than the ledger adds from where it is; one that ended or died counts whole', async (context) => {
  const gateway = await startGateway(context)
  const old = (counts: readonly Count[]): Uint8Array => totals(counts, Date.now() - 3_600_000)
  put(gateway.spoolDir, 'a.journal', spoolFile(old([{ value: 1000 }]), { sequence: 1 }))
  await eventually(() => assert.equal(gateway.gateway.status().writers, 1))
  assert.equal((await gateway.work()) ?? 0, 0)
  put(
    gateway.spoolDir,
    'a.journal',
    spoolFile(old([{ value: 1001 }, { name: 'new', value: 7 }]), { sequence: 2 })
  )
  await shows(gateway, 1)
  assert.equal(await gateway.work('new'), 7)
  put(gateway.spoolDir, 'b.journal', spoolFile(old([{ value: 10 }]), { ended: true }))
  await shows(gateway, 11)
  put(gateway.spoolDir, 'c.journal', spoolFile(old([{ value: 100 }]), dead))
  await shows(gateway, 111)
})

test('points of a journal that cannot count are counted as rejected when it ends, once', async (context) => {
  const gateway = await startGateway(context)
  const body = totals([{ value: 3 }, { name: 'bad', value: Number.NaN }])
  put(gateway.spoolDir, 'a.journal', spoolFile(body, { sequence: 1 }))
  await shows(gateway, 3)
  put(gateway.spoolDir, 'a.journal', spoolFile(body, { sequence: 2, ...dead }))
  await isEmpty(gateway)
  assert.equal((await gateway.scrape()).get('swansong_points_rejected_total{reason="not_finite"}'), 1)
  put(gateway.spoolDir, 'b.journal', spoolFile(deltas([{ value: 3 }]), dead))
  await isEmpty(gateway)
  assert.equal((await gateway.scrape()).get('swansong_points_rejected_total{reason="delta_in_journal"}'), 1)
  assert.equal(await gateway.work(), 3)
})

test('ten thousand files are taken', async (context) => {
  const gateway = await startGateway(context)
  for (let at = 0; at < 5000; at++) {
    put(gateway.spoolDir, `batch-${at}.batch`, spoolFile(deltas([{ value: 1 }]), batchHeader))
    put(gateway.spoolDir, `journal-${at}.journal`, journal(1, 1, dead))
  }
  const want = { waiting: 0, journalsTaken: 5000, batchesTaken: 5000, rejected: 0 }
  await eventually(() => assert.deepEqual(gateway.gateway.status().spool, want))
  assert.deepEqual(filesIn(gateway.spoolDir), [])
  assert.equal(await gateway.work(), 10_000)
  const { commits, writers } = gateway.gateway.status()
  assert.ok(commits < 5000, `${commits} commits: many files share one`)
  assert.equal(writers, 0)
})
