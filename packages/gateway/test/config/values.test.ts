import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeConfig } from '../../src/config/config.ts'
import { limitKeys } from '../../src/config/limit-keys.ts'
import { keys, valueOf, variableOf } from '../../src/config/schema.ts'
import * as values from '../../src/config/values.ts'
import type { ValueType } from '../../src/config/values.ts'
import * as limits from '../../src/limits.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs

test('an address is a host and a port, the host loopback unless told', () => {
  const check = (text: string, host: string, port: number): void => {
    assert.deepEqual(values.parseAddress(text), { host, port })
  }
  check('127.0.0.1:4318', '127.0.0.1', 4318)
  check('localhost:0', 'localhost', 0)
  check('0.0.0.0:65535', '0.0.0.0', 65_535)
  check(':4318', '127.0.0.1', 4318)
  check('[::1]:4318', '::1', 4318)
})

test('what is no address is refused with what to write', () => {
  const texts = [
    '',
    '4318',
    'host',
    'host:',
    'host:port',
    'host:65536',
    '::1:4318',
    '[::1]',
    'host:-1',
    'a:1:2',
  ]
  for (const text of [...texts, 'http://host:1', 'ho st:1', '[x]:1']) {
    assert.throws(() => values.parseAddress(text), /is no address: write HOST:PORT/, text)
  }
  assert.equal(values.addressOrOff.parse('off'), undefined)
  assert.throws(() => values.address.parse('off'), /is no address/)
  assert.throws(() => values.addressOrOff.parse('no'), /, or off$/)
})

test('durations are written as Prometheus has them', () => {
  const check = (text: string, ms: number): void => assert.equal(values.duration.parse(text), ms)
  check('90s', 90_000)
  check('10m', 10 * minuteMs)
  check('1h30m', 90 * minuteMs)
  check('35d', 35 * dayMs)
  check('1w', 7 * dayMs)
  check('1y', 365 * dayMs)
  check('1500ms', 1500)
  check('1d2h3m4s5ms', dayMs + 2 * 60 * minuteMs + 3 * minuteMs + 4005)
  check('0', 0)
  refused(
    values.duration,
    ['', '10', '10 m', 'm', '1.5h', '-1s', '30m1h', '1H', '99999999999y'],
    /duration; write|longer/
  )
  assert.equal(values.durationOrNever.parse('never'), Infinity)
})

test('sizes are bytes, or have a binary unit', () => {
  const check = (text: string, bytes: number): void => assert.equal(values.size.parse(text), bytes)
  check('4096', 4096)
  check('4096B', 4096)
  check('4KiB', 4096)
  check('64MiB', 2 ** 26)
  check('2 GiB', 2 ** 31)
  check('1TiB', 2 ** 40)
  refused(
    values.size,
    ['', 'MiB', '64mb', '64MB', '1.5MiB', '-1', '1e6', '99999999999999999'],
    /is no size; write .* as 64MiB/
  )
})

test('counts, file modes and choices say what to write instead', () => {
  assert.equal(values.count.parse('1000000'), 1_000_000)
  refused(values.count, ['', '5k', '1.5', '-1', '1e6', '0x10'], /is no count; write digits/)
  for (const text of ['0660', '660', '0o660']) assert.equal(values.fileMode.parse(text), 0o660)
  refused(values.fileMode, ['', '0680', '66', '10660', 'rw'], /is no file mode; write three octal digits/)
  const color = values.oneOf('color', ['red', 'green'])
  refused(color, ['gren'], /"gren" is no color; did you mean green\? Write red or green/)
  refused(color, ['blue'], /"blue" is no color; write red or green/)
  refused(values.within(values.count, 2, 4), ['1', '5'], /write 2 to 4/)
  refused(values.within(values.duration, 1000, Infinity), ['0'], /write at least 1s/)
})

test('every default is written as it is read', () => {
  const defaults = completeConfig()
  for (const key of keys) {
    const value = valueOf(defaults, key)
    if (value === undefined && key.path !== 'otlp.grpc.listen') continue
    if (key.type.isStructure === true) continue
    if (Array.isArray(value)) {
      const items: unknown[] = value
      assert.deepEqual(
        items.map((item) => key.type.parse(key.type.show(item))),
        items,
        key.path
      )
    } else assert.deepEqual(key.type.parse(key.type.show(value)), value, key.path)
  }
})

test('every limit has its key, its unit by its name, and its default from limits.ts', () => {
  assert.deepEqual(limitKeys.map(({ name }) => name).sort(), Object.keys(limits).sort())
  assert.deepEqual({ ...completeConfig().limits }, { ...limits })
  const keyOf = (name: string): string => limitKeys.find((limit) => limit.name === name)?.key ?? ''
  assert.equal(keyOf('seriesCountMax'), 'series_count')
  assert.equal(keyOf('bodyBytesInflatedMax'), 'body_bytes_inflated')
  assert.equal(keyOf('retryWindowMs'), 'retry_window')
  for (const { name, type, key } of limitKeys) {
    const wanted =
      name.endsWith('Ms') || name.includes('Seconds') ? 'duration' : /bytes/i.test(name) ? 'size' : 'count'
    assert.equal(type.name, wanted, key)
    assert.match(key, /^[a-z]+(_[a-z]+)*$/)
  }
})

test('no two keys have one path, one variable, one flag or one field', () => {
  const unique = (names: readonly (string | undefined)[]): void => {
    const told = names.filter((name) => name !== undefined)
    assert.deepEqual([...new Set(told)], told)
  }
  unique(keys.map(({ path }) => path))
  unique(keys.map(({ field }) => field))
  unique(keys.map(({ flag }) => flag?.[0]))
  unique(keys.map(variableOf))
})

function refused(type: ValueType, texts: readonly string[], says: RegExp): void {
  for (const text of texts)
    assert.throws(
      () => type.parse(text),
      (error) => error instanceof TypeError && says.test(error.message),
      text
    )
}
