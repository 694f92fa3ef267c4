import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Owner } from '@swansong/otlp/spool'

/** Unknown: the process lives, if at all, where this one cannot see it. */
export type Life = 'alive' | 'dead' | 'unknown'

/** What /proc/PID/stat says of a process. */
export interface Seen {
  /** It ended, and only nobody has waited for it yet. */
  isDead: boolean
  startTicks: number
}

/** A process in a pid namespace within ours. */
interface Inner {
  /** Its pid here, and there. */
  pid: number
  innerPid: number
  startTicks: number
  /** Undefined where we may not ask. */
  namespace: number | undefined
}

/** The inode of the pid namespace that all others are within, by the kernel's include/linux/proc_ns.h. */
const firstNamespace = 0xeffffffc
/** All processes are looked through at most this often, and for no more than this share of the time. */
const scanMs = 5000
const scanShareMax = 1 / 200
/** Owners that are remembered; one that was forgotten is looked for again. */
const ownerCountMax = 20_000

/** Finds processes of other pid namespaces by the pid that they have there, as far as they can be seen from here. */
export class Processes {
  /** Pids under /proc are those of our own namespace: it was mounted in it. */
  readonly isOfOurNamespace: boolean
  readonly #procDir: string
  readonly #clock: () => number
  readonly #seesAll: boolean
  /** What was found of an owner: its pid here, or that it is not among those that can be seen. */
  readonly #found = new Map<string, number | 'dead' | 'unknown'>()
  readonly #askedAt = new Map<string, number>()
  #scan: { at: number; costMs: number; inner: Inner[]; isWhole: boolean } | undefined

  constructor(procDir: string, clock: () => number, ownNamespace: number) {
    this.#procDir = procDir
    this.#clock = clock
    const self = linkOf(`${procDir}/self`)
    this.isOfOurNamespace = self === undefined || Number(self) === process.pid
    this.#seesAll = this.isOfOurNamespace && ownNamespace === firstNamespace
  }

  /** Throws what /proc says where it says that it cannot be read. */
  lifeOf(owner: Owner): Life {
    const key = `${owner.pidNamespace} ${owner.pid} ${owner.startTicks}`
    const found = this.#found.get(key) ?? this.#find(key, owner)
    if (typeof found !== 'number') return found
    const seen = seenOf(this.#procDir, found)
    if (seen !== undefined && !seen.isDead && seen.startTicks === owner.startTicks) return 'alive'
    this.#found.set(key, 'dead')
    return 'dead'
  }

  #find(key: string, owner: Owner): number | 'dead' | 'unknown' {
    const now = this.#clock()
    const askedAt = this.#askedAt.get(key) ?? now
    remember(this.#askedAt, key, askedAt)
    if (this.#scan === undefined || this.#scan.at < askedAt) {
      // One looked through before may have missed a process that was born since: that is not to be dead.
      const waitMs = Math.max(scanMs, (this.#scan?.costMs ?? 0) / scanShareMax)
      if (this.#scan !== undefined && now - this.#scan.at < waitMs) return 'unknown'
      this.#scan = this.#look(now)
    }
    const found = this.#judge(this.#scan.inner, owner)
    if (found !== 'unknown' || this.#scan.isWhole) {
      remember(this.#found, key, found)
      this.#askedAt.delete(key)
    } else this.#askedAt.set(key, now) // To be looked for again.
    return found
  }

  #judge(inner: readonly Inner[], owner: Owner): number | 'dead' | 'unknown' {
    let isVisible = this.#seesAll
    let isUncertain = this.#scan?.isWhole !== true
    let alike: number | undefined
    for (const { pid, innerPid, startTicks, namespace } of inner) {
      const isAlike = innerPid === owner.pid && startTicks === owner.startTicks
      if (isAlike && namespace === owner.pidNamespace) return pid
      if (namespace === owner.pidNamespace) isVisible = true
      if (isAlike && namespace === undefined) alike = pid
    }
    // Alike, but of a namespace that we may not ask for: it is the one, if the one can be seen at all.
    if (alike !== undefined && this.#seesAll) return alike
    isUncertain ||= alike !== undefined
    return isVisible && !isUncertain ? 'dead' : 'unknown'
  }

  #look(now: number): { at: number; costMs: number; inner: Inner[]; isWhole: boolean } {
    const inner: Inner[] = []
    let isWhole = seenOf(this.#procDir, 1) !== undefined // Not behind hidepid.
    for (const name of readdirSync(this.#procDir)) {
      if (!/^\d+$/.test(name)) continue
      try {
        const process = this.#read(Number(name))
        if (process !== undefined) inner.push(process)
      } catch {
        isWhole = false
      }
    }
    return { at: now, costMs: this.#clock() - now, inner, isWhole }
  }

  #read(pid: number): Inner | undefined {
    const status = readProc(`${this.#procDir}/${pid}/status`)
    const pids = /^NSpid:\t(.*)$/m.exec(status ?? '')?.[1]?.split('\t') ?? []
    if (pids.length < 2 && this.isOfOurNamespace) return undefined
    const seen = seenOf(this.#procDir, pid)
    if (seen === undefined || seen.isDead) return undefined
    const namespace = readNamespace(`${this.#procDir}/${pid}/ns/pid`)
    return { pid, innerPid: Number(pids.at(-1)), startTicks: seen.startTicks, namespace }
  }
}

/** Undefined where there is no such process. Throws where that cannot be told. */
export function seenOf(procDir: string, pid: number): Seen | undefined {
  const stat = readProc(`${procDir}/${pid}/stat`)
  if (stat === undefined) return undefined
  // Behind the command's name, which may hold anything: state is field 3, starttime field 22 (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { isDead: fields[0] === 'Z' || fields[0] === 'X', startTicks: Number(fields[19]) }
}

/** Undefined where it is not there. Throws what else the system says. */
export function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

/** The inode of a namespace; undefined where there is none, or we may not ask. */
export function readNamespace(path: string): number | undefined {
  const inode = /\[(\d+)\]/.exec(linkOf(path) ?? '')?.[1]
  return inode === undefined ? undefined : Number(inode)
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** What was remembered first is forgotten first. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.set(key, value)
  if (map.size > ownerCountMax) map.delete(map.keys().next().value as string)
}
