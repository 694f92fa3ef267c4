import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reader } from '@swansong/otlp/wire'
import { completeConfig } from '../../../src/config/config.ts'
import { PushDesk } from '../../../src/in/pushgateway/desk.ts'
import { groupOf } from '../../../src/in/pushgateway/group-path.ts'
import { familiesOf } from '../../../src/in/pushgateway/families-of-body.ts'
import { readFamily, type Family } from '../../../src/ledger/pushed/family.ts'
import type { RefusalCode } from '../../../src/refusal.ts'
import * as kinds from '../../support/kinds.ts'
import {
  committed,
  open,
  postBatch,
  rendered,
  shown,
  valuesOf,
  written,
  type Opened,
} from '../../support/ledgers.ts'
import { familiesOf as readFamilies, linesOf } from '../../support/metric-families.ts'
import { deltas } from '../../support/requests.ts'
import { SimStore, type Fault } from '../../support/sim-store.ts'

const { limits } = completeConfig()

interface Pushing {
  replaces?: 'group' | 'names'
  ttlMs?: number
}

/** Pushes to a ledger without a door; gives the code of the refusal. */
function push(
  { ledger }: Opened,
  path: string,
  text: string,
  { replaces = 'group', ttlMs = Infinity }: Pushing = {},
  own = limits
): Promise<RefusalCode | undefined> {
  const desk = new PushDesk(ledger, { limits: own, now: () => 1_700_000_000_500 })
  return new Promise((resolve) => {
    const settle = (refusal: { code: RefusalCode } | undefined): void => resolve(refusal?.code)
    const read = (): Family[] => familiesOf(Buffer.from(text), undefined, own.pushPartCountMax)
    desk.push(groupOf(`/metrics/${path}`, 4096), read, replaces, ttlMs, settle)
  })
}

test('a group is durable when its push is answered, whole or not at all, whichever commit a crash befalls', async () => {
  const first = '# TYPE a counter\na 1\n# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 1\ns_count 2\n'
  const second = '# HELP a Help.\n# TYPE a counter\na 0\nother{b="\\"\\\\"} NaN\n'
  const textOf = async (pushes: readonly string[]): Promise<string> => {
    const opened = open(new SimStore())
    for (const text of pushes) await push(opened, 'job/x', text)
    return rendered(opened.exposition)
  }
  const texts = [await textOf([]), await textOf([first]), await textOf([first, second])]
  for (const fault of ['crash before', 'crash within', 'crash after'] as const satisfies Fault[]) {
    for (let crashAt = 0; crashAt < 2; crashAt++) {
      const store = new SimStore(new Map([[crashAt, fault]]))
      const opened = open(store)
      let answered = 0
      for (const text of [first, second]) if ((await push(opened, 'job/x', text)) === undefined) answered++
      const again = rendered(open(store.restarted(new Map())).exposition)
      assert.equal(answered, crashAt)
      assert.equal(again, texts[fault === 'crash after' ? crashAt + 1 : crashAt], `${fault} ${crashAt}`)
    }
  }
})

test('a full disk refuses a push, and what was there stays', async () => {
  const store = new SimStore(new Map<number, Fault>([[1, 'full']]))
  const opened = open(store)
  assert.equal(await push(opened, 'job/x', 'a 1\n'), undefined)
  const before = rendered(opened.exposition)
  assert.equal(await push(opened, 'job/x', 'a 2\nb 1\n'), 'STORE_FULL')
  assert.equal(rendered(opened.exposition), before)
  assert.equal(opened.ledger.pushed.typeOf('b'), undefined)
  assert.equal(await push(opened, 'job/x', 'a 3\n'), undefined)
  assert.equal(shown(opened).get('a{instance="",job="x"}'), 3)
})

