import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Gateway, startGateway } from './support/gateway.ts'
import { ask, type Answer } from './support/http.ts'
import { askRaw } from './support/raw.ts'
import {
  attribute,
  doubleField,
  field,
  fixedField,
  requestOf,
  textField,
  varintField,
} from './support/wire.ts'

/*
 * Memory above what the held series need (450 bytes each, and their label bytes, which have a limit) stays below 400 MB,
 * whatever is sent. Each body here is of a quarter of the largest size, and made to be large once it is read.
 */

const megabyte = 1024 * 1024
const largeBytes = 16 * megabyte
const aboveBytesMax = 400 * megabyte
const bytesPerSeries = 450
const time = fixedField(3, 1_700_000_001_000_000_000n)
const delta = varintField(2, 1)

/** Copies of a part, as many as are needed for a large body. */
function many(part: (at: number) => Uint8Array, bytes = largeBytes): Buffer {
  const parts: Uint8Array[] = []
  for (let at = 0, length = 0; length < bytes; at++) {
    const next = part(at)
    parts.push(next)
    length += next.length
  }
  return Buffer.concat(parts)
}

function metric(name: string, kind: number, ...points: readonly Uint8Array[]): Buffer {
  return Buffer.concat([textField(1, name), field(kind, ...points)])
}

const sum = 7
const histogram = 9
const exponential = 10
const point = (...parts: readonly Uint8Array[]): Buffer => field(1, time, ...parts)
const counted = doubleField(4, 1)
const monotonic = varintField(3, 1)

const attacks: Record<string, () => Buffer> = {
  'histograms without buckets, as many as there are': () => {
    const one = point()
    return requestOf([
      metric(
        'many',
        histogram,
        many(() => one),
        delta
      ),
    ])
  },
  'one histogram of millions of bounds': () =>
    requestOf([metric('bounds', histogram, point(field(7, Buffer.alloc(largeBytes))), delta)]),
  'one exponential histogram of millions of buckets': () =>
    requestOf([metric('wide', exponential, point(field(8, field(2, Buffer.alloc(largeBytes)))), delta)]),
  'exponential histograms at the ends of the scale': () => {
    const far = point(field(8, varintField(1, 0xffffffff), field(2, Buffer.alloc(160, 1))))
    return requestOf([
      metric(
        'far',
        exponential,
        many(() => far),
        delta
      ),
    ])
  },
  'one point with a million exemplars': () => {
    const exemplar = field(5, doubleField(3, 1))
    return requestOf([
      metric(
        'exemplars',
        sum,
        point(
          counted,
          many(() => exemplar)
        ),
        delta,
        monotonic
      ),
    ])
  },
  'an exemplar whose trace id is the whole body': () =>
    requestOf([
      metric(
        'trace',
        sum,
        point(counted, field(5, doubleField(3, 1), field(5, Buffer.alloc(largeBytes)))),
        delta,
        monotonic
      ),
    ]),
  'scopes with attributes as long as they may be': () => {
    const pad = 'x'.repeat(4000)
    const attributes = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((key) => attribute(3, key, pad))
    const metrics = field(2, metric('scoped', sum, point(counted), delta, monotonic))
    const scopes = many((at) => field(2, field(1, textField(1, `scope ${at}`), ...attributes), metrics))
    return field(1, field(1), scopes)
  },
  'metrics with the longest names, units and descriptions': () => {
    const pad = 'y'.repeat(1000)
    const description = textField(2, 'd'.repeat(4096))
    const metrics = many((at) =>
      field(2, metric(`${at}${pad}`, sum, point(counted), delta, monotonic), description, textField(3, pad))
    )
    return field(1, field(1), field(2, metrics))
  },
  'the same attributes in another order each time': () => {
    const attributes = Array.from({ length: 8 }, (_, at) => attribute(7, `key${at}`, 'z'.repeat(4000)))
    const points = many((at) => {
      const order = attributes.toSorted(
        (a, b) => (((a[5] ?? 0) * (at + 7)) % 1009) - (((b[5] ?? 0) * (at + 7)) % 1009)
      )
      const turned = [...order.slice(at % 8), ...order.slice(0, at % 8)]
      const swapped = turned.map((each, place) => turned[(place * (1 + 2 * (at % 4))) % 8] ?? each)
      return point(counted, ...swapped, attribute(7, 'n', String(at % 3)))
    })
    return requestOf([metric('orders', sum, points, delta, monotonic)])
  },
  'an attribute that is the whole body, of a point, a resource, a scope': () => {
    const pad = attribute(7, 'pad', 'w'.repeat(largeBytes / 3))
    const ofResource = field(1, attribute(1, 'service.name', 'v'.repeat(largeBytes / 3)))
    const ofScope = field(1, attribute(3, 'pad', 'u'.repeat(largeBytes / 3)))
    return field(
      1,
      ofResource,
      field(2, ofScope, field(2, metric('pad', sum, point(counted, pad), delta, monotonic)))
    )
  },
  'attributes of very many parts': () => {
    const parts = many(() => attribute(7, 'k', 'v'))
    return requestOf([metric('parts', sum, point(counted, parts), delta, monotonic)])
  },
  'running totals of a sender each': () => {
    const cumulative = Buffer.concat([varintField(2, 2), monotonic])
    const senders = many((at) => {
      const started = fixedField(2, BigInt(at + 1))
      return field(2, metric('senders', sum, field(1, time, counted, started), cumulative))
    }, largeBytes / 4)
    return field(1, field(1), field(2, senders))
  },
}

