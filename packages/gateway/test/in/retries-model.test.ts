import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Connection, Polls } from '../../src/in/delivery.ts'
import { committed, open, postBatch, shown, type Opened } from '../support/ledgers.ts'
import { deltas } from '../support/requests.ts'
import { bodies, Model, textOf, type Batch, type Rules, type Send } from '../support/retries-model.ts'
import { SimStore, type Fault } from '../support/sim-store.ts'

/*
 * Senders that send a batch until its answer has arrived, through lost answers, crashes, full disks and restarts, against
 * the rules as they are told in CONFORMANCE C (3, 5, 6, 7) and DESIGN (Retries; Once per unit of work).
 */

/** What becomes of an answer; 'vanishes': it arrived, and nobody can tell. */
type Fate = 'goes on' | 'ends' | 'vanishes' | 'resets' | 'breaks'

class Run {
  readonly model: Model
  readonly #rules: Rules
  readonly #faults = new Map<number, Fault>()
  #store = new SimStore(this.#faults)
  #opened: Opened
  /** Answered, and what became of that is to be told. */
  #answered: Send[] = []
  /** Their senders know nothing of an answer, and send again. */
  #again: Batch[] = []
  /** Batches by the text of their bodies, each of them however often it was sent. */
  readonly #drawn = new Map<string, number>()
  /** How they were sent, by the same. */
  readonly #ways = new Map<string, Set<Batch['way']>>()
  /** The gateway could know of all that arrived that it did. */
  #isClear = true

  constructor(rules: Rules) {
    this.#rules = rules
    this.model = new Model(rules)
    this.#opened = this.#open()
  }

  async step(step: Step): Promise<void> {
    if (step.do === 'fate') this.#tell(this.#answered[step.which % this.#answered.length], step.fate)
    else if (step.do === 'restart') await this.#restart()
    else {
      const again = this.#again.splice(0, step.again)
      for (const batch of step.batches) {
        const text = textOf(batch)
        this.#drawn.set(text, (this.#drawn.get(text) ?? 0) + 1)
        if (batch.way === 'unseen') this.#isClear = false
      }
      await this.#group([...again, ...step.batches], step.fault)
    }
  }

  /** Every sender hears of its answer in the end. */
  async end(): Promise<void> {
    for (let turn = 0; this.#isBusy; turn++) {
      assert.ok(turn < 200, 'it comes to an end')
      for (const send of this.#answered.slice()) this.#tell(send, 'ends')
      await this.#group(this.#again.splice(0), undefined)
    }
    const { times } = this.model.durable
    const { retries, isPatient } = this.#rules
    for (const [text, batches] of this.#drawn) {
      const counted = times.get(text) ?? 0
      if (!this.#isAnonymous(text) || counted === 0) continue
      assert.ok(counted <= batches, `${text}: ${counted} of ${batches}`)
      if (retries === 'strict') assert.equal(counted, 1)
      else if (this.#isClear && isPatient) assert.equal(counted, batches, text)
    }
    await this.#restart()
  }

  /** Nobody sent that body under an id, and it is no attempt. */
  #isAnonymous(text: string): boolean {
    const isEach = ['id', 'instance'] as const
    return text.endsWith(',null]') && isEach.every((way) => !(this.#ways.get(text)?.has(way) ?? false))
  }

  get #isBusy(): boolean {
    const { waiting, released } = this.model
    return this.#answered.length + this.#again.length + waiting.length + released.length > 0
  }

  #open(): Opened {
    const { retries, isPatient } = this.#rules
    const limits = { deliveryWaitMs: isPatient ? 5000 : 0 }
    return open(this.#store, { limits, retries })
  }

  async #group(batches: readonly Batch[], fault: Fault | undefined): Promise<void> {
    const { model } = this
    const before = structuredClone(model.durable)
    const { commits } = this.#store
    if (fault !== undefined) this.#faults.set(commits, fault)
    const sends = [...model.released.splice(0), ...batches.map((batch) => this.#post(batch))]
    const wanted = sends.map((send) => model.decide(send))
    await committed()
    this.#faults.delete(commits)
    const isFailed = fault !== undefined && this.#store.commits > commits
    if (isFailed && fault !== 'crash after') model.durable = before
    for (const [at, send] of sends.entries()) {
      const want = wanted[at]
      if (want === 'later') assert.equal(send.answer, undefined, 'it waits')
      else if (want?.refused !== undefined) assert.equal(send.answer?.refused, want.refused)
      else this.#decided(send, want?.rejected ?? 0, isFailed)
    }
    if (this.#store.crashed) await this.#crashed()
    this.#check()
  }

  #decided(send: Send, rejected: number, isFailed: boolean): void {
    const { answer, connection, batch } = send
    assert.ok(answer !== undefined, 'it is answered in the turn in which it is decided')
    connection?.flushed()
    if (!isFailed) {
      assert.deepEqual([answer.refused, answer.receipt.rejected], [undefined, rejected])
      this.#answered.push(send)
    } else {
      assert.match(answer.refused ?? '', /^STORE_/)
      this.#again.push(batch)
      if (this.model.land(send, false)) return
    }
    this.model.pass(send)
  }

  #post(batch: Batch): Send {
    const { way, whose, body, once } = batch
    const ways = this.#ways.get(textOf(batch)) ?? new Set()
    this.#ways.set(textOf(batch), ways.add(way))
    const resource: Record<string, string> = { 'service.name': 'jobs' }
    if (way === 'instance') resource['service.instance.id'] = `worker ${whose}`
    if (once !== undefined) {
      resource['swansong.once'] = `unit ${once.unit}`
      resource['swansong.attempt'] = `attempt ${once.attempt}`
    }
    const counts = (bodies[body] as readonly number[]).map((value) => {
      return { value, attributes: { body: `${body}` } }
    })
    const peer = { isNear: true, isReset: () => false }
    const connection = way === 'unseen' ? undefined : new Connection(new Polls(), peer)
    connection?.requested()
    const send: Send = { batch, connection, peer, answer: undefined, hasWaited: false }
    const id = way === 'id' ? `${whose}` : undefined
    void postBatch(this.#opened, deltas(counts, resource), id, connection).then((answer) => {
      send.answer = answer
    })
    return send
  }

  /** What a sender does with its answer, or does not get of it. */
  #tell(send: Send | undefined, fate: Fate): void {
    if (send === undefined) return
    this.#answered.splice(this.#answered.indexOf(send), 1)
    const { connection, peer, batch } = send
    if (fate === 'vanishes') this.#isClear = false
    if (fate === 'resets' || fate === 'breaks') this.#again.push(batch)
    if (fate === 'resets') peer.isReset = () => true
    if (fate === 'goes on') {
      connection?.requested()
      connection?.flushed()
    }
    if (fate === 'ends' || fate === 'resets') connection?.ended()
    connection?.closed()
    this.model.land(send, fate === 'goes on' || fate === 'ends')
  }

  /** An orderly end: all connections are closed, and what waits for them is decided. */
  async #restart(): Promise<void> {
    const { model } = this
    do {
      this.#cut()
      await this.#group([], undefined)
    } while (this.#answered.length + model.waiting.length + model.released.length > 0)
    this.#opened.ledger.close()
    this.#begin()
  }

  /** The process is gone, and its connections with it; whoever waited hears nothing. */
  async #crashed(): Promise<void> {
    this.#cut()
    while (this.model.waiting.length + this.model.released.length > 0) {
      const gone = this.model.released.splice(0)
      await committed()
      for (const send of gone) {
        assert.equal(send.answer?.refused, 'STORE_FAILED')
        this.#again.push(send.batch)
        this.model.pass(send)
      }
    }
    this.#begin()
  }

