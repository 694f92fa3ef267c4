import { readPartialSuccess, readRefusal } from './answer.ts'
import type { Batch } from '../encode/batch.ts'
import { type Endpoint, encodeRequest } from './endpoint.ts'
import { becauseOf, isExiting, type SlowWayOut } from '../process/exit.ts'
import { type Exchange, post } from './http.ts'
import { Losses } from './losses.ts'
import { isCheapNow, postNow, sleepNow } from './post-now.ts'
import { never, nowMs } from '../record/recorder.ts'
import type { Answer, Reply } from './reply.ts'
import { version } from '../encode/resource.ts'
import { backoffMs, isRetryable, readRetryAfterMs, retryWindowMs } from './retry.ts'
import { warn } from '../process/say.ts'
import { type Spool, spoolBatch } from '../spool/spool.ts'

/** Where a sender takes its batches from. */
export interface BatchSource {
  /**
   * Brings in what is read at collection (observable instruments), and marks what each moment asks for. Called once per
   * interval, flush or end. What it promises is waited for where the process can still wait.
   */
  collect(moment: 'interval' | 'flush' | 'end'): void | Promise<void>
  /** A batch of all that was counted since the last one, or of a part of it; `undefined` if that is nothing. */
  take(): Batch | undefined
}

export interface SenderOptions {
  endpoint: Endpoint
  headers: Readonly<Record<string, string>>
  compression: 'gzip' | 'none'
  timeoutMs: number
  exitBudgetMs: number
  serviceName: string
  /** Where to leave what cannot be delivered; `undefined` if there is no such place. */
  spool: Spool | undefined
  /** Nobody asked for this endpoint: whether anybody is there is nothing to tell the user. */
  quiet: boolean
}

/** Time and network, so that a test can take them away. */
export interface Outside {
  /** Milliseconds that only grow. */
  nowMs: () => number
  unixMs: () => number
  post: typeof post
  postNow: typeof postNow
  sleepNow: typeof sleepNow
}

/** A batch and its request, the same until a definite answer. */
interface Frozen {
  batch: Batch
  request: Uint8Array
  /** By both clocks: one stops while the machine sleeps, the other may be set. `undefined` until a byte may be there. */
  firstSent: { at: number; unixMs: number } | undefined
}

const neverSent = 'the process ended before it could be sent'

/**
 * Way out 2: deltas by POST. A batch is frozen with its id from its first byte on the wire until a definite answer, so
 * that a retry is the same request; what was never sent merges into the next batch. While the job lives this is
 * asynchronous; its end blocks, for nothing else is alive then, or can run any more.
 */
export class Sender implements SlowWayOut {
  #source: BatchSource
  #options: SenderOptions
  #outside: Outside
  #recorder: { countdown: number }
  #frozen: Frozen | undefined
  #delivering: Promise<void> | undefined
  /** `nowMs()` past which nobody waits for delivery; Infinity while the job lives. */
  #deadline = Infinity
  #exchange: Exchange | undefined
  #wake: () => void = () => {}
  #why = neverSent
  #budgetMs: number
  #ended = false
  #collectedAtEnd = false
  #losses: Losses

  /** `recorder` is what calls `look`, if anything does. */
  constructor(
    source: BatchSource,
    options: SenderOptions,
    recorder: { countdown: number } = { countdown: never },
    outside: Outside = { nowMs, unixMs: Date.now, post, postNow, sleepNow }
  ) {
    this.#source = source
    this.#options = options
    this.#recorder = recorder
    this.#outside = outside
    this.#budgetMs = options.exitBudgetMs
    this.#losses = new Losses(options.serviceName, options.quiet)
    if (options.endpoint.fault !== undefined)
      this.#why = `${options.endpoint.name}: ${options.endpoint.fault}`
  }

