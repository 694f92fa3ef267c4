import { isRecord } from './encode.ts'
import { OtlpError } from './error.ts'
import { readNumber } from './scalars.ts'
import { readString } from './text.ts'
import { Reader } from './wire/reader.ts'
import { Writer } from './wire/writer.ts'

/** `application/x-protobuf` or `application/json`; an answer has the encoding of its request. */
export type Encoding = 'protobuf' | 'json'

/** What an ExportMetricsServiceResponse says. Full success is 0 and an empty message; 0 with one is a warning. */
export interface ExportResponse {
  rejectedDataPoints: number
  errorMessage: string
}

/** A google.rpc.Status without its details: the body of every 4xx and 5xx. `code` is gRPC's. */
export interface Status {
  code: number
  message: string
}

/** Longer messages are cut, so that a response stays small whatever was sent: UTF-16 units. */
export const messageLengthMax = 2000

// ExportMetricsServiceResponse and ExportMetricsPartialSuccess, by metrics_service.proto: field << 3 | wire type.
const partialSuccessTag = (1 << 3) | 2
const rejectedDataPointsTag = 1 << 3
const errorMessageTag = (2 << 3) | 2
// Status, by google/rpc/status.proto
const codeTag = 1 << 3
const messageTag = (2 << 3) | 2

/** An ExportMetricsServiceResponse: with nothing to say, an empty message. */
export function encodeExportResponse(encoding: Encoding, rejected: number, message: string): Uint8Array {
  const errorMessage = cut(message)
  if (encoding === 'json') {
    if (rejected === 0 && errorMessage === '') return jsonBytes({})
    return jsonBytes({ partialSuccess: { rejectedDataPoints: String(rejected), errorMessage } })
  }
  const writer = new Writer(64)
  if (rejected === 0 && errorMessage === '') return writer.finish()
  const partialSuccess = writer.open(1)
  if (rejected !== 0) writer.int64(1, rejected)
  if (errorMessage !== '') writer.string(2, errorMessage)
  writer.close(partialSuccess)
  return writer.finish()
}

export function encodeStatus(encoding: Encoding, code: number, message: string): Uint8Array {
  if (encoding === 'json') return jsonBytes({ code, message: cut(message) })
  const writer = new Writer(64)
  if (code !== 0) writer.int64(1, code)
  if (message !== '') writer.string(2, cut(message))
  return writer.finish()
}

/** Throws OtlpError for bytes that are none. */
export function decodeExportResponse(encoding: Encoding, bytes: Uint8Array): ExportResponse {
  if (encoding === 'json') {
    const said = jsonRecord(parseJson(bytes))['partialSuccess'] ?? {}
    const { rejectedDataPoints, errorMessage } = jsonRecord(said)
    return { rejectedDataPoints: jsonInteger(rejectedDataPoints), errorMessage: jsonString(errorMessage) }
  }
  const response: ExportResponse = { rejectedDataPoints: 0, errorMessage: '' }
  const reader = new Reader(bytes)
  while (reader.at < bytes.length) {
    const tag = reader.tag()
    if (tag === partialSuccessTag) {
      reader.end = reader.lengthEnd()
      readPartialSuccess(reader, response)
      reader.end = bytes.length
    } else reader.skip(tag)
  }
  return response
}

/** Throws OtlpError for bytes that are none: an answer of something else on the way, say. */
export function decodeStatus(encoding: Encoding, bytes: Uint8Array): Status {
  if (encoding === 'json') {
    const { code, message } = jsonRecord(parseJson(bytes))
    return { code: jsonInteger(code), message: jsonString(message) }
  }
  const status: Status = { code: 0, message: '' }
  const reader = new Reader(bytes)
  while (reader.at < bytes.length) {
    const tag = reader.tag()
    if (tag === codeTag) status.code = reader.varint()
    else if (tag === messageTag) status.message = takeString(reader)
    else reader.skip(tag)
  }
  return status
}

function readPartialSuccess(reader: Reader, response: ExportResponse): void {
  while (reader.at < reader.end) {
    const tag = reader.tag()
    if (tag === rejectedDataPointsTag) response.rejectedDataPoints = reader.varint()
    else if (tag === errorMessageTag) response.errorMessage = takeString(reader)
    else reader.skip(tag)
  }
}

function takeString(reader: Reader): string {
  const end = reader.lengthEnd()
  const text = readString(reader.bytes, reader.at, end)
  reader.at = end
  return text
}

function cut(message: string): string {
  return message.length <= messageLengthMax ? message : `${message.slice(0, messageLengthMax - 1)}…`
}

function parseJson(bytes: Uint8Array): unknown {
  const text = readString(bytes)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new OtlpError('NOT_JSON', 0, 'a response is not JSON', { cause })
  }
}

function jsonBytes(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

function jsonRecord(value: unknown): Record<string, unknown> {
  if (!isRecord(value)) throw new OtlpError('BAD_JSON_FIELD', 0, 'a response is not an object')
  return value
}

function jsonInteger(value: unknown): number {
  const integer = readNumber('int64', value ?? 0)
  if (integer === undefined) throw new OtlpError('BAD_JSON_FIELD', 0, 'a count or code is not an integer')
  return Number(integer)
}

function jsonString(value: unknown): string {
  const text = value ?? ''
  if (typeof text !== 'string') throw new OtlpError('BAD_JSON_FIELD', 0, 'a message is not a string')
  return text
}
