import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OtlpError, readAttributes, type AnyValue } from '@swansong/otlp'
import { Writer } from '@swansong/otlp/wire'
import { completeConfig, type ConfigInput } from '../../src/config/config.ts'
import { metricTypes } from '../../src/ledger/metric-types.ts'
import { Series } from '../../src/ledger/series.ts'

const metric = 0
const counter = { type: metricTypes.counter, bounds: -1 }

function newSeries(limits: NonNullable<ConfigInput['limits']> = {}): Series {
  const series = new Series(completeConfig({ limits }).limits, 'UnderscoreEscapingWithSuffixes')
  const { metrics } = series
  const nothing = new Uint8Array(0)
  const scope = metrics.bearScope({
    resource: metrics.bearResource(nothing),
    scope: nothing,
    schemaUrl: nothing,
  })
  for (const name of ['one', 'other'])
    metrics.bearMetric({ scope, type: metricTypes.counter, name, unit: '', description: '' })
  return series
}

/** The attributes of a point, in this order. */
function encoded(attributes: readonly (readonly [string, AnyValue])[]): Uint8Array {
  const writer = new Writer()
  for (const [key, value] of attributes) {
    const keyValue = writer.open(7)
    writer.string(1, key)
    const any = writer.open(2)
    if (value.stringValue !== undefined) writer.string(1, value.stringValue)
    if (value.intValue !== undefined) writer.int64(3, BigInt(value.intValue))
    if (value.bytesValue instanceof Uint8Array) writer.bytes(7, value.bytesValue)
    writer.close(any)
    writer.close(keyValue)
  }
  return writer.finish()
}

const text = (stringValue: string): AnyValue => ({ stringValue })

function resolve(series: Series, bytes: Uint8Array, of: number = metric): number | string {
  const found = series.find(of, bytes, 0, bytes.length)
  return found >= 0 ? found : series.resolve(of, bytes, 0, bytes.length, counter)
}

test('the orders of the same attributes are one series, and each is found by its bytes from then on', () => {
  const series = newSeries()
  const orders = [
    encoded([
      ['a', text('1')],
      ['b', text('2')],
      ['c', text('3')],
    ]),
    encoded([
      ['c', text('3')],
      ['a', text('1')],
      ['b', text('2')],
    ]),
    encoded([
      ['b', text('2')],
      ['c', text('3')],
      ['a', text('1')],
    ]),
  ]
  assert.deepEqual(
    orders.map((bytes) => resolve(series, bytes)),
    [0, 0, 0]
  )
  assert.equal(series.count, 1)
  for (const bytes of orders) assert.equal(series.find(metric, bytes, 0, bytes.length), 0)
})

test('of a key that is given twice the last counts', () => {
  const series = newSeries()
  const last = resolve(series, encoded([['a', text('2')]]))
  assert.equal(
    resolve(
      series,
      encoded([
        ['a', text('1')],
        ['a', text('2')],
      ])
    ),
    last
  )
  assert.equal(series.count, 1)
})

test('another metric, another value and another type of it are other series', () => {
  const series = newSeries()
  const bodies = [
    encoded([]),
    encoded([['n', text('1')]]),
    encoded([['n', { intValue: 1 }]]),
    encoded([['n', text('2')]]),
    encoded([['m', text('1')]]),
  ]
  assert.deepEqual(
    bodies.map((bytes) => resolve(series, bytes)),
    [0, 1, 2, 3, 4]
  )
  assert.equal(resolve(series, bodies[1] ?? assert.fail(), 1), 5)
  assert.equal(series.metricOf(5), 1)
  assert.equal(series.metricOf(1), metric)
  const slots = new Set([0, 1, 2, 3, 4, 5].map((id) => series.slotOf(id)))
  assert.equal(slots.size, 6)
})

test('what a series is stored by are its attributes, sorted', () => {
  const series = newSeries()
  resolve(
    series,
    encoded([
      ['zz', text('1')],
      ['a', { intValue: 2 }],
      ['é', text('3')],
    ])
  )
  const stored = series.attributesOf(0)
  const keys = readAttributes(stored, 0, stored.length).map(({ key }) => key)
  assert.deepEqual(keys, ['a', 'zz', 'é'])
})

