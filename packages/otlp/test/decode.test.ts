import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeExportRequest,
  encodeExportRequest,
  metricKinds,
  OtlpError,
  type ExportVisitor,
} from '@swansong/otlp'
import { Writer } from '@swansong/otlp/wire'
import { collect, collectMetrics } from './collect.ts'

type Fields = (writer: Writer) => void

const point = encodePoint({ asInt: 3 })

test('an empty request has nothing to visit', () => {
  assert.deepEqual(collect(new Uint8Array(0)), [])
})

test('resource and scope are visited even where a request has none', () => {
  const visited: string[] = []
  const visitor: ExportVisitor = {
    resource: (_, start, end) => void visited.push(`resource ${end - start}`),
    scope: (_, start, end, urlStart, urlEnd) =>
      void visited.push(`scope ${end - start} ${urlEnd - urlStart}`),
    metric: () => void visited.push('metric'),
    numberPoint: () => void visited.push('point'),
    histogramPoint: () => void visited.push('histogram'),
    exponentialHistogramPoint: () => void visited.push('exponential'),
    summaryPoint: () => void visited.push('summary'),
  }
  decodeExportRequest(
    encodeExportRequest({ resourceMetrics: [{}, { scopeMetrics: [{ metrics: [{}] }] }] }),
    visitor
  )
  assert.deepEqual(visited, ['resource 0', 'resource 0', 'scope 0 0', 'metric'])
})

test('fields may come in any order: what is around the points is heard before them', () => {
  const body = message((request) => {
    field(request, 1, (resourceMetrics) => {
      field(resourceMetrics, 2, (scopeMetrics) => {
        field(scopeMetrics, 2, (metric) => {
          field(metric, 7, (sum) => {
            sum.bytes(1, point)
            sum.bool(3, true)
            sum.bytes(1, point)
            sum.uint(2, 2)
          })
          metric.string(3, 'By')
          metric.string(1, 'late')
          metric.string(2, 'said last')
        })
        scopeMetrics.string(3, 'https://schema')
        field(scopeMetrics, 1, (scope) => scope.string(1, 'scope'))
      })
      field(resourceMetrics, 1, (resource) => resource.bytes(1, keyValue('service.name', 'a')))
    })
  })
  const [resource] = collect(body)
  assert.deepEqual(resource?.attributes, [{ key: 'service.name', value: 'a' }])
  const scope = resource?.scopes[0]
  assert.deepEqual([scope?.name, scope?.schemaUrl], ['scope', 'https://schema'])
  const metric = scope?.metrics[0]
  assert.deepEqual([metric?.name, metric?.unit, metric?.description], ['late', 'By', 'said last'])
  assert.deepEqual([metric?.temporality, metric?.monotonic, metric?.points.length], [2, true, 2])
})

test('a resource or scope given in pieces is merged', () => {
  const body = message((request) => {
    field(request, 1, (resourceMetrics) => {
      field(resourceMetrics, 1, (resource) => resource.bytes(1, keyValue('a', '1')))
      field(resourceMetrics, 2, (scopeMetrics) => {
        field(scopeMetrics, 1, (scope) => {
          scope.string(1, 'first')
          scope.string(2, '1.0')
          scope.bytes(3, keyValue('x', '1'))
        })
        scopeMetrics.string(3, 'url')
        field(scopeMetrics, 1, (scope) => {
          scope.string(1, 'second')
          scope.bytes(3, keyValue('y', '2'))
        })
      })
      field(resourceMetrics, 1, (resource) => resource.bytes(1, keyValue('b', '2')))
    })
  })
  const [resource] = collect(body)
  assert.deepEqual(resource?.attributes, [
    { key: 'a', value: '1' },
    { key: 'b', value: '2' },
  ])
  const [scope] = resource?.scopes ?? []
  assert.deepEqual([scope?.name, scope?.version, scope?.schemaUrl], ['second', '1.0', 'url'])
  assert.deepEqual(
    scope?.attributes.map(({ key }) => key),
    ['x', 'y']
  )
})

