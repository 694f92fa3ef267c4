import type { Log } from '../../log.ts'
import { heartbeatMs, SpoolDirError } from '../heartbeat.ts'
import { isMissing } from '../spool-directory.ts'
import type { FilePlace, MultiprocessDirectory } from './directory.ts'

export interface UpkeepOptions {
  log: Log
  /** It cannot be used. */
  onUnusable: () => void
  /** Files that were removed, and will not be there again, not even after a power cut. */
  onGone: (aside: readonly string[]) => void
}

/** That what was removed stays removed is made durable this often. */
const syncMs = 10_000

/** Claims a directory, says in it that its gateway lives, and what is wrong with it. Times are of one clock. */
export class Upkeep {
  readonly #directory: MultiprocessDirectory
  readonly #ledger: string
  readonly #options: UpkeepOptions
  #isFirst = true
  #isClaimed = false
  #complaint = ''
  #removed: string[] = []
  #beatAt = -Infinity
  #syncAt = Infinity

  constructor(directory: MultiprocessDirectory, ledger: string, options: UpkeepOptions) {
    this.#directory = directory
    this.#ledger = ledger
    this.#options = options
  }

  /**
   * What stands in it; undefined where that cannot be said, as it is not there yet, say. The first time it throws a
   * SpoolDirError where another gateway has it.
   */
  look(now: number): FilePlace[] | undefined {
    try {
      this.#claim(now)
      if (now >= this.#syncAt) this.#sync()
      const places = this.#directory.places()
      this.#complaint = ''
      return places
    } catch (error) {
      if (error instanceof SpoolDirError && this.#isFirst) throw error
      this.#isClaimed = false
      this.#complain(error)
      return undefined
    } finally {
      this.#isFirst = false
    }
  }

  removed(aside: string, now: number): void {
    this.#removed.push(aside)
    if (this.#syncAt === Infinity) this.#syncAt = now + syncMs
  }

  close(): void {
    if (!this.#isClaimed) return
    if (this.#removed.length > 0) this.#sync()
    this.#directory.beat(this.#ledger, true)
  }

  #claim(now: number): void {
    if (!this.#isClaimed) this.#directory.claim(this.#ledger)
    else if (now - this.#beatAt < heartbeatMs) return
    else this.#directory.beat(this.#ledger, false)
    this.#isClaimed = true
    this.#beatAt = now
  }

  #sync(): void {
    this.#syncAt = Infinity
    try {
      this.#directory.sync()
      this.#options.onGone(this.#removed.splice(0))
    } catch (error) {
      this.#complain(error)
    }
  }

  /** Once, and not at each look. */
  #complain(error: unknown): void {
    const complaint = error instanceof Error ? error.message : String(error)
    if (!isMissing(error)) this.#options.onUnusable()
    if (complaint === this.#complaint) return
    this.#complaint = complaint
    const { log } = this.#options
    const directory = this.#directory.path
    if (isMissing(error)) log.warn({ directory }, 'the multiprocess directory is not there yet')
    else {
      const hint = 'let the user that the gateway runs as read and write it'
      log.error({ error: complaint, directory }, `the multiprocess directory cannot be used; ${hint}`)
    }
  }
}
