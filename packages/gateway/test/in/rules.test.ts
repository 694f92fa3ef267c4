import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExportRequest, type Metric } from '@swansong/otlp'
import { completeConfig } from '../../src/config/config.ts'
import { presetRules, type Rule, type RuleSettings } from '../../src/config/rules.ts'
import { DroppedNames } from '../../src/in/dropped-names.ts'
import { matchesAny } from '../../src/in/patterns.ts'
import { keepsResourceAttribute, Rules } from '../../src/in/rules.ts'
import { plainText } from '../../src/out/own-text.ts'
import { renderOwn } from '../../src/out/own.ts'
import { histogram, post, sum, tell, time, worker } from '../support/kinds.ts'
import { committed, open, postBatch, postJournal, shown, type Opened } from '../support/ledgers.ts'
import { deltas, keyValues, metricsOf } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

const decide = (rules: readonly Rule[], name = 'm', scope = ''): ReturnType<Rules['decide']> =>
  new Rules(completeConfig({ rules }), new DroppedNames()).decide(name, scope)

const kept = (rules: readonly Rule[], keys: readonly string[], name = 'm'): string[] => {
  const { filter } = decide(rules, name)
  return keys.filter((key) => filter?.keeps(key) ?? true)
}

function using(rules: Partial<RuleSettings>, store = new SimStore()): Opened {
  return open(store, { rules })
}

const named = (opened: Opened, name: string): [string, number][] =>
  [...shown(opened)].filter(([line]) => line.startsWith(name))

test('a star stands for any run of characters, and everything else for itself', () => {
  const check = (pattern: string, name: string, want: boolean): void =>
    assert.equal(matchesAny([pattern], name), want, `${pattern} ${name}`)
  check('a.b', 'a.b', true)
  check('a.b', 'axb', false)
  check('a.*', 'a.', true)
  check('a.*', 'a', false)
  check('*', '', true)
  check('', '', true)
  check('k8s.*.name', 'k8s.pod.name', true)
  check('k8s.*.name', 'k8s.a.name.b.name', true)
  check('k8s.*.name', 'k8s.name', false)
  check('*a*b*', 'xxaxxbxx', true)
  check('*a*b*', 'xxbxxaxx', false)
  check(`${'*a'.repeat(200)}b`, 'a'.repeat(1024), false) // In no time: it does not try all ways.
})

test('for each aspect the first rule that says something of it decides', () => {
  const rules: Rule[] = [
    { metrics: ['http.ok'], drop: false },
    { metrics: ['http.*'], drop: true },
    { metrics: ['*'], gauge: 'max' },
    { metrics: ['http.*'], gauge: 'min', histogramBounds: [1] },
    { scopes: ['lib*'], drop: true },
  ]
  assert.equal(decide(rules, 'http.ok').droppedBy, undefined)
  assert.equal(decide(rules, 'http.bad').droppedBy, 'http.*')
  assert.equal(decide(rules, 'http.bad').gauge, 'max')
  assert.deepEqual([...(decide(rules, 'http.bad').histogramBounds ?? [])], [1])
  assert.equal(decide(rules, 'queue', 'library').droppedBy, '*')
  assert.equal(decide(rules, 'queue', 'other').droppedBy, undefined)
  assert.equal(decide([], 'queue').gauge, 'last')
})

test('of each attribute the first rule that names it decides; keep alone is an allow list', () => {
  const keys = ['model', 'session.id', 'user.id', 'user.email']
  assert.deepEqual(kept([{ attributes: { drop: ['user.*'] } }], keys), ['model', 'session.id'])
  assert.deepEqual(kept([{ attributes: { keep: ['model'] } }], keys), ['model'])
  assert.deepEqual(kept([{ attributes: { keep: [] } }], keys), [])
  assert.deepEqual(kept([{ attributes: { keep: ['user.id'], drop: ['user.*'] } }], keys), [
    'model',
    'session.id',
    'user.id',
  ])
  const exception: Rule = { attributes: { keep: ['session.id'], drop: [] } }
  assert.deepEqual(kept([exception, { attributes: { drop: ['session.id', 'user.*'] } }], keys), [
    'model',
    'session.id',
  ])
  assert.deepEqual(kept([{ metrics: ['other'], attributes: { keep: [] } }], keys), keys)
})