test('of the kinds of data in a metric the last counts, and its pieces are merged', () => {
  const { sum, gauge, histogram } = metricKinds
  function check(kinds: number[], wantedKind: number, wantedPoints: number, wantedTemporality: number): void {
    const [metric] = collectMetrics(
      metricBody((writer) => {
        for (const [at, kind] of kinds.entries()) {
          field(writer, kind, (data) => {
            data.bytes(1, point)
            if (kind !== gauge) data.uint(2, at + 1)
          })
          writer.string(3, 'between')
        }
      })
    )
    const found = [
      metric?.kind,
      (metric?.points.length ?? 0) + (metric?.histograms.length ?? 0),
      metric?.temporality,
    ]
    assert.deepEqual(found, [wantedKind, wantedPoints, wantedTemporality], kinds.join())
  }
  check([sum, sum], sum, 2, 2)
  check([sum, gauge], gauge, 1, 0)
  check([gauge, sum, sum, sum], sum, 3, 4)
  check([sum, sum, gauge, sum], sum, 1, 4)
  check([sum, histogram], histogram, 1, 2)
})

test('of two values in a point the last counts', () => {
  function check(write: Fields, value: number, valueKind: string): void {
    const [read] = points(write)
    assert.deepEqual([read?.value, read?.valueKind], [value, valueKind])
  }
  const asDouble: Fields = (writer) => writer.double(4, 0.5)
  const asInt: Fields = (writer) => writer.fixed64(6, -7)
  check(() => undefined, 0, 'none')
  check(asDouble, 0.5, 'double')
  check(asInt, -7, 'int')
  check((writer) => [asDouble(writer), asInt(writer)], -7, 'int')
  check((writer) => [asInt(writer), asDouble(writer)], 0.5, 'double')
})

