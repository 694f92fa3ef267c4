import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExportRequest } from '@swansong/otlp'
import { TextExposition } from '../../src/out/text.ts'
import { committed, open, postBatch, rendered, shown } from '../support/ledgers.ts'
import { deltas, keyValues, metricsOf, type Count } from '../support/requests.ts'
import { SimStore } from '../support/sim-store.ts'

const named = 'job="jobs",otel_scope_name="test"'

async function textOf(...groups: (readonly Count[])[]): Promise<string> {
  const opened = open(new SimStore())
  for (const counts of groups) {
    void postBatch(opened, deltas(counts))
    await committed()
  }
  return rendered(opened.exposition)
}

test('a family has its help and type once, then all of its lines, whenever they were born', async () => {
  const first = { name: 'jobs.done', description: 'What is\ndone \\ here.', unit: '{job}' }
  const text = await textOf(
    [
      { ...first, value: 1, attributes: { n: 1 } },
      { name: 'io', unit: 'By', value: 5 },
    ],
    [{ ...first, value: 2, attributes: { n: 2 }, description: 'Told otherwise.' }],
    [
      { name: 'io', unit: 'By', value: 2 ** 31 },
      { ...first, value: 0.25, attributes: { n: 1 } },
    ]
  )
  assert.equal(
    text,
    String.raw`# HELP jobs_done_total What is\ndone \\ here.` +
      `\n# TYPE jobs_done_total counter
jobs_done_total{${named.replace(',', ',n="1",')}} 1.25
jobs_done_total{${named.replace(',', ',n="2",')}} 2
# TYPE io_bytes_total counter
io_bytes_total{${named}} 2147483653
`
  )
})

test('of several descriptions the longest is kept, whenever it comes, and after a restart', async () => {
  const store = new SimStore()
  const opened = open(store)
  const check = async (description: string, want: string): Promise<void> => {
    void postBatch(opened, deltas([{ value: 1, description }]))
    await committed()
    for (const { exposition } of [opened, open(store.restarted())])
      assert.equal(rendered(exposition).split('\n')[0], want)
  }
  await check('', '# TYPE work_total counter')
  await check('Work.', '# HELP work_total Work.')
  await check('Work that was done.', '# HELP work_total Work that was done.')
  await check('Work, done.', '# HELP work_total Work that was done.')
  await check('ééééééééééééééééé', '# HELP work_total Work that was done.')
})

test('series that are one after translation are one line, their sum', async () => {
  const opened = open(new SimStore())
  void postBatch(
    opened,
    deltas([
      { name: 'a.b', value: 1, attributes: { n: 1 } },
      { name: 'a.b', value: 2, attributes: { n: '1' } },
      { name: 'a_b', value: 4, attributes: { n: '1' } },
      { name: 'a_b_total', value: 8, attributes: { n: '1', empty: '' } },
      { name: 'a.b', value: 16, attributes: { n: 2 } },
    ])
  )
  await committed()
  const want = [
    ['a_b_total{job="jobs",n="1",otel_scope_name="test"}', 15],
    ['a_b_total{job="jobs",n="2",otel_scope_name="test"}', 16],
  ]
  assert.deepEqual([...shown(opened)], want)
  assert.equal(opened.ledger.series.count, 5)
  assert.deepEqual(
    [
      ...shown({
        exposition: new TextExposition(opened.ledger, {
          openMetricsCreated: () => false,
          onHidden: () => {},
        }),
      }),
    ],
    want
  )
})

test('one counter of many processes is one series, whatever else their resources say', async () => {
  const opened = open(new SimStore())
  for (let worker = 0; worker < 50; worker++) {
    const resource = {
      'service.name': 'jobs',
      'service.instance.id': `worker ${worker}`,
      'process.pid': `${worker}`,
      'service.namespace': 'nightly',
    }
    void postBatch(opened, deltas([{ value: worker, attributes: { kind: 'x' } }], resource))
  }
  await committed()
  assert.deepEqual(
    [...shown(opened)],
    [['work_total{job="nightly/jobs",kind="x",otel_scope_name="test"}', 1225]]
  )
  assert.equal(opened.ledger.series.count, 1)
})

