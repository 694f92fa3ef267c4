import { readFileSync, readlinkSync } from 'node:fs'
import type { Owner } from '@swansong/otlp/spool'

/** Unknown: the process lives, if at all, where this one cannot see it (another pid namespace). */
export type Life = 'alive' | 'dead' | 'unknown'

/** Makes a function that tells whether a spool file's process still lives. Reused pids are told apart by their start. */
export function ownerWatch(procDir = '/proc'): (owner: Owner) => Life {
  const bootId = readText(`${procDir}/sys/kernel/random/boot_id`).trim()
  const pidNamespace = readNamespace(`${procDir}/self/ns/pid`)
  return (owner) => {
    if (bootId === '' || owner.bootId === '') return isRunning(owner.pid) // No /proc: the pid is all there is.
    if (owner.bootId !== bootId) return 'dead' // Its machine has started anew since.
    if (owner.pidNamespace !== pidNamespace) return 'unknown'
    const stat = readText(`${procDir}/${owner.pid}/stat`)
    if (stat === '') return 'dead'
    // Behind the command's name, which may hold anything: state is field 3, starttime field 22 (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const isZombie = fields[0] === 'Z' || fields[0] === 'X'
    return isZombie || Number(fields[19]) !== owner.startTicks ? 'dead' : 'alive'
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // Not there: no such process, or no /proc at all.
  }
}

function readNamespace(path: string): number {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync(path))?.[1] ?? 0)
  } catch {
    return 0
  }
}

function isRunning(pid: number): Life {
  try {
    process.kill(pid, 0)
    return 'alive'
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM' ? 'alive' : 'dead'
  }
}
