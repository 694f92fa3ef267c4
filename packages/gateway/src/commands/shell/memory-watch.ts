const fs = process.getBuiltinModule('node:fs')

/** Often at first, for most commands are short; then as often as costs next to nothing. */
const firstMs = 2
const growth = 1.5
const intervalMsMax = 250
/** Of one look: a command with thousands of processes is not looked at whole. */
const filesPerLookMax = 512

/**
 * The most memory that any one process of a command has had, as far as one can see from outside: the kernel keeps each
 * process's own peak (VmHWM) while it lives, so only what it took since the last look is missed. The kernel's account of
 * children that have ended (getrusage) has it whole, but Node does not show that.
 */
export class MemoryWatch {
  #pid: number | undefined
  #timer: NodeJS.Timeout | undefined
  #peakBytes = 0

  constructor(pid: number | undefined) {
    this.#pid = pid
    this.#wait(firstMs)
  }

  /** `undefined` where it was not seen. */
  get peakBytes(): number | undefined {
    return this.#peakBytes === 0 ? undefined : this.#peakBytes
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#look()
      this.#wait(Math.min(ms * growth, intervalMsMax))
    }, ms)
  }

  #look(): void {
    const pids = this.#pid === undefined ? [] : [String(this.#pid)]
    for (let at = 0, files = 0; at < pids.length && files < filesPerLookMax; at++) {
      const home = `/proc/${pids[at]}`
      const status = readText(`${home}/status`)
      const kilobytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0)
      this.#peakBytes = Math.max(this.#peakBytes, kilobytes * 1024)
      for (const thread of listOf(`${home}/task`)) {
        if (files++ >= filesPerLookMax) break
        const children = readText(`${home}/task/${thread}/children`)
        pids.push(...children.split(' ').filter((pid) => pid !== ''))
      }
    }
  }
}

/** Empty where the process has ended, or is another user's. */
function readText(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function listOf(path: string): string[] {
  try {
    return fs.readdirSync(path)
  } catch {
    return []
  }
}