function send(gateway: Gateway, body: Uint8Array, type = 'application/x-protobuf'): Promise<Answer> {
  return ask(gateway.urls.otlp, { method: 'POST', headers: { 'content-type': type }, body })
}

/** The highest that memory was, without what the held series need. */
async function above(gateway: Gateway): Promise<number> {
  const { series, limits } = await gateway.status()
  const held = series * bytesPerSeries + (limits['attributes_bytes_total']?.used ?? 0)
  return (await gateway.memory('VmHWM')) - held
}

test(
  'whatever a body holds, memory stays within its bound, and the next body counts',
  { timeout: 240_000 },
  async (t) => {
    const gateway = await startGateway()
    for (const [name, body] of Object.entries(attacks)) {
      const { status } = await send(gateway, body())
      assert.ok([200, 400, 413, 429].includes(status), `${name}: ${status}`)
      const bytes = await above(gateway)
      t.diagnostic(`${status}, ${Math.round(bytes / megabyte)} MiB: ${name}`)
      assert.ok(bytes < aboveBytesMax, `${name}: ${Math.round(bytes / megabyte)} MiB`)
    }
    const one = requestOf([metric('after', sum, point(counted), delta, monotonic)])
    assert.equal((await send(gateway, one)).status, 200)
  }
)

test(
  'so it does for JSON of numbers without end, and for a body in chunks of one byte',
  { timeout: 120_000 },
  async (t) => {
    const gateway = await startGateway()
    const numbers = '0,'.repeat(largeBytes / 16)
    const json = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"n","histogram":{"dataPoints":[{"bucketCounts":[${numbers}0]}]}}]}]}]}`
    assert.ok((await send(gateway, Buffer.from(json), 'application/json')).status < 500)
    const head =
      'POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n'
    const chunks = Buffer.from('1\r\nx\r\n'.repeat(100_000))
    let rounds = 0
    const { status } = await askRaw(gateway.ports.otlpHttp, head, () => {
      if (++rounds === 15) return Buffer.from('0\r\n\r\n')
      return rounds < 15 ? chunks : undefined
    })
    assert.equal(status, 200, 'fields that nobody knows are skipped')
    const bytes = await above(gateway)
    t.diagnostic(`${Math.round(bytes / megabyte)} MiB`)
    assert.ok(bytes < aboveBytesMax, `${Math.round(bytes / megabyte)} MiB`)
  }
)
