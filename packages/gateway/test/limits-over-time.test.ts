import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { Metric } from '@swansong/otlp'
import type { Limits } from '../src/config/config.ts'
import { Intake } from '../src/in/intake.ts'
import { startGateway } from './support/gateways.ts'
import { post, second, sum, time, worker, labels } from './support/kinds.ts'
import { committed, open, shown, type Opened } from './support/ledgers.ts'
import { SimStore } from './support/sim-store.ts'
import { eventually } from './support/spools.ts'

/* Limits of which the effect is seen in time, or in what is drawn: below them, at them, and above. */

/** A ledger, with a sender of `metric` and then silence for so long; or for so long and, after more was told, again. */
async function silentFor(
  limits: Partial<Limits>,
  metric: Metric,
  ...silences: readonly number[]
): Promise<Opened> {
  let now = 0
  const opened = open(new SimStore(), { clock: () => now, limits })
  for (const [at, silence] of silences.entries()) {
    const told = at === 0 ? metric : sum({ asDouble: 4, timeUnixNano: time + second })
    await post(opened, [told], worker('a'))
    now += silence
    opened.ledger.tick()
    await committed()
  }
  return opened
}

test('writerSilenceMs: a sender that is silent for less holds its level, for as long it holds nothing', async () => {
  const check = async (want: number, ...silences: readonly number[]): Promise<void> => {
    const opened = await silentFor({ writerSilenceMs: 70_000 }, sum({ asDouble: 3 }), ...silences)
    assert.equal(shown(opened).get(`active{${labels}}`), want, silences.join())
  }
  await check(3, 69_999)
  await check(0, 70_000)
  await check(0, 70_001)
  await check(4, 69_999, 69_999)
  await check(0, 69_999, 70_000)
})

test('writerForgetMs: one that is silent for less is remembered, for as long it is forgotten', async () => {
  const check = async (want: number, silence: number): Promise<void> => {
    const limits = { writerSilenceMs: 10_000, writerForgetMs: 90_000 }
    const opened = await silentFor(limits, sum({ asDouble: 3 }, 2, true, 'jobs'), silence)
    assert.equal(opened.stats.senders, want, `${silence} ms`)
    await post(opened, [sum({ asDouble: 5, timeUnixNano: time + second }, 2, true, 'jobs')], worker('a'))
    assert.equal(shown(opened).get(`jobs_total{${labels}}`), want === 0 ? 3 : 5, 'it begins at what it has')
  }
  await check(1, 89_999)
  await check(0, 90_000)
  await check(0, 90_001)
})

test('retryAfterSecondsMax: where very many are refused they are spread as far, and no farther', () => {
  const limits = { bytesInFlightMax: 1, retryAfterSecondsMax: 4 }
  const { retryAfter } = new Intake(limits)
  const drawn = (): Set<number> => new Set(Array.from({ length: 5000 }, () => retryAfter.next()))
  drawn()
  assert.deepEqual(drawn(), new Set([1, 2, 3, 4]))
  limits.retryAfterSecondsMax = 1
  assert.deepEqual(drawn(), new Set([1]))
})

test('keepAliveMs: an idle connection is told of it, and closed after it', async (context) => {
  const gateway = await startGateway(context, { limits: { keepAliveMs: 2000 } })
  const socket = connected(context, gateway.gateway.addresses.otlpHttp.port)
  let text = ''
  let answeredAt = 0
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece
    answeredAt = performance.now()
  })
  const closed = new Promise<number>((resolve) => socket.on('close', () => resolve(performance.now())))
  socket.write('GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n')
  const closedAt = await closed
  assert.match(text, /^HTTP\/1.1 404 [\s\S]*\r\nkeep-alive: timeout=2\r\n/i)
  assert.ok(closedAt - answeredAt >= 1900, 'not before')
})

test('descriptorReserveCount: connections take what it leaves of the descriptors, and no more', async (context) => {
  const all = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
  const room = 3
  const gateway = await startGateway(context, { limits: { descriptorReserveCount: all - room, stopMs: 500 } })
  const { port } = gateway.gateway.addresses.otlpHttp
  const sockets = Array.from({ length: room }, () => connected(context, port))
  const shownOpen = async (): Promise<number> =>
    (await gateway.scrape()).get('swansong_connections{door="otlp-http"}') ?? 0
  await eventually(async () => assert.equal(await shownOpen(), room))
  const further = connected(context, port)
  await new Promise<void>((resolve) => further.on('close', () => resolve()))
  assert.equal((await gateway.scrape()).get('swansong_connections_rejected_total{door="otlp-http"}'), 1)
  assert.ok(sockets.every((socket) => !socket.destroyed))
})

function connected(context: TestContext, port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  context.after(() => socket.destroy())
  return socket
}
