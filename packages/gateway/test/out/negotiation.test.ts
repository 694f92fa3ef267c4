import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isScraper, negotiate, type Format } from '../../src/out/negotiation.ts'

const all: ReadonlySet<Format> = new Set(['text-0.0.4', 'text-1.0.0', 'openmetrics-1.0', 'protobuf'])
const proto = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited'

function check(accept: string | undefined, want: string, formats = all): void {
  const { format, escaping } = negotiate(accept, formats)
  assert.equal(`${format} ${escaping}`, want, accept)
}

test('every Prometheus gets what it likes best', () => {
  const prometheus2 =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
  const prometheus3 =
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1'
  const natively = `${proto};q=0.6,${prometheus3}`
  check(prometheus2, 'openmetrics-1.0 underscores')
  check(prometheus3, 'openmetrics-1.0 allow-utf-8')
  check(natively, 'protobuf underscores')
  check(natively, 'openmetrics-1.0 allow-utf-8', new Set<Format>(['text-1.0.0', 'openmetrics-1.0']))
  check(natively, 'text-1.0.0 allow-utf-8', new Set<Format>(['text-0.0.4', 'text-1.0.0']))
  check(natively, 'text-0.0.4 underscores', new Set<Format>(['text-0.0.4']))
  check(
    'application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5',
    'text-0.0.4 underscores'
  )
})

test('the highest q wins, then what is named before a *, then the first', () => {
  check('text/plain;version=0.0.4;q=0.2, application/openmetrics-text;q=0.9', 'openmetrics-1.0 underscores')
  check('*/*;q=0.9, application/openmetrics-text;q=0.8', 'text-0.0.4 underscores')
  check('*/*, application/openmetrics-text', 'openmetrics-1.0 underscores')
  check('text/*;q=0.5, text/plain;version=1.0.0;q=0.5', 'text-1.0.0 underscores')
  check('text/plain;version=1.0.0, application/openmetrics-text', 'text-1.0.0 underscores')
  check('application/openmetrics-text;q=0, text/plain;version=1.0.0;q=0.001', 'text-1.0.0 underscores')
  check('application/openmetrics-text;q=2, text/plain;q=0.1', 'text-0.0.4 underscores')
})

test('an escaping is one of the four, else underscores; text 0.0.4 has no other', () => {
  for (const escaping of ['allow-utf-8', 'underscores', 'dots', 'values'])
    check(`text/plain;version=1.0.0;escaping=${escaping}`, `text-1.0.0 ${escaping}`)
  check('text/plain; version="1.0.0"; Escaping="dots"', 'text-1.0.0 dots')
  check(`${proto};escaping=values`, 'protobuf values')
  check('text/plain;version=1.0.0;escaping=DOTS', 'text-1.0.0 underscores')
  check('text/plain;version=1.0.0;escaping=x\ry', 'text-1.0.0 underscores')
  check('text/plain;version=0.0.4;escaping=allow-utf-8', 'text-0.0.4 underscores')
})

test('what nobody has, and what cannot be read, is answered in text 0.0.4', () => {
  for (const accept of [
    undefined,
    '',
    ',,;',
    '*/*',
    'text/html',
    'text/plain',
    'application/json;q=1',
    ';q=',
  ])
    check(accept, 'text-0.0.4 underscores')
  check('text/plain;version=2.0.0', 'text-0.0.4 underscores')
  check(
    'application/openmetrics-text;version=2.0.0;q=1,text/plain;version=1.0.0;q=0.1',
    'text-1.0.0 underscores'
  )
  check(
    'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text',
    'text-0.0.4 underscores'
  )
  check('application/vnd.google.protobuf;proto=other;encoding=delimited', 'text-0.0.4 underscores')
})

test('the answer says its type with its version, and its escaping where there is a choice', () => {
  const typeOf = (accept: string): string => negotiate(accept, all).contentType
  assert.equal(typeOf('*/*'), 'text/plain; version=0.0.4; charset=utf-8')
  assert.equal(
    typeOf('text/plain;version=1.0.0'),
    'text/plain; version=1.0.0; charset=utf-8; escaping=underscores'
  )
  assert.equal(
    typeOf('application/openmetrics-text;escaping=allow-utf-8'),
    'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8'
  )
  assert.equal(
    typeOf(proto),
    'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores'
  )
})

test('who names what Prometheus reads is a scraper, curl and a browser are not', () => {
  for (const accept of [
    'text/plain',
    'TEXT/PLAIN;version=0.0.4;q=0.1',
    'application/openmetrics-text',
    proto,
  ])
    assert.ok(isScraper(accept), accept)
  const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8'
  for (const accept of [undefined, '', '*/*', 'text/*', browser, 'text/plain;q=0, */*'])
    assert.ok(!isScraper(accept), accept)
})
