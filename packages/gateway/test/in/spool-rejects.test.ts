import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { makePipe, temporaryDirectory } from '../support/directories.ts'
import { open, shown } from '../support/ledgers.ts'
import { deltas, totals } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'
import { dead, eventually, filesIn, put, spoolFile, startSpool } from '../support/spools.ts'

const batchHeader = { kind: 'batch', ended: true, sequence: 0 } as const
const good = spoolFile(deltas([{ value: 1 }]), batchHeader)
const goodJournal = spoolFile(totals([{ value: 1 }]), dead)

test('what cannot be taken is set aside with the reason beside it, and holds up nothing', async (context) => {
  const directory = temporaryDirectory(context)
  const elsewhere = temporaryDirectory(context)
  const wants = new Map<string, RegExp>()
  const bad = (name: string, file: Uint8Array | undefined, want: RegExp): void => {
    if (file !== undefined) put(directory, name, file)
    wants.set(name, want)
  }
  const flipped = good.slice()
  flipped[100] = (flipped[100] ?? 0) ^ 1
  const newer = good.slice()
  newer[8] = 2
  bad('torn.batch', good.subarray(0, -1), /\d+ bytes are announced/)
  bad('short.journal', goodJournal.subarray(0, 50), /less than a header/)
  bad('empty.batch', new Uint8Array(0), /less than a header/)
  bad('flipped.batch', flipped, /checksum/)
  bad('newer.batch', newer, /checksum/)
  bad('foreign.journal', Buffer.from('{"something": "else"}'.repeat(20)), /no spool file/)
  bad('large.batch', new Uint8Array(100_001), /100001 bytes are over the limit of 100000/)
  bad('kind.journal', good, /its name says journal, its header batch/)
  bad('kind.batch', goodJournal, /its name says batch, its header journal/)
  bad('body.batch', spoolFile(Buffer.from('no OTLP at all'), batchHeader), /not OTLP metrics/)
  bad('body.journal', spoolFile(Buffer.from('no OTLP at all'), dead), /not OTLP metrics/)
  bad('living.journal', spoolFile(Buffer.from('no OTLP at all')), /not OTLP metrics/)
  bad('bad name.batch', good, /its name is not an id/)
  bad(`${'x'.repeat(65)}.batch`, good, /its name is not an id/)
  writeFileSync(join(elsewhere, 'target'), good)
  symlinkSync(join(elsewhere, 'target'), join(directory, 'link.batch'))
  bad('link.batch', undefined, /it is a symbolic link/)
  symlinkSync(join(elsewhere, 'target'), join(directory, 'link.journal'))
  bad('link.journal', undefined, /it is a symbolic link/)
  symlinkSync(join(elsewhere, 'nothing'), join(directory, 'dangling.batch'))
  bad('dangling.batch', undefined, /it is a symbolic link/)
  symlinkSync(join(elsewhere, 'nothing'), join(directory, 'dangling.journal'))
  bad('dangling.journal', undefined, /it is a symbolic link/)
  mkdirSync(join(directory, 'folder.journal'))
  bad('folder.journal', undefined, /not a regular file/)
  makePipe(join(directory, 'pipe.batch'))
  bad('pipe.batch', undefined, /not a regular file/)
  const server = createServer().listen(join(directory, 'socket.batch'))
  context.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  bad('socket.batch', undefined, /not a regular file/)
  put(directory, 'good.batch', good)
  put(directory, 'good.journal', goodJournal)
  writeFileSync(join(directory, 'notes.txt'), 'nothing of ours')

  const opened = open(new SimStore())
  startSpool(context, opened, directory)
  await eventually(() => assert.deepEqual(filesIn(directory), ['notes.txt']))
  assert.equal(shown(opened).get('work_total{job="jobs",otel_scope_name="test"}'), 2)
  const rejected = join(directory, 'rejected')
  for (const [name, want] of wants) {
    assert.match(readFileSync(join(rejected, `${name}.reason`), 'utf8'), want, name)
    assert.ok(readdirSync(rejected).includes(name), name)
  }
  assert.equal(readdirSync(rejected).length, wants.size * 2)
  assert.equal(opened.stats.spoolFilesRejected, wants.size)
  assert.deepEqual(
    readFileSync(join(elsewhere, 'target')),
    Buffer.from(good),
    'what a link names is left alone'
  )
  assert.equal(statSync(rejected).mode & 0o777, 0o700)
})

test("the place for what is set aside is the gateway's own: a link that somebody put there is not followed", async (context) => {
  const directory = temporaryDirectory(context)
  const elsewhere = temporaryDirectory(context)
  symlinkSync(elsewhere, join(directory, 'rejected'))
  put(directory, 'torn.batch', good.subarray(0, -1))
  put(directory, 'good.batch', good)
  const opened = open(new SimStore())
  startSpool(context, opened, directory)
  await eventually(() => {
    assert.equal(shown(opened).size, 1)
    assert.equal(opened.stats.spoolFilesRejected, 1)
  })
  assert.deepEqual(readdirSync(elsewhere), [])
  assert.ok(existsSync(join(directory, 'torn.batch')), 'it stays')
})

test('files that are being written, or that nobody finished, are left for an hour', async (context) => {
  const directory = temporaryDirectory(context)
  const young = join(directory, '.young.batch.unfinished')
  const old = join(directory, '.old.batch.unfinished')
  for (const path of [young, old]) writeFileSync(path, good)
  const before = new Date(Date.now() - 7_200_000)
  utimesSync(old, before, before)
  const opened = open(new SimStore())
  startSpool(context, opened, directory)
  await eventually(() => assert.equal(existsSync(old), false))
  assert.ok(existsSync(young))
  assert.equal(shown(opened).size, 0)
})
