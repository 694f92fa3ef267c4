import type { Log } from '../../log.ts'
import type { Refusal } from '../../refusal.ts'
import type { Receiver } from '../receive.ts'
import { parseKey } from './file-format.ts'
import type { GaugeStore } from './gauge-store.ts'
import { type GaugeFile, Gauges, lineOf } from './gauges.ts'
import type { GaugeLine, PointWriter } from './points.ts'

export interface GaugeTellerOptions {
  store: GaugeStore
  job: string
  limits: { deadGaugeCountMax: number }
  /** Milliseconds from any fixed point, never backwards. */
  clock: () => number
  log: Log
}

/** All lines are told this often, changed or not: something else may have ended them. */
const allMs = 60_000

type Shown = GaugeLine & { value: number }

/** Tells the ledger the gauges of a directory, as one who knows them all, and keeps what dead processes left of them. */
export class GaugeTeller {
  readonly #receiver: Receiver
  readonly #points: PointWriter
  readonly #options: GaugeTellerOptions
  readonly #gauges: Gauges
  /** As they were told last. */
  readonly #told = new Map<string, GaugeLine>()
  /** The same, as far as the disk knows. */
  readonly #saved = new Set<string>()
  /** Names of files whose values are kept, until those are gone for good. */
  readonly #buried: Set<string>
  #isChanged = true
  #isToSave = false
  #waits = false
  #toldAllAt = -Infinity
  #lastUnixMs = 0

  /** Throws where what was kept cannot be read. */
  constructor(receiver: Receiver, points: PointWriter, options: GaugeTellerOptions) {
    this.#receiver = receiver
    this.#points = points
    this.#options = options
    const { dead, buried, shown } = options.store.load()
    this.#gauges = new Gauges(() => options.limits.deadGaugeCountMax, dead)
    this.#buried = new Set(buried)
    for (const [text, pid] of shown) {
      const key = parseKey(text)
      // Of a value that nothing is equal to: it is told again, or ended.
      this.#told.set(lineOf(key, pid), { key, pid, value: undefined })
      this.#saved.add(lineOf(key, pid))
    }
  }

  /** A file of gauges has other values, has come, or gone. */
  changed(): void {
    this.#isChanged = true
  }

  /** Whether the values of this file are kept, in memory at least. */
  isBuried(aside: string): boolean {
    return this.#buried.has(aside)
  }

  /** The process of a file is dead. What stays of it is durable after the next `tell` that returns true. */
  bury(aside: string, file: GaugeFile): void {
    if (this.#buried.has(aside)) return
    this.#gauges.bury(file)
    this.#buried.add(aside)
    this.#isChanged = true
    this.#isToSave = true
  }

  /** These files will not come again, not even after a power cut. */
  forget(aside: readonly string[]): void {
    for (const name of aside) this.#buried.delete(name)
  }

  /** Tells what is different; true where all that was buried is durable. */
  tell(living: Iterable<GaugeFile>): boolean {
    const { clock, log } = this.#options
    const isTime = clock() - this.#toldAllAt >= allMs
    if (!this.#isChanged && !isTime) return !this.#isToSave
    if (this.#waits) return false
    const lines = this.#gauges.lines(living)
    try {
      this.#save(lines)
    } catch (error) {
      log.error(
        { error: String(error) },
        'what dead processes left of their gauges cannot be kept; their files stay'
      )
      return false
    }
    if (isTime) this.#toldAllAt = clock()
    this.#isChanged = false
    this.#post(differences(lines, this.#told, isTime))
    return true
  }

  /** Lines are durable before they are shown, so that they can be ended by whoever starts next. */
  #save(lines: ReadonlyMap<string, Shown>): void {
    const isAsSaved =
      lines.size === this.#saved.size && [...lines.keys()].every((line) => this.#saved.has(line))
    if (isAsSaved && !this.#isToSave) return
    const shown = new Map<string, GaugeLine>(lines)
    for (const [line, told] of this.#told) if (!shown.has(line)) shown.set(line, told)
    this.#options.store.save({
      dead: [...this.#gauges.dead],
      buried: [...this.#buried],
      shown: [...shown.values()].map(({ key, pid }) => [key.text, pid]),
    })
    this.#isToSave = false
    this.#saved.clear()
    for (const line of shown.keys()) this.#saved.add(line)
  }

  #post(changes: ReadonlyMap<string, GaugeLine>): void {
    if (changes.size === 0) return
    this.#waits = true
    this.#lastUnixMs = Math.max(Date.now(), this.#lastUnixMs + 1) // The latest value of a line is what counts.
    const body = this.#points.gauges([...changes.values()], this.#options.job, this.#lastUnixMs)
    const settle = (refusal: Refusal | undefined): void => {
      this.#waits = false
      if (refusal !== undefined) {
        this.#isChanged = true
        return
      }
      for (const [line, told] of changes) {
        if (told.value === undefined) this.#told.delete(line)
        else this.#told.set(line, told)
      }
    }
    this.#receiver.batch({ body, key: undefined, digest: undefined, connection: undefined, settle })
  }
}

/** Of lines that are there the new values, of those that are there no more the end. */
function differences(
  lines: ReadonlyMap<string, Shown>,
  told: ReadonlyMap<string, GaugeLine>,
  all: boolean
): Map<string, GaugeLine> {
  const changes = new Map<string, GaugeLine>()
  for (const [line, now] of lines) {
    if (all || !Object.is(told.get(line)?.value, now.value)) changes.set(line, now)
  }
  for (const [line, { key, pid }] of told) {
    if (!lines.has(line)) changes.set(line, { key, pid, value: undefined })
  }
  return changes
}
