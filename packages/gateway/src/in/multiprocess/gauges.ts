import type { EntryKey, FileContent, FileName, GaugeMode } from './file-format.ts'
import type { GaugeLine } from './points.ts'

/** What is kept of the gauges of dead processes: a value that is in the line still. */
export interface DeadGauge {
  mode: GaugeMode
  key: EntryKey
  /** Of mode `all`. */
  pid: string | undefined
  value: number
  /** Unix seconds; 0 unless the latest is wanted. */
  time: number
}

/** A gauge file, as it was read last. */
export interface GaugeFile {
  name: FileName
  content: FileContent
}

/**
 * The gauges of one directory as prometheus_client shows them: of each process, or the least, the greatest, the sum, the
 * latest. What dead processes leave is kept beside the files of the living, so that those of the dead may go.
 */
export class Gauges {
  /** By line; those of each process in the order of their deaths. */
  readonly #dead = new Map<string, DeadGauge>()
  readonly #deadCountMax: () => number

  /** `deadCountMax`: how many lines of mode `all` are kept of dead processes, the last ones. */
  constructor(deadCountMax: () => number, dead: readonly DeadGauge[]) {
    this.#deadCountMax = deadCountMax
    for (const one of dead) this.#dead.set(lineOf(one.key, one.pid), one)
  }

  get dead(): Iterable<DeadGauge> {
    return this.#dead.values()
  }

  /** The process of a file is dead: what stays of it. */
  bury({ name, content }: GaugeFile): void {
    if (name.isLive) return
    eachValue({ name, content }, (mode, key, pid, value, time) => {
      const line = lineOf(key, pid)
      const before = this.#dead.get(line)
      if (mode === 'all') this.#dead.delete(line) // So that it is the last of them.
      this.#dead.set(
        line,
        before === undefined ? { mode, key, pid, value, time } : merged(before, value, time)
      )
    })
    this.#forgetFirst()
  }

  /** Every line there is, by its name. */
  lines(living: Iterable<GaugeFile>): Map<string, GaugeLine & { value: number }> {
    const found = new Map<string, DeadGauge>()
    for (const one of this.#dead.values()) found.set(lineOf(one.key, one.pid), one)
    for (const file of living) {
      eachValue(file, (mode, key, pid, value, time) => {
        const line = lineOf(key, pid)
        const before = found.get(line)
        found.set(line, before === undefined ? { mode, key, pid, value, time } : merged(before, value, time))
      })
    }
    return found
  }

  #forgetFirst(): void {
    let surplus = -this.#deadCountMax()
    for (const { pid } of this.#dead.values()) if (pid !== undefined) surplus++
    for (const [line, { pid }] of this.#dead) {
      if (surplus <= 0) return
      if (pid === undefined) continue
      this.#dead.delete(line)
      surplus--
    }
  }
}

/** Labels, as they stand in the file, are part of it. */
export function lineOf(key: EntryKey, pid: string | undefined): string {
  return pid === undefined ? key.text : `${pid} ${key.text}`
}

function merged(before: DeadGauge, value: number, time: number): DeadGauge {
  const { mode } = before
  if (mode === 'sum') return { ...before, value: before.value + value }
  if (mode === 'all') return { ...before, value } // A pid that was reused.
  const isBetter =
    mode === 'min' ? value < before.value : mode === 'max' ? value > before.value : time > before.time
  return isBetter ? { ...before, value, time } : before
}

function eachValue(
  { name, content }: GaugeFile,
  call: (mode: GaugeMode, key: EntryKey, pid: string | undefined, value: number, time: number) => void
): void {
  const { keys, values, times } = content
  const pid = name.mode === 'all' ? name.process : undefined
  for (let at = 0; at < keys.length; at++) {
    const time = times[at] as number
    if (name.mode === 'mostrecent' && time === 0) continue // Made, and never set.
    call(name.mode, keys[at] as EntryKey, pid, values[at] as number, time)
  }
}
