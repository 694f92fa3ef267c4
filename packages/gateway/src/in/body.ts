import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { crc32, gunzip, gunzipSync } from 'node:zlib'
import { release } from '@swansong/otlp/wire'
import type { BatchKey } from '../ledger/dedup.ts'
import { Refusal } from '../refusal.ts'
import type { Hold, Intake } from './intake.ts'
import { Pieces } from './pieces.ts'

/** Bodies of up to this many bytes are inflated at once, in this thread: cheaper than handing them to another. */
const inflateHereBytesMax = 16 * 1024
/** They are inflated into one piece of memory, of the size that they tell at their end, within these bounds. */
const inflatedBytesMin = 1024
const inflatedTimesMax = 1032
const zlibPieceBytesMin = 64

export interface BodyLimits {
  bodyBytesMax: number
  bodyBytesInflatedMax: number
}

/** Told once: the inflated body, to be released by who is told, and how many bytes were received. */
export type OnBody = (refusal: Refusal | undefined, body: Uint8Array, receivedBytes: number) => void

const batchIdCharactersMax = 256
const dash = 0x2d
const nothing = new Uint8Array(0)

/**
 * Reads a request's body, inflated, within its limits (CONFORMANCE A3, A4). A length over the limit, or for which there is
 * no room, is refused before anything is read. Nothing is told of a request that breaks off.
 */
export function readBody(
  request: IncomingMessage,
  gzip: boolean,
  intake: Intake,
  limits: BodyLimits,
  hold: Hold,
  onBody: OnBody
): void {
  const length = Number(request.headers['content-length'] ?? 0) // 0 also where it comes in chunks.
  if (length > limits.bodyBytesMax) throw tooLarge(length, limits.bodyBytesMax)
  intake.requireRoomFor(request.headers['transfer-encoding'] === undefined ? length : 1)
  const pieces = new Pieces(length)
  let received = 0
  let isOver = false
  request.on('data', (chunk: Buffer) => {
    if (isOver) return
    received += chunk.length
    try {
      if (received > limits.bodyBytesMax) throw tooLarge(received, limits.bodyBytesMax)
      hold.take(chunk.length) // As it comes: what is announced, and then not sent, must not keep others out.
      pieces.add(chunk)
    } catch (error) {
      isOver = true
      pieces.clear()
      hold.release()
      onBody(error as Refusal, nothing, received)
    }
  })
  request.on('end', () => {
    if (isOver) return
    isOver = true
    if (gzip) inflate(pieces.bytes, intake, limits, hold, onBody)
    else onBody(undefined, pieces.bytes, received)
  })
  request.on('close', () => {
    if (!isOver) pieces.clear()
  })
}

/** A batch's own id, from the header `idempotency-key`: undefined where there is none. Throws BAD_BATCH_ID. */
export function batchIdOf(id: string | string[] | undefined): string | undefined {
  if (id === undefined) return undefined
  if (typeof id === 'string' && id !== '' && id.length <= batchIdCharactersMax) return id
  throw new Refusal('BAD_BATCH_ID', `an Idempotency-Key has 1 to ${batchIdCharactersMax} characters`)
}

/** SHA-256, 32 bytes: what tells one body from another. */
export function digestOf(body: Uint8Array | string): Uint8Array {
  return hash('sha256', body, 'buffer')
}

/**
 * The key of a batch that has an id of its own. Another body under one id is a mistake, not an attack: its checksum and
 * length tell it apart, at a fraction of the cost of a second SHA-256.
 */
export function batchKey(batchId: string, body: Uint8Array): BatchKey {
  const digest = Buffer.allocUnsafe(8)
  digest.writeUInt32LE(crc32(body), 0)
  digest.writeUInt32LE(body.length, 4)
  return { id: uuidBytes(batchId) ?? digestOf(`batch ${batchId}`), digest }
}

/** The 16 bytes of a UUID in lower case, as our SDK draws them: as good an id as its digest, and read in a tenth. */
function uuidBytes(text: string): Uint8Array | undefined {
  if (text.length !== 36) return undefined
  const bytes = new Uint8Array(16)
  let nibbles = 0
  for (let at = 0; at < 36; at++) {
    const code = text.charCodeAt(at)
    if (at === 8 || at === 13 || at === 18 || at === 23) {
      if (code !== dash) return undefined
      continue
    }
    const nibble =
      code >= 0x30 && code <= 0x39 ? code - 0x30 : code >= 0x61 && code <= 0x66 ? code - 0x57 : -1
    if (nibble < 0) return undefined
    const byte = nibbles++ >> 1
    bytes[byte] = ((bytes[byte] as number) << 4) | nibble
  }
  return bytes
}

/** Inflates what is gzipped, and releases it: small bodies at once, large ones elsewhere and one at a time. */
export function inflate(body: Buffer, intake: Intake, limits: BodyLimits, hold: Hold, onBody: OnBody): void {
  const max = limits.bodyBytesInflatedMax
  const options = { maxOutputLength: max, chunkSize: inflatedSizeOf(body, max) }
  const received = body.length
  const told = (error: Error | null, inflated: Uint8Array): void => {
    release(body)
    if (error !== null) return onBody(notInflated(error, limits), nothing, received)
    try {
      hold.take(inflated.length)
    } catch (refusal) {
      release(inflated)
      return onBody(refusal as Refusal, nothing, received)
    }
    hold.give(received)
    onBody(undefined, inflated, received)
  }
  if (received > inflateHereBytesMax) {
    intake.alone((done) => {
      gunzip(body, options, (error, inflated) => {
        told(error, inflated)
        done()
      })
    })
    return
  }
  let inflated: Buffer
  try {
    inflated = gunzipSync(body, options)
  } catch (error) {
    return told(error as Error, nothing)
  }
  told(null, inflated)
}

/**
 * What a body says of its size once it is inflated, in its last four bytes, and one more: zlib looks for more where its
 * piece is full. Where that is not true, or there are several members, the rest comes in further pieces of this size.
 */
function inflatedSizeOf(body: Buffer, max: number): number {
  const told = body.length < 18 ? 0 : body.readUInt32LE(body.length - 4)
  const least = Math.max(inflatedBytesMin, body.length * 2)
  const wanted = Math.max(least, Math.min(told, body.length * inflatedTimesMax))
  return Math.max(zlibPieceBytesMin, Math.min(max, wanted) + 1)
}

function notInflated(error: Error, limits: BodyLimits): Refusal {
  if ('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') {
    const max = limits.bodyBytesInflatedMax
    return new Refusal(
      'BODY_TOO_LARGE',
      `the body inflates to more than the limit of ${max} bytes; send smaller batches`
    )
  }
  return new Refusal('NOT_GZIP', `Content-Encoding is gzip, but the body is not: ${error.message}`, {
    cause: error,
  })
}

export function tooLarge(length: number, max: number): Refusal {
  return new Refusal(
    'BODY_TOO_LARGE',
    `a body of ${length} bytes is over the limit of ${max}; send smaller batches`
  )
}
