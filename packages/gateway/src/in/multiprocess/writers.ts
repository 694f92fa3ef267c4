import { readdirSync, statSync } from 'node:fs'
import { isRunning, type Life, readNamespace, readProc, seenOf } from '../processes.ts'

/** Whose processes write the files: `here`: one that cannot be seen is dead; `auto`: only where that is certain. */
export type ProcessView = 'auto' | 'here'

/** Files are called by pids of our namespace, or of one within it. */
export type PidNames = 'ours' | 'inner'

/** What is asked after: whether any process still has it open. */
export interface OpenFile {
  inode: number
  /** The user that made it. */
  uid: number
  /** As its name says: a pid, unless the application has another way to tell its processes apart. */
  process: string
}

export interface FileWritersOptions {
  procDir?: string
  /** Milliseconds from any fixed point, never backwards. */
  clock: () => number
}

/** A process that has a file mapped. */
interface Owner {
  pid: number
  startTicks: number
}

/** What all processes have mapped, as it was found at once. */
interface Look {
  begunMs: number
  costMs: number
  /** Process by inode. */
  pids: Map<number, number>
  /** Users of processes of which we may not see what they have mapped. */
  hidden: Set<number>
  isWhole: boolean
}

/** The inode of the pid namespace that all others are within, by the kernel's include/linux/proc_ns.h. */
const firstNamespace = 0xeffffffc
/** All processes are looked through at most this often, and for no more than this share of the time, but for busy machines. */
const lookMsMin = 1000
const lookShareMax = 1 / 20
const lookMsMax = 10_000

/**
 * Tells whether a process that may write a file still lives. A pid alone says little: it may be reused, be that of another
 * namespace, or no pid at all. But prometheus_client has its files mapped for as long as its process lives, and the kernel
 * says by whom an inode is mapped, whatever its name is by now.
 */
export class FileWriters {
  readonly #procDir: string
  readonly #clock: () => number
  readonly #hasProc: boolean
  readonly #seesAll: boolean
  /** Who was seen to have a file: it keeps it until it ends. */
  readonly #owners = new Map<number, Owner>()
  #look: Look | undefined

  constructor({ procDir = '/proc', clock }: FileWritersOptions) {
    this.#procDir = procDir
    this.#clock = clock
    this.#hasProc = tried(() => seenOf(procDir, process.pid)) !== undefined
    this.#seesAll = readNamespace(`${procDir}/self/ns/pid`) === firstNamespace
  }

  /**
   * Whose pids the names of a directory's files are, by this one, if its writer was seen: then the writers of all of them
   * can be.
   */
  namesBy({ inode, process: name }: OpenFile): PidNames | undefined {
    const pid = this.#owners.get(inode)?.pid
    if (pid === undefined || String(pid) === name) return pid === undefined ? undefined : 'ours'
    const status = tried(() => readProc(`${this.#procDir}/${pid}/status`))
    const isInner =
      /^NSpid:\t(.*)$/m
        .exec(status ?? '')?.[1]
        ?.split('\t')
        .at(-1) === name
    return isInner ? 'inner' : undefined
  }

  /** Forgets what is known of a file that is gone. */
  forget(inode: number): void {
    this.#owners.delete(inode)
  }