  /** Of the answers under way every other one has arrived. */
  #cut(): void {
    for (const [at, send] of this.#answered.slice().entries())
      this.#tell(send, at % 2 === 0 ? 'breaks' : 'vanishes')
  }

  #begin(): void {
    this.#isClear = false
    this.#store = this.#store.restarted()
    this.#opened = this.#open()
    this.model.restarted()
    this.#check()
  }

  #check(): void {
    const { sums } = this.model.durable
    const want = [...sums].map(([body, sum]): [string, number] => [
      `work_total{body="${body}",job="jobs",otel_scope_name="test"}`,
      sum,
    ])
    assert.deepEqual(shown(this.#opened), new Map(want))
    assert.equal(this.#opened.stats.bugs, 0)
  }
}

type Step =
  | { do: 'group'; batches: Batch[]; again: number; fault: Fault | undefined }
  | { do: 'fate'; which: number; fate: Fate }
  | { do: 'restart' }

const batch: fc.Arbitrary<Batch> = fc.record({
  way: fc.constantFrom('id', 'instance', 'anonymous', 'anonymous', 'anonymous', 'unseen'),
  whose: fc.nat(2),
  body: fc.constantFrom(0, 0, 0, 1, 1, 2, 3),
  once: fc.option(fc.record({ unit: fc.nat(1), attempt: fc.nat(1) }), { nil: undefined, freq: 3 }),
})
const group: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('group' as const),
  batches: fc.array(batch, { maxLength: 4 }),
  again: fc.nat(3),
  fault: fc.option(fc.constantFrom<Fault>('full', 'crash before', 'crash within', 'crash after'), {
    nil: undefined,
    freq: 5,
  }),
})
const fate: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('fate' as const),
  which: fc.nat(9),
  fate: fc.constantFrom<Fate>('goes on', 'ends', 'vanishes', 'resets', 'breaks'),
})
const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: group },
    { weight: 10, arbitrary: fate },
    { weight: 1, arbitrary: fc.constant<Step>({ do: 'restart' }) }
  ),
  { maxLength: 30 }
)

for (const retries of ['auto', 'strict'] as const) {
  for (const isPatient of [true, false]) {
    const waits = isPatient ? 'waits to hear of it' : 'does not wait'
    test(`retries: ${retries}, who ${waits}: what counts is what the rules say, whatever is lost`, async () => {
      const property = fc.asyncProperty(steps, async (actions) => {
        const run = new Run({ retries, isPatient })
        for (const action of actions) await run.step(action)
        await run.end()
      })
      await fc.assert(property, { numRuns: 150 })
    })
  }
}
