import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { patchFrameBytes, type SpoolHeader, writePatch } from '@swansong/otlp/spool'
import type { Life } from '../../src/in/processes.ts'
import type { Spool } from '../../src/in/spool.ts'
import { temporaryDirectory } from '../support/directories.ts'
import { open, shown, type Opened } from '../support/ledgers.ts'
import { totals } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'
import { eventually, filesIn, openSpool, put, spoolFile } from '../support/spools.ts'

const work = 'work_total{job="jobs",otel_scope_name="test"}'
const hourMs = 3_600_000
/** Younger than any ledger here. */
const startMs = Date.now() + hourMs

/** A gateway's spool that is told what time it is, and which processes live. */
class Bench {
  readonly directory: string
  opened: Opened
  life: Life = 'unknown'
  #now = 0
  #store = new SimStore()
  #spool: Spool

  constructor(context: TestContext) {
    this.directory = temporaryDirectory(context)
    this.opened = open(this.#store, { clock: () => this.#now })
    this.#spool = this.#start()
    context.after(() => this.#spool.close())
  }

  restart(): void {
    this.#spool.close()
    this.opened.ledger.close()
    this.#store = this.#store.restarted()
    this.opened = open(this.#store, { clock: () => this.#now })
    this.#spool = this.#start()
  }

  #start(): Spool {
    const lifeOf = (): Life => this.life
    return openSpool(this.opened, this.directory, { lifeOf, clock: () => this.#now + performance.now() })
  }

  put(
    name: string,
    value: number,
    sequence: number,
    more: { base?: number; header?: Partial<SpoolHeader> } = {}
  ): void {
    const baseline = more.base === undefined ? undefined : totals([{ value: more.base }], startMs)
    const file = spoolFile(totals([{ value }], startMs), { sequence, ...more.header }, baseline)
    put(this.directory, name, file)
  }

  /** As if nobody had touched it for so long, by the time of its file. */
  age(name: string, ms: number): void {
    const then = new Date(Date.now() - ms)
    utimesSync(join(this.directory, name), then, then)
  }

  pass(ms: number): void {
    this.#now += ms
  }

  async shows(want: number): Promise<void> {
    await eventually(() => assert.equal(shown(this.opened).get(work) ?? 0, want))
  }

  async writers(want: number): Promise<void> {
    await eventually(() => assert.equal(this.opened.stats.writers, want))
  }

  /** Two looks at the directory, at least, have passed after this. */
  async looked(): Promise<void> {
    for (const name of ['one.journal', 'two.journal']) {
      put(this.directory, name, Buffer.from('no spool file'))
      await eventually(() => assert.equal(existsSync(join(this.directory, name)), false))
    }
  }

  async holds(...want: string[]): Promise<void> {
    await eventually(() => assert.deepEqual(filesIn(this.directory).sort(), want))
  }
}

/** The journal of a process that cannot be seen is taken as silent. */
async function silenced(bench: Bench): Promise<void> {
  bench.put('a.journal', 5, 1)
  await bench.shows(5)
  bench.age('a.journal', 25 * hourMs)
  await bench.looked()
  bench.pass(7 * hourMs)
  await bench.holds()
}

test('a journal of a process that cannot be seen is followed, and goes when nobody touched it for long', async (context) => {
  const bench = new Bench(context)
  bench.put('a.journal', 5, 1)
  await bench.shows(5)
  bench.pass(24 * hourMs)
  await bench.looked()
  await bench.holds('a.journal') // Its file is young: the clock of the gateway alone proves nothing.
  bench.put('a.journal', 6, 2)
  await bench.shows(6)
  bench.age('a.journal', 48 * hourMs)
  await bench.looked()
  bench.pass(5 * hourMs)
  await bench.looked()
  await bench.holds('a.journal') // Nor does its file's time alone: a clock may have been set.
  bench.pass(2 * hourMs)
  await bench.holds()
  assert.equal(bench.opened.stats.spoolFilesTaken.journal, 1)
  assert.equal(bench.opened.stats.writers, 1, 'its writer is remembered')
  await bench.shows(6)
})

test('a journal of a process that cannot be seen goes soon after it said that it ended', async (context) => {
  const bench = new Bench(context)
  bench.put('a.journal', 5, 1)
  await bench.shows(5)
  bench.put('a.journal', 6, 2, { header: { ended: true } })
  await bench.shows(6)
  bench.age('a.journal', 61_000)
  await bench.holds()
  await bench.shows(6)
  await bench.writers(0)
})

test('a process that is seen to live may be silent for as long as it likes', async (context) => {
  const bench = new Bench(context)
  bench.life = 'alive'
  bench.put('a.journal', 5, 1)
  await bench.shows(5)
  bench.age('a.journal', 1000 * hourMs)
  await bench.looked()
  bench.pass(1000 * hourMs)
  await bench.looked()
  await bench.holds('a.journal')
})

test('a process that comes back after its file went adds what is new, by its old name or by another', async (context) => {
  const bench = new Bench(context)
  await silenced(bench)
  bench.put('a.journal', 8, 2) // It had looked for its file just before that went.
  await bench.shows(8)
  bench.put('b.journal', 9, 1, { base: 8 })
  await bench.shows(9)
  bench.put('b.journal', 11, 2, { base: 8 })
  await bench.shows(11)
})

test('so it does after the gateway has forgotten it, if it carries on by another name', async (context) => {
  const bench = new Bench(context)
  await silenced(bench)
  await bench.looked()
  bench.pass(hourMs) // It is seen that its journal is gone …
  await bench.looked()
  bench.pass(5 * hourMs)
  await bench.looked()
  assert.equal(bench.opened.stats.writers, 1)
  bench.pass(2 * hourMs)
  await bench.writers(0)
  await bench.shows(5)
  bench.put('b.journal', 7, 1, { base: 5 })
  await bench.shows(7)
  bench.restart()
  bench.put('b.journal', 8, 2, { base: 5 })
  await bench.shows(8)
  bench.put('b.journal', 9, 3, { base: 5, header: { ended: true } })
  bench.life = 'dead'
  await bench.holds()
  await bench.shows(9)
  await bench.writers(0)
})

test('a journal that begins at a baseline counts what is beyond it, found living, ended or dead', async (context) => {
  const bench = new Bench(context)
  bench.put('a.journal', 17, 3, { base: 10 })
  await bench.shows(7)
  bench.put('b.journal', 100, 3, { base: 90, header: { ended: true } })
  await bench.shows(17)
  bench.life = 'dead'
  bench.put('c.journal', 1000, 3, { base: 400 })
  await bench.holds()
  await bench.shows(617)
})

test('a journal whose body is no OTLP leaves nothing of its baseline', async (context) => {
  const bench = new Bench(context)
  const baseline = totals([{ value: 5 }], startMs)
  put(bench.directory, 'a.journal', spoolFile(Buffer.from('no OTLP at all'), {}, baseline))
  await bench.holds()
  assert.equal(bench.opened.stats.spoolFilesRejected, 1)
  assert.equal(bench.opened.stats.writers, 0)
  bench.put('a.journal', 7, 1)
  await bench.shows(7)
})

test('a writer whose journal somebody removed is remembered for hours, then goes', async (context) => {
  const bench = new Bench(context)
  bench.life = 'alive'
  bench.put('a.journal', 5, 1)
  await bench.shows(5)
  rmSync(join(bench.directory, 'a.journal'))
  await bench.looked()
  bench.pass(hourMs)
  await bench.looked()
  bench.put('a.journal', 6, 2) // The worker puts it there again.
  await bench.shows(6)
  bench.pass(24 * hourMs)
  await bench.looked()
  assert.equal(bench.opened.stats.writers, 1)
  rmSync(join(bench.directory, 'a.journal'))
  bench.pass(hourMs)
  await bench.looked()
  bench.restart() // Also one that this gateway has never seen a file of.
  await bench.looked()
  assert.equal(bench.opened.stats.writers, 1)
  bench.pass(7 * hourMs)
  await bench.writers(0)
  await bench.shows(6)
})

test('what a gateway that died had moved aside is taken by the next', async (context) => {
  const bench = new Bench(context)
  bench.put('a.journal', 5, 1)
  await bench.shows(5)
  bench.put('a.journal', 9, 2)
  renameSync(join(bench.directory, 'a.journal'), join(bench.directory, 'a.silent'))
  await bench.holds()
  await bench.shows(9)
  bench.put('a.journal', 12, 3)
  await bench.shows(12)
  bench.put('a.silent', 9, 2)
  await bench.holds('a.journal')
  await bench.shows(12)
})

test('a journal that was taken for good is no journal of anybody: it goes', async (context) => {
  const bench = new Bench(context)
  bench.life = 'dead'
  bench.put('a.journal', 5, 1)
  await bench.holds()
  await bench.shows(5)
  bench.life = 'alive' // It was thought to be dead.
  bench.put('a.journal', 50, 2)
  await bench.holds()
  await bench.shows(5)
})

test('patches of a living process count as they come', async (context) => {
  const bench = new Bench(context)
  bench.life = 'alive'
  bench.put('a.journal', 5, 1)
  await bench.shows(5)
  const path = join(bench.directory, 'a.journal')
  const file = readFileSync(path)
  const body = file.subarray(96)
  const at = body.indexOf(Buffer.from(new Uint8Array(new Float64Array([5]).buffer)))
  assert.ok(at > 0)
  for (let value = 6; value < 10; value++) {
    body.writeDoubleLE(value, at)
    const patch = new Uint8Array(8 + patchFrameBytes)
    writePatch(patch, at, body, at, at + 8)
    appendFileSync(path, patch.subarray(0, 10)) // Half of it: its add has not returned.
    await bench.looked()
    await bench.shows(value - 1)
    appendFileSync(path, patch.subarray(10))
    await bench.shows(value)
  }
})

test('a spool directory that was removed is made again, and what comes then is taken', async (context) => {
  const bench = new Bench(context)
  bench.put('a.journal', 5, 1)
  await bench.shows(5)
  rmSync(bench.directory, { recursive: true })
  await eventually(() => assert.ok(existsSync(join(bench.directory, 'heartbeat.json'))))
  assert.equal(statSync(bench.directory).mode & 0o7777, 0o3733)
  bench.put('a.journal', 8, 2)
  await bench.shows(8)
})
