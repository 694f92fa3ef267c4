import type { TestContext } from 'node:test'
import {
  Client,
  credentials,
  Metadata,
  type ChannelCredentials,
  type ClientOptions,
  type ServiceError,
} from '@grpc/grpc-js'
import { decodeExportResponse, readString, type ExportResponse } from '@swansong/otlp'
import { Reader } from '@swansong/otlp/wire'

export const exportPath = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'

/** What a call was answered with: `code` 0 is OK. */
export interface Called {
  code: number
  message: string
  response: ExportResponse | undefined
  metadata: Metadata
  /** Of google.rpc.Status in `grpc-status-details-bin`, where there is one. */
  details: { code: number; message: string; retrySeconds: number | undefined } | undefined
}

export interface CallOptions {
  metadata?: Record<string, string>
  gzip?: boolean
  path?: string
  deadlineMs?: number
}

export interface GrpcClient {
  call(body: Uint8Array, options?: CallOptions): Promise<Called>
  close(): void
}

/** The stock client of gRPC, with a channel of its own. Closed after the test. */
export function grpcClient(
  context: TestContext,
  port: number,
  as: ChannelCredentials = credentials.createInsecure(),
  more: ClientOptions = {}
): GrpcClient {
  // Without a limit of its own, and without the proxy or the shared channels of this process.
  const options = {
    'grpc.max_send_message_length': -1,
    'grpc.enable_http_proxy': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    ...more,
  }
  const plain = new Client(`127.0.0.1:${port}`, as, options)
  const zipped = new Client(`127.0.0.1:${port}`, as, {
    ...options,
    'grpc.default_compression_algorithm': 2,
  })
  const close = (): void => {
    plain.close()
    zipped.close()
  }
  context.after(close)
  const call = (body: Uint8Array, how: CallOptions = {}): Promise<Called> => {
    const { metadata = {}, gzip = false, path = exportPath, deadlineMs = 20_000 } = how
    return callOnce(gzip ? zipped : plain, path, body, metadata, deadlineMs)
  }
  return { call, close }
}

function callOnce(
  client: Client,
  path: string,
  body: Uint8Array,
  headers: Record<string, string>,
  deadlineMs: number
): Promise<Called> {
  const metadata = new Metadata()
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value)
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => decodeExportResponse('protobuf', bytes),
      body,
      metadata,
      { deadline: Date.now() + deadlineMs },
      (error: ServiceError | null, response?: ExportResponse) => {
        const trailers = error?.metadata ?? new Metadata()
        resolve({
          code: error?.code ?? 0,
          message: error?.details ?? '',
          response,
          metadata: trailers,
          details: readDetails(trailers.get('grpc-status-details-bin')[0]),
        })
      }
    )
  })
}

// google.rpc.Status, Any, RetryInfo and Duration: field << 3 | wire type.
const varint1 = 1 << 3
const message1 = (1 << 3) | 2
const message2 = (2 << 3) | 2
const message3 = (3 << 3) | 2

function readDetails(bytes: string | Buffer | undefined): Called['details'] {
  if (!(bytes instanceof Uint8Array)) return undefined
  const status: NonNullable<Called['details']> = { code: 0, message: '', retrySeconds: undefined }
  let type = ''
  eachField(bytes, {
    [varint1]: (reader) => (status.code = reader.varint()),
    [message2]: (reader) => (status.message = readString(piece(reader))),
    [message3]: (details) =>
      eachField(piece(details), {
        [message1]: (any) => (type = readString(piece(any))),
        [message2]: (any) =>
          eachField(piece(any), {
            [message1]: (retry) =>
              eachField(piece(retry), { [varint1]: (delay) => (status.retrySeconds = delay.varint()) }),
          }),
      }),
  })
  if (status.retrySeconds !== undefined && type !== 'type.googleapis.com/google.rpc.RetryInfo')
    throw new Error(`RetryInfo under ${type}`)
  return status
}

function eachField(bytes: Uint8Array, fields: Record<number, (reader: Reader) => unknown>): void {
  const reader = new Reader(bytes)
  while (reader.at < bytes.length) {
    const tag = reader.tag()
    const read = fields[tag]
    if (read === undefined) throw new Error(`an unknown field: tag ${tag}`)
    read(reader)
  }
}

function piece(reader: Reader): Uint8Array {
  const end = reader.lengthEnd()
  const bytes = reader.bytes.slice(reader.at, end)
  reader.at = end
  return bytes
}
