import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attribute } from '@swansong/otlp'
import { familyName } from '../../src/ledger/family-names.ts'
import { metricTypes, type MetricType } from '../../src/ledger/metric-types.ts'
import { escapedHelp, labelsOf, labelsText, metricLabels, type ScopeLabels } from '../../src/out/names.ts'
import { namingOf } from '../../src/out/naming.ts'

const strategy = 'UnderscoreEscapingWithSuffixes'
const counterName = (name: string, unit: string): string =>
  familyName(strategy, metricTypes.counter, name, unit)
const naming = namingOf(strategy, 'underscores')
const labelName = (key: string): string => naming.labelName(key)

// CONFORMANCE D1 to D4, D7, D10, D11, and the contracts of DESIGN.

test('counters are named as Prometheus names them', () => {
  const check = (name: string, unit: string, want: string): void => {
    assert.equal(counterName(name, unit), want, `${name} in ${unit}`)
  }
  check('jobs.done', '', 'jobs_done_total')
  check('jobs.done', '{job}', 'jobs_done_total')
  check('jobs.done', '1', 'jobs_done_total')
  check('io', 'By', 'io_bytes_total')
  check('hits', '{request}', 'hits_total')
  check('rate', 'By/s', 'rate_bytes_per_second_total')
  check('rate', '{request}/s', 'rate_per_second_total')
  check('rate', '1/m', 'rate_per_minute_total')
  check('process.cpu.time', 's', 'process_cpu_time_seconds_total')
})

test('a suffix that is there already is not added again', () => {
  const check = (name: string, unit: string, want: string): void => {
    assert.equal(counterName(name, unit), want, `${name} in ${unit}`)
  }
  check('jobs_total', '', 'jobs_total')
  check('jobs.total', '', 'jobs_total')
  check('io_bytes', 'By', 'io_bytes_total')
  check('io_bytes_total', 'By', 'io_bytes_total')
  check('io_total', 'By', 'io_bytes_total')
  check('bytes', 'By', 'bytes_total')
  check('kilobytes', 'By', 'kilobytes_bytes_total')
  check('total', '', 'total')
  check('total', 's', 'seconds_total')
  check('subtotal', '', 'subtotal_total')
})

test('every unit of UCUM that has a word gets it, any other its letters', () => {
  const check = (unit: string, want: string): void => {
    assert.equal(counterName('x', unit), want)
  }
  check('ms', 'x_milliseconds_total')
  check('us', 'x_microseconds_total')
  check('ns', 'x_nanoseconds_total')
  check('min', 'x_minutes_total')
  check('h', 'x_hours_total')
  check('d', 'x_days_total')
  check('KiBy', 'x_kibibytes_total')
  check('MBy', 'x_megabytes_total')
  check('Cel', 'x_celsius_total')
  check('%', 'x_percent_total')
  check('m/s', 'x_meters_per_second_total')
  check('By/h', 'x_bytes_per_hour_total')
  check('widgets', 'x_widgets_total')
  check('widgets/box', 'x_widgets_per_box_total')
  check('By{sent}', 'x_bytes_total')
  check('ünits', 'x_nits_total')
  check('{ü}', 'x_total')
})

test('a unit that is called like something of JavaScript is a unit', () => {
  for (const unit of ['constructor', 'toString', 'valueOf', 'hasOwnProperty', '__proto__']) {
    assert.match(counterName('x', unit), /^x_[a-zA-Z]+_total$/)
    assert.match(counterName('x', `By/${unit}`), /^x_bytes_per_[a-zA-Z]+_total$/)
  }
})

test('characters that names may not have become one underscore a run', () => {
  const check = (name: string, want: string): void => assert.equal(counterName(name, ''), want)
  check('a.b-c d', 'a_b_c_d_total')
  check('a..b__c', 'a_b_c_total')
  check('a:b', 'a:b_total')
  check('_a', '_a_total')
  check('.a.', 'a_total')
  check('2fast', '_2fast_total')
  check('größe', 'gr_e_total')
})

test('every name is one that Prometheus takes, whatever it was', () => {
  for (const name of [
    '日本',
    '💥',
    '.',
    '_',
    '__',
    '1',
    '-1-',
    ' ',
    'a\nb',
    'a"b',
    'total_total',
    '_total',
  ]) {
    for (const unit of ['', 's', '%', '日', '/', '//', '{', '}{', '1/', '/s']) {
      assert.match(counterName(name, unit), /^[a-zA-Z_:][a-zA-Z0-9_:]*$/)
      assert.match(counterName(name, unit), /total$/)
    }
    assert.match(labelName(name), /^[a-zA-Z_][a-zA-Z0-9_]*$/)
  }
})

