import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'

export interface ChildOptions {
  cwd?: string
  env?: Record<string, string>
  stdio?: StdioOptions
  /** Programs that run the program, each ending in `exec` of what follows it. */
  within?: readonly string[]
}

/** On Linux by the kernel, so that even a test killed with -9 leaves no process behind. One pid from here on. */
export function spawnThatDiesWithUs(
  program: string,
  args: string[],
  options: ChildOptions = {}
): ChildProcess {
  const setpriv = '/usr/bin/setpriv'
  const dying = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL', program] : [program]
  const [command = program, ...rest] = [...(options.within ?? []), ...dying, ...args]
  const child = spawn(command, rest, {
    stdio: options.stdio ?? ['ignore', 'ignore', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  })
  if (living.size === 0) process.off('exit', killAll).once('exit', killAll)
  living.add(child)
  child.once('exit', () => living.delete(child))
  return child
}

const living = new Set<ChildProcess>()

function killAll(): void {
  for (const child of living) child.kill('SIGKILL')
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** Asks the process to end, insists after `withinMs`, and waits until it has. */
export async function ended(child: ChildProcess, signal: NodeJS.Signals, withinMs: number): Promise<void> {
  if (hasEnded(child)) return
  const exit = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), withinMs)
  await exit
  clearTimeout(timer)
}
