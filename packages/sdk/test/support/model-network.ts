import { encodeExportResponse } from '@swansong/otlp'
import type { Exchange } from '../../src/post/http.ts'
import type { Answer, Reply } from '../../src/post/reply.ts'
import type { Outside } from '../../src/post/send.ts'
import type { ModelGateway } from './model-gateway.ts'

export const fates = [
  'answered',
  'answered late',
  'refused connection',
  'request lost',
  'answer lost',
  'hangs',
  'counts and hangs',
  'busy',
  'unavailable',
  'final refusal',
  'partial',
] as const

/** What becomes of one request. */
export type Fate = (typeof fates)[number]

const lateMs = 400

interface Timer {
  at: number
  run: () => void
  unref: () => Timer
}

/** Milliseconds that pass when they are told to, and what was to happen meanwhile. */
export class ModelTime {
  nowMs = 0
  #timers = new Set<Timer>()

  /** In place of Node's own. */
  setTimeout(run: () => void, ms = 0): Timer {
    const timer: Timer = { at: this.nowMs + Math.max(1, ms), run, unref: () => timer }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(timer: Timer): void {
    this.#timers.delete(timer)
  }

  /** Each timer in its order; `turn` lets run what follows from it. */
  async pass(ms: number, turn: () => Promise<void>): Promise<void> {
    const until = this.nowMs + ms
    for (;;) {
      let next: Timer | undefined
      for (const timer of this.#timers)
        if (timer.at <= until && timer.at < (next?.at ?? Infinity)) next = timer
      if (next === undefined) break
      this.#timers.delete(next)
      this.nowMs = Math.max(this.nowMs, next.at)
      next.run()
      await turn()
    }
    this.nowMs = Math.max(this.nowMs, until)
    await turn()
  }
}

/** A network in which the nth request has the nth fate; those beyond begin anew. */
export class ModelNetwork {
  /** Ids of batches that were refused for good. */
  readonly refused: Set<string> = new Set()
  /** Those of which an answer came through. */
  readonly heard: Set<string> = new Set()
  #time: ModelTime
  #fates: readonly Fate[]
  #gateway: ModelGateway
  #requests = 0
  #isDead = false

  constructor(time: ModelTime, requestFates: readonly Fate[], gateway: ModelGateway) {
    this.#time = time
    this.#fates = requestFates
    this.#gateway = gateway
  }

  /** The process is gone: what it still has in its queues does nothing more. */
  die(): void {
    this.#isDead = true
  }

  get outside(): Outside {
    return {
      nowMs: () => this.#time.nowMs,
      unixMs: () => this.#time.nowMs,
      post: (_endpoint, request) => this.#post(request),
      postNow: (_endpoint, request, deadline) => this.#postNow(request, deadline),
      sleepNow: (ms) => (this.#time.nowMs += ms),
    }
  }

  #post(request: Uint8Array): Exchange {
    if (this.#isDead) return { reply: new Promise(() => {}), abort: () => {} }
    const fate = this.#nextFate()
    let settle: (reply: Reply) => void = () => {}
    const reply = new Promise<Reply>((resolve) => (settle = resolve))
    const met = this.#meet(fate, request)
    void reply.then((each) => this.#hear(each, request)) // In the turn in which the job does.
    if (met === 'hangs') return { reply, abort: (why) => settle({ status: undefined, why, sent: true }) }
    if (fate === 'answered late') setTimeout(() => settle(met), lateMs)
    else settle(met)
    return { reply, abort: (why) => settle({ status: undefined, why, sent: true }) }
  }

  #postNow(request: Uint8Array, deadline: number): Reply {
    const fate = this.#nextFate()
    const met = this.#meet(fate, request)
    this.#time.nowMs =
      fate === 'answered late' ? Math.min(deadline, this.#time.nowMs + lateMs) : this.#time.nowMs + 1
    if (met !== 'hangs') {
      this.#hear(met, request)
      return met
    }
    this.#time.nowMs = deadline
    return { status: undefined, why: 'no answer', sent: true }
  }

  #hear({ status }: Reply, request: Uint8Array): void {
    if (status === 200) this.heard.add(parse(request).id)
  }

  #nextFate(): Fate {
    return this.#fates[this.#requests++ % this.#fates.length] as Fate
  }

  #meet(fate: Fate, request: Uint8Array): Reply | 'hangs' {
    const { id, body } = parse(request)
    if (fate === 'refused connection') return { status: undefined, why: 'ECONNREFUSED', sent: false }
    if (fate === 'request lost') return { status: undefined, why: 'closed', sent: true }
    if (fate === 'hangs') return 'hangs'
    if (fate === 'busy') return answer(429, { 'retry-after': '1' })
    if (fate === 'unavailable') return answer(503)
    if (fate === 'final refusal' && !this.#gateway.batches.has(id)) {
      this.refused.add(id)
      return answer(400)
    }
    const rejected = this.#gateway.post(id, body, fate === 'partial' ? 1 : 0)
    if (fate === 'answer lost') return { status: undefined, why: 'closed', sent: true }
    if (fate === 'counts and hangs') return 'hangs'
    const said = rejected === 0 ? new Uint8Array(0) : encodeExportResponse('protobuf', rejected, 'too old')
    return answer(200, {}, said)
  }
}

function answer(
  status: number,
  headers: Record<string, string> = {},
  body: Uint8Array = new Uint8Array(0)
): Answer {
  return { status, headers: new Map(Object.entries(headers)), body }
}

function parse(request: Uint8Array): { id: string; body: Buffer } {
  const bytes = Buffer.from(request)
  const end = bytes.indexOf('\r\n\r\n') + 4
  return {
    id: /\r\nidempotency-key: (.+)\r\n/.exec(bytes.toString('latin1', 0, end))?.[1] ?? '',
    body: bytes.subarray(end),
  }
}