test('idle series stay, and nothing is shown before its commit', async () => {
  const opened = open(new SimStore())
  void postBatch(opened, deltas([{ value: 1 }]))
  assert.equal(rendered(opened.exposition), '')
  await committed()
  for (let at = 0; at < 5; at++) {
    void postBatch(opened, deltas([{ name: 'other', value: 1 }]))
    await committed()
  }
  assert.equal(shown(opened).get(`work_total{${named}}`), 1)
})

test('values are written so that they are read as the same double', async () => {
  const opened = open(new SimStore())
  const values = [
    0,
    0.1,
    1 / 3,
    5e-324,
    1e-7,
    1.7976931348623157e308,
    2 ** 53,
    2 ** 53 - 1,
    1e21,
    123_456_789_012,
  ]
  values.push(
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32,
    999_999_999,
    1_000_000_000,
    1_000_000_001,
    10_000_000_000_000_010,
    1e18
  )
  const attributes = (n: number): Record<string, number> => ({ n })
  void postBatch(opened, deltas(values.map((value, n) => ({ value, attributes: attributes(n) }))))
  await committed()
  for (const [n, value] of values.entries()) {
    assert.equal(shown(opened).get(`work_total{job="jobs",n="${n}",otel_scope_name="test"}`), value)
  }
})

test('labels of many bytes, and names beyond ASCII, are written whole', async () => {
  const opened = open(new SimStore())
  const long = '日本"\\\n💥'.repeat(200)
  void postBatch(opened, deltas([{ value: 7, attributes: { long }, description: 'größer als 😀' }]))
  await committed()
  const escaped = long.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  const text = rendered(opened.exposition)
  assert.ok(text.includes(`work_total{job="jobs",long="${escaped}",otel_scope_name="test"} 7\n`))
  assert.ok(text.startsWith('# HELP work_total größer als 😀\n'))
})

test('thousands of lines are all there', async () => {
  const opened = open(new SimStore())
  const counts = Array.from({ length: 5000 }, (_, n) => ({ name: `m${n % 50}`, value: n, attributes: { n } }))
  void postBatch(opened, deltas(counts))
  await committed()
  const values = shown(opened)
  assert.equal(values.size, 5000)
  for (const { name, value, attributes } of counts) {
    assert.equal(values.get(`${name}_total{job="jobs",n="${attributes.n}",otel_scope_name="test"}`), value)
  }
  const types = rendered(opened.exposition).match(/^# TYPE/gm)
  assert.equal(types?.length, 50)
})

test('a unit that no one knows and a name of nothing but signs stop no scrape', async () => {
  const opened = open(new SimStore())
  void postBatch(opened, deltas([{ name: '💥', unit: 'constructor', value: 1 }]))
  void postBatch(opened, deltas([{ name: 'ok', value: 1 }]))
  await committed()
  assert.equal(shown(opened).size, 2)
})

test('scopes with other versions are other series', async () => {
  const opened = open(new SimStore())
  const metric = {
    name: 'm',
    sum: {
      aggregationTemporality: 1,
      isMonotonic: true,
      dataPoints: [{ timeUnixNano: 5n, asInt: 3 }],
    },
  }
  for (const [at, version] of ['1', '2', '1'].entries()) {
    const scope = { name: 'lib', version, attributes: keyValues({ k: 'v' }) }
    const resourceMetrics = [{ scopeMetrics: [{ scope, metrics: [metric] }] }]
    void postBatch(opened, encodeExportRequest({ resourceMetrics }), `batch ${at}`)
  }
  void postBatch(opened, encodeExportRequest(metricsOf([metric], {})))
  await committed()
  assert.deepEqual(
    [...shown(opened)],
    [
      ['m_total{otel_scope_k="v",otel_scope_name="lib",otel_scope_version="1"}', 6],
      ['m_total{otel_scope_k="v",otel_scope_name="lib",otel_scope_version="2"}', 3],
      ['m_total{otel_scope_name="test"}', 3],
    ]
  )
})