test('a preset comes after the own rules, and drops who and which session', () => {
  const keys = [
    'model',
    'type',
    'session.id',
    'user.account_uuid',
    'user.id',
    'user.email',
    'organization.id',
  ]
  const presets = new Rules(completeConfig({ presets: ['coding-agents'] }), new DroppedNames())
  const filter = presets.decide('claude_code.token.usage', '').filter
  assert.deepEqual(
    keys.filter((key) => filter?.keeps(key)),
    ['model', 'type', 'organization.id']
  )
  assert.equal(presets.decide('http.requests', '').filter, undefined)
  const own: Rule = { metrics: ['*'], attributes: { keep: ['user.email'], drop: [] } }
  assert.ok(kept([own, ...presetRules['coding-agents']], keys, 'gemini_cli.x').includes('user.email'))
})

test('resource attributes are kept by pattern, whatever their order; what tells processes apart never is', async () => {
  const rules = { keep: ['service.name', 'k8s.*'], drop: ['k8s.pod.*'] }
  assert.equal(keepsResourceAttribute(rules, 'k8s.namespace.name'), true)
  assert.equal(keepsResourceAttribute(rules, 'k8s.pod.name'), false)
  assert.equal(keepsResourceAttribute({ keep: ['*'], drop: [] }, 'service.instance.id'), false)
  const opened = using({ resourceAttributes: rules })
  const one = { 'service.name': 'a', 'k8s.namespace.name': 'n', 'k8s.pod.name': 'p1', pid: '1' }
  const other = { pid: '2', 'k8s.pod.name': 'p2', 'k8s.namespace.name': 'n', 'service.name': 'a' }
  await postBatch(opened, deltas([{ value: 1 }], one))
  await postBatch(opened, deltas([{ value: 2 }], other))
  assert.deepEqual(
    [...shown(opened)],
    [
      ['work_total{job="a",k8s_namespace_name="n",otel_scope_name="test"}', 3],
      ['target_info{job="a",k8s_namespace_name="n"}', 1],
    ]
  )
  const dropped = opened.stats.resourceAttributesDropped()
  assert.deepEqual(
    dropped,
    new Map([
      ['k8s.pod.name', 2],
      ['pid', 2],
    ])
  )
})

test('points of a dropped metric are taken, not counted, and said; nothing of them is born', async () => {
  const opened = using({ rules: [{ metrics: ['noise.*'], drop: true }] })
  assert.equal(
    await post(opened, [sum({ asInt: 1 }, 1, true, 'noise.a"b'), sum({ asInt: 5 }, 1, true, 'work')]),
    ''
  )
  await post(opened, [{ name: 'noise.sum', summary: { dataPoints: [{ timeUnixNano: 1n }] } }])
  assert.deepEqual([...opened.stats.pointsDropped], [['noise.*', 2]])
  assert.equal(opened.stats.points, 1)
  assert.equal(opened.stats.pointsRejected.size, 0)
  assert.equal(opened.ledger.series.metrics.metrics.length, 1)
  const own = renderOwn(opened.stats, '1', opened.ledger.limits, plainText)
  assert.match(own, /^swansong_points_dropped_total\{rule="noise\.\*"\} 2$/m)
  // Of a journal they are said once, at its end.
  await tell(opened, 'w', 1, [sum({ asInt: 1 }, 2, true, 'noise.a')])
  await tell(opened, 'w', 2, [sum({ asInt: 2 }, 2, true, 'noise.a')])
  assert.equal(opened.stats.pointsDropped.get('noise.*'), 2)
  await tell(opened, 'w', 3, [sum({ asInt: 2 }, 2, true, 'noise.a')], true)
  assert.equal(opened.stats.pointsDropped.get('noise.*'), 3)
})

test('dropping an attribute adds up what it told apart, and says its name (CONFORMANCE B10)', async () => {
  const opened = using({ presets: ['coding-agents'] })
  const point = (session: string, value: number): Metric => ({
    name: 'claude_code.token.usage',
    sum: {
      aggregationTemporality: 1,
      isMonotonic: true,
      dataPoints: [
        {
          attributes: keyValues({ 'session.id': session, model: 'm', long: 'x' }),
          timeUnixNano: 5n,
          asInt: value,
        },
      ],
    },
  })
  for (let n = 0; n < 50; n++) await post(opened, [point(`s${n % 10}`, n)], worker(`w${n}`))
  assert.deepEqual([...shown(opened).values()], [1225])
  assert.equal(opened.ledger.series.count, 1)
  assert.deepEqual([...opened.stats.pointAttributesDropped()], [['session.id', 10]])
})

