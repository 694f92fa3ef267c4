import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { committed, open, type Opened, shown } from '../packages/gateway/test/support/ledgers.ts'
import { type Fault, SimStore } from '../packages/gateway/test/support/sim-store.ts'
import { openSpool } from '../packages/gateway/test/support/spools.ts'
import type { Life } from '../packages/gateway/src/in/processes.ts'
import { Mortal } from './support/mortal.ts'

type Step =
  | { do: 'add'; worker: number; series: number; value: number; killedWithin: number | undefined }
  | { do: 'flush' | 'end' | 'kill' | 'remove' | 'silence'; worker: number }
  | { do: 'away' }
  | { do: 'look'; crash: Fault | undefined }

const workerCount = 3
/** A worker that writes each add through looks for its file every ten milliseconds. */
const goneMs = 12
const worker = fc.nat(workerCount - 1)
const nth = fc.option(fc.nat(8), { nil: undefined, freq: 12 })
const crash = fc.option(fc.constantFrom<Fault[]>('crash before', 'crash within', 'crash after'), {
  nil: undefined,
  freq: 4,
})
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      worker,
      series: fc.nat(2),
      value: fc.integer({ min: 1, max: 9 }),
      killedWithin: nth,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'flush' as const,
        'flush' as const,
        'end' as const,
        'kill' as const,
        'remove' as const,
        'silence' as const
      ),
      worker,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('away' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('look' as const), crash }) }
)

/** What a worker's part of the sum must be, at least and at most. */
interface Place {
  mortal: Mortal
  /** In its file for certain, now or before that was removed. */
  written: number
  /** Returned or on its way when it was killed. */
  most: number
}

class World {
  readonly directory = mkdtempSync(join(tmpdir(), 'swansong-world-'))
  readonly #pace: 'interval' | 'always'
  readonly #faults = new Map<number, Fault>()
  readonly #places: Place[] = []
  /** Those that are no more. */
  readonly #dead: Place[] = []
  #store = new SimStore(this.#faults)
  #opened: Opened = open(this.#store)
  #shown = 0
  #awayMs = 0
  #pids = 0

  constructor(pace: 'interval' | 'always') {
    this.#pace = pace
    for (let at = 0; at < workerCount; at++) this.#places.push(this.#born())
  }

  async run(steps: readonly Step[]): Promise<void> {
    const now = Date.now
    Date.now = () => now() + this.#awayMs
    try {
      for (const each of steps) await this.#step(each)
      for (const place of this.#places) place.mortal.end()
      for (const place of this.#places.splice(0)) this.#bury({ ...place, written: place.mortal.returned })
      this.#faults.clear()
      await this.#look(undefined)
      await this.#look(undefined)
      assert.deepEqual(
        readdirSync(this.directory).filter((name) => !/^\.|^heartbeat/.test(name)),
        []
      )
      assert.equal(this.#opened.stats.spoolFilesRejected, 0)
      const least = this.#dead.reduce((sum, { written }) => sum + written, 0)
      assert.ok(this.#shown >= least, `${this.#shown} are counted of ${least} at least`)
    } finally {
      Date.now = now
      rmSync(this.directory, { recursive: true })
    }
  }

  #born(): Place {
    return { mortal: new Mortal(this.directory, ++this.#pids, this.#pace), written: 0, most: 0 }
  }

  async #step(each: Step): Promise<void> {
    if (each.do === 'look') return void (await this.#look(each.crash))
    if (each.do === 'away') return this.#away()
    const place = this.#places[each.worker] as Place
    const { mortal } = place
    if (each.do === 'add') this.#add(place, each)
    else if (each.do === 'flush') {
      await mortal.flush()
      place.written = mortal.returned
    } else if (each.do === 'end') {
      mortal.end()
      place.written = mortal.returned
    } else if (each.do === 'kill') mortal.kill()
    else if (each.do === 'remove') await this.#remove(mortal)
    else await this.#silence(mortal)
    if (!mortal.isDead) return
    this.#places[each.worker] = this.#born()
    this.#bury(place)
  }

  #bury(place: Place): void {
    place.mortal.kill()
    this.#dead.push(place)
  }

  #add(place: Place, { series, value, killedWithin }: Step & { do: 'add' }): void {
    const { mortal } = place
    place.most = mortal.returned + value
    if (killedWithin === undefined) mortal.add(series, value)
    else mortal.killWithin(killedWithin, () => mortal.add(series, value))
    if (this.#pace === 'always') place.written = mortal.returned
  }

  /** Somebody removes its file, which the gateway has read; the worker finds that out within ten milliseconds. */
  async #remove(mortal: Mortal): Promise<void> {
    const paths = mortal.ids.map((id) => join(this.directory, `${id}.journal`))
    const written = (): string =>
      paths.map((path) => statSync(path, { throwIfNoEntry: false })?.ino ?? 0).join(' ')
    // A worker writes when its turn comes, also while the gateway looks; and a look may end in a crash.
    for (let before = ''; before !== written();) {
      before = written()
      if (await this.#look(undefined)) before = ''
    }
    for (const path of paths) rmSync(path, { force: true })
    await sleep(goneMs)
  }

  /** As the gateway does with what nobody touched for long. */
  async #silence(mortal: Mortal): Promise<void> {
    for (const id of mortal.ids) {
      const [from, to] = [join(this.directory, `${id}.journal`), join(this.directory, `${id}.silent`)]
      if (existsSync(from) && !existsSync(to)) renameSync(from, to)
    }
    await sleep(goneMs)
  }

  /** Hours pass, in which no worker runs; the gateway has read all that there is, and forgets whose journal is gone. */
  async #away(): Promise<void> {
    await this.#look(undefined)
    this.#awayMs += 7 * 3_600_000
    for (const id of this.#opened.ledger.tellers.followedIds()) {
      if (!existsSync(join(this.directory, `${id}.journal`))) this.#opened.receiver.forgetJournal(id)
    }
    await committed()
  }

  /** A gateway that knows of no file looks once through the spool, and may die at its commit; then this tells true. */
  async #look(fault: Fault | undefined): Promise<boolean> {
    if (fault !== undefined) this.#faults.set(this.#store.commits, fault)
    const living = new Set(this.#places.map(({ mortal }) => mortal.owner.pid))
    const lifeOf = ({ pid }: { pid: number }): Life => (living.has(pid) ? 'alive' : 'dead')
    const spool = openSpool(this.#opened, this.directory, { lifeOf })
    await committed()
    await committed()
    spool.close()
    const { crashed } = this.#store
    if (crashed) {
      this.#store = this.#store.restarted()
      this.#opened = open(this.#store)
    }
    this.#check()
    return crashed
  }

  #check(): void {
    assert.equal(this.#opened.stats.bugs, 0)
    let sum = 0
    for (const value of shown(this.#opened).values()) sum += value
    assert.ok(sum >= this.#shown, `${this.#shown} went down to ${sum}`)
    this.#shown = sum
    const most = [...this.#dead, ...this.#places].reduce(
      (all, { mortal, most: own }) => all + Math.max(own, mortal.returned),
      0
    )
    assert.ok(sum <= most, `${sum} are counted of ${most} at most`)
  }
}

for (const pace of ['interval', 'always'] as const) {
  test(
    `whatever happens to workers, files and gateways, the sum is right (${pace})`,
    { timeout: 120_000 },
    async () => {
      const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) =>
        new World(pace).run(steps)
      )
      await fc.assert(property, { numRuns: 150 })
    }
  )
}
