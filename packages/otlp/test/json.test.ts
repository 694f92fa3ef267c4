import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExportRequest, JsonTranscoder, jsonToProtobuf } from '@swansong/otlp'
import { OtlpError, type ExportRequest } from '@swansong/otlp'
import { Reader } from '@swansong/otlp/wire'
import { collect, collectMetrics } from './collect.ts'

test('the example of the protocol becomes what its objects encode to', () => {
  const request: ExportRequest = {
    resourceMetrics: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'my.service' } }] },
        scopeMetrics: [
          {
            scope: { name: 'my.library', version: '1.0.0', attributes: [] },
            metrics: [
              {
                name: 'my.counter',
                description: 'I am a Counter',
                unit: '1',
                sum: {
                  dataPoints: [
                    {
                      startTimeUnixNano: '1544712660300000000',
                      timeUnixNano: '1544712660300000000',
                      asDouble: 5,
                    },
                  ],
                  aggregationTemporality: 1,
                  isMonotonic: true,
                },
              },
              {
                name: 'my.histogram',
                histogram: {
                  dataPoints: [
                    {
                      timeUnixNano: 7,
                      count: 2,
                      sum: 2,
                      bucketCounts: [1, '1'],
                      explicitBounds: [1],
                      min: 0,
                      max: 2,
                    },
                  ],
                  aggregationTemporality: 1,
                },
              },
            ],
          },
        ],
      },
    ],
  }
  assert.deepEqual(jsonToProtobuf(JSON.stringify(request)), encodeExportRequest(request))
  const [sum, histogram] = collectMetrics(jsonToProtobuf(JSON.stringify(request)))
  assert.deepEqual(
    [sum?.name, sum?.points[0]?.value, histogram?.histograms[0]?.counts],
    ['my.counter', 5, [1, 1]]
  )
})

test('64-bit integers are exact, as strings and bare', () => {
  function check(json: string, want: bigint): void {
    const reader = new Reader(pointBytes(`"asInt":${json}`))
    assert.equal(reader.tag(), (6 << 3) | 1)
    assert.equal(BigInt.asIntN(64, reader.fixed64BigInt()), want, json)
  }
  check('0', 0n)
  check('"0"', 0n)
  check('-5', -5n)
  check('9007199254740993', 9007199254740993n)
  check('"9007199254740993"', 9007199254740993n)
  check('-9007199254740993', -9007199254740993n)
  check('9223372036854775807', 2n ** 63n - 1n)
  check('-9223372036854775808', -(2n ** 63n))
  check('1e3', 1000n)
  check('"1e3"', 1000n)
  check(' 1234567890123456789 ', 1234567890123456789n)
})

test('what looks like a long integer inside a string stays as it is', () => {
  const [metric] = collectMetrics(
    jsonToProtobuf(
      metricJson(
        String.raw`"name":"a\\\" 12345678901234567890 ","description":"12345678901234567890","unit":"\\"`
      )
    )
  )
  assert.equal(metric?.name, String.raw`a\" 12345678901234567890 `)
  assert.equal(metric?.description, '12345678901234567890')
  assert.equal(metric?.unit, '\\')
})

test('doubles come as numbers, as digits in strings, and as what numbers cannot be', () => {
  function check(json: string, want: number): void {
    assert.equal(
      collectMetrics(jsonToProtobuf(pointJson(`"asDouble":${json}`)))[0]?.points[0]?.value,
      want,
      json
    )
  }
  check('0.1', 0.1)
  check('0', 0)
  check('"-1.5e3"', -1500)
  check('"NaN"', Number.NaN)
  check('"Infinity"', Infinity)
  check('"-Infinity"', -Infinity)
  check('12345678901234567890', Number('12345678901234567890'))
  check('1234567890123456789.5e-1', Number('123456789012345678.95'))
  check('1.0000000000000002e-6', 1.0000000000000002e-6)
  check('-0.12345678901234567890', -0.12345678901234568)
})