test('what is dropped may be too long for a label, and too much for the memo', async () => {
  const limits = { labelValueBytesMax: 10, attributeMemoBytesMax: 500 }
  const rules = { rules: [{ attributes: { drop: ['session'] } }] }
  const opened = open(new SimStore(), { limits, rules })
  for (let n = 0; n < 100; n++) {
    const attributes = { session: `${'x'.repeat(50)}${n % 20}` }
    const { receipt } = await posted(opened, deltas([{ value: 1, attributes }]))
    assert.equal(receipt.message, '')
  }
  assert.deepEqual([...shown(opened).values()], [100])
})

test('names of what is dropped are bounded: the rest is counted together', () => {
  const dropped = new DroppedNames()
  for (let n = 0; n < 1000; n++) dropped.count(dropped.slotOf(`name${n}`))
  assert.equal(dropped.counts().size, 101)
  assert.equal(dropped.counts().get('other'), 900)
})

test('a rule says what is kept of a gauge; when it changes, the value is where the new policy begins', async () => {
  const store = new SimStore()
  const rules = (gauge: Rule['gauge']): Partial<RuleSettings> => ({
    rules: [{ metrics: ['dep*'], ...(gauge === undefined ? {} : { gauge }) }],
  })
  const opened = using(rules('max'), store)
  let at = 0n
  const measure = async (of: Opened, value: number, name = 'w'): Promise<number | undefined> => {
    const dataPoints = [{ asDouble: value, timeUnixNano: (at += 1000n) }]
    await post(of, [{ name: 'depth', gauge: { dataPoints } }], worker(name))
    return named(of, 'depth')[0]?.[1]
  }
  const change = async (of: Opened, gauge: Rule['gauge']): Promise<void> => {
    of.receiver.useRules(completeConfig(rules(gauge)))
    await committed()
  }
  assert.equal(await measure(opened, 5), 5)
  assert.equal(await measure(opened, 3), 5)
  await change(opened, 'last')
  assert.equal(named(opened, 'depth')[0]?.[1], 5)
  assert.equal(await measure(opened, 3), 3)
  await change(opened, 'min')
  assert.equal(await measure(opened, 4), 3)
  await change(opened, 'sum')
  assert.equal(await measure(opened, 4, 'a'), 4)
  assert.equal(await measure(opened, 6, 'b'), 10)
  // What senders told of a sum is forgotten with it: it is not taken for told when a sum is wanted again.
  await change(opened, 'max')
  assert.equal(await measure(opened, 2), 2)
  await change(opened, 'sum')
  assert.equal(await measure(opened, 4, 'a'), 4)
  // The same at a start with other rules.
  const again = using(rules('max'), store.restarted())
  await committed()
  assert.equal(await measure(again, 7), 7)
  assert.equal(await measure(again, 6), 7)
})

test('a change of gauges that cannot be stored is taken back, and tried again', async () => {
  const store = new SimStore(new Map([[1, 'full']]))
  const opened = using({ gaugePolicy: 'max' }, store)
  const measure = (asDouble: number, timeUnixNano: bigint): Metric => ({
    name: 'depth',
    gauge: { dataPoints: [{ asDouble, timeUnixNano }] },
  })
  await post(opened, [measure(5, 1000n)])
  opened.receiver.useRules(completeConfig({ gaugePolicy: 'last' }))
  await committed()
  assert.equal(opened.stats.commitsFailed, 1)
  assert.equal(opened.ledger.series.metrics.metrics[0]?.type, 7, 'still a maximum')
  await post(opened, [measure(3, 2000n)])
  await post(opened, [measure(2, 3000n)])
  assert.equal(named(opened, 'depth')[0]?.[1], 2)
  assert.deepEqual(shown(open(store.restarted())), shown(opened))
})

