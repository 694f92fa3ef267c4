import type { Owner } from '@swansong/otlp/spool'
import { isRunning, type Life, Processes, readNamespace, readProc, seenOf } from './processes.ts'

/** `touchedMs`: when the owner's file was last written, Unix milliseconds. */
export type OwnerWatch = (owner: Owner, touchedMs: number) => Life

export interface OwnerWatchOptions {
  procDir?: string
  /** Milliseconds from any fixed point, never backwards. */
  clock?: () => number
}

/**
 * Makes a function that tells whether a spool file's process still lives. Reused pids are told apart by their start, and processes of other pid namespaces (containers) are
 * found where their namespace is one within ours. What was not seen to be dead is not said to be.
 */
export function ownerWatch(options: OwnerWatchOptions = {}): OwnerWatch {
  const { procDir = '/proc', clock = () => performance.now() } = options
  const bootId = (tried(() => readProc(`${procDir}/sys/kernel/random/boot_id`)) ?? '').trim()
  const ownNamespace = readNamespace(`${procDir}/self/ns/pid`) ?? 0
  const processes = new Processes(procDir, clock, ownNamespace)
  return (owner, touchedMs) => {
    if (bootId === '' && owner.bootId === '') return isRunning(owner.pid) ? 'alive' : 'dead' // The pid is all there is.
    if (bootId === '' || owner.bootId === '') return 'unknown' // One of the two has a /proc that tells little.
    try {
      // Before this boot: dead. But a virtual machine that shares the directory has a boot id of its own, and lives.
      if (owner.bootId !== bootId) return touchedMs < readBootMs(procDir) ? 'dead' : 'unknown'
      if (owner.pidNamespace !== ownNamespace || !processes.isOfOurNamespace) return processes.lifeOf(owner)
      return lifeHere(procDir, owner)
    } catch {
      return 'unknown' // Too many open files, or a /proc that is closed to us: that tells nothing of the process.
    }
  }
}

function lifeHere(procDir: string, owner: Owner): Life {
  const seen = seenOf(procDir, owner.pid)
  if (seen !== undefined) return !seen.isDead && seen.startTicks === owner.startTicks ? 'alive' : 'dead'
  // A /proc mounted with hidepid shows nobody else's processes: the first one is always there.
  const isHidden = seenOf(procDir, 1) === undefined
  return isHidden && isRunning(owner.pid) ? 'unknown' : 'dead'
}

/** When the kernel started, Unix milliseconds, by the clock as it is set now. Infinity where it does not say. */
function readBootMs(procDir: string): number {
  const seconds = /^btime (\d+)$/m.exec(readProc(`${procDir}/stat`) ?? '')?.[1]
  return seconds === undefined ? Infinity : Number(seconds) * 1000
}

function tried<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