  /** `sinceMs`: what was found by looking before does not count. `names`: what is known of this directory's. */
  lifeOf(file: OpenFile, sinceMs: number, view: ProcessView, names: PidNames | undefined): Life {
    const pid = /^\d{1,9}$/.test(file.process) ? Number(file.process) : undefined
    if (!this.#hasProc) return pid === undefined ? 'unknown' : isRunning(pid) ? 'alive' : 'dead'
    if (this.#isOwned(file.inode)) return 'alive'
    try {
      const isOurs = pid !== undefined && names !== 'inner'
      const seen = isOurs ? seenOf(this.#procDir, pid) : undefined
      if (isOurs && seen !== undefined && !seen.isDead) {
        const holds = this.#holds(pid, file)
        if (holds === true) this.#owners.set(file.inode, { pid, startTicks: seen.startTicks })
        if (holds !== false) return 'alive' // Of whom we may not ask it is believed.
      }
      if (view === 'here' && pid !== undefined) return 'dead'
      return this.#lifeByLooking(file, sinceMs, names !== undefined)
    } catch {
      return 'unknown' // Too many open files, or a /proc that is closed to us.
    }
  }

  #isOwned(inode: number): boolean {
    const owner = this.#owners.get(inode)
    if (owner === undefined) return false
    const seen = tried(() => seenOf(this.#procDir, owner.pid))
    if (seen !== undefined && !seen.isDead && seen.startTicks === owner.startTicks) return true
    this.#owners.delete(inode)
    return false
  }

  /** Whether a process has a file mapped or open; undefined where we may not know. */
  #holds(pid: number, { inode, uid }: OpenFile): boolean | undefined {
    try {
      if (mappedBy(this.#procDir, pid).includes(inode)) return true
      const fds = `${this.#procDir}/${pid}/fd`
      return readdirSync(fds).some((fd) => tried(() => statSync(`${fds}/${fd}`))?.ino === inode)
    } catch {
      return this.#usersOf(pid)?.includes(uid) === false ? false : undefined
    }
  }

  /** The users that a process is, or may become. */
  #usersOf(pid: number): number[] | undefined {
    const status = tried(() => readProc(`${this.#procDir}/${pid}/status`))
    return /^Uid:\t(.*)$/m
      .exec(status ?? '')?.[1]
      ?.split('\t')
      .map(Number)
  }

  #lifeByLooking(file: OpenFile, sinceMs: number, canSee: boolean): Life {
    const now = this.#clock()
    let found = this.#foundBy(this.#look, file.inode)
    if (this.#look === undefined || this.#look.begunMs < sinceMs || found === 'ended') {
      const waitMs = Math.min(lookMsMax, Math.max(lookMsMin, (this.#look?.costMs ?? 0) / lookShareMax))
      if (this.#look !== undefined && now - this.#look.begunMs < waitMs) return 'unknown'
      this.#look = this.#lookThrough(now)
      found = this.#foundBy(this.#look, file.inode)
    }
    if (found === 'ended') return 'unknown' // Others may have it: the next look says so.
    if (found !== undefined) {
      this.#owners.set(file.inode, found)
      return 'alive'
    }
    if (!this.#look.isWhole) return 'unknown'
    return canSee || (this.#seesAll && !this.#look.hidden.has(file.uid)) ? 'dead' : 'unknown'
  }

  /** Who had a file mapped, if that lives still. */
  #foundBy(look: Look | undefined, inode: number): Owner | 'ended' | undefined {
    const pid = look?.pids.get(inode)
    if (pid === undefined) return undefined
    const seen = seenOf(this.#procDir, pid)
    return seen === undefined || seen.isDead ? 'ended' : { pid, startTicks: seen.startTicks }
  }

  #lookThrough(begunMs: number): Look {
    const pids = new Map<number, number>()
    const hidden = new Set<number>()
    let isWhole = seenOf(this.#procDir, 1) !== undefined // Not behind hidepid.
    for (const name of readdirSync(this.#procDir)) {
      if (!/^\d+$/.test(name)) continue
      try {
        for (const inode of mappedBy(this.#procDir, Number(name))) pids.set(inode, Number(name))
      } catch {
        const users = this.#usersOf(Number(name))
        isWhole &&= users !== undefined
        // Whose pid is 1 calls its files so, and was asked for by that.
        if (name !== '1') for (const user of users ?? []) hidden.add(user)
      }
    }
    return { begunMs, costMs: this.#clock() - begunMs, pids, hidden, isWhole }
  }
}

/** The inodes of files like ours that a process has mapped. Throws where we may not know. */
function mappedBy(procDir: string, pid: number): number[] {
  const inodes: number[] = []
  const maps = readProc(`${procDir}/${pid}/maps`)
  if (maps === undefined) return inodes
  for (const [, inode] of maps.matchAll(mappingPattern)) inodes.push(Number(inode))
  return inodes
}

/** By proc(5): address, permissions, offset, device, inode, path; behind the path, whether that was removed. */
const mappingPattern =
  /^\S+ \S+ \S+ \S+ (\d+) .*\/(?:counter|gauge|histogram|summary)_[^/]*\.db(?: \(deleted\))?$/gm

function tried<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
