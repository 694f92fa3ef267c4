import type { ChildProcess } from 'node:child_process'

/** What is meant for the command when it is sent to us. */
const forwarded = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const
/** What a terminal sends to all of its foreground, the command among them: sent on, it would come twice. */
const fromTerminal = new Set<NodeJS.Signals>(['SIGINT', 'SIGQUIT'])

/**
 * Signals go on to the command while it lives, but for those that we were started to ignore. Made before the command is
 * there, which may send one at once.
 */
export class Forwarding {
  #child: ChildProcess | undefined
  #ignored: ReadonlySet<number>
  #numbers = process.getBuiltinModule('node:os').constants.signals
  #forward = (signal: NodeJS.Signals): void => {
    if (this.#ignored.has(this.#numbers[signal])) return
    if (fromTerminal.has(signal) && isForeground()) return
    this.#child?.kill(signal)
  }

  constructor(ignored: readonly number[]) {
    this.#ignored = new Set(ignored)
    for (const signal of forwarded) process.on(signal, this.#forward)
  }

  to(child: ChildProcess): void {
    this.#child = child
  }

  stop(): void {
    for (const signal of forwarded) process.off(signal, this.#forward)
  }
}

/** Ends as the command did: by its code or by its signal. Counts are away when the `exit` event is over. */
export function dieAs(code: number | null, signal: NodeJS.Signals | null, forwarding: Forwarding): void {
  if (signal === null) process.exit(code ?? 1)
  const { constants } = process.getBuiltinModule('node:os')
  process.once('exit', () => {
    forwarding.stop()
    raise(signal)
  })
  process.exit(128 + constants.signals[signal]) // As shells do; where the signal did not end us: in process 1 of a container.
}

/** Twice, as the first SIGSEGV is taken by a handler of V8's; what Node ignores, it no longer does once somebody listened. */
function raise(signal: NodeJS.Signals): void {
  try {
    const listen = (): void => {}
    process.on(signal, listen)
    process.off(signal, listen)
  } catch {
    // SIGKILL and SIGSTOP cannot be listened to.
  }
  try {
    for (let times = 0; times < 2; times++) process.kill(process.pid, signal)
  } catch {
    // Not known here: the exit code says it.
  }
}

/** Whether our process group is the foreground of a terminal: fields 5 and 8 of /proc/self/stat. */
function isForeground(): boolean {
  try {
    const stat = process.getBuiltinModule('node:fs').readFileSync('/proc/self/stat', 'utf8')
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return group === foreground
  } catch {
    return process.stdin.isTTY
  }
}
