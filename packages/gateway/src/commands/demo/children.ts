import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'

/** The processes that the demo has started and that still run. */
export class Children {
  readonly #living = new Set<ChildProcess>()

  /** Starts a Node process on a file of ours. Its variables are the user's, but for those that would change what counts. */
  start(args: readonly string[], env: Record<string, string>, stdio: SpawnOptions['stdio']): ChildProcess {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(OTEL|SWANSONG|NODE)_/.test(name))
    const child = spawn(process.execPath, args, { env: { ...Object.fromEntries(inherited), ...env }, stdio })
    this.#living.add(child)
    child.once('exit', () => this.#living.delete(child))
    child.once('error', () => this.#living.delete(child))
    return child
  }

  /** Does not wait for their end: for the last moment of the demo's own process. */
  killAll(): void {
    for (const child of this.#living) child.kill('SIGKILL')
  }

  /** Kills all, and resolves when none of them is there any more. */
  async endAll(): Promise<void> {
    const ends = [...this.#living].map((child) => once(child, 'exit'))
    this.killAll()
    await Promise.allSettled(ends)
  }
}
