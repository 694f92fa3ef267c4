import { configure, counter, flush, gauge, histogram, upDownCounter } from '@swansong/sdk'
import { exportOf } from './arguments.ts'
import { serviceNameOf } from './push-metric.ts'

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  seconds: number
  memoryBytes: number | undefined
}

type Labels = Readonly<Record<string, string>>

const run = { unit: '{run}' }
/** From a command that only looks whether there is work to one that takes the night. */
const boundaries = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600, 10_800, 43_200, 86_400]
/** The kernel's USER_HZ, on every machine that Node runs on. */
const ticksPerSecond = 100

/**
 * What is counted of one run. The start goes out at once, so that a run that nobody saw end (`swansong run` itself killed,
 * the machine switched off) is one that was started and never ran to an end.
 */
export class RunCounts {
  #labels: Labels

  constructor(name: string | undefined, command: readonly string[], labels: Labels) {
    this.#labels = labels
    const isNamed = name === undefined && serviceNameOf(process.env) === undefined
    const serviceName = name ?? (isNamed ? undefined : programOf(command))
    configure({ serviceName, signals: 'ignore', export: exportOf(process.env) })
    counter('job.starts', run).add(1, labels)
    upDownCounter('job.running', run).add(1, labels)
    flush().catch(() => {}) // By journal it is in the file now. What could not be delivered is tried again at the end.
  }

  /** The last word; the end of the process delivers it. */
  ended({ code, signal, seconds, memoryBytes }: Ended): void {
    const labels = this.#labels
    const isSuccess = code === 0
    const nowSeconds = Date.now() / 1000
    counter('job.runs', run).add(1, labels)
    upDownCounter('job.running', run).add(-1, labels)
    histogram('job.duration', { unit: 's', boundaries }).record(seconds, labels)
    if (!isSuccess) {
      const how = signal === null ? { exit_code: String(code) } : { signal }
      counter('job.failures', run).add(1, { ...labels, ...how })
    }
    const last = isSuccess ? 'job.last_success.timestamp' : 'job.last_failure.timestamp'
    gauge(last, { unit: 's' }).record(nowSeconds, labels)
    const cpu = cpuOfChildren()
    if (cpu !== undefined) {
      const time = counter('job.cpu.time', { unit: 's' })
      time.add(cpu.user, { ...labels, mode: 'user' })
      time.add(cpu.system, { ...labels, mode: 'system' })
    }
    if (memoryBytes !== undefined) gauge('job.memory.peak', { unit: 'By' }).record(memoryBytes, labels)
  }
}

/** `/usr/bin/backup.sh` is `backup.sh`. */
function programOf([command = '']: readonly string[]): string {
  return command.slice(command.lastIndexOf('/') + 1)
}

/** Of the command, and of all that it waited for: fields 16 and 17 of /proc/self/stat. In steps of a hundredth. */
function cpuOfChildren(): { user: number; system: number } | undefined {
  try {
    const stat = process.getBuiltinModule('node:fs').readFileSync('/proc/self/stat', 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [user, system] = [Number(fields[13]) / ticksPerSecond, Number(fields[14]) / ticksPerSecond]
    return Number.isFinite(user + system) ? { user, system } : undefined
  } catch {
    return undefined
  }
}
