import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { Phase } from './collection.ts'

/*
 * A file of a queue: `SWRW` and the format, then for each request 24 bytes (length, CRC-32 of the body, phase, version of
 * remote write, two bytes of nothing, samples, histograms, exemplars; little-endian) and its body, compressed.
 */
export const fileHead: Uint8Array = new Uint8Array([0x53, 0x57, 0x52, 0x57, 1, 0, 0, 0])
const recordHeadBytes = 24
const phases: readonly Phase[] = ['ended', 'zeros', 'values']

export type ProtocolVersion = 1 | 2

/** A request as it is queued. */
export interface QueuedRequest {
  phase: Phase
  version: ProtocolVersion
  samples: number
  histograms: number
  exemplars: number
  /** Compressed. */
  body: Uint8Array
}

export function recordOf(request: QueuedRequest): Uint8Array {
  const record = new Uint8Array(recordHeadBytes + request.body.length)
  const view = new DataView(record.buffer)
  view.setUint32(0, request.body.length, true)
  view.setUint32(4, crc32(request.body), true)
  view.setUint8(8, phases.indexOf(request.phase))
  view.setUint8(9, request.version)
  view.setUint32(12, request.samples, true)
  view.setUint32(16, request.histograms, true)
  view.setUint32(20, request.exemplars, true)
  record.set(request.body, recordHeadBytes)
  return record
}

export interface ReadRequest extends QueuedRequest {
  /** Where the next one begins. */
  end: number
}

/** The request that begins at `at`; undefined at the end, `damaged` where what is there is none. */
export async function readRecord(file: FileHandle, at: number): Promise<ReadRequest | 'damaged' | undefined> {
  const head = new Uint8Array(recordHeadBytes)
  const { bytesRead } = await file.read(head, 0, recordHeadBytes, at)
  if (bytesRead === 0) return undefined
  if (bytesRead < recordHeadBytes) return 'damaged'
  const view = new DataView(head.buffer)
  const length = view.getUint32(0, true)
  const phase = phases[view.getUint8(8)]
  const version = view.getUint8(9)
  if (phase === undefined || (version !== 1 && version !== 2) || length > bodyBytesMax) return 'damaged'
  const body = new Uint8Array(length)
  const read = await file.read(body, 0, length, at + recordHeadBytes)
  if (read.bytesRead < length || crc32(body) !== view.getUint32(4, true)) return 'damaged'
  return {
    phase,
    version,
    samples: view.getUint32(12, true),
    histograms: view.getUint32(16, true),
    exemplars: view.getUint32(20, true),
    body,
    end: at + recordHeadBytes + length,
  }
}

/** No request is as long: a length beyond is damage. */
const bodyBytesMax: number = 64 * 1024 * 1024
