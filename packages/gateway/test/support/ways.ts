import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import {
  decodeExportResponse,
  decodeStatus,
  encodeExportRequest,
  type Encoding,
  type ExportRequest,
} from '@swansong/otlp'
import type { TestGateway } from './gateways.ts'
import { grpcClient } from './grpc.ts'
import { eventually, put, spoolFile } from './spools.ts'

/** What was told of a request. `again`: that it should be tried again, and after how many seconds. */
export interface Told {
  code: number | 'taken' | 'rejected'
  rejected: number
  message: string
  again: number | undefined
}

export interface SendOptions {
  id?: string
  gzip?: boolean
}

/** How a request comes in. What is sent is a request, or bytes that are none. */
export interface Way {
  send: (request: ExportRequest | Uint8Array, options?: SendOptions) => Promise<Told>
}

/** What a way answers where it takes all, and where it refuses. */
export interface Answers {
  taken: Told['code']
  notOtlp: Told['code']
  tooLarge: Told['code']
  overloaded: Told['code']
  idReused: Told['code']
}

export interface WayIn {
  name: string
  open: (context: TestContext, gateway: TestGateway) => Way
  answers: Answers
  /** What it cannot do, and why. */
  cannot: Partial<Record<'answer' | 'gzip' | 'overload', string>>
}

const overHttp: Answers = { taken: 200, notOtlp: 400, tooLarge: 413, overloaded: 429, idReused: 422 }

export const waysIn: readonly WayIn[] = [
  {
    name: 'HTTP/protobuf',
    open: (_, { gateway }) => httpWay({ port: gateway.addresses.otlpHttp.port }, 'protobuf'),
    answers: overHttp,
    cannot: {},
  },
  {
    name: 'HTTP/JSON',
    open: (_, { gateway }) => httpWay({ port: gateway.addresses.otlpHttp.port }, 'json'),
    answers: overHttp,
    cannot: {},
  },
  {
    name: 'gRPC',
    open: (context, gateway) => grpcWay(context, gateway),
    answers: { taken: 0, notOtlp: 3, tooLarge: 8, overloaded: 14, idReused: 3 },
    cannot: {},
  },
  {
    name: 'a Unix socket',
    open: (_, { gateway }) =>
      httpWay({ socketPath: gateway.addresses.otlpSocket ?? 'there is none' }, 'protobuf'),
    answers: overHttp,
    cannot: {},
  },
  {
    name: 'the spool',
    open: (_, gateway) => spoolWay(gateway),
    answers: {
      taken: 'taken',
      notOtlp: 'rejected',
      tooLarge: 'rejected',
      overloaded: 'taken',
      idReused: 'rejected',
    },
    cannot: {
      answer: 'nobody waits for one: what is rejected is counted, and said in swansong_points_rejected_total',
      gzip: 'files are written as they are',
      overload: 'a file waits where it is until there is room',
    },
  },
]

interface Place {
  port?: number
  socketPath?: string
}

function httpWay(place: Place, encoding: Encoding): Way {
  const type = encoding === 'json' ? 'application/json' : 'application/x-protobuf'
  return {
    send: (request, { id, gzip = false } = {}) =>
      new Promise((resolve, reject) => {
        const plain = bytesOf(request, encoding)
        const body = gzip ? gzipSync(plain) : plain
        const headers = {
          'content-type': type,
          ...(gzip ? { 'content-encoding': 'gzip' } : {}),
          ...(id === undefined ? {} : { 'idempotency-key': id }),
          'content-length': body.length,
        }
        const options = { host: '127.0.0.1', path: '/v1/metrics', method: 'POST', headers, ...place }
        const sent = httpRequest({ ...options, agent: false }, (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('end', () => {
            const { statusCode = 0, headers: answered } = response
            const again = answered['retry-after']
            const told = readAnswer(statusCode, encoding, Buffer.concat(chunks))
            resolve({ ...told, again: again === undefined ? undefined : Number(again) })
          })
        })
        sent.on('error', reject)
        sent.end(body)
      }),
  }
}

function readAnswer(code: number, encoding: Encoding, body: Uint8Array): Omit<Told, 'again'> {
  if (code !== 200) return { code, rejected: 0, message: decodeStatus(encoding, body).message }
  const { rejectedDataPoints: rejected, errorMessage: message } = decodeExportResponse(encoding, body)
  return { code, rejected, message }
}

function grpcWay(context: TestContext, gateway: TestGateway): Way {
  const client = grpcClient(context, gateway.grpcPort)
  return {
    async send(request, { id, gzip = false } = {}) {
      const metadata = id === undefined ? {} : { 'idempotency-key': id }
      const called = await client.call(bytesOf(request, 'protobuf'), { gzip, metadata })
      const { rejectedDataPoints = 0, errorMessage = called.message } = called.response ?? {}
      const again = called.details?.retrySeconds
      return { code: called.code, rejected: rejectedDataPoints, message: errorMessage, again }
    },
  }
}

function spoolWay({ spoolDir }: TestGateway): Way {
  return {
    async send(request, { id = randomUUID() } = {}) {
      const name = `${id}.batch`
      const header = { kind: 'batch', ended: true, sequence: 0 } as const
      put(spoolDir, name, spoolFile(bytesOf(request, 'protobuf'), header))
      await eventually(() => {
        if (existsSync(join(spoolDir, name))) throw new Error(`${name} is still there`)
      })
      const reason = join(spoolDir, 'rejected', `${name}.reason`)
      const isRejected = existsSync(reason)
      const message = isRejected ? readFileSync(reason, 'utf8') : ''
      return { code: isRejected ? 'rejected' : 'taken', rejected: 0, message, again: undefined }
    },
  }
}

function bytesOf(request: ExportRequest | Uint8Array, encoding: Encoding): Uint8Array {
  if (request instanceof Uint8Array) return request
  if (encoding === 'protobuf') return encodeExportRequest(request)
  // OTLP/JSON has the names of our requests, and 64-bit integers as strings.
  const text = JSON.stringify(request, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value
  )
  return Buffer.from(text)
}
