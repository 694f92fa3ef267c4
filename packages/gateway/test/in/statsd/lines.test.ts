import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeConfig, type StatsdSettings } from '../../../src/config/config.ts'
import { Teller } from '../../../src/in/statsd/teller.ts'
import { openLog } from '../../../src/log.ts'
import type { StatsdStats } from '../../../src/stats.ts'
import { committed, open, shown, type Opened } from '../../support/ledgers.ts'
import { SimStore, type Fault } from '../../support/sim-store.ts'

const { limits, statsd: defaults } = completeConfig()

interface Told {
  opened: Opened
  teller: Teller
  statsd: StatsdStats
}

function start(
  store: SimStore,
  settings: Partial<StatsdSettings> = {},
  own: Partial<typeof limits> = {}
): Told {
  const opened = open(store)
  const statsd: StatsdStats = {
    packets: 0,
    lines: 0,
    rejected: new Map(),
    gatewayDropped: 0,
    kernelDropped: [],
    receiveBufferBytes: 0,
  }
  const teller = new Teller(opened.receiver, opened.ledger, {
    settings: { ...defaults, setWindowMs: 1e6, ...settings },
    limits: { ...limits, ...own },
    stats: opened.stats,
    statsd,
    log: openLog('silent'),
    now: () => 1_700_000_000_000,
  })
  return { opened, teller, statsd }
}

