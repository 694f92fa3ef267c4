import { becauseOf, type WayOut } from '../process/exit.ts'
import { type Identity, JournalFile } from './journal-file.ts'
import { nowMs, type Recorder } from '../record/recorder.ts'
import { sayLine, warn } from '../process/say.ts'
import type { Spool } from './spool.ts'

/** A checkpoint is due this long after the last one … */
const intervalMsMin = 10
/**
 * … or so many times what one costs: a job spends at most a fortieth of its time on them. One series costs 0.1 to 0.4 ms,
 * so that SIGKILL in a busy loop costs less than 25 ms of increments …
 */
const costsPerInterval = 40
/** … and where one costs more, on a busy disk, this bound holds as long as no more than a tenth of the time goes. */
const intervalMsAim = 20
const costsPerIntervalMin = 10
const costsRemembered = 4
/** A job that counted nothing for so long gets its checkpoint, whatever one costs: a slow disk makes intervals long. */
const idleMs = 100
/** A file that nobody touches for hours is taken for that of a dead process, where processes cannot be seen. */
const touchMs: number = 10 * 60 * 1000
/** How often it is looked, before a patch, whether somebody removed the file. */
const presenceMs = 10
/** Adds that come faster than this, in milliseconds, need not each look at the clock (50 ns, cold 1 µs). */
const fastAddMs = 0.05
/** So many fast adds share a look. Not more: if the adds that follow are slow, so many may wait for their checkpoint. */
const fastAddsPerLook = 16
/** So many looks at a cheaper clock, which somebody may have stopped, stand for one at that which only grows. */
const looksPerClock = 16

export interface JournalOptions {
  serviceName: string
  /** `always`: each add is in the file when it returns. */
  pace: 'interval' | 'always'
  /** Draws a new identity: at first, and where a journal must carry on under another name. */
  identify: () => Identity
}

/**
 * Way out 1: one file that holds this process's running totals, replaced as a whole at each checkpoint. `add()` itself
 * checkpoints, as a busy loop has no timers; a turn of the event loop and the end of the process do the rest. What kills
 * the process without a word costs what was counted since the last checkpoint, and nothing else; with `always`, nothing.
 */
export class Journal implements WayOut {
  #recorder: Recorder
  #spool: Spool
  #options: JournalOptions
  #file: JournalFile
  #always: boolean
  #ended = false
  #failure: unknown
  #failed = false
  #saidLost = false
  #checkpointAt = nowMs()
  #costsMs: number[] = [0]
  #intervalMs = intervalMsMin
  #lookedAt = 0
  #lookedAtDate = 0
  #looksLeft = 0
  #addsSinceLook = 1
  #sawFileAt = 0
  #turnWaits = false
  #hadTurn = false
  #touches = false
  /** What the adds were at when the turn last looked. */
  #turnSaw = { lookedAt: 0, countdown: 0 }

  constructor(recorder: Recorder, spool: Spool, options: JournalOptions) {
    this.#recorder = recorder
    this.#spool = spool
    this.#options = options
    this.#always = options.pace === 'always'
    this.#file = new JournalFile(recorder, spool, options.identify)
  }