test('a value of zero is a value', () => {
  const zero = (json: string) => collectMetrics(jsonToProtobuf(pointJson(json)))[0]?.points[0]?.valueKind
  assert.equal(zero('"asInt":"0"'), 'int')
  assert.equal(zero('"asDouble":0'), 'double')
  assert.equal(zero(''), 'none')
  assert.equal(zero('"asInt":null'), 'none')
})

test('ids are hexadecimal in either case, other bytes base64 in either alphabet', () => {
  const hex = pointBytes(
    '"exemplars":[{"spanId":"EEE19B7EC3C1B174","traceId":"5b8efff798038103d269b633813fc60c"}]'
  )
  const upper = pointBytes(
    '"exemplars":[{"spanId":"eee19b7ec3c1b174","traceId":"5B8EFFF798038103D269B633813FC60C"}]'
  )
  assert.deepEqual(hex, upper)
  assert.deepEqual([...hex.subarray(4, 12)], [0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74])
  function check(base64: string, want: number[]): void {
    const value = `{"key":"k","value":{"bytesValue":"${base64}"}}`
    const [metric] = collectMetrics(jsonToProtobuf(pointJson(`"attributes":[${value}]`)))
    assert.deepEqual(metric?.points[0]?.attributes, [{ key: 'k', value: Uint8Array.from(want) }], base64)
  }
  check('', [])
  check('+/8=', [0xfb, 0xff])
  check('-_8', [0xfb, 0xff])
  check('AQID', [1, 2, 3])
  check('AQ==', [1])
})

test('attributes of every kind are taken', () => {
  const values = [
    '{"stringValue":"s"}',
    '{"boolValue":false}',
    '{"intValue":"9007199254740993"}',
    '{"doubleValue":0.5}',
    '{"arrayValue":{"values":[{"intValue":1},{}]}}',
    '{"kvlistValue":{"values":[{"key":"x","value":{"stringValue":""}}]}}',
    '{}',
    'null',
  ]
  const attributes = values.map((value, at) => `{"key":"${at}","value":${value}}`).join(',')
  const [resource] = collect(
    jsonToProtobuf(`{"resourceMetrics":[{"resource":{"attributes":[${attributes}]}}]}`)
  )
  const want = [
    's',
    false,
    9007199254740993n,
    0.5,
    [1n, undefined],
    { keyValues: [{ key: 'x', value: '' }] },
    undefined,
    undefined,
  ]
  assert.deepEqual(
    resource?.attributes.map(({ value }) => value),
    want
  )
})

test('unknown keys are ignored, and null is absent', () => {
  const body = jsonToProtobuf(
    '{"resourceMetrics":[{"resource":null,"later":{"a":[1]},"scopeMetrics":[{"scope":null,"metrics":[{"name":"n","sum":' +
      '{"dataPoints":[{"asInt":1,"flags":null,"new":12345678901234567890}],"isMonotonic":null}}]}]}],"extra":1}'
  )
  assert.equal(collectMetrics(body)[0]?.points[0]?.value, 1)
})

test('a request of which no name is known says which it had', () => {
  function check(text: string, want: string[] | undefined): void {
    let heard: string[] | undefined
    assert.ok(jsonToProtobuf(text, { onUnknown: (names) => (heard = names) }) instanceof Uint8Array)
    assert.deepEqual(heard, want)
  }
  check('{"resource_metrics":[],"more":1}', ['resource_metrics', 'more'])
  check('{"resourceMetrics":[],"more":1}', undefined)
  check('{}', undefined)
})