function withoutJob(line: string): string {
  const [, name = '', inner = ''] = /^([^{]+)\{(.*)\}$/.exec(line) ?? []
  const labels = inner.split(/,(?=\w+=")/).filter((label) => label !== 'job="statsd"')
  return labels.length === 0 ? name : `${name}{${labels.join(',')}}`
}

/** What datagrams are shown as, without the job, and why lines were not counted. */
async function check(
  datagrams: readonly string[],
  want: Record<string, number>,
  why: Record<string, number> = {}
): Promise<void> {
  const { opened, teller, statsd } = start(new SimStore(), { timerBounds: [0.1, 1], histogramBounds: [10] })
  for (const datagram of datagrams) teller.take(Buffer.from(datagram))
  await committed()
  await teller.close()
  const values = [...shown(opened)].map(([line, value]) => [withoutJob(line), value])
  assert.deepEqual(Object.fromEntries(values), want)
  assert.deepEqual(Object.fromEntries(statsd.rejected), why)
  assert.equal(opened.stats.pointsRejected.size, 0)
}

test('counters add up, by what was sampled of them, also packed and over many datagrams', async () => {
  await check(['a:1|c', 'a:2|c\na:3|c\n', 'a:1:2:3|c'], { a_total: 12 })
  await check(['a:1|c|@0.1', 'a:2|c|@0.5|#x:y'], { a_total: 10, 'a_total{x="y"}': 4 })
  await check(['page.views:1|c\r\n', 'page-views:0.5|c', 'm:1|m'], { page_views_total: 1.5, m_total: 1 })
})

test('tags are labels: without a value true, and whatever is unknown behind them is passed over', async () => {
  await check(['a:1|c|#b:c,d,e:f:g|c:ci-1234|x:y|T1700000000|e:it'], { 'a_total{b="c",d="true",e="f:g"}': 1 })
  await check(['a:1|c|#b:1,b:2,:x,,c:', 'a:1|c|#'], { 'a_total{b="2"}': 1, a_total: 1 })
  await check(['a:1|c|#b:1,c:2', 'a:1|c|#c:2,b:1'], { 'a_total{b="1",c="2"}': 2 })
  await check(['a:1|c|#land:Österreich,job:mine'], { 'a_total{exported_job="mine",land="Österreich"}': 1 })
})

test('gauges are set, and changed by what has a sign', async () => {
  await check(['g:5|g', 'g:-2|g', 'g:+1.5|g'], { g: 4.5 })
  await check(['g:1|g|T99999999999', 'g:2|g'], { g: 2 })
  await check(['g:+3|g', 'g:1:2|g|#a:b', 'g:0|g\ng:-7|g'], { g: -7, 'g{a="b"}': 2 })
})

test('timers are histograms in seconds, distributions in their own unit, by what was sampled of them', async () => {
  const seconds = (counts: number[], sum: number): Record<string, number> => ({
    't_seconds_bucket{le="0.1"}': counts[0] as number,
    't_seconds_bucket{le="1"}': counts[1] as number,
    't_seconds_bucket{le="+Inf"}': counts[2] as number,
    t_seconds_sum: sum,
    t_seconds_count: counts[2] as number,
  })
  await check(['t:100|ms', 't:320:2000|ms'], seconds([1, 2, 3], 2.42))
  await check(
    Array.from({ length: 30 }, () => 't:500|ms|@0.3'),
    seconds([0, 100, 100], 50)
  )
  await check(['h:5|h|#a:b', 'h:50|d|#a:b'], {
    'h_bucket{a="b",le="10"}': 1,
    'h_bucket{a="b",le="+Inf"}': 2,
    'h_sum{a="b"}': 55,
    'h_count{a="b"}': 2,
  })
})

test('sets are the number of different values', async () => {
  await check(['u:a|s', 'u:b|s\nu:a|s', 'u:x:y|s|#k:v'], { u: 2, 'u{k="v"}': 1 })
})

test('what cannot be counted is counted by its reason, and nothing of its line', async () => {
  const lines = [
    'a',
    'a|c',
    ':1|c',
    'a:|c',
    'a:1|q',
    'a:1',
    'a:x|c',
    'a:1:x|c',
    'a:NaN|g',
    'a:Infinity|ms',
    'a:1|c|@0',
    'a:1|c|@2',
    'a:-1|c',
    'a:1e5000|c',
  ]
  await check(
    [...lines, `${'x'.repeat(9000)}:1|c`, '_e{1,1}:a|b', '_sc|a|0', 'ok:1|c'],
    { ok_total: 1 },
    {
      no_value: 5,
      unknown_type: 1,
      bad_value: 5,
      bad_rate: 2,
      negative_counter: 1,
      too_long: 1,
      not_a_metric: 2,
    }
  )
  const { opened, teller, statsd } = start(new SimStore())
  teller.take(Buffer.from([0x61, 0xff, 0x3a, 0x31, 0x7c, 0x63]))
  await teller.close()
  assert.equal(statsd.rejected.get('not_utf8'), 1)
  assert.equal(shown(opened).size, 0)
})

test('there are limits: of names between commits, of gauges that are known, of values of sets', async () => {
  const own = { statsdEntryCountMax: 2, statsdGaugeCountMax: 1, statsdSetValueCountMax: 2 }
  const { opened, teller, statsd } = start(new SimStore(), {}, own)
  teller.take(Buffer.from('a:1|c'))
  teller.take(Buffer.from('b:1|c\nc:1|c\nb:1|c\nd:1|c')) // While the first is under way.
  assert.ok(teller.isFull)
  await new Promise<void>((resolve) => teller.whenTold(resolve))
  teller.take(Buffer.from('g:1|g'))
  await committed()
  teller.take(Buffer.from('h:+1|g\ng:+1|g'))
  await committed()
  teller.take(Buffer.from('s:1|s\ns:2|s\ns:3|s'))
  await teller.close()
  assert.deepEqual(Object.fromEntries(statsd.rejected), { entries_full: 1, gauges_full: 1, sets_full: 1 })
  const values = shown(opened)
  assert.deepEqual(
    ['a_total', 'b_total', 'c_total', 'g', 's'].map((name) => values.get(`${name}{job="statsd"}`)),
    [1, 2, 1, 2, 2]
  )
})

test('what the store refuses is told again, once, and gauges are known after a restart', async () => {
  const store = new SimStore(new Map<number, Fault>([[1, 'full']]))
  const { opened, teller } = start(store)
  teller.take(Buffer.from('a:1|c\ng:5|g|#b:c'))
  await committed()
  teller.take(Buffer.from('a:2|c\ng:+1|g|#b:c'))
  await committed()
  assert.equal(shown(opened).get('a_total{job="statsd"}'), 1)
  teller.take(Buffer.from('a:4|c'))
  await new Promise<void>((resolve) => teller.whenTold(resolve))
  await teller.close()
  assert.equal(shown(opened).get('a_total{job="statsd"}'), 7)
  const again = start(store.restarted(new Map()))
  again.teller.take(Buffer.from('g:-2|g|#b:c'))
  await again.teller.close()
  assert.equal(shown(again.opened).get('g{b="c",job="statsd"}'), 4)
})
