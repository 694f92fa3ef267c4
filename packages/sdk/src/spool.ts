import {
  batchSuffix,
  type Heartbeat,
  heartbeatName,
  type Owner,
  spoolHeaderBytes,
  writeSpoolHeader,
} from '@swansong/otlp/spool'
import type { Batch } from './batch.ts'

/*
 * Built-in modules come by `process.getBuiltinModule`, here and wherever a short job passes: to `import` `node:fs` makes
 * a facade of all that it exports, which loads streams and promises and costs 4 ms of CPU; this costs 0.3.
 */
const fs = process.getBuiltinModule('node:fs')

/** A spool found by default is used if its gateway was alive this recently … */
const heartbeatAgeMsMax: number = 15 * 60 * 1000
/** … and as long as so much of its disk is free. */
const freeShareMin = 0.05

const fileMode = 0o640

/** A directory where files are left for the gateway. */
export interface Spool {
  directory: string
  /** Sync each file to the disk: it then outlives a power cut, as far as the directory's entry does. */
  sync: boolean
  owner: Owner
}

/** Whether a gateway keeps this directory, now, and has room in it. */
export function isLiving(directory: string, nowMs: number): boolean {
  try {
    const heartbeat = JSON.parse(
      fs.readFileSync(`${directory}/${heartbeatName}`, 'utf8')
    ) as Partial<Heartbeat>
    if (typeof heartbeat.at !== 'number' || Math.abs(nowMs - heartbeat.at) > heartbeatAgeMsMax) return false
    const disk = fs.statfsSync(directory)
    return disk.bavail >= disk.blocks * freeShareMin
  } catch {
    return false
  }
}

/**
 * Writes a whole file and renames it into place. Throws what the file system says; nothing is then left behind.
 * The mode is set on the open file, as a job's umask might keep the gateway's group from reading it.
 */
export function writeSpoolFile(spool: Spool, name: string, file: Uint8Array): void {
  const waiting = `${spool.directory}/.${name}`
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = fs.constants
  const descriptor = fs.openSync(waiting, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, fileMode)
  try {
    try {
      fs.fchmodSync(descriptor, fileMode)
      for (let at = 0; at < file.length;) at += fs.writeSync(descriptor, file, at)
      if (spool.sync) fs.fsyncSync(descriptor)
    } finally {
      fs.closeSync(descriptor)
    }
    fs.renameSync(waiting, `${spool.directory}/${name}`)
  } catch (error) {
    fs.rmSync(waiting, { force: true })
    throw error
  }
}

/** Leaves a batch for the gateway, under the id that it was posted with: a copy that got through counts once. Throws. */
export function spoolBatch(spool: Spool, batch: Batch): void {
  const file = new Uint8Array(spoolHeaderBytes + batch.body.length)
  file.set(batch.body, spoolHeaderBytes)
  writeSpoolHeader(file, { kind: 'batch', ended: true, sequence: 0, owner: spool.owner }, batch.body)
  writeSpoolFile(spool, `${batch.id}${batchSuffix}`, file)
}

/** The text of a file of /proc. Node reads `utf8`, and nothing else, in one step. */
function readText(path: string): string {
  return fs.readFileSync(path, 'utf8').trim()
}

/** A random UUID, from the kernel where it gives them: loading `node:crypto` costs 6.5 ms. */
export function makeUuid(): string {
  const uuid = readProc(() => readText('/proc/sys/kernel/random/uuid'))
  return uuid ?? process.getBuiltinModule('node:crypto').randomUUID()
}

/** This process, as a spool file names its owner. Zeros where the system has no /proc. */
export function readOwner(): Owner {
  return {
    bootId: readProc(() => readText('/proc/sys/kernel/random/boot_id')) ?? '',
    pidNamespace: readProc(() => Number(/\[(\d+)\]/.exec(fs.readlinkSync('/proc/self/ns/pid'))?.[1])) ?? 0,
    pid: process.pid,
    startTicks: readProc(() => readStartTicks(readText('/proc/self/stat'))) ?? 0,
  }
}

/** Field 22 of /proc/PID/stat. The name in field 2 may hold spaces and brackets: fields are counted from its last one. */
export function readStartTicks(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
}

function readProc<Value>(read: () => Value): Value | undefined {
  try {
    const value = read()
    return value === '' || Number.isNaN(value) ? undefined : value
  } catch {
    return undefined
  }
}