test('a value that its field cannot hold is refused with its path', () => {
  const at = 'resourceMetrics[0].scopeMetrics[0].metrics[0].sum.dataPoints[0]'
  function check(json: string, path: string, saying: RegExp): void {
    assert.throws(
      () => jsonToProtobuf(pointJson(json)),
      (error) =>
        error instanceof OtlpError &&
        error.code === 'BAD_JSON_FIELD' &&
        error.message.startsWith(`${at}.${path}: `) &&
        saying.test(error.message),
      json
    )
  }
  check('"asInt":1.5', 'asInt', /1.5 is not an integer/)
  check('"asInt":"x"', 'asInt', /"x" is not an integer/)
  check('"asInt":""', 'asInt', /is not an integer/)
  check('"asInt":9223372036854775808', 'asInt', /to 9223372036854775807/)
  check(`"asInt":"${'9'.repeat(100_000)}"`, 'asInt', /…/)
  check('"timeUnixNano":-1', 'timeUnixNano', /from 0/)
  check('"flags":4294967296', 'flags', /to 4294967295/)
  check('"asDouble":"nan"', 'asDouble', /is not a number/)
  check('"asDouble":true', 'asDouble', /is not a number/)
  check('"asInt":1,"asDouble":1', 'asDouble', /allowed beside asInt/)
  check('"asInt":1,"asInt":2', 'asInt', /allowed twice/)
  check('"attributes":{}', 'attributes', /an array/)
  check('"attributes":[1]', 'attributes[0]', /an object/)
  check('"attributes":[{},{"key":5}]', 'attributes[1].key', /a string/)
  check('"attributes":[{"value":{"boolValue":"true"}}]', 'attributes[0].value.boolValue', /true or false/)
  check('"attributes":[{"value":{"bytesValue":"a"}}]', 'attributes[0].value.bytesValue', /base64/)
  check('"exemplars":[{"spanId":"abc"}]', 'exemplars[0].spanId', /hexadecimal/)
  check('"exemplars":[{"spanId":"zz"}]', 'exemplars[0].spanId', /hexadecimal/)
})

test('null is no element of an array', () => {
  const json = metricJson('"histogram":{"dataPoints":[{"bucketCounts":[1,null]}]}')
  assert.throws(() => jsonToProtobuf(json), /bucketCounts\[1\]: null is not an integer/)
})

test('names of enums are refused, as OTLP/JSON has integers', () => {
  const json = metricJson('"sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA"}')
  assert.throws(
    () => jsonToProtobuf(json),
    /sum\.aggregationTemporality: .*names of enums are not OTLP\/JSON/
  )
  assert.throws(() => jsonToProtobuf('[]'), /the request: an array is not an object/)
})

test('text that is not JSON is refused where V8 stops', () => {
  function check(text: string, offset: number): void {
    assert.throws(
      () => jsonToProtobuf(text),
      (error) => error instanceof OtlpError && error.code === 'NOT_JSON' && error.offset === offset,
      text
    )
  }
  check('', 0)
  check('{"a":1', 6)
  check('{"a":12345678901234567890,}', 26)
  check('{"a":1234567890123456789 1234567890123456789}', 25)
  check('{"a":"open', 10)
  check('hello', 0)
  check('{} {}', 3)
  check('{"a":[1,]}', 8)
  check('{"a":[1 2]}', 8)
  check('{"a":1,}', 7)
  check('{"a" 1}', 5)
  check('{"a":tru}', 5)
  check('{"a":1.}', 6)
  check('{"a":"\\x"}', 5)
  check('{"a":-01234567890123456789}', 7)
  check('{12345678901234567890 :1}', 1)
})

test('a body of many empty objects takes no memory that its size does not', () => {
  const text = `{"resourceMetrics":[${'{},'.repeat(2_000_000)}{}],"unknown":[${'[],'.repeat(2_000_000)}0]}`
  const before = process.memoryUsage().heapUsed
  assert.equal(jsonToProtobuf(text).length, 2 * 2_000_001)
  const grown = process.memoryUsage().heapUsed - before
  assert.ok(grown < 8 * text.length, `${grown} bytes for a text of ${text.length}`)
})

test('bytes are read as UTF-8, with or without a mark in front', () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  const named = (name: string): string => metricJson(`"name":"${name}","sum":{"dataPoints":[{}]}`)
  for (const name of ['é', '日本', '😀', 'a\\u0062c', '\\ud83d\\ude00', 'x'.repeat(100), '\\"'])
    assert.deepEqual(
      jsonToProtobuf(bytes(`\ufeff${named(name)}`)),
      encodeExportRequest(JSON.parse(named(name)) as ExportRequest),
      name
    )
  const torn = bytes(named('é')).filter((byte) => byte !== 0xa9)
  assert.throws(
    () => jsonToProtobuf(torn),
    (error) => error instanceof OtlpError && error.code === 'NOT_UTF8'
  )
})