test('label names are as metric names, without colons and never reserved', () => {
  const check = (key: string, want: string): void => assert.equal(labelName(key), want)
  check('a.b', 'a_b')
  check('a:b', 'a_b')
  check('1a', 'key_1a')
  check('__name__', '_name_')
  check('http.request.method', 'http_request_method')
})

const noScope = { name: '', version: '', schemaUrl: '', attributes: [] }

function point(attributes: Record<string, Attribute['value']>): string {
  return textOf([], noScope, listed(attributes))
}

function textOf(
  resource: Attribute[],
  scope: ScopeLabels,
  attributes: Attribute[],
  type: MetricType = metricTypes.counter
): string {
  return labelsText(labelsOf(naming, type, metricLabels(naming, resource, scope), attributes))
}

function listed(attributes: Record<string, Attribute['value']>): Attribute[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value }))
}

test('keys that become one label are joined in the order of the keys', () => {
  assert.equal(point({ 'a.b': '1', a_b: '2' }), 'a_b="1;2"')
  assert.equal(point({ a_b: '2', 'a.b': '1' }), 'a_b="1;2"')
  assert.equal(point({ a_b: '2', 'a-b': '0', 'a.b': '1' }), 'a_b="0;1;2"')
})

test('labels are sorted, and an empty one is none', () => {
  assert.equal(point({ z: '1', a: '2', m: '' }), 'a="2",z="1"')
  assert.equal(point({}), '')
})

test('values that are no strings are their JSON', () => {
  const check = (value: Attribute['value'], want: string): void => assert.equal(point({ v: value }), want)
  check(true, 'v="true"')
  check(12345678901234567890n, 'v="12345678901234567890"')
  check(1.5, 'v="1.5"')
  check(['a', 1n, [true]], String.raw`v="[\"a\",1,[true]]"`)
  check({ keyValues: [{ key: 'k', value: 'v' }] }, String.raw`v="{\"k\":\"v\"}"`)
  check(new Uint8Array([1, 2, 3]), 'v="AQID"')
  check(undefined, '')
})

test('what the format would misread is escaped', () => {
  assert.equal(point({ v: 'a"b\\c\nd' }), String.raw`v="a\"b\\c\nd"`)
  assert.equal(escapedHelp('a"b\\c\nd'), String.raw`a"b\\c\nd`)
})

test("a worker's metric does not take the name of one of the gateway's own", () => {
  assert.equal(counterName('swansong.points', ''), 'exported_swansong_points_total')
  assert.equal(counterName('swansongs', ''), 'swansongs_total')
})

test('a point cannot say whose series it is', () => {
  assert.equal(point({ job: 'mine', instance: 'here' }), 'exported_instance="here",exported_job="mine"')
  assert.equal(textOf([], noScope, listed({ le: '1' })), 'le="1"')
  assert.equal(textOf([], noScope, listed({ le: '1' }), metricTypes.histogram), 'exported_le="1"')
  const labels = textOf(
    listed({ 'service.name': 'theirs', 'deployment.environment.name': 'prod' }),
    noScope,
    listed({ job: 'mine', 'deployment.environment.name': 'dev' })
  )
  assert.equal(
    labels,
    'deployment_environment_name="prod",exported_deployment_environment_name="dev",exported_job="mine",job="theirs"'
  )
})

test('the job is the namespace and the name of the service', () => {
  const check = (resource: Record<string, string>, want: string): void => {
    assert.equal(textOf(listed(resource), noScope, []), want)
  }
  check({ 'service.name': 'n' }, 'job="n"')
  check({ 'service.namespace': 'ns', 'service.name': 'n' }, 'job="ns/n"')
  check({ 'service.namespace': 'ns' }, '')
  check({}, '')
})

test('scopes are labels; an attribute of theirs does not replace their name', () => {
  const scope = {
    name: 'lib',
    version: '1.2',
    schemaUrl: 'https://example.com/1',
    attributes: listed({ name: 'other', 'my.key': 'x', version: '9', 'schema.url': 'y' }),
  }
  assert.equal(
    textOf([], scope, listed({ otel_scope_name: 'mine' })),
    'exported_otel_scope_name="mine",otel_scope_my_key="x",otel_scope_name="lib",' +
      'otel_scope_schema_url="https://example.com/1",otel_scope_version="1.2"'
  )
})
