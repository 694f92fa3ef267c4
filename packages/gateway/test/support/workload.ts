import assert from 'node:assert/strict'
import { committed, open, postBatch, postJournal, shown, type Opened } from './ledgers.ts'
import { mulberry32 } from './random.ts'
import { deltas, totals } from './requests.ts'
import { SimStore } from './sim-store.ts'

/** One batch, with what its sender knows of it. Each counts under a label of its own and in a series that all share. */
interface Batch {
  item: string
  kind: 'with an id' | 'with an instance id' | 'anonymous'
  body: Uint8Array
  amount: number
  sent: number
  acknowledged: number
}

/** A process with a journal: its total grows, and each checkpoint stands until the next. */
interface Journal {
  item: string
  goal: number
  total: number
  sequence: number
  /** The highest total that was acknowledged. */
  acknowledged: number
  /** The final checkpoint was acknowledged. */
  taken: boolean
}

const turnsMax = 400

/** Senders that retry until they are acknowledged, against a ledger that is started again whenever it is gone. */
export class Workload {
  store: SimStore
  opened: Opened
  restarts = 0
  #random: () => number
  #batches: Batch[] = []
  #journals: Journal[] = []
  #before = new Map<string, number>()

  constructor(seed: number, store: SimStore) {
    this.#random = mulberry32(seed)
    this.store = store
    this.opened = open(store)
    for (let at = 0; at < 30; at++) this.#batches.push(this.#newBatch(at))
    for (let at = 0; at < 5; at++) {
      const goal = 1 + Math.floor(this.#random() * 1000)
      const item = `journal-${at}`
      this.#journals.push({ item, goal, total: 0, sequence: 0, acknowledged: 0, taken: false })
    }
  }

  /** Every key under which a batch may be remembered, with its body. */
  get batches(): readonly Readonly<Batch>[] {
    return this.#batches
  }

  get journals(): readonly Readonly<Journal>[] {
    return this.#journals
  }

  /** Runs until all is acknowledged; checks after each turn, and at the end on what the disk holds. */
  async run(): Promise<void> {
    for (let turn = 0; !this.isDone; turn++) {
      assert.ok(turn < turnsMax, 'the senders do not come to an end')
      await this.turn()
    }
    this.check(open(this.store.restarted()))
  }

  get isDone(): boolean {
    return (
      this.#batches.every((batch) => batch.acknowledged > 0) && this.#journals.every(({ taken }) => taken)
    )
  }

  async turn(): Promise<void> {
    const { commits } = this.store
    this.#postSome()
    await committed()
    if (this.store.commits === commits) return
    if (this.store.crashed) {
      this.restarts++
      this.store = this.store.restarted()
      this.opened = open(this.store)
    }
    this.check(this.opened)
  }

  /** Laws 1 to 4 as far as these senders can tell. */
  check(opened: Opened): void {
    const values = shown(opened)
    assert.deepEqual(
      values,
      shown(open(this.store.restarted())),
      'what is shown is what a restart would show'
    )
    for (const [line, before] of this.#before)
      assert.ok((values.get(line) ?? 0) >= before, `${line} went down`)
    this.#before = values
    let sum = 0
    for (const batch of this.#batches) {
      const value = valueOf(values, batch.item)
      const times = value / batch.amount
      const least = batch.kind === 'anonymous' ? batch.acknowledged : Math.min(1, batch.acknowledged)
      const most = batch.kind === 'anonymous' ? batch.sent : Math.min(1, batch.sent)
      assert.ok(Number.isInteger(times), `${batch.item} ${batch.kind}: a part of it was counted`)
      assert.ok(times >= least, `${batch.item} ${batch.kind}: was acknowledged and is lost`)
      assert.ok(times <= most, `${batch.item} ${batch.kind}: counts ${times} times`)
      sum += value
    }
    for (const { item, total, acknowledged } of this.#journals) {
      const value = valueOf(values, item)
      assert.ok(value >= acknowledged, `${item}: ${acknowledged} were acknowledged, ${value} are there`)
      assert.ok(value <= total, `${item}: ${value} are there of ${total}`)
      sum += value
    }
    assert.equal(values.get('shared_total{job="jobs",otel_scope_name="test"}') ?? 0, sum, 'the shared series')
  }

  #newBatch(at: number): Batch {
    const kind = (['with an id', 'with an instance id', 'anonymous'] as const)[at % 3] ?? 'anonymous'
    const amount = 1 + Math.floor(this.#random() * 1_000_000)
    const item = `batch-${at}`
    const resource: Record<string, string> = { 'service.name': 'jobs' }
    if (kind === 'with an instance id') resource['service.instance.id'] = `worker ${at}`
    const counts = [
      { name: 'own', value: amount, attributes: { item } },
      { name: 'shared', value: amount },
    ]
    return { item, kind, body: deltas(counts, resource), amount, sent: 0, acknowledged: 0 }
  }

  /** Some of those that wait, some of those that were acknowledged and do not know it, and what the journals say now. */
  #postSome(): void {
    for (const batch of this.#batches) {
      const again = batch.acknowledged > 0
      if (again && batch.kind === 'anonymous') continue
      if (this.#random() > (again ? 0.02 : 0.06)) continue
      batch.sent++
      const id = batch.kind === 'with an id' ? batch.item : undefined
      void postBatch(this.opened, batch.body, id).then(({ refused }) => {
        if (refused === undefined) batch.acknowledged++
      })
    }
    for (const journal of this.#journals) {
      if (!journal.taken && this.#random() < 0.4) this.#grow(journal)
      if (journal.sequence > 0 && this.#random() < (journal.taken ? 0.05 : 0.5)) this.#postJournal(journal)
    }
  }

  #grow(journal: Journal): void {
    if (journal.total === journal.goal) return
    journal.total = Math.min(journal.goal, journal.total + Math.floor(this.#random() * 300))
    journal.sequence++
  }

  #postJournal(journal: Journal): void {
    const { item, total, sequence, goal } = journal
    const counts = [
      { name: 'own', value: total, attributes: { item } },
      { name: 'shared', value: total },
    ]
    const final = total === goal
    void postJournal(this.opened, { writer: item, sequence, final, body: totals(counts) }).then((refused) => {
      if (refused !== undefined) return
      journal.acknowledged = Math.max(journal.acknowledged, total)
      journal.taken ||= final
    })
  }
}

function valueOf(values: ReadonlyMap<string, number>, item: string): number {
  return values.get(`own_total{item="${item}",job="jobs",otel_scope_name="test"}`) ?? 0
}
