import type { Batch } from '../encode/batch.ts'
import { becauseOf, type SlowWayOut } from '../process/exit.ts'
import type { StockSource } from './stock-source.ts'
import { sayLine, warn } from '../process/say.ts'
import { type Spool, spoolBatch } from '../spool/spool.ts'

/**
 * The bridge's way out where a spool is: each batch a file. One that could not be written is kept and tried again; what
 * is counted meanwhile adds up in the stock SDK.
 */
export class BatchFiles implements SlowWayOut {
  readonly #source: StockSource
  readonly #spool: Spool
  readonly #serviceName: string
  #unwritten: Batch | undefined
  #failure: unknown
  #hasFailed = false
  #saidLost = false

  constructor(source: StockSource, spool: Spool, serviceName: string) {
    this.#source = source
    this.#spool = spool
    this.#serviceName = serviceName
  }

  look(): void {} // The stock SDK's instruments do not ask.

  /** Writes what was counted; `false` if that failed. */
  write(): boolean {
    for (;;) {
      this.#unwritten ??= this.#source.take()
      if (this.#unwritten === undefined) return true
      try {
        spoolBatch(this.#spool, this.#unwritten)
      } catch (error) {
        if (!this.#hasFailed) warn(`${this.#spool.directory} cannot be written: ${becauseOf(error)}`)
        this.#hasFailed = true
        this.#failure = error
        return false
      }
      this.#hasFailed = false
      this.#unwritten = undefined
    }
  }

  async tick(): Promise<void> {
    await this.#source.collect('interval')
    this.write()
  }

  async flush(): Promise<void> {
    await this.#source.collect('flush')
    if (!this.write()) {
      throw new Error(`swansong: not delivered: ${this.#spool.directory}: ${becauseOf(this.#failure)}`)
    }
  }

  async deliver(): Promise<void> {
    await this.#source.collect('end')
    this.write() // What cannot be written waits on, as the job may.
  }

  drain(): void | Promise<void> {
    const collected = this.#source.collect('end')
    if (collected !== undefined) return collected.then(() => this.#putAway())
    this.#putAway()
    return undefined
  }

  end(): void {
    void this.#source.collect('end') // What it promises can no longer come.
    this.#putAway()
  }

  /** For the last time, as far as anybody knows: what cannot be written is said, once. */
  #putAway(): void {
    if (this.write() || this.#saidLost) return
    this.#saidLost = true
    let points = this.#unwritten?.points ?? 0
    for (let left = this.#source.take(); left !== undefined; left = this.#source.take()) points += left.points
    const why = `${this.#spool.directory}: ${becauseOf(this.#failure)}`
    sayLine(`${points} ${points === 1 ? 'point' : 'points'} of ${this.#serviceName} lost: ${why}`)
  }
}
