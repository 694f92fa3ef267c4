import type { Batch, Deltas } from './batch.ts'
import { becauseOf, type SlowWayOut } from './exit.ts'
import { type Exchange, post, type Reply } from './http.ts'
import { never, nowMs, type Recorder } from './recorder.ts'
import { version } from './resource.ts'
import { sayLine, warn } from './say.ts'
import { type Spool, spoolBatch } from './spool.ts'

/** A batch may be sent again for so long after its first byte: the gateway remembers its id for ten minutes. */
const retryWindowMs: number = 9 * 60 * 1000
const neverSent = 'the process ended before it could be sent, and nothing asynchronous can run then'
const backoffMsMin = 100
const backoffMsMax = 30_000

export interface SenderOptions {
  url: URL
  headers: Readonly<Record<string, string>>
  timeoutMs: number
  exitBudgetMs: number
  serviceName: string
  /** Where to leave what cannot be delivered; `undefined` if there is no such place. */
  spool: Spool | undefined
  /** Nobody asked for this endpoint: whether anybody is there is nothing to tell the user. */
  quiet: boolean
}

/**
 * Way out 2: deltas by POST. A batch is frozen with its id from its first byte on the wire until a definite answer, so
 * that a retry is the same request; what was never sent merges into the next batch.
 */
export class Sender implements SlowWayOut {
  #recorder: Recorder
  #deltas: Deltas
  #options: SenderOptions
  #frozen: { batch: Batch; firstSentAt: number } | undefined
  #delivering: Promise<void> | undefined
  /** `nowMs()` past which nobody waits for delivery; Infinity while the job lives. */
  #deadline = Infinity
  #exchange: Exchange | undefined
  #wake: () => void = () => {}
  #why = neverSent
  #budgetMs: number
  #ended = false
  /** Points lost in all, and those of them that were not said yet. */
  #lostPoints = 0
  #lost = { points: 0, why: '' }
  #saidLost = false

  constructor(recorder: Recorder, deltas: Deltas, options: SenderOptions) {
    this.#recorder = recorder
    this.#deltas = deltas
    this.#options = options
    this.#budgetMs = options.exitBudgetMs
  }