test('what is longer than the caller holds is refused, before and after it was written; so are endless strings', () => {
  const refusedAs = (json: string, code: string, bytesMax = Infinity): void =>
    assert.throws(
      () => jsonToProtobuf(json, { bytesMax }),
      (error) => error instanceof OtlpError && error.code === code
    )
  const buckets = metricJson(`"histogram":{"dataPoints":[{"bucketCounts":[${'0,'.repeat(100_000)}0]}]}`)
  assert.ok(jsonToProtobuf(buckets, { bytesMax: 900_000 }).length > 800_000)
  refusedAs(buckets, 'TOO_LARGE', 500_000)
  refusedAs(`{"resourceMetrics":[${'{},'.repeat(100_000)}{}]}`, 'TOO_LARGE', 150_000)
  refusedAs(metricJson(`"name":"${'x'.repeat(2_000_000)}"`), 'TOO_LONG')
  refusedAs(metricJson(`"unknown":"${'x'.repeat(2_000_000)}"`), 'TOO_LONG')
  refusedAs(pointJson(`"asDouble":1${'0'.repeat(2_000_000)}`), 'TOO_LONG')
})

test('lists nested without end are refused, however deep', () => {
  const depth = 100_000
  const value = '{"arrayValue":{"values":['.repeat(depth) + ']}}'.repeat(depth)
  const json = `{"resourceMetrics":[{"resource":{"attributes":[{"key":"k","value":${value}}]}}]}`
  assert.throws(
    () => jsonToProtobuf(json),
    (error) => error instanceof OtlpError && error.code === 'TOO_DEEP'
  )
})

function metricJson(fields: string): string {
  return `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{${fields}}]}]}]}`
}

function pointJson(fields: string): string {
  return metricJson(`"sum":{"dataPoints":[{${fields}}]}`)
}

/** The NumberDataPoint of those fields. */
function pointBytes(fields: string): Uint8Array {
  const reader = new Reader(jsonToProtobuf(pointJson(fields)))
  for (let level = 0; level < 5; level++) {
    reader.tag()
    reader.end = reader.lengthEnd()
  }
  return reader.bytes.subarray(reader.at, reader.end)
}

test('in steps of any size it is the same, and so is what it throws', () => {
  const point =
    '{"timeUnixNano":"17","asDouble":0.5,"attributes":[{"key":"a","value":{"arrayValue":{"values":[{"stringValue":"b"},{}]}}}]}'
  const unknown = '"un":[{"a":[1,2]}],'
  const whole = (points: string): string =>
    `{${unknown}"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"n","sum":{"dataPoints":[${points}]}},` +
    '{"name":"h","histogram":{"dataPoints":[{"bucketCounts":["1",2,3],"explicitBounds":[1,2]}]}},{}]},null]},{}]}'
  const texts = [
    whole(`${point},${point}`),
    whole(''),
    '{}',
    '{"un":1}',
    whole(`${point},7`),
    whole(point).slice(0, -3),
  ]
  const outcome = (transcode: () => Uint8Array): string => {
    try {
      return Buffer.from(transcode()).toString('hex')
    } catch (error) {
      return String(error)
    }
  }
  for (const text of texts) {
    const told: string[][] = []
    const options = { onUnknown: (names: string[]): void => void told.push(names) }
    const want = outcome(() => jsonToProtobuf(text, options))
    for (const bytes of [1, 7, 50, 100_000]) {
      let steps = 1
      const got = outcome(() => {
        const transcoder = new JsonTranscoder(text, options)
        while (!transcoder.step(bytes)) steps++
        return transcoder.take()
      })
      assert.equal(got, want, text)
      if (bytes === 7 && text.length > 200) assert.ok(steps > 10, 'none is longer than a value')
    }
    assert.ok(told.length === 0 || told.length === 5, 'what is unknown is told once')
  }
})