  /** Called from within `add()`. */
  look(): void {
    if (this.#ended) return this.end() // Some `exit` handler, after ours: nothing else will run.
    if (this.#addsSinceLook > 1 && this.#looksLeft-- > 0 && Date.now() === this.#lookedAtDate) {
      this.#recorder.countdown = this.#addsSinceLook // Nothing is due within the millisecond of the last look.
      return
    }
    const now = nowMs()
    if (this.#always) return this.#writeThrough(now)
    this.#lookedAtDate = Date.now()
    this.#looksLeft = looksPerClock
    this.#askForTurn()
    if (now - this.#checkpointAt >= this.#intervalMs) this.#checkpoint()
    const addMs = (now - this.#lookedAt) / this.#addsSinceLook
    this.#addsSinceLook = addMs < fastAddMs ? fastAddsPerLook : 1
    this.#recorder.countdown = this.#addsSinceLook
    this.#lookedAt = now
  }

  /** Resolves when all that was counted is in the file; rejects with what the file system said. */
  async flush(): Promise<void> {
    this.#checkpoint()
    if (this.#failed) throw new Error('swansong: the journal could not be written', { cause: this.#failure })
    const { leftOut } = this.#file.points
    if (leftOut > 0) throw new Error(`swansong: ${leftOut} points are lost: ${this.#whyLeftOut()}`)
  }

  end(): void {
    this.#ended = true
    this.#checkpoint()
    this.#recorder.countdown = 1 // From now on each add is written through.
    if (this.#failed || this.#file.leavesOut) this.#sayLost()
  }

  /** The add that has just been counted is in the file when this returns, or it is known that it is not. */
  #writeThrough(now: number): void {
    this.#recorder.countdown = 1
    if (!this.#hadTurn || this.#failed) this.#askForTurn()
    if (this.#failed) {
      if (now - this.#checkpointAt >= this.#intervalMs) this.#checkpoint()
      return
    }
    if (now - this.#sawFileAt >= presenceMs) {
      this.#sawFileAt = now
      if (!this.#file.isThere()) return this.#checkpoint()
    }
    try {
      if (this.#file.append(this.#recorder.lastSlot)) return
    } catch {
      // A whole checkpoint finds out why.
    }
    this.#checkpoint()
  }

  #askForTurn(): void {
    if (this.#turnWaits) return
    this.#turnWaits = true
    // Where nothing else is alive the end of the process does it. An immediate that is not waited for would not do: a loop
    // that waits, for an answer or a timer of a minute, wakes for a timer of ours, and not for that.
    setTimeout(() => this.#turn(), 0).unref()
  }

  /** A turn of the event loop after an add. Turns may come by the thousand, so the interval holds here as well. */
  #turn(): void {
    const waitMs = this.#checkpointAt + this.#intervalMs - nowMs()
    const saw = { lookedAt: this.#lookedAt, countdown: this.#recorder.countdown }
    const isIdle = saw.lookedAt === this.#turnSaw.lookedAt && saw.countdown === this.#turnSaw.countdown
    // The first writes at once, for the job may be short; or not at all if nothing is alive: then the end comes now.
    const waits = this.#hadTurn ? waitMs > 0 && !isIdle : isAlone()
    this.#hadTurn = true
    if (waits) {
      this.#turnSaw = saw
      setTimeout(() => this.#turn(), Math.max(1, Math.min(waitMs, idleMs))).unref()
      return
    }
    this.#turnWaits = false
    if (!this.#touches) setInterval(() => this.#touch(), touchMs).unref()
    this.#touches = true
    this.#addsSinceLook = 1
    this.#recorder.countdown = 1 // The next add looks, and asks for a turn again.
    if (!this.#always || this.#failed) this.#checkpoint()
  }

  /** Says that this process lives, to who cannot see it; and puts the file there again if somebody removed it. */
  #touch(): void {
    if (!this.#ended) this.#checkpoint()
  }

  #checkpoint(): void {
    if (this.#recorder.isCaptured) return
    const startedAt = nowMs()
    try {
      this.#file.write(this.#ended, this.#always && !this.#ended)
      this.#failed = false
    } catch (error) {
      if (!this.#failed)
        warn(`the journal in ${this.#spool.directory} cannot be written: ${becauseOf(error)}`)
      this.#failed = true // Later checkpoints try again: they hold all that this one did.
      this.#failure = error
      if (this.#always) this.#askForTurn()
    }
    this.#checkpointAt = nowMs()
    const costMs = this.#checkpointAt - startedAt
    // The cheapest of the last few: one that was cold, or that the machine interrupted, must not put off the next.
    const costs = this.#costsMs
    costs.unshift(costMs)
    costs.length = Math.min(costs.length, costsRemembered)
    let cheapestMs = costMs
    for (let at = 1; at < costs.length; at++) cheapestMs = Math.min(cheapestMs, costs[at] as number)
    const latestMs = Math.max(intervalMsAim, costsPerIntervalMin * cheapestMs)
    this.#intervalMs = Math.max(intervalMsMin, Math.min(costsPerInterval * cheapestMs, latestMs))
  }

  #sayLost(): void {
    const { held, leftOut } = this.#file.points
    if (this.#saidLost || (!this.#failed && leftOut === 0)) return
    this.#saidLost = true
    const since = this.#file.wasWritten ? ', since the last time that could be written,' : ''
    const [points, why] = this.#failed
      ? [`${held + leftOut} points of ${this.#options.serviceName}${since}`, this.#whyFailed()]
      : [`${leftOut} points of ${this.#options.serviceName}`, this.#whyLeftOut()]
    sayLine(`what was counted in ${points} is lost: ${why}`)
  }

  #whyFailed(): string {
    return `${this.#spool.directory}: ${becauseOf(this.#failure)}`
  }

  #whyLeftOut(): string {
    return `the gateway of ${this.#spool.directory} takes no journal over ${this.#file.bytesMax} bytes`
  }
}

/** Nothing keeps the process alive. Bun and Deno do not say. */
function isAlone(): boolean {
  const { getActiveResourcesInfo } = process as Partial<Pick<NodeJS.Process, 'getActiveResourcesInfo'>>
  return getActiveResourcesInfo?.().length === 0
}