  look(): void {
    if (this.#ended) this.end() // Some `exit` handler, after ours: nothing else will run.
    else this.#recorder.countdown = never // Nothing leaves from within `add()`.
  }

  waits(): boolean {
    this.#freeze()
    return this.#frozen !== undefined
  }

  /** Sends what waits, in the life of the job: it is tried again for as long as that takes. */
  tick(): void {
    void this.#deliver(1)
  }

  async flush(): Promise<void> {
    const lostBefore = this.#lostPoints
    await this.#deliverBy(nowMs() + this.#options.timeoutMs)
    if (this.#options.spool !== undefined) this.#putAway() // Which is as durable.
    if (this.#lostPoints > lostBefore || this.#frozen !== undefined) {
      throw new Error(`swansong: not delivered: ${this.#why}`)
    }
  }

  async deliver(): Promise<void> {
    await this.#deliverBy(nowMs() + this.#options.exitBudgetMs)
  }

  async drain(): Promise<void> {
    const startedAt = nowMs()
    await this.#deliverBy(startedAt + this.#budgetMs)
    this.#budgetMs = Math.max(0, this.#budgetMs - (nowMs() - startedAt)) // All that we hold it up, together.
    this.#putAway()
  }

  end(): void {
    this.#ended = true
    this.#deadline = 0
    this.#putAway()
    this.#recorder.countdown = 1 // From now on each add is put away at once.
  }

  /** Keeps the process alive until all is delivered or the deadline has come. */
  async #deliverBy(deadline: number): Promise<void> {
    this.#deadline = deadline
    const timer = setTimeout(() => this.#hurry(), Math.max(0, deadline - nowMs()))
    this.#wake() // From a pause made for a job that had time.
    await this.#delivering
    await this.#deliver(Infinity)
    clearTimeout(timer)
    if (this.#deadline === deadline) this.#deadline = Infinity // Else somebody else set one of their own.
  }

  #hurry(): void {
    this.#wake()
    this.#exchange?.abort('no answer within the time that the end of the process allows')
  }

  /** One delivery at a time; `batchCountMax` bounds it while the job goes on counting. */
  #deliver(batchCountMax: number): Promise<void> {
    this.#delivering ??= this.#sendAll(batchCountMax)
      .catch((error: unknown) => warn(`BUG: ${becauseOf(error)}`)) // Whatever it is, the job must not see it.
      .finally(() => {
        this.#delivering = undefined
        if (this.#deadline === Infinity) this.#sayLost()
      })
    return this.#delivering
  }

  async #sendAll(batchCountMax: number): Promise<void> {
    let failures = 0
    for (let sent = 0; sent < batchCountMax;) {
      const frozen = this.#freeze()
      if (frozen === undefined || nowMs() >= this.#deadline) return
      const reply = await this.#send(frozen.batch)
      if (this.#frozen !== frozen) return // Put away while it was on its way: no answer changes that.
      const retryAfterMs = await this.#judge(frozen.batch, reply)
      if (this.#frozen !== frozen) return
      if (retryAfterMs === undefined) {
        this.#frozen = undefined
        failures = 0
        sent++
        continue
      }
      const pauseMs = Math.max(backoffMs(failures++), retryAfterMs)
      if (this.#isHopeless(pauseMs)) return
      if (nowMs() + pauseMs - frozen.firstSentAt > retryWindowMs) this.#putAway()
      else await this.#pause(pauseMs)
    }
  }

  #freeze(): { batch: Batch; firstSentAt: number } | undefined {
    if (this.#frozen === undefined) {
      const batch = this.#deltas.take()
      if (batch !== undefined) this.#frozen = { batch, firstSentAt: nowMs() }
    }
    return this.#frozen
  }

  async #send(batch: Batch): Promise<Reply> {
    const headers = {
      ...this.#options.headers,
      'content-type': 'application/x-protobuf',
      'idempotency-key': batch.id,
      'user-agent': `swansong-sdk/${version}`,
    }
    const timeoutMs = this.#options.timeoutMs
    const exchange = post(this.#options.url, headers, batch.body)
    const timer = setTimeout(() => exchange.abort(`no answer within ${timeoutMs} ms`), timeoutMs)
    timer.unref()
    this.#exchange = exchange
    const reply = await exchange.reply
    clearTimeout(timer)
    this.#exchange = undefined
    return reply
  }

  /** Milliseconds that the receiver asks to wait before the same is sent again; `undefined` if it need not be. */
  async #judge(batch: Batch, reply: Reply): Promise<number | undefined> {
    if (reply.status === undefined) {
      this.#why = `${this.#options.url.origin}: ${reply.why}`
      return 0
    }
    if (reply.status >= 200 && reply.status < 300) {
      this.#why = neverSent
      if (reply.body.length > 0) await this.#readPartialSuccess(reply.body)
      return undefined
    }
    const { readRefusal } = await import('./answer.ts')
    this.#why = `${this.#options.url.origin} answered ${reply.status}${readRefusal(reply.body)}`
    if ([429, 502, 503, 504].includes(reply.status)) return readRetryAfterMs(reply.headers.get('retry-after'))
    this.#lose(batch.points, this.#why)
    return undefined
  }

  async #readPartialSuccess(body: Uint8Array): Promise<void> {
    try {
      const { readPartialSuccess } = await import('./answer.ts')
      const { rejectedDataPoints, errorMessage } = readPartialSuccess(body)
      if (rejectedDataPoints > 0) {
        this.#why = `${this.#options.url.origin} rejected them: ${errorMessage}`
        this.#lose(rejectedDataPoints, this.#why)
      } else if (errorMessage !== '') warn(errorMessage)
    } catch {
      warn('the answer to a batch says it was taken, but is not OTLP')
    }
  }

  /** Nothing is won by trying again at the end: a spool is there, or nobody was ever promised, or the time is up. */
  #isHopeless(pauseMs: number): boolean {
    if (this.#deadline === Infinity) return false
    return this.#options.spool !== undefined || this.#options.quiet || nowMs() + pauseMs >= this.#deadline
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pauseMs)
      timer.unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** What was sent without an answer and what was never sent: each into the spool, else lost. */
  #putAway(): void {
    for (let frozen = this.#freeze(); frozen !== undefined; frozen = this.#freeze()) {
      this.#frozen = undefined
      this.#putBatchAway(frozen.batch)
    }
    this.#sayLost()
  }

  #putBatchAway(batch: Batch): void {
    if (this.#options.spool === undefined)
      return this.#lose(batch.points, `${this.#why}; there is no spool directory`)
    try {
      spoolBatch(this.#options.spool, batch)
    } catch (error) {
      this.#lose(batch.points, `${this.#why}; ${this.#options.spool.directory}: ${becauseOf(error)}`)
    }
  }

  #lose(points: number, why: string): void {
    this.#lostPoints += points
    this.#lost.points += points
    this.#lost.why ||= why
    warn(`${points} points are lost: ${why}`)
  }

  /** Once, and what is lost later once more at the end: a line a minute would be worse than the loss. */
  #sayLost(): void {
    const { points, why } = this.#lost
    if (points === 0 || this.#options.quiet || (this.#saidLost && !this.#ended)) return
    this.#saidLost = true
    this.#lost = { points: 0, why: '' }
    sayLine(`${points} ${points === 1 ? 'point' : 'points'} of ${this.#options.serviceName} lost: ${why}`)
  }
}

/** Doubles from 100 ms to 30 s, less up to a half by chance: workers that failed together do not come back together. */
function backoffMs(failures: number): number {
  return Math.min(backoffMsMin * 2 ** failures, backoffMsMax) * (0.5 + Math.random() / 2)
}

/** Seconds, or a date (RFC 9110). */
function readRetryAfterMs(header: string | undefined): number {
  if (header === undefined) return 0
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return ms > 0 ? Math.min(ms, retryWindowMs) : 0
}