test('histograms are added up in the bounds of a rule, or rejected where they do not hold them (CONFORMANCE B12)', async () => {
  const opened = using({ rules: [{ metrics: ['size'], histogramBounds: [0.1, 1] }] })
  const sized = (explicitBounds: number[], bucketCounts: number[]): Metric =>
    histogram({ count: bucketCounts.reduce((a, b) => a + b), sum: 1, explicitBounds, bucketCounts })
  assert.equal(await post(opened, [sized([0.1, 0.5, 1, 2], [1, 2, 3, 4, 5])]), '')
  assert.equal(await post(opened, [sized([0.05, 0.1, 1], [1, 1, 1, 1])]), '')
  assert.match(await post(opened, [sized([0.1, 0.5], [1, 1, 1])]), /^1 × BOUNDS_NOT_HELD/)
  assert.match(await post(opened, [histogram({ count: 2, sum: 1 })]), /^1 × BOUNDS_NOT_HELD/)
  assert.deepEqual(
    named(opened, 'size_bucket').map(([, value]) => value),
    [3, 9, 19]
  )
  // Other bounds from now on: what is there cannot be told in 0.5, so that both keep what they share.
  opened.receiver.useRules(completeConfig({ rules: [{ metrics: ['size'], histogramBounds: [0.5, 1] }] }))
  assert.equal(await post(opened, [sized([0.1, 0.5, 1, 2], [1, 2, 3, 4, 5])]), '')
  assert.deepEqual(
    named(opened, 'size_bucket').map(([line, value]) => [/le="([^"]+)"/.exec(line)?.[1], value]),
    [
      ['1', 15],
      ['+Inf', 34],
    ]
  )
})

test('a stream that was told in few bounds makes those of the series it moves to as few (CONFORMANCE B12)', async () => {
  const rules: Rule[] = [{ histogramBounds: [2], attributes: { drop: ['session'] } }]
  const opened = using({ rules })
  const told = async (bucketCounts: number[], at: bigint): Promise<void> => {
    const point = { count: bucketCounts.reduce((a, b) => a + b), explicitBounds: [1, 2, 3], bucketCounts }
    const stamp = {
      timeUnixNano: time + at,
      startTimeUnixNano: time,
      attributes: keyValues({ session: 's' }),
    }
    assert.equal(await post(opened, [histogram({ ...point, ...stamp }, 2)], worker('w')), '')
  }
  await told([1, 2, 3, 4], 1000n)
  opened.receiver.useRules(completeConfig({}))
  await told([2, 3, 3, 5], 2000n)
  await told([3, 3, 4, 5], 3000n)
  const buckets = named(opened, 'size_bucket').map(([line, value]) => [
    line.includes('session'),
    /le="([^"]+)"/.exec(line)?.[1],
    value,
  ])
  assert.deepEqual(buckets, [
    [false, '2', 3],
    [false, '+Inf', 10],
    [true, '2', 3],
    [true, '+Inf', 5],
  ])
})

test('two resources in one journal that are kept as one are told apart', async () => {
  const opened = using({ rules: [{ attributes: { drop: ['session'] } }] })
  const body = (a: number, b: number): Uint8Array => {
    const of = (name: string, value: number): ReturnType<typeof metricsOf>['resourceMetrics'] =>
      metricsOf(
        [
          sum({ asInt: value, attributes: keyValues({ session: '1' }) }, 2, true, 'done'),
          sum({ asInt: value, attributes: keyValues({ kind: 'k' }) }, 2, true, 'done'),
        ],
        { 'service.name': 'jobs', name }
      ).resourceMetrics
    return encodeExportRequest({ resourceMetrics: [...(of('a', a) ?? []), ...(of('b', b) ?? [])] })
  }
  const journal = async (sequence: number, bytes: Uint8Array): Promise<void> => {
    const key = { id: new Uint8Array(16), digest: new Uint8Array(8) }
    const rest = { ended: false, final: false, key, baseline: new Uint8Array(0), settle: () => {} }
    opened.receiver.journal({ writer: 'w', sequence, body: bytes, ...rest })
    await committed()
  }
  await journal(1, body(1, 10))
  await journal(2, body(2, 30))
  await journal(3, body(2, 31))
  assert.deepEqual([...shown(opened).values()], [33, 33])
})

test('what a journal holds of a level moves as rules change also where no more of it can be remembered', async () => {
  const opened = open(new SimStore(), { limits: { writerCellCountMax: 1 } })
  const journal = async (sequence: number, asInt: number, final = false): Promise<void> => {
    const point = { asInt, attributes: keyValues({ session: '1' }) }
    const body = encodeExportRequest(metricsOf([sum(point, 2, false)]))
    const told = postJournal(opened, { writer: 'w', sequence, final, body })
    await committed()
    assert.equal(await told, undefined)
  }
  await journal(1, 5)
  opened.receiver.useRules(completeConfig({ rules: [{ attributes: { drop: ['session'] } }] }))
  await journal(2, 6)
  assert.deepEqual([...shown(opened).values()], [0, 6])
  await journal(3, 6, true)
  assert.deepEqual([...shown(opened).values()], [0, 0])
})

async function posted(opened: Opened, body: Uint8Array): ReturnType<typeof postBatch> {
  const answer = postBatch(opened, body)
  await committed()
  return await answer
}
