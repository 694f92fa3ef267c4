import { journalSuffix, spoolHeaderBytes, writeSpoolHeader } from '@swansong/otlp/spool'
import { NanoClock } from './batch.ts'
import { becauseOf, type WayOut } from './exit.ts'
import { isRecorded, nowMs, type Recorder } from './recorder.ts'
import { sayLine, warn } from './say.ts'
import { type Spool, writeSpoolFile } from './spool.ts'
import { cumulative, Template } from './template.ts'

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
/** Adds that come faster than this, in milliseconds, need not each look at the clock (50 ns, cold 1 µs). */
const fastAddMs = 0.05
/** So many fast adds share a look. Not more: if the adds that follow are slow, so many may wait for their checkpoint. */
const fastAddsPerLook = 16

/**
 * Way out 1: one file that holds this process's running totals, replaced as a whole at each checkpoint. `add()` itself
 * checkpoints, as a busy loop has no timers; a turn of the event loop and the end of the process do the rest. What kills
 * the process without a word costs what was counted since the last checkpoint, and nothing else.
 */
export class Journal implements WayOut {
  #recorder: Recorder
  #spool: Spool
  #name: string
  #serviceName: string
  #resource: Uint8Array
  #clock: NanoClock
  #template: Template | undefined
  #revision = -1
  #sequence = 0
  #ended = false
  #failure: unknown
  #failed = false
  #saidLost = false
  #checkpointAt = nowMs()
  #costsMs: number[] = [0]
  #intervalMs = intervalMsMin
  #lookedAt = 0
  #addsSinceLook = 1
  #turnWaits = false
  #hadTurn = false
  /** What the adds were at when the turn last looked. */
  #turnSaw = { lookedAt: 0, countdown: 0 }

  constructor(
    recorder: Recorder,
    spool: Spool,
    instanceId: string,
    serviceName: string,
    resource: Uint8Array
  ) {
    this.#recorder = recorder
    this.#spool = spool
    this.#name = `${instanceId}${journalSuffix}`
    this.#serviceName = serviceName
    this.#resource = resource
    this.#clock = new NanoClock(recorder.startMs)
  }

  /** Called from within `add()`. */
  look(): void {
    if (this.#ended) return this.end() // Some `exit` handler, after ours: nothing else will run.
    const now = nowMs()
    if (!this.#turnWaits) {
      this.#turnWaits = true
      const turn = setImmediate(() => this.#turn())
      // Where nothing else is alive the end of the process does it. Deno forgets such a turn while it waits for a timer.
      if (process.versions['deno'] === undefined) turn.unref()
    }
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
  }

  end(): void {
    this.#ended = true
    this.#checkpoint()
    this.#recorder.countdown = 1 // From now on each add is written through.
    if (this.#failed && !this.#saidLost) {
      this.#saidLost = true
      const since = this.#sequence > 0 ? ', since the last time that could be written,' : ''
      sayLine(
        `what was counted in ${this.#template?.pointCount ?? 0} points of ${this.#serviceName}${since} is lost: ` +
          `${this.#spool.directory}: ${becauseOf(this.#failure)}`
      )
    }
  }

  /** A turn of the event loop after an add. Turns may come by the thousand, so the interval holds here as well. */
  #turn(): void {
    const waitMs = this.#checkpointAt + this.#intervalMs - nowMs()
    const saw = { lookedAt: this.#lookedAt, countdown: this.#recorder.countdown }
    const isIdle = saw.lookedAt === this.#turnSaw.lookedAt && saw.countdown === this.#turnSaw.countdown
    // The first writes at once, for the job may be short; or not at all if nothing is alive: then the end comes now.
    const waits = this.#hadTurn ? waitMs > 0 && !isIdle : process.getActiveResourcesInfo().length === 0
    this.#hadTurn = true
    if (waits) {
      this.#turnSaw = saw
      setTimeout(() => this.#turn(), Math.max(1, Math.min(waitMs, idleMs))).unref()
      return
    }
    this.#turnWaits = false
    this.#addsSinceLook = 1
    this.#recorder.countdown = 1 // The next add looks, and asks for a turn again.
    this.#checkpoint()
  }

  #checkpoint(): void {
    const startedAt = nowMs()
    try {
      this.#write()
      this.#failed = false
    } catch (error) {
      if (!this.#failed)
        warn(`the journal in ${this.#spool.directory} cannot be written: ${becauseOf(error)}`)
      this.#failed = true // Later checkpoints try again: they hold all that this one did.
      this.#failure = error
    }
    this.#checkpointAt = nowMs()
    const costMs = this.#checkpointAt - startedAt
    // The cheapest of the last few: one that was cold, or that the machine interrupted, must not put off the next.
    this.#costsMs = [costMs, ...this.#costsMs.slice(0, costsRemembered - 1)]
    const cheapestMs = Math.min(...this.#costsMs)
    const latestMs = Math.max(intervalMsAim, costsPerIntervalMin * cheapestMs)
    this.#intervalMs = Math.max(intervalMsMin, Math.min(costsPerInterval * cheapestMs, latestMs))
  }

  #write(): void {
    const recorder = this.#recorder
    if (this.#template === undefined || this.#revision !== recorder.revision) {
      this.#template = new Template(recorder, this.#resource, {
        temporality: cumulative,
        start: BigInt(recorder.startMs) * 1_000_000n,
        reserved: spoolHeaderBytes,
        includes: ({ slot }, kind) => isRecorded(kind, recorder.cells, slot),
      })
      this.#revision = recorder.revision
    }
    const { bytes, body } = this.#template
    this.#template.fill(this.#clock.next(), recorder.cells)
    const header = {
      kind: 'journal',
      ended: this.#ended,
      sequence: this.#sequence + 1,
      owner: this.#spool.owner,
    } as const
    writeSpoolHeader(bytes, header, body)
    writeSpoolFile(this.#spool, this.#name, bytes)
    this.#sequence++
  }
}