  look(): void {
    this.#recorder.countdown = never // Nothing leaves from within `add()` …
    if (!this.#ended) return
    if (isExiting()) this.end() // … but in some `exit` handler after ours, as nothing else will run.
    else this.#ended = false // It was said to end, and goes on.
  }

  /** Sends what waits, in the life of the job: it is tried again for as long as that takes. */
  tick(): void {
    if (this.#delivering !== undefined) return // It has its own pauses; what is counted meanwhile merges.
    this.#collectedAtEnd = false
    void this.#deliver(1, this.#collect('interval'))
  }

  async flush(): Promise<void> {
    this.#collectedAtEnd = false
    const lostBefore = this.#losses.total
    await this.#deliverBy(this.#outside.nowMs() + this.#options.timeoutMs, this.#collect('flush'))
    if (this.#options.spool !== undefined) this.#putAway() // Which is as durable.
    if (this.#losses.total > lostBefore || this.#frozen !== undefined) {
      throw new Error(`swansong: not delivered: ${this.#why}`)
    }
  }

  async deliver(): Promise<void> {
    const collected = this.#collectAtEnd()
    await this.#deliverBy(this.#outside.nowMs() + this.#options.exitBudgetMs, collected)
  }

  drain(): void | Promise<void> {
    const collected = this.#collectAtEnd()
    // What is on its way gets its answer by the loop, and so does what would need a thread.
    const waits = collected !== undefined || this.#exchange !== undefined
    if (waits || !isCheapNow(this.#options.endpoint)) return this.#drainByLoop(collected)
    this.#drainNow()
    this.#putAway()
    return undefined
  }

  end(): void {
    this.#ended = true
    void this.#collectAtEnd() // What it promises can no longer come.
    if (this.#options.spool === undefined) this.#drainNow()
    this.#putAway()
    this.#recorder.countdown = 1 // From now on each add is put away at once.
  }

  #collectAtEnd(): Promise<void> | undefined {
    if (this.#collectedAtEnd) return undefined // One end may come as several events.
    this.#collectedAtEnd = true
    return this.#collect('end')
  }

  #collect(moment: 'interval' | 'flush' | 'end'): Promise<void> | undefined {
    try {
      return this.#source.collect(moment)?.catch((error: unknown) => warn(`BUG: ${becauseOf(error)}`))
    } catch (error) {
      warn(`BUG: ${becauseOf(error)}`)
      return undefined
    }
  }

  async #drainByLoop(collected: Promise<void> | undefined): Promise<void> {
    const startedAt = this.#outside.nowMs()
    if (this.#budgetMs > 0) await this.#deliverBy(startedAt + this.#budgetMs, collected)
    this.#spend(startedAt)
    this.#putAway()
  }

  /** All that we hold up the end, together. */
  #spend(startedAt: number): void {
    this.#budgetMs = Math.max(0, this.#budgetMs - (this.#outside.nowMs() - startedAt))
  }

  /** Keeps the process alive until all is delivered or the deadline has come. */
  async #deliverBy(deadline: number, collected: Promise<void> | undefined): Promise<void> {
    this.#deadline = deadline
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(
        () => {
          this.#hurry()
          resolve()
        },
        Math.max(0, deadline - this.#outside.nowMs())
      )
    })
    this.#wake() // From a pause made for a job that had time.
    await this.#delivering
    if (collected !== undefined) await Promise.race([collected, late])
    await this.#deliver(Infinity, undefined)
    clearTimeout(timer)
    if (this.#deadline === deadline) this.#deadline = Infinity // Else somebody else set one of their own.
  }

  /** A process that was suspended finds its answer in the socket: the loop reads that before this gives up. */
  #hurry(): void {
    this.#wake()
    const exchange = this.#exchange
    setImmediate(() => exchange?.abort('no answer within the time that the end of the process allows'))
  }

  /** One delivery at a time; `batchCountMax` bounds it while the job goes on counting. Parts of one taking are one. */
  #deliver(batchCountMax: number, collected: Promise<void> | undefined): Promise<void> {
    this.#delivering ??= this.#sendAll(batchCountMax, collected)
      .catch((error: unknown) => warn(`BUG: ${becauseOf(error)}`)) // Whatever it is, the job must not see it.
      .finally(() => {
        this.#delivering = undefined
        if (this.#deadline === Infinity) this.#losses.say(this.#ended)
      })
    return this.#delivering
  }

  async #sendAll(batchCountMax: number, collected: Promise<void> | undefined): Promise<void> {
    if (collected !== undefined) await Promise.race([collected, this.#pause(this.#options.timeoutMs)])
    let failures = 0
    for (let sent = 0; sent < batchCountMax;) {
      const frozen = this.#freeze()
      if (frozen === undefined || this.#outside.nowMs() >= this.#deadline) return
      const reply = await this.#send(frozen)
      if (this.#frozen !== frozen) return // Put away while it was on its way: no answer changes that.
      const askedMs = this.#judge(frozen, reply)
      if (askedMs === undefined) {
        this.#frozen = undefined
        failures = 0
        if (frozen.batch.more !== true) sent++
        continue
      }
      const pauseMs = Math.max(backoffMs(failures++, this.#deadline !== Infinity), askedMs)
      if (this.#isHopeless(pauseMs, this.#deadline)) return
      const isLast = this.#ageMs(frozen) + pauseMs > retryWindowMs
      if (!isLast) await this.#pause(pauseMs)
      // The machine may have slept meanwhile. What was never sent goes on waiting.
      if (this.#frozen === frozen && (isLast || this.#ageMs(frozen) > retryWindowMs)) {
        this.#frozen = undefined
        this.#putBatchAway(frozen.batch)
        if (frozen.batch.more !== true) sent++
      }
    }
  }

  /** The same, without the loop: to the end of the budget at the latest. */
  #drainNow(): void {
    const startedAt = this.#outside.nowMs()
    const deadline = startedAt + this.#budgetMs
    for (let failures = 0; this.#outside.nowMs() < deadline;) {
      const frozen = this.#freeze()
      if (frozen === undefined || this.#ageMs(frozen) > retryWindowMs) break
      const reply = this.#sendNow(frozen, Math.min(deadline, this.#outside.nowMs() + this.#options.timeoutMs))
      const askedMs = this.#judge(frozen, reply)
      if (askedMs === undefined) {
        this.#frozen = undefined
        failures = 0
        continue
      }
      const pauseMs = Math.max(backoffMs(failures++, true), askedMs)
      if (this.#isHopeless(pauseMs, deadline)) break
      this.#outside.sleepNow(pauseMs)
    }
    this.#spend(startedAt)
  }

  #freeze(): Frozen | undefined {
    const { endpoint, compression } = this.#options
    if (this.#frozen === undefined) {
      const batch = this.#source.take()
      if (batch === undefined) return undefined
      const gzip = compression === 'gzip'
      const headers = {
        ...this.#options.headers,
        'content-type': 'application/x-protobuf',
        ...(gzip ? { 'content-encoding': 'gzip' } : {}),
        'idempotency-key': batch.id,
        'user-agent': `swansong-sdk/${version}`,
      }
      const body = gzip ? process.getBuiltinModule('node:zlib').gzipSync(batch.body) : batch.body
      this.#frozen = { batch, request: encodeRequest(endpoint, headers, body), firstSent: undefined }
    }
    return this.#frozen
  }

  async #send(frozen: Frozen): Promise<Reply> {
    const { endpoint, timeoutMs } = this.#options
    if (endpoint.fault !== undefined) return { status: undefined, why: endpoint.fault, sent: false }
    const now = this.#now()
    const exchange = this.#outside.post(endpoint, frozen.request)
    const giveUp = (): void => void setImmediate(() => exchange.abort(`no answer within ${timeoutMs} ms`))
    const timer = setTimeout(giveUp, timeoutMs)
    timer.unref()
    this.#exchange = exchange
    const reply = await exchange.reply
    clearTimeout(timer)
    this.#exchange = undefined
    if (reply.status !== undefined || reply.sent) frozen.firstSent ??= now
    return reply
  }

  #sendNow(frozen: Frozen, deadline: number): Reply {
    const { endpoint } = this.#options
    if (endpoint.fault !== undefined) return { status: undefined, why: endpoint.fault, sent: false }
    const now = this.#now()
    const reply = this.#outside.postNow(endpoint, frozen.request, deadline)
    if (reply.status !== undefined || reply.sent) frozen.firstSent ??= now
    return reply
  }

  #now(): { at: number; unixMs: number } {
    return { at: this.#outside.nowMs(), unixMs: this.#outside.unixMs() }
  }

  #ageMs({ firstSent }: Frozen): number {
    if (firstSent === undefined) return 0 // Nobody can have counted it: it may wait for as long as it has to.
    return Math.max(this.#outside.nowMs() - firstSent.at, this.#outside.unixMs() - firstSent.unixMs)
  }

  /** Milliseconds that the receiver asks to wait before the same is sent again; `undefined` if it need not be. */
  #judge({ batch }: Frozen, reply: Reply): number | undefined {
    const { name } = this.#options.endpoint
    if (reply.status === undefined) {
      if (reply.late !== true || this.#why === neverSent) this.#why = `${name}: ${reply.why}`
      return 0
    }
    if (reply.status >= 200 && reply.status < 300) {
      this.#why = neverSent
      if (reply.body.length > 0) this.#readPartialSuccess(reply)
      return undefined
    }
    this.#why = `${name} answered ${reply.status}${readRefusal(reply.body)}`
    if (isRetryable(reply.status)) return readRetryAfterMs(reply, this.#outside.unixMs())
    this.#losses.add(batch.points, this.#why)
    return undefined
  }

  #readPartialSuccess({ body }: Answer): void {
    try {
      const { rejectedDataPoints, errorMessage } = readPartialSuccess(body)
      if (rejectedDataPoints > 0) {
        this.#why = `${this.#options.endpoint.name} rejected them: ${errorMessage}`
        this.#losses.add(rejectedDataPoints, this.#why)
      } else if (errorMessage !== '') warn(errorMessage)
    } catch {
      warn('the answer to a batch says it was taken, but is not OTLP')
    }
  }

  /** Nothing is won by trying again at the end: a spool is there, or nobody was ever promised, or the time is up. */
  #isHopeless(pauseMs: number, deadline: number): boolean {
    if (deadline === Infinity) return false
    const { spool, quiet, endpoint } = this.#options
    if (spool !== undefined || quiet || endpoint.fault !== undefined) return true
    return this.#outside.nowMs() + pauseMs >= deadline
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
    this.#losses.say(this.#ended)
  }

  #putBatchAway(batch: Batch): void {
    const { spool } = this.#options
    if (spool === undefined)
      return this.#losses.add(batch.points, `${this.#why}; there is no spool directory`)
    try {
      spoolBatch(spool, batch)
    } catch (error) {
      this.#losses.add(batch.points, `${this.#why}; ${spool.directory}: ${becauseOf(error)}`)
    }
  }
}
