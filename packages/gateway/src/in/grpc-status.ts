import type { OutgoingHttpHeaders } from 'node:http2'
import { Writer } from '@swansong/otlp/wire'
import { refusals, type Refusal } from '../refusal.ts'

/**
 * UTF-16 units of a status' message. Percent-encoded, and once more in the details, it stays below the 8 KiB of trailers
 * that clients take (CONFORMANCE A5).
 */
const messageLengthMax = 600

/**
 * The trailers that say why nothing was counted: `grpc-status`, `grpc-message`, and `grpc-status-details-bin` with a
 * google.rpc.Status, which carries RetryInfo exactly where the sender should try again (CONFORMANCE A10, A11).
 */
export function refusalTrailers(refusal: Refusal, retrySeconds = 1): OutgoingHttpHeaders {
  const { grpc, again } = refusals[refusal.code]
  const message = refusal.message.slice(0, messageLengthMax).toWellFormed()
  const details = Buffer.from(encodeStatusDetails(grpc, message, again ? retrySeconds : undefined))
  return {
    'grpc-status': String(grpc),
    'grpc-message': percentEncoded(message),
    'grpc-status-details-bin': details.toString('base64'),
  }
}

/** A google.rpc.Status, by google/rpc/status.proto and error_details.proto. */
function encodeStatusDetails(code: number, message: string, retrySeconds: number | undefined): Uint8Array {
  const writer = new Writer(256)
  writer.uint(1, code)
  writer.string(2, message)
  if (retrySeconds !== undefined) {
    const any = writer.open(3)
    writer.string(1, 'type.googleapis.com/google.rpc.RetryInfo')
    const retryInfo = writer.open(2)
    const retryDelay = writer.open(1)
    writer.uint(1, retrySeconds)
    writer.close(retryDelay)
    writer.close(retryInfo)
    writer.close(any)
  }
  return writer.finish()
}

/** What gRPC over HTTP/2 has in `grpc-message`: printable ASCII, all else and `%` as UTF-8 in percents. */
function percentEncoded(message: string): string {
  return message.replaceAll(/[^\u0020-\u0024\u0026-\u007e]+/g, (piece) => encodeURIComponent(piece))
}
