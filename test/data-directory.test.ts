import assert from 'node:assert/strict'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { ChildOptions } from './support/child.ts'
import { runSwansong, runSwansongIn, type Said } from './support/command.ts'
import { deltas, lineOf } from './support/deltas.ts'
import { flagsOf, freeGatewayPorts, startGateway } from './support/gateway.ts'

const jobs = lineOf('jobs')
const one: Uint8Array = deltas([{ name: 'jobs', value: 1 }])

/** Removed when all tests have ended, and with them their gateways. */
const root = await mkdtemp(join(tmpdir(), 'swansong-data-'))
after(() => rm(root, { recursive: true, force: true }))

/** What a gateway counted, and left behind: its data directory, in which one job is counted. */
async function left(): Promise<string> {
  const home = await mkdtemp(join(root, 'home-'))
  const gateway = await startGateway({ dataDir: join(home, 'data') })
  assert.equal((await gateway.post(one, 'one')).status, 200)
  assert.equal(await gateway.stop(), 0)
  return gateway.dataDir
}

/** A gateway that is to end by itself. */
async function gatewayThatEnds(
  dataDir: string,
  options: ChildOptions = {},
  more: string[] = []
): Promise<Said> {
  const env = { PATH: process.env['PATH'] ?? '', ...options.env }
  const flags = [...flagsOf(await freeGatewayPorts()), '--data-dir', dataDir, ...more]
  return runSwansongIn({ ...options, env }, 'gateway', ...flags)
}

/** A bit of the first page is another, as a failing disk would have it. */
function damagePage(dataDir: string): void {
  const db = new DatabaseSync(join(dataDir, 'ledger.db'))
  const slots = db.prepare('SELECT slots FROM page WHERE id = 0').get()?.['slots'] as Uint8Array
  slots[6] = (slots[6] ?? 0) ^ 0x10
  db.prepare('UPDATE page SET slots = ? WHERE id = 0').run(slots)
  db.close()
}

test('a copied data directory ends with 2 and the way out; --adopt serves it, and once is enough', async () => {
  const dataDir = await left()
  const copy = `${dataDir}-copied`
  await cp(dataDir, copy, { recursive: true, preserveTimestamps: true })
  const refused = await gatewayThatEnds(copy)
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /data-copied is a copy, or was restored.* swansong gateway --adopt/)
  assert.doesNotMatch(refused.stderr, /\n +at /)

  const adopting = await startGateway({ dataDir: copy, flags: ['--adopt'] })
  assert.match(adopting.said(), /data-copied was adopted/)
  assert.equal(await adopting.metric(jobs), 0, 'so that nobody counts again what the other showed')
  assert.equal((await adopting.post(one, 'one')).status, 200)
  assert.equal(await adopting.metric(jobs), 0, 'what was counted before it was copied is known')
  assert.equal((await adopting.post(one, 'two')).status, 200)
  assert.equal(await adopting.metric(jobs), 1)
  const { ledger } = await adopting.status()
  assert.equal(await adopting.stop(), 0)

  const again = await startGateway({ dataDir: copy })
  assert.equal((await again.status()).ledger, ledger)
  assert.equal(await again.metric(jobs), 1)
  assert.equal(await again.stop(), 0)
  const first = await startGateway({ dataDir })
  assert.notEqual((await first.status()).ledger, ledger, 'the one that was copied goes on')
})

test('a copy whose spool another gateway has is not adopted, and said so; when that is gone it is', async () => {
  const dataDir = await left()
  const copy = `${dataDir}-in-use`
  await cp(dataDir, copy, { recursive: true, preserveTimestamps: true })
  const beat = (stopped: boolean): Promise<void> => {
    const heartbeat = { ledger: 'other', at: Date.now(), pid: 7, host: 'there', stopped, fileBytesMax: 1 }
    return writeFile(join(copy, 'spool', 'heartbeat.json'), JSON.stringify(heartbeat))
  }
  await beat(false)
  const beating = setInterval(() => void beat(false), 500)
  const refused = await gatewayThatEnds(copy, {}, ['--adopt'])
  clearInterval(beating)
  assert.equal(refused.code, 2)
  assert.match(
    refused.stderr,
    /spool is taken up by another gateway, pid 7 on there; nothing was adopted: stop that one/
  )
  assert.match((await gatewayThatEnds(copy)).stderr, /is a copy, or was restored/, 'as it was')
  await beat(true)
  const adopting = await startGateway({ dataDir: copy, flags: ['--adopt'] })
  assert.match(adopting.said(), /was adopted/)
})

test('where a directory cannot be made it ends with 2 and says why', async () => {
  const refused = await gatewayThatEnds('/proc/swansong/data')
  assert.equal(refused.code, 2)
  assert.match(
    refused.stderr,
    /data directory \/proc\/swansong\/data cannot be used: ENOENT.*another --data-dir/
  )
  const home = await mkdtemp(join(root, 'home-'))
  const spoolless = await gatewayThatEnds(join(home, 'data'), {}, ['--spool-dir', '/proc/swansong'])
  assert.equal(spoolless.code, 2)
  assert.match(
    spoolless.stderr,
    /spool directory \/proc\/swansong cannot be used: ENOENT.*another --spool-dir/
  )
})

test('a damaged page is told at the start and by swansong status; its series begin anew', async () => {
  const dataDir = await left()
  damagePage(dataDir)
  const gateway = await startGateway({ dataDir })
  assert.match(gateway.said(), /pages 0 of ledger\.db do not match .* series begin anew, of jobs; look after/)
  assert.equal((await gateway.status()).pagesCorrupt, 1)
  const { stdout } = await runSwansong('status', '--url', gateway.urls.admin)
  assert.match(stdout, /^series +0, 0 ended; 1 corrupt pages were set aside at the start, look after/m)
  assert.equal((await gateway.post(one, 'another')).status, 200)
  assert.equal(await gateway.metric(jobs), 1)
})

test('where what became of a damaged page cannot be stored, it ends with 2 on a full disk, else with 3', async () => {
  const dataDir = await left()
  damagePage(dataDir)
  const preload = pathToFileURL(join(import.meta.dirname, 'support', 'limit-database.js')).href
  const full = await gatewayThatEnds(dataDir, {
    env: { NODE_OPTIONS: `--import=${preload}`, DATABASE_IS_FULL: '1' },
  })
  assert.equal(full.code, 2, full.stderr)
  assert.match(full.stderr, /^swansong: the disk of the data directory is full: .*make room/m)

  // Past here nothing can be written to a file: not a full disk, but one that fails. The database's log needs more.
  const failed = await gatewayThatEnds(dataDir, { within: ['prlimit', '--fsize=4096:'] })
  assert.equal(failed.code, 3, failed.stderr)
  assert.match(failed.stderr, /^swansong: the store failed: .*is read again at the next start/m)

  const gateway = await startGateway({ dataDir })
  assert.equal((await gateway.status()).pagesCorrupt, 1, 'nothing of it was stored before')
})

test('what SQLite itself cannot read ends with 2, and with what to do', async () => {
  const dataDir = await left()
  await writeFile(join(dataDir, 'ledger.db'), Buffer.alloc(8192, 'no database'))
  const { code, stderr } = await gatewayThatEnds(dataDir)
  assert.equal(code, 2)
  assert.match(stderr, /cannot be used: .*restore ledger\.db from a backup, or move it away to begin anew/)
})
