import { Reader } from '@swansong/otlp/wire'

// ExportMetricsServiceResponse and ExportMetricsPartialSuccess, by metrics_service.proto; message is google.rpc.Status'.
const partialSuccessTag = (1 << 3) | 2
const rejectedDataPointsTag = 1 << 3
const messageTag = (2 << 3) | 2

/** What a receiver says of a batch that it took. */
export interface PartialSuccess {
  rejectedDataPoints: number
  errorMessage: string
}

/** Throws OtlpError for bytes that are no OTLP. */
export function readPartialSuccess(body: Uint8Array): PartialSuccess {
  const success: PartialSuccess = { rejectedDataPoints: 0, errorMessage: '' }
  const reader = new Reader(body)
  while (reader.at < body.length) {
    const tag = reader.tag()
    if (tag !== partialSuccessTag) {
      reader.skip(tag)
      continue
    }
    reader.end = reader.lengthEnd()
    while (reader.at < reader.end) {
      const inner = reader.tag()
      if (inner === rejectedDataPointsTag) success.rejectedDataPoints = reader.varint()
      else if (inner === messageTag) success.errorMessage = readText(reader)
      else reader.skip(inner)
    }
    reader.end = body.length
  }
  return success
}

/** The reason of a refusal, to be put behind its status; empty where there is none that can be read. */
export function readRefusal(body: Uint8Array): string {
  try {
    const reader = new Reader(body)
    while (reader.at < body.length) {
      const tag = reader.tag()
      if (tag === messageTag) return `: ${readText(reader)}`
      reader.skip(tag)
    }
  } catch {
    // Of something on the way, in a form of its own.
  }
  return ''
}

function readText(reader: Reader): string {
  const end = reader.lengthEnd()
  const text = Buffer.from(reader.bytes.subarray(reader.at, end)).toString('utf8')
  reader.at = end
  return text
}
