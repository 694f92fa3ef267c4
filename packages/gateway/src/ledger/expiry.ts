import { isGaugeType } from './metric-types.ts'
import type { Label } from './pushed/family.ts'
import type { Series } from './series.ts'
import type { WriterBook } from './writer-book.ts'
import { eachRecord } from './writers.ts'

/** How long a line may be idle, in milliseconds of the gateway's uptime; Infinity: for ever. */
export interface TimesToLive {
  seriesTtlMs: number
  /** The same for gauges. */
  gaugeTtlMs: number
}

/** What shows series as lines. Several series may be one line: it ends when all of them are idle. */
export interface Lines {
  /** These were born. */
  keepUp(born: readonly number[]): void
  /** Of idle series (1 at their id) those of whose line all are idle: whole lines, until there are so many. */
  endable(idle: Uint8Array, countMax: number): number[]
  /** These are over. */
  end(ended: readonly number[]): void
  /** Whether a line of this name, or a histogram, has these labels. One without a value is none. */
  has(name: string, labels: readonly Label[]): boolean
}

const lookMsMin = 2000
const lookMsMax = 60_000
/** Of a time to live, between two looks. */
const lookShare = 0.05
/** Deleting a row takes 2 µs, and no turn should take long: the rest ends in the next ones. */
const endedPerTurnMax = 10_000

/**
 * Which series are over. Idle is what nobody told of for its time to live: a running total that is told again is news, also
 * where it has not grown, and what a writer told that is still followed is never idle (a living process has counted there:
 * what it adds later is told as a total, and must find what it was told before).
 */
export class Expiry {
  #lookAtUptimeMs = 0

  /** The series that end now. Few, and often none. */
  due(
    series: Series,
    writers: WriterBook,
    lines: Lines,
    { seriesTtlMs, gaugeTtlMs }: TimesToLive,
    uptimeMs: number
  ): number[] {
    if (uptimeMs < this.#lookAtUptimeMs) return []
    const shortestMs = Math.min(seriesTtlMs, gaugeTtlMs)
    this.#lookAtUptimeMs = uptimeMs + Math.max(lookMsMin, Math.min(lookMsMax, shortestMs * lookShare))
    const idle = idleSince(series, (uptimeMs - seriesTtlMs) / 1000, (uptimeMs - gaugeTtlMs) / 1000)
    if (idle === undefined) return []
    for (const records of writers.records()) eachRecord(records, (id) => (idle[id] = 0))
    const ended = lines.endable(idle, endedPerTurnMax)
    if (ended.length >= endedPerTurnMax) this.#lookAtUptimeMs = uptimeMs
    return ended
  }
}

/** 1 at the ids of series of which nothing was told since these uptimes; undefined where there is none. */
function idleSince(series: Series, uptimeS: number, gaugeUptimeS: number): Uint8Array | undefined {
  const latest = Math.max(uptimeS, gaugeUptimeS)
  let idle: Uint8Array | undefined
  for (let id = 0; id < series.idEnd; id++) {
    const touched = series.lives.touchedAtMostOf(id)
    if (touched >= latest || !series.isLive(id) || series.held.has(id)) continue
    if (touched >= (isGaugeType(series.typeOf(id)) ? gaugeUptimeS : uptimeS)) continue
    idle ??= new Uint8Array(series.idEnd)
    idle[id] = 1
  }
  return idle
}
