import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeExportResponse,
  decodeStatus,
  encodeExportResponse,
  encodeStatus,
  messageLengthMax,
  OtlpError,
  type Encoding,
} from '@swansong/otlp'

const encodings: Encoding[] = ['protobuf', 'json']

test('full success is an empty message', () => {
  assert.equal(encodeExportResponse('protobuf', 0, '').length, 0)
  assert.equal(text(encodeExportResponse('json', 0, '')), '{}')
  for (const encoding of encodings) {
    const full = encodeExportResponse(encoding, 0, '')
    assert.deepEqual(decodeExportResponse(encoding, full), { rejectedDataPoints: 0, errorMessage: '' })
  }
})

test('partial success and warnings come back as they were given', () => {
  for (const encoding of encodings) {
    for (const [rejectedDataPoints, errorMessage] of [
      [3, 'größer als erlaubt'],
      [0, 'a warning'],
      [2 ** 40, ''],
    ] as const) {
      const bytes = encodeExportResponse(encoding, rejectedDataPoints, errorMessage)
      assert.deepEqual(decodeExportResponse(encoding, bytes), { rejectedDataPoints, errorMessage })
    }
  }
})

test('responses are byte for byte what the protocol shows', () => {
  assert.deepEqual([...encodeExportResponse('protobuf', 3, 'no')], [0x0a, 6, 0x08, 3, 0x12, 2, 0x6e, 0x6f])
  assert.equal(
    text(encodeExportResponse('json', 3, 'no')),
    '{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"no"}}'
  )
  assert.deepEqual([...encodeStatus('protobuf', 3, 'no')], [0x08, 3, 0x12, 2, 0x6e, 0x6f])
  assert.equal(text(encodeStatus('json', 3, 'no')), '{"code":3,"message":"no"}')
})

test('a status comes back as it was given', () => {
  for (const encoding of encodings) {
    const bytes = encodeStatus(encoding, 14, 'the store is behind')
    assert.deepEqual(decodeStatus(encoding, bytes), { code: 14, message: 'the store is behind' })
  }
})

test('a message is cut where it would make the response large', () => {
  for (const encoding of encodings) {
    const bytes = encodeExportResponse(encoding, 1, 'é'.repeat(1_000_000))
    const { errorMessage } = decodeExportResponse(encoding, bytes)
    assert.equal(errorMessage, `${'é'.repeat(messageLengthMax - 1)}…`)
    assert.equal(
      decodeStatus(encoding, encodeStatus(encoding, 3, 'x'.repeat(9999))).message.length,
      messageLengthMax
    )
  }
})

test('JSON responses of other receivers are read: numbers bare, fields absent or null', () => {
  function check(json: string, rejectedDataPoints: number, errorMessage: string): void {
    const bytes = new TextEncoder().encode(json)
    assert.deepEqual(decodeExportResponse('json', bytes), { rejectedDataPoints, errorMessage })
  }
  check('{"partialSuccess":{"rejectedDataPoints":7}}', 7, '')
  check('{"partialSuccess":null}', 0, '')
  check('{"partialSuccess":{"errorMessage":"w"},"more":1}', 0, 'w')
})

test('what is no response is refused', () => {
  function check(encoding: Encoding, body: Uint8Array): void {
    assert.throws(() => decodeExportResponse(encoding, body), OtlpError)
    assert.throws(() => decodeStatus(encoding, body), OtlpError)
  }
  check('json', new TextEncoder().encode('<html>502 Bad Gateway</html>'))
  check('json', new TextEncoder().encode('[1]'))
  check('json', Uint8Array.of(0x22, 0xff, 0x22))
  check('protobuf', Uint8Array.of(0x0a, 5, 1))
})

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
