import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { openStore } from '../../src/ledger/sqlite.ts'
import type { Store } from '../../src/ledger/store.ts'
import { dataDirectory, temporaryDirectory } from '../support/directories.ts'
import { committed, open, postBatch, postJournal, shown, type Opened } from '../support/ledgers.ts'
import { deltas, totals, type Count } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

/** A count of one of a few series, its attributes in one of their orders. A negative one is to be rejected. */
interface Amount {
  series: number
  turned: boolean
  value: number
}

type Post =
  | { do: 'batch'; id: number | undefined; worker: number | undefined; amounts: Amount[] }
  | { do: 'journal'; writer: number; grows: Amount[]; final: boolean }

type Step = { do: 'group'; posts: Post[] } | { do: 'restart' }

const amount: fc.Arbitrary<Amount> = fc.record({
  series: fc.nat(4),
  turned: fc.boolean(),
  value: fc.oneof({ weight: 9, arbitrary: fc.nat(2 ** 31) }, { weight: 1, arbitrary: fc.constant(-1) }),
})
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined })
/** Few bodies, so that the same one comes again. */
const amounts = fc.oneof(
  fc.array(amount, { maxLength: 6 }),
  fc.constantFrom<Amount[]>([{ series: 1, turned: false, value: 7 }], [])
)
const batch = fc.record({
  do: fc.constant('batch' as const),
  id: maybe(fc.nat(6)),
  worker: maybe(fc.nat(2)),
  amounts,
})
const journal = fc.record({
  do: fc.constant('journal' as const),
  writer: fc.nat(3),
  grows: fc.array(amount, { maxLength: 5 }),
  final: fc.integer({ min: 0, max: 9 }).map((at) => at === 0),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('group' as const),
      posts: fc.array(fc.oneof(batch, journal), { maxLength: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) }
)

function countOf({ series, turned, value }: Amount): Count {
  const name = series < 3 ? 'a' : 'b'
  const attributes: Record<string, string | number> = turned
    ? { y: 2, n: `${series}` }
    : { n: `${series}`, y: 2 }
  return { name, value, attributes }
}

interface Told {
  isAnonymous: boolean
  body: string
  rejected: number
}

/** What should be, kept as simply as can be. */
class Model {
  readonly sums = new Map<number, bigint>()
  readonly #told = new Map<string, Told>()
  /** Anonymous bodies that came before a restart: nobody knows whether their answers arrived, so the next is a retry. */
  readonly #unknown = new Set<string>()
  readonly #totals = new Map<number, Map<number, bigint>>()
  readonly #final = new Set<number>()

  batch(post: Post & { do: 'batch' }): { refused: string | undefined; rejected: number } {
    const body = JSON.stringify([post.worker, post.amounts])
    const isIdentified = post.id !== undefined || post.worker !== undefined
    const key = post.id === undefined ? body : String(post.id)
    const isRetry = isIdentified || this.#unknown.delete(key)
    const known = isRetry ? this.#told.get(key) : undefined
    if (known !== undefined) {
      if (known.body !== body) return { refused: 'BATCH_ID_REUSED', rejected: 0 }
      return { refused: undefined, rejected: known.rejected }
    }
    const good = post.amounts.filter(({ value }) => value >= 0)
    const rejected = post.amounts.length - good.length
    this.#told.set(key, { isAnonymous: !isIdentified, body, rejected })
    for (const { series, value } of good) this.#add(series, BigInt(value))
    return { refused: undefined, rejected }
  }

  restarted(): void {
    for (const [key, { isAnonymous }] of this.#told) if (isAnonymous) this.#unknown.add(key)
  }

  /** The next checkpoint, once its growth is added. */
  journal({ writer, grows, final }: Post & { do: 'journal' }): Count[] {
    const totalsBySeries = this.#totals.get(writer) ?? new Map<number, bigint>()
    this.#totals.set(writer, totalsBySeries)
    for (const { series, value } of grows) {
      const grown = BigInt(Math.max(value, 0))
      totalsBySeries.set(series, (totalsBySeries.get(series) ?? 0n) + grown)
      if (!this.#final.has(writer)) this.#add(series, grown)
    }
    if (final) this.#final.add(writer)
    const turned = grows[0]?.turned ?? false
    const counts = [...totalsBySeries].map(([series, total]) =>
      countOf({ series, turned, value: Number(total) })
    )
    return turned ? counts.toReversed() : counts
  }

  #add(series: number, value: bigint): void {
    this.sums.set(series, (this.sums.get(series) ?? 0n) + value)
  }
}

/** The sums as they should be shown. */
function expected(model: Model): Map<string, number> {
  const values = [...model.sums].map(([series, sum]): [string, number] => {
    const { name = '', attributes } = countOf({ series, turned: false, value: 0 })
    return [`${name}_total{job="jobs",n="${attributes?.['n']}",otel_scope_name="test",y="2"}`, Number(sum)]
  })
  return new Map(values)
}

async function postAll(
  opened: Opened,
  posts: readonly Post[],
  model: Model,
  sequence: number
): Promise<void> {
  const checks: Promise<void>[] = []
  for (const [at, post] of posts.entries()) {
    if (post.do === 'journal') {
      const body = totals(model.journal(post), Date.now() + 60_000) // Younger than any ledger here.
      const writer = `writer-${post.writer}`
      const told = postJournal(opened, { writer, sequence: sequence * 10 + at, final: post.final, body })
      checks.push(told.then((refused) => assert.equal(refused, undefined)))
      continue
    }
    const resource: Record<string, string> = { 'service.name': 'jobs' }
    if (post.worker !== undefined) resource['service.instance.id'] = `worker ${post.worker}`
    const id = post.id === undefined ? undefined : String(post.id)
    const want = model.batch(post)
    const answer = postBatch(opened, deltas(post.amounts.map(countOf), resource), id)
    checks.push(
      answer.then(({ refused, receipt }) => {
        assert.deepEqual({ refused, rejected: receipt.rejected }, want)
        assert.equal(receipt.message !== '', want.rejected > 0)
      })
    )
  }
  await committed()
  await Promise.all(checks)
}

async function compare(
  steps: readonly Step[],
  first: Store,
  reopened: (before: Store) => Store
): Promise<void> {
  const model = new Model()
  let store = first
  let opened = open(store)
  for (const [at, action] of steps.entries()) {
    if (action.do === 'restart') {
      opened.ledger.close()
      model.restarted()
      store = reopened(store)
      opened = open(store)
    } else await postAll(opened, action.posts, model, at + 1)
    assert.deepEqual(shown(opened), expected(model))
    assert.equal(opened.stats.bugs, 0)
  }
  opened.ledger.close()
}

test('any sequence of batches, journals and restarts sums up as a map would', async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), (steps) =>
    compare(steps, new SimStore(), (before) => (before as SimStore).restarted())
  )
  await fc.assert(property, { numRuns: 300 })
})

test('and so it does on the disk', async (context) => {
  const root = temporaryDirectory(context)
  let runs = 0
  const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), (steps) => {
    const dataDir = dataDirectory(join(root, String(runs++)))
    return compare(steps, openStore(dataDir), () => openStore(dataDir))
  })
  await fc.assert(property, { numRuns: 30 })
})