test('a name has one type and one place, whether it was pushed or is a sum', async () => {
  const opened = open(new SimStore())
  const first = postBatch(opened, deltas([{ name: 'jobs', value: 2 }]))
  await committed()
  assert.equal((await first).receipt.rejected, 0)
  assert.equal(await push(opened, 'job/x', '# TYPE jobs_total gauge\njobs_total 1\n'), 'PUSH_INCONSISTENT')
  assert.equal(
    await push(opened, 'job/x', '# HELP jobs_total No.\n# TYPE jobs_total counter\njobs_total 1\n'),
    undefined
  )
  const text = rendered(opened.exposition)
  assert.match(
    text,
    /^# TYPE jobs_total counter\njobs_total\{job="jobs",otel_scope_name="test"\} 2\njobs_total\{instance="",job="x"\} 1\n/
  )
  assert.equal(text.match(/# TYPE jobs_total /g)?.length, 1)
  assert.equal(
    await push(opened, 'job/x', '# TYPE level gauge\nlevel 1\n# TYPE s summary\ns_sum 1\ns_count 1\n'),
    undefined
  )
  const rejected = async (name: string): Promise<string> => {
    const answer = postBatch(opened, deltas([{ name, value: 1 }]))
    await committed()
    return (await answer).receipt.message
  }
  assert.equal(await rejected('level'), '', 'a counter level is shown as level_total')
  assert.equal(await push(opened, 'job/y', '# TYPE late_total gauge\nlate_total 1\n'), undefined)
  assert.match(await rejected('late'), /late.*another kind of metric has this name/)
  assert.equal(await push(opened, 'job/y', ''), undefined)
  assert.equal(await rejected('late'), '', 'once it is gone, the name is free')
})

test('a group ends when its time to live is over, in uptime, over restarts; others do not', async () => {
  let nowMs = 0
  const store = new SimStore()
  const opened = open(store, { clock: () => nowMs })
  await push(opened, 'job/short', 'a 1\n', { ttlMs: 60_000 })
  await push(opened, 'job/long', 'a 1\n')
  const expire = async ({ ledger }: Opened): Promise<string[]> => {
    new PushDesk(ledger, { limits, now: () => 0 }).expire()
    await committed()
    return [...ledger.pushed.entries()].map(([key]) => key)
  }
  nowMs = 30_000
  await push(opened, 'job/short', 'a 2\n', { ttlMs: 60_000 })
  nowMs = 89_000
  assert.equal((await expire(opened)).length, 2)
  opened.ledger.close()
  nowMs = 1_000_000 // Nobody could push meanwhile.
  const next = store.restarted()
  const again = open(next, { clock: () => nowMs })
  assert.equal((await expire(again)).length, 2)
  nowMs += 2000
  assert.deepEqual(await expire(again), ['[["job","long"]]'])
  assert.ok(!rendered(open(next.restarted()).exposition).includes('short'))
})

test('groups have limits: how many, how large, and all together', async () => {
  const opened = open(new SimStore())
  const check = async (
    path: string,
    text: string,
    own: Partial<typeof limits>,
    want?: RefusalCode
  ): Promise<void> => assert.equal(await push(opened, path, text, {}, { ...limits, ...own }), want)
  await check('job/a', 'a 1\n', { pushGroupCountMax: 1 })
  await check('job/b', 'a 1\n', { pushGroupCountMax: 1 }, 'PUSH_GROUPS_FULL')
  await check('job/a', 'a 2\n', { pushGroupCountMax: 1 })
  await check('job/a', `a{b="${'x'.repeat(4000)}"} 1\n`, { pushGroupBytesMax: 4000 }, 'BODY_TOO_LARGE')
  await check('job/a', `a{b="${'x'.repeat(5000)}"} 1\n`, {}, 'PUSH_INCONSISTENT')
  await check(
    'job/a',
    'a 1\n',
    { pushBytesTotalMax: opened.ledger.pushed.byteLength - 1 },
    'PUSH_GROUPS_FULL'
  )
  await check('job/a', 'swansong_own 1\n', {}, 'PUSH_INCONSISTENT')
  await check('job/a', 'a{b="c"} 1\nd 1\n', { pushPartCountMax: 3 })
  await check('job/a', 'a{b="c"} 1\nd{e="f"} 1\n', { pushPartCountMax: 3 }, 'TOO_MANY_POINTS')
})

test('what is pushed is shown in OpenMetrics as that has it', async () => {
  const opened = open(new SimStore())
  await push(
    opened,
    'job/x',
    '# HELP a_total "A".\n# TYPE a_total counter\na_total 1\n# TYPE b counter\nb 1\nc 1\n' +
      '# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n'
  )
  const text = written(opened, 'openmetrics-1.0').toString()
  const labels = '{instance="",job="x"}'
  assert.equal(
    text.slice(0, text.indexOf('# HELP push')),
    `# HELP a \\"A\\".\n# TYPE a counter\na_total${labels} 1\n# TYPE b unknown\nb${labels} 1\n# TYPE c unknown\nc${labels} 1\n` +
      `# TYPE h histogram\nh_bucket{instance="",job="x",le="1.0"} 1\nh_bucket{instance="",job="x",le="+Inf"} 1\n` +
      `h_sum${labels} 1\nh_count${labels} 1\n`
  )
})

test('in OpenMetrics a counter is unknown as long as its name without _total is that of something else', async () => {
  const opened = open(new SimStore())
  void postBatch(opened, deltas([{ name: 'rows', value: 3 }]))
  await push(opened, 'job/x', '# TYPE jobs_total counter\njobs_total 1\n')
  const typesOf = (): string[] =>
    written(opened, 'openmetrics-1.0')
      .toString()
      .split('\n')
      .filter((line) => /^# TYPE (rows|jobs)/.test(line))
      .map((line) => line.slice('# TYPE '.length))
  const before = ['rows counter', 'jobs counter']
  assert.deepEqual(typesOf(), before)
  await push(opened, 'job/y', '# TYPE rows gauge\nrows 7\n# TYPE jobs gauge\njobs 7\n')
  assert.deepEqual(typesOf().toSorted(), [
    'jobs gauge',
    'jobs_total unknown',
    'rows gauge',
    'rows_total unknown',
  ])
})

test('a target_info that is pushed stands in place of ours, as a name has one family', async () => {
  const opened = open(new SimStore())
  const resource = { 'service.name': 'jobs', 'deployment.environment.name': 'test' }
  void postBatch(opened, deltas([{ value: 2 }], resource))
  await committed()
  const infos = (): string[] => rendered(opened.exposition).match(/^(?:# TYPE )?target_info.*$/gm) ?? []
  const ours = 'target_info{deployment_environment_name="test",job="jobs"} 1'
  assert.deepEqual(infos(), ['# TYPE target_info gauge', ours])
  assert.equal(await push(opened, 'job/x', '# TYPE target_info gauge\ntarget_info{a="b"} 1\n'), undefined)
  assert.deepEqual(infos(), ['# TYPE target_info gauge', 'target_info{a="b",instance="",job="x"} 1'])
})

test('what is pushed is shown as messages of Protocol Buffers, with their own types, beside sums of the same name', async () => {
  const opened = open(new SimStore())
  const work = postBatch(opened, deltas([{ value: 2 }]))
  await committed()
  await work
  await push(
    opened,
    'job/x',
    '# TYPE work_total counter\nwork_total 5\n# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 3\ns_count 2\nu 7\n' +
      '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1.5\nh_count 2\n'
  )
  const options = { format: 'protobuf', escaping: 'underscores', room: 0, bytesMax: Infinity } as const
  const steps = opened.exposition.steps({ ...options, forScraper: false })
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  const bytes = step.value.finish()
  const reader = new Reader(bytes)
  const families = new Map<string, Family>()
  while (reader.at < bytes.length) {
    const end = reader.lengthEnd()
    const family = readFamily(bytes, reader.at, end)
    assert.ok(!families.has(family.name), family.name)
    families.set(family.name, family)
    reader.at = end
  }
  const labels = [
    { name: 'instance', value: '' },
    { name: 'job', value: 'x' },
  ]
  const sample = { labels, count: 0, parts: [], hasTimestamp: false }
  assert.deepEqual(families.get('u')?.samples, [{ ...sample, value: 7 }])
  assert.equal(families.get('u')?.type, 'untyped')
  assert.deepEqual(families.get('s')?.samples, [
    { ...sample, value: 3, count: 2, parts: [{ at: 0.5, value: 1 }] },
  ])
  const parts = [
    { at: 1, value: 1 },
    { at: Infinity, value: 2 },
  ]
  assert.deepEqual(families.get('h')?.samples, [{ ...sample, value: 1.5, count: 2, parts }])
  assert.deepEqual(
    families.get('work_total')?.samples.map(({ value }) => value),
    [2, 5]
  )
})

test('a line stands once: of two groups the later push is refused, as is one of what is a sum already', async () => {
  const opened = open(new SimStore())
  const buckets = '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'
  assert.equal(await push(opened, 'job/x', `a{b="1"} 1\n${buckets}`), undefined)
  const before = [...shown(opened).keys()].filter((line) => !line.startsWith('push_'))
  assert.equal(await push(opened, 'job/x/b/1', 'other 1\na 2\n'), 'PUSH_INCONSISTENT')
  assert.equal(
    await push(opened, 'job/x/c@base64/=', buckets),
    'PUSH_INCONSISTENT',
    'no label and an empty one'
  )
  assert.deepEqual(
    [...shown(opened).keys()].filter((line) => !line.startsWith('push_')),
    before
  )
  assert.equal(await push(opened, 'job/z', 'a{b=""} 1\na 2\n'), 'PUSH_INCONSISTENT', 'in one group, too')
  assert.equal(await push(opened, 'job/x/b/2', 'a 2\n'), undefined)
  assert.equal(
    await push(opened, 'job/x', 'a{b="1"} 3\n'),
    undefined,
    'to its own group it can be pushed again'
  )
  assert.equal(await push(opened, 'job/x', ''), undefined)
  assert.equal(await push(opened, 'job/x/b/1', 'a 2\n'), undefined, 'what is gone is no hindrance')

  const posted = postBatch(opened, deltas([{ name: 'jobs', value: 2, attributes: { b: '1' } }]))
  await committed()
  assert.equal((await posted).receipt.rejected, 0)
  const sum = '# TYPE jobs_total counter\njobs_total{otel_scope_name="test"} 1\n'
  assert.equal(await push(opened, 'job/jobs/b/1', sum), 'PUSH_INCONSISTENT')
  assert.equal(await push(opened, 'job/jobs/b/2', sum), undefined)
})

test('where a sum is born later with the labels of a pushed line, it is shown in its place, as long as it is there', async () => {
  let ms = 0
  const opened = open(new SimStore(), { clock: () => ms, ttl: { seriesTtlMs: 60_000 } })
  const { ledger, exposition } = opened
  ledger.holdExpiry(false)
  const buckets =
    'h_bucket{otel_scope_name="test",le="+Inf"} 1\nh_sum{otel_scope_name="test"} 1\nh_count{otel_scope_name="test"} 1\n'
  const all = `# TYPE jobs_total counter\njobs_total{otel_scope_name="test"} 1\njobs_total 7\n# TYPE h histogram\n${buckets}`
  assert.equal(await push(opened, 'job/jobs', all), undefined)
  assert.equal(exposition.hiddenOfPushed().count, 0)
  const pushed = rendered(exposition)
  const points = [
    kinds.sum({ asInt: 5 }, 1, true, 'jobs'),
    kinds.histogram({ count: 2, sum: 3, bucketCounts: [2], explicitBounds: [] }, 1, 'h'),
  ]
  assert.equal(await kinds.post(opened, points), '')
  const sums = {
    [`h_bucket{${kinds.labels},le="+Inf"}`]: 2,
    [`h_count{${kinds.labels}}`]: 2,
    [`h_sum{${kinds.labels}}`]: 3,
    'jobs_total{instance="",job="jobs"}': 7,
    [`jobs_total{${kinds.labels}}`]: 5,
  }
  const own = (lines: ReadonlyMap<string, number>): Record<string, number> =>
    Object.fromEntries([...lines].filter(([line]) => !line.startsWith('push_')))
  assert.deepEqual(own(shown(opened)), sums)
  assert.deepEqual(own(valuesOf(written(opened, 'openmetrics-1.0').toString())), sums)
  assert.deepEqual(own(linesOf(readFamilies(written(opened, 'protobuf')))), sums)
  assert.deepEqual(exposition.hiddenOfPushed(), {
    count: 2,
    first: 'jobs_total{job="jobs",otel_scope_name="test"}',
  })
  ms = 200_000
  ledger.tick()
  assert.equal(rendered(exposition), pushed, 'when it is over, what was pushed is shown again')
  assert.equal(exposition.hiddenOfPushed().count, 0)
})
