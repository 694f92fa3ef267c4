import { openSync, readFileSync, writeSync } from 'node:fs'
import type { Tally } from './tally.ts'

const recordBytes = 16

/**
 * Counts these steps in a loop that never turns, half a millisecond each, and keeps a record past the SDK: two
 * float64 each time, the steps counted and the milliseconds of this thread's CPU. `before` is called before each step.
 */
export function countBusily(
  tally: Tally,
  file: string,
  from: number,
  to: number,
  before: (step: number) => void = () => {}
): void {
  const descriptor = openSync(file, 'w')
  const record = new Float64Array(2)
  const bytes = new Uint8Array(record.buffer)
  for (let step = from; step < to; step++) {
    before(step)
    tally.count(step, step + 1)
    const cpu = process.threadCpuUsage()
    record[0] = step + 1
    record[1] = (cpu.user + cpu.system) / 1000
    writeSync(descriptor, bytes)
    const until = performance.now() + 0.5
    while (performance.now() < until);
  }
}

/**
 * How long the loop took, on its CPU, from where `counted` steps were to where it came; NaN where it has no record. By the
 * CPU's time, as what the loop does not count while it waits for a busy machine is not missing.
 */
export function missingMs(file: string, counted: number): number {
  const { buffer, byteOffset, length } = readFileSync(file)
  const records = new Float64Array(buffer.slice(byteOffset, byteOffset + length - (length % recordBytes)))
  const end = records.length - 2
  let at = end
  while (at > 0 && (records[at] as number) > counted) at -= 2
  return (records[end + 1] ?? Number.NaN) - (records[at + 1] ?? Number.NaN)
}
