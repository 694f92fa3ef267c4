import {
  batchSuffix,
  type Heartbeat,
  heartbeatName,
  type Owner,
  spoolFileBytesMin,
  spoolHeaderBytes,
  writeSpoolHeader,
} from '@swansong/otlp/spool'
import type { Batch } from '../encode/batch.ts'

/*
 * Built-in modules come by `process.getBuiltinModule`, here and wherever a short job passes: to `import` `node:fs` makes
 * a facade of all that it exports, which loads streams and promises and costs 4 ms of CPU; this costs 0.3.
 */
const fs = process.getBuiltinModule('node:fs')

/** A spool found by default is used if its gateway was alive this recently … */
const heartbeatAgeMsMax: number = 15 * 60 * 1000
/** … and as long as so much of its disk is free. */
const freeShareMin = 0.05

/** What a gateway takes that says nothing else. */
const fileBytesMaxDefault: number = 64 * 1024 * 1024

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
    const at = readHeartbeat(directory)?.at
    if (typeof at !== 'number' || Math.abs(nowMs - at) > heartbeatAgeMsMax) return false
    const disk = fs.statfsSync(directory)
    return disk.bavail >= disk.blocks * freeShareMin
  } catch {
    return false
  }
}

/** What the gateway of a directory last said of itself; undefined where nobody did. */
export function readHeartbeat(directory: string): Partial<Heartbeat> | undefined {
  try {
    const text = fs.readFileSync(`${directory}/${heartbeatName}`, 'utf8')
    return (JSON.parse(text) as Partial<Heartbeat> | null) ?? undefined
  } catch {
    return undefined
  }
}

/** The largest file that the gateway of a spool takes, in bytes: as it says, or as they do by default. */
export function readFileBytesMax(directory: string): number {
  const max = readHeartbeat(directory)?.fileBytesMax
  return typeof max === 'number' ? Math.max(max, spoolFileBytesMin) : fileBytesMaxDefault
}

/**
 * Writes a whole file and renames it into place. Gives its descriptor, still open and at its end. Throws what the file
 * system says; nothing is then left behind.
 * The mode is set on the open file, as a job's umask might keep the gateway's group from reading it.
 */
export function placeSpoolFile(spool: Spool, name: string, parts: readonly Uint8Array[]): number {
  const waiting = `${spool.directory}/.${name}`
  const descriptor = createNew(waiting)
  try {
    fs.fchmodSync(descriptor, fileMode)
    for (let each = 0; each < parts.length; each++) writeWhole(descriptor, parts[each] as Uint8Array)
    if (spool.sync) fs.fsyncSync(descriptor)
    fs.renameSync(waiting, `${spool.directory}/${name}`)
    return descriptor
  } catch (error) {
    closeQuietly(descriptor)
    unlinkQuietly(waiting)
    throw error
  }
}

function writeWhole(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += fs.writeSync(descriptor, bytes, at)
}

/** Whether a spool has a file of this name. */
export function isThere(spool: Spool, name: string): boolean {
  return fs.existsSync(`${spool.directory}/${name}`)
}

export function closeQuietly(descriptor: number | undefined): void {
  try {
    if (descriptor !== undefined) fs.closeSync(descriptor)
  } catch {
    // What a close says of the disk, the next write will say again.
  }
}

/** A name that is taken is one of our own that could not be removed: nobody else draws it. */
function createNew(path: string): number {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = fs.constants
  try {
    return fs.openSync(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, fileMode)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    unlinkQuietly(path)
    return fs.openSync(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, fileMode)
  }
}

function unlinkQuietly(path: string): void {
  try {
    fs.unlinkSync(path)
  } catch {
    // It was never there, or the directory is gone.
  }
}

/** Leaves a batch for the gateway, under the id that it was posted with: a copy that got through counts once. Throws. */
export function spoolBatch(spool: Spool, batch: Batch): void {
  const file = new Uint8Array(spoolHeaderBytes + batch.body.length)
  file.set(batch.body, spoolHeaderBytes)
  writeSpoolHeader(file, { kind: 'batch', ended: true, sequence: 0, owner: spool.owner }, batch.body)
  const bytesMax = file.length > spoolFileBytesMin ? readFileBytesMax(spool.directory) : spoolFileBytesMin
  if (file.length > bytesMax)
    throw new Error(`its gateway takes no file over ${bytesMax} bytes, and this one has ${file.length}`)
  closeQuietly(placeSpoolFile(spool, `${batch.id}${batchSuffix}`, [file]))
}

/** The text of a file of /proc; empty where the system has none. Node reads `utf8`, and nothing else, in one step. */
function readProc(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

/** A random UUID, from the kernel where it gives them: loading `node:crypto` costs 6.5 ms. */
export function makeUuid(): string {
  return readProc('/proc/sys/kernel/random/uuid') || process.getBuiltinModule('node:crypto').randomUUID()
}

/** This process, as a spool file names its owner. Zeros where the system has no /proc. */
export function readOwner(): Owner {
  return {
    bootId: readProc('/proc/sys/kernel/random/boot_id'),
    pidNamespace: readPidNamespace(),
    pid: process.pid,
    startTicks: readStartTicks(readProc('/proc/self/stat')) || 0,
  }
}

/** Field 22 of /proc/PID/stat. The name in field 2 may hold spaces and brackets: fields are counted from its last one. */
export function readStartTicks(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
}

/** Of `pid:[4026531836]`. */
function readPidNamespace(): number {
  try {
    return Number(fs.readlinkSync('/proc/self/ns/pid').slice('pid:['.length, -1)) || 0
  } catch {
    return 0
  }
}