test('integers are exact to 2^53 and rounded beyond', () => {
  for (const value of [0n, 1n, -1n, 2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
    const [read] = points((writer) => writer.fixed64(6, value))
    assert.equal(read?.value, Number(value))
  }
})

test('attributes between other fields come as one run', () => {
  const [scattered, together, none] = points(
    (writer) => {
      writer.bytes(7, keyValue('a', '1'))
      writer.fixed64(3, 1024n)
      writer.bytes(7, keyValue('b', 'x'.repeat(300)))
      writer.bytes(5, keyValue('no attribute', 'but an exemplar'))
      writer.fixed64(6, 5)
      writer.bytes(7, keyValue('c', '3'))
    },
    (writer) => {
      writer.bytes(7, keyValue('d', '4'))
      writer.bytes(7, keyValue('e', '5'))
    },
    (writer) => writer.fixed64(6, 5)
  )
  assert.deepEqual(
    scattered?.attributes.map(({ key }) => key),
    ['a', 'b', 'c']
  )
  assert.deepEqual([scattered?.time, scattered?.value], [1024, 5])
  assert.deepEqual(
    together?.attributes.map(({ value }) => value),
    ['4', '5']
  )
  assert.deepEqual(none?.attributes, [])
})

test('nothing of a point is left for the next', () => {
  const [, bare] = points(
    (writer) => {
      writer.bytes(7, keyValue('a', '1'))
      writer.fixed64(2, 512n)
      writer.fixed64(3, 1024n)
      writer.double(4, 2.5)
      writer.uint(8, 1)
    },
    () => undefined
  )
  assert.deepEqual(bare, {
    attributes: [],
    start: 0,
    time: 0,
    value: 0,
    valueKind: 'none',
    flags: 0,
    exemplars: [],
  })
})

test('a known field with another wire type is an unknown field', () => {
  const [read] = points((writer) => {
    writer.uint(6, 9) // asInt is a fixed64.
    writer.uint(7, 9) // Attributes are messages.
    writer.fixed32(3, 9)
    writer.fixed64(8, 9)
  })
  assert.deepEqual(read, {
    attributes: [],
    start: 0,
    time: 0,
    value: 0,
    valueKind: 'none',
    flags: 0,
    exemplars: [],
  })
})

test('a tag in more bytes than it needs is the same tag', () => {
  const [read] = points((writer) => writer.raw(Uint8Array.of(0x80 | (3 << 3) | 1, 0, 0, 4, 0, 0, 0, 0, 0, 0)))
  assert.equal(read?.time, 1024)
})

test('whatever is torn inside a point is refused where it is', () => {
  const { sum, histogram, exponentialHistogram, summary } = metricKinds
  const torn = Uint8Array.of(0x0a, 5) // A field of five bytes, of which none is there.
  function check(kind: number, write: Fields): void {
    const body = metricBody((metric) => field(metric, kind, (data) => field(data, 1, write)))
    assert.throws(
      () => collect(body),
      (error) =>
        error instanceof OtlpError &&
        error.code === 'TRUNCATED' &&
        error.offset > 0 &&
        error.offset <= body.length
    )
  }
  check(sum, (writer) => writer.bytes(5, torn)) // Exemplar.
  check(sum, (writer) => writer.raw(torn))
  check(histogram, (writer) => writer.bytes(8, torn))
  check(histogram, (writer) => writer.bytes(6, new Uint8Array(15))) // Packed fixed64, one and seven bytes.
  check(histogram, (writer) => writer.bytes(7, new Uint8Array(1)))
  check(exponentialHistogram, (writer) => writer.bytes(8, torn))
  check(exponentialHistogram, (writer) => writer.bytes(9, torn))
  check(exponentialHistogram, (writer) => writer.bytes(11, torn))
  check(exponentialHistogram, (writer) =>
    field(writer, 8, (buckets) => buckets.bytes(2, Uint8Array.of(0x80)))
  ) // Packed varints.
  check(summary, (writer) => writer.bytes(6, torn))
  check(summary, (writer) => writer.raw(torn))
})

test('an error tells its place in the body that was given', () => {
  const name = new Writer()
  name.raw(Uint8Array.of(0x0a, 100))
  const body = message((request) => {
    field(request, 1, (resourceMetrics) => {
      field(resourceMetrics, 2, (scopeMetrics) => scopeMetrics.bytes(2, name.finish()))
    })
  })
  const at = body.length - 1 // The length that is wrong.
  assert.throws(
    () => collect(body),
    (error) => error instanceof OtlpError && error.offset === at && error.message.endsWith(`(at ${at})`)
  )
})

test('a visitor may decode another request while it visits one', () => {
  const inner = metricBody((metric) => metric.string(1, 'inner'))
  const outer = metricBody((metric) => {
    metric.string(1, 'outer')
    field(metric, metricKinds.sum, (sum) => {
      sum.bytes(1, point)
      sum.bytes(1, point)
    })
  })
  let sum = 0
  decodeExportRequest(outer, {
    resource: () => undefined,
    scope: () => assert.equal(collectMetrics(inner)[0]?.name, 'inner'),
    metric: () => undefined,
    numberPoint: ({ value }) => {
      assert.equal(collectMetrics(inner)[0]?.name, 'inner')
      sum += value
    },
    histogramPoint: () => undefined,
    exponentialHistogramPoint: () => undefined,
    summaryPoint: () => undefined,
  })
  assert.equal(sum, 6)
})

test('a visitor that throws leaves the decoder as it was', () => {
  const body = metricBody((metric) => field(metric, metricKinds.sum, (sum) => sum.bytes(1, point)))
  const failing: ExportVisitor = {
    resource: () => undefined,
    scope: () => undefined,
    metric: () => undefined,
    numberPoint: () => assert.fail('enough'),
    histogramPoint: () => undefined,
    exponentialHistogramPoint: () => undefined,
    summaryPoint: () => undefined,
  }
  assert.throws(() => decodeExportRequest(body, failing), /enough/)
  assert.equal(collectMetrics(body)[0]?.points[0]?.value, 3)
})

function points(...writes: Fields[]) {
  const body = metricBody((metric) => {
    field(metric, metricKinds.sum, (sum) => {
      for (const write of writes) field(sum, 1, write)
    })
  })
  return collectMetrics(body).flatMap((metric) => metric.points)
}

function metricBody(write: Fields): Uint8Array {
  return message((request) => {
    field(request, 1, (resourceMetrics) => {
      field(resourceMetrics, 2, (scopeMetrics) => field(scopeMetrics, 2, write))
    })
  })
}

function encodePoint({ asInt }: { asInt: number }): Uint8Array {
  return message((writer) => writer.fixed64(6, asInt))
}

function keyValue(key: string, value: string): Uint8Array {
  return message((writer) => {
    writer.string(1, key)
    field(writer, 2, (any) => any.string(1, value))
  })
}

function message(write: Fields): Uint8Array {
  const writer = new Writer()
  write(writer)
  return writer.finish()
}

function field(writer: Writer, number: number, write: Fields): void {
  const start = writer.open(number)
  write(writer)
  writer.close(start)
}