test('past the limit of series the rest of each metric is one series', () => {
  const series = newSeries({ seriesCountMax: 3 })
  for (let n = 0; n < 3; n++) assert.equal(resolve(series, encoded([['n', text(`${n}`)]])), n)
  const overflow = resolve(series, encoded([['n', text('3')]]))
  assert.equal(overflow, 3)
  assert.equal(resolve(series, encoded([['n', text('4')]])), overflow)
  assert.equal(resolve(series, encoded([['n', text('2')]])), 2, 'those that there are go on')
  assert.equal(resolve(series, encoded([['n', text('4')]]), 1), 4, 'another metric has one of its own')
  const stored = series.attributesOf(3)
  assert.deepEqual(readAttributes(stored, 0, stored.length), [{ key: 'otel.metric.overflow', value: true }])
})

test('attributes past a limit are refused with the reason', () => {
  const series = newSeries({ labelCountMax: 3, labelValueBytesMax: 10, attributesBytesMax: 200 })
  const check = (attributes: readonly (readonly [string, AnyValue])[], want: string | number): void => {
    assert.equal(resolve(series, encoded(attributes)), want)
  }
  check([['a', text('x'.repeat(10))]], 0)
  check([['a', text('x'.repeat(11))]], 'LABEL_VALUE_TOO_LONG')
  check([['a', text('ééééé')]], 1)
  check([['a', text('éééééé')]], 'LABEL_VALUE_TOO_LONG')
  check([['a', { bytesValue: new Uint8Array(9) }]], 'LABEL_VALUE_TOO_LONG') // Twelve characters of base64.
  check([['a', { bytesValue: new Uint8Array(6) }]], 2)
  check(
    [
      ['a', text('')],
      ['b', text('')],
      ['c', text('')],
      ['d', text('')],
    ],
    'ATTRIBUTES_TOO_LARGE'
  )
  check([['a'.repeat(200), text('')]], 'ATTRIBUTES_TOO_LARGE')
  check([['', text('x')]], 'ATTRIBUTES_INVALID')
  assert.equal(series.count, 3)
})

test('attributes that are not UTF-8 are refused, torn ones make the body none', () => {
  const series = newSeries()
  const bytes = encoded([['key', text('value')]])
  const notUtf8 = bytes.slice()
  notUtf8[notUtf8.length - 1] = 0xff
  assert.equal(resolve(series, notUtf8), 'ATTRIBUTES_INVALID')
  assert.throws(() => resolve(series, bytes.subarray(0, -1)), OtlpError)
  assert.equal(series.count, 0)
})

test('past the limit of bytes new attributes are refused, known ones count', () => {
  const series = newSeries({ attributesBytesTotalMax: 30 })
  const known = encoded([['a', text('0123456789')]])
  assert.equal(resolve(series, known), 0)
  assert.equal(resolve(series, encoded([['b', text('0123456789')]])), 'LABEL_BYTES_FULL')
  assert.equal(resolve(series, known), 0)
})

test('tags that were not written in their shortest form are attributes too', () => {
  const series = newSeries()
  const shortest = encoded([
    ['b', text('2')],
    ['a', text('1')],
  ])
  const long = Uint8Array.from([0xba, 0x00, ...shortest.subarray(1)])
  assert.equal(typeof resolve(series, long), 'number')
  const stored = series.attributesOf(0)
  assert.deepEqual(readAttributes(stored, 0, stored.length), [
    { key: 'a', value: '1' },
    { key: 'b', value: '2' },
  ])
})

test('what was born since a mark can be taken back, its other orders too', () => {
  const series = newSeries()
  const first = encoded([
    ['a', text('1')],
    ['b', text('1')],
  ])
  const turned = encoded([
    ['b', text('1')],
    ['a', text('1')],
  ])
  resolve(series, first)
  const mark = series.mark()
  resolve(series, turned)
  for (let n = 0; n < 500; n++) resolve(series, encoded([['n', text(`${n}`)]]))
  series.undo(mark)
  assert.deepEqual(series.mark(), mark)
  assert.equal(series.count, 1)
  assert.equal(series.find(metric, turned, 0, turned.length), -1)
  assert.equal(resolve(series, turned), 0)
  for (let n = 499; n >= 0; n--) assert.equal(resolve(series, encoded([['n', text(`${n}`)]])), 500 - n)
})
