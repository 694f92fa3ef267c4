import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { request } from 'node:http'
import {
  encodeExportRequest,
  type HistogramDataPoint,
  type Metric,
  type NumberDataPoint,
} from '@swansong/otlp'

/** What one worker has counted: amounts by series, of a counter or a histogram that is called so. */
export interface Counted {
  metric: string
  kind: 'counter' | 'histogram'
  amounts: readonly number[]
  /** Of the worker itself, where it says which one it is. */
  instance?: string
  startMs: number
  endMs: number
}

/** A way to hand over what was counted; it answers when the peer has said that it took it. */
export type Send = (counted: Counted) => Promise<void>

/** OTLP/HTTP, deltas under one shared identity, on a connection of its own, as a process has it. */
export function otlp(url: string): Send {
  return (counted) => posted(url, 'application/x-protobuf', otlpBody(counted), false)
}

/** The same, and nothing of the answer is read: so it is sent again. */
export function otlpUnanswered(url: string): Send {
  return (counted) => posted(url, 'application/x-protobuf', otlpBody(counted), true)
}

/** Pushgateway: all in one group, as each worker knows no other name of its own. */
export function pushgateway(url: string): Send {
  return (counted) => {
    const text = counted.amounts.map((amount, at) => `${counted.metric}_total{series="${at}"} ${amount}\n`)
    return posted(`${url}/metrics/job/arrives`, 'text/plain', Buffer.from(text.join('')), false)
  }
}

/** StatsD over UDP: nobody answers. */
export function statsd(port: number): Send {
  return async ({ metric, amounts }) => {
    const socket = createSocket('udp4')
    for (const [at, amount] of amounts.entries()) {
      await new Promise((resolve) =>
        socket.send(`${metric}_total:${amount}|c|#series:${at}`, port, '127.0.0.1', resolve)
      )
    }
    socket.close()
    await once(socket, 'close')
  }
}

function otlpBody({ metric, kind, amounts, instance, startMs, endMs }: Counted): Uint8Array {
  const attributes = [{ key: 'service.name', value: { stringValue: 'arrives' } }]
  if (instance !== undefined)
    attributes.push({ key: 'service.instance.id', value: { stringValue: instance } })
  const times = { startTimeUnixNano: nanos(startMs), timeUnixNano: nanos(endMs) }
  const points = amounts.map((amount, at) => {
    return { attributes: [{ key: 'series', value: { stringValue: String(at) } }], ...times, amount }
  })
  const dataPoints = points.map(({ amount, ...point }) => ({ ...point, asInt: amount }))
  const metrics: Metric[] =
    kind === 'counter'
      ? [{ name: metric, sum: { dataPoints, aggregationTemporality: 1, isMonotonic: true } }]
      : [{ name: metric, histogram: { dataPoints: points.map(histogramPoint), aggregationTemporality: 1 } }]
  return encodeExportRequest({
    resourceMetrics: [{ resource: { attributes }, scopeMetrics: [{ scope: { name: 'arrives' }, metrics }] }],
  })
}

/** So many observations of 1. */
function histogramPoint({ amount, ...point }: NumberDataPoint & { amount: number }): HistogramDataPoint {
  return {
    ...point,
    count: amount,
    sum: amount,
    explicitBounds: [0.5, 5, 50],
    bucketCounts: [0, amount, 0, 0],
  }
}

function nanos(unixMs: number): bigint {
  return BigInt(Math.round(unixMs * 1000)) * 1000n
}

function posted(url: string, type: string, body: Uint8Array, isAnswerLost: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': type, 'content-length': body.length }
    const sent = request(url, { method: 'POST', headers, agent: false }, (response) => {
      if (isAnswerLost) {
        response.socket.resetAndDestroy() // As by a sender that died, or a network that did.
        return resolve()
      }
      let said = ''
      response.setEncoding('utf8').on('data', (text: string) => (said += text))
      response.on('end', () => {
        if ((response.statusCode ?? 500) < 300) resolve()
        else reject(new Error(`${url} answered ${response.statusCode}: ${said.slice(0, 200)}`))
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
