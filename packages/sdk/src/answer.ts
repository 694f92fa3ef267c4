import { decodeExportResponse, decodeStatus, type ExportResponse } from '@swansong/otlp'

/*
 * What a gateway says beside a status. Seldom anything: so this file, and the decoder behind it, are loaded when there is
 * something to read.
 */

/** Throws OtlpError for bytes that are no OTLP. */
export function readPartialSuccess(body: Uint8Array): ExportResponse {
  return decodeExportResponse('protobuf', body)
}

/** The reason of a refusal, to be put behind its status; empty where there is none that can be read. */
export function readRefusal(body: Uint8Array): string {
  try {
    const { message } = decodeStatus('protobuf', body)
    return message === '' ? '' : `: ${message}`
  } catch {
    return '' // Of something on the way, in a form of its own.
  }
}
