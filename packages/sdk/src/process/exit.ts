import { warn } from './say.ts'

/** How counts leave this process. */
export interface WayOut {
  /** Called from within `add()`, when the recorder's countdown has run out; sets it again. Never throws. */
  look(): void
  /** Resolves when all that was counted is durable elsewhere; rejects when it could not be made so. */
  flush(): Promise<void>
  /** The process ends now and nothing asynchronous will run. May be called again if more was counted. Never throws. */
  end(): void
}

/** A way out that needs the event loop to deliver. */
export interface SlowWayOut extends WayOut {
  /** Delivers what waits, within the budget; what could not be delivered waits on. Never rejects. */
  deliver(): Promise<void>
  /**
   * The same, but what could not be delivered is put away: nothing waits after it. Done when it returns, unless it
   * returns a promise, which never rejects.
   */
  drain(): void | Promise<void>
}

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
/**
 * The ways out of this process that share one handler of signals, whatever copies of this package opened them: two
 * handlers would each take the other for the job's, and nobody would raise the signal again.
 */
const waysKey = Symbol.for('swansong.sdk.1.ways')

/** Every orderly end: `process.exit`, an uncaught error, nothing left to do. */
export function endWithProcess(way: WayOut): void {
  let isEnded = false
  const end = (): void => {
    isEnded = true
    quietly(() => way.end())
  }
  process.on('exit', end)
  if (process.versions['deno'] !== undefined) onUncaughtInDeno(end)
  if (isExiting()) way.end() // The first add stood in an `exit` handler, and ours comes too late.
  onRealExit(() => {
    if (!isEnded) end()
  })
  // An `exit` handler of the job's own that throws: those behind it, ours among them, are not called any more.
  process.on('uncaughtExceptionMonitor', () => {
    if (!isEnded && isExiting()) end()
  })
}

/**
 * An `exit` handler of the job's own that calls `process.exit()` ends the process before ours is called. What that calls in
 * the end is undocumented, but left as it is in Node for those who put themselves before it, as the package `signal-exit`.
 */
function onRealExit(handle: () => void): void {
  const holder = process as { reallyExit?: (code?: number) => never }
  const { reallyExit } = holder
  if (typeof reallyExit !== 'function') return
  holder.reallyExit = function (code) {
    handle()
    return reallyExit.call(process, code)
  }
}

/** Nothing left to do: the last moment in which a request can still be sent. */
export function drainBeforeExit(way: SlowWayOut): void {
  // This event comes again after a drain that took turns: then nothing waits any more.
  process.on('beforeExit', () => quietly(() => void way.drain()))
}

/**
 * Signals that end a process get no `exit` event. Where the job leaves one to its default action, we deliver and then
 * raise it again, so that the parent sees what it would have seen; a job that handles it decides for itself. So does
 * the kernel for process 1 of a container, which no signal of its own ends: it is sent SIGTERM before it is killed.
 */
export function drainOnSignals(way: SlowWayOut): void {
  const holder = globalThis as { [waysKey]?: SlowWayOut[] }
  if (holder[waysKey] !== undefined) {
    holder[waysKey].push(way)
    return
  }
  const ways = (holder[waysKey] = [way])
  let isDraining = false
  const handle = (signal: NodeJS.Signals): void => {
    if (process.pid === 1 || !isLeftToDefault(signal)) {
      // In a turn of its own: the job's handler comes after this one, and may end the process at once.
      const deliver = (each: SlowWayOut): void => quietly(() => void settled(each.deliver()))
      setImmediate(() => ways.forEach(deliver)).unref()
      return
    }
    const raise = (): void => {
      for (const each of signals) process.removeListener(each, handle)
      process.kill(process.pid, signal)
    }
    if (isDraining) {
      for (const each of ways) quietly(() => each.end())
      raise() // Asked twice: no more waiting.
      return
    }
    isDraining = true
    const drained = ways.map((each) => quietly(() => each.drain())).filter((each) => each instanceof Promise)
    if (drained.length > 0) void Promise.all(drained.map(settled)).then(raise)
    else raise()
  }
  // First in the row: a handler that the job registered by `once` is still to be seen in the list then.
  for (const signal of signals) process.prependListener(signal, handle)
}

/** The message of anything that can be thrown. */
export function becauseOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message !== '' ? error.message : ((error as NodeJS.ErrnoException).code ?? error.name)
}

/**
 * Nobody but us listens; or only the package `signal-exit`, which many command lines carry: it raises the signal again
 * itself, but only when it finds itself alone. It keeps the number of its listeners in a place of its own, by version.
 */
function isLeftToDefault(signal: NodeJS.Signals): boolean {
  const others = process.listenerCount(signal) - 1
  const holders = [
    (process as { __signal_exit_emitter__?: { count?: unknown } }).__signal_exit_emitter__,
    (globalThis as { [key: symbol]: { count?: unknown } | undefined })[Symbol.for('signal-exit emitter')],
  ]
  const theirs = holders.reduce((sum, holder) => sum + (Number(holder?.count) || 0), 0)
  return others <= theirs
}

/** What is thrown in one of these handlers would be the job's uncaught error, and change its exit code. */
function quietly<Result>(handle: () => Result): Result | undefined {
  try {
    return handle()
  } catch (error) {
    warn(`BUG: ${becauseOf(error)}`)
    return undefined
  }
}

function settled(promise: Promise<void>): Promise<void> {
  return promise.catch((error: unknown) => warn(`BUG: ${becauseOf(error)}`))
}

/** An uncaught error ends Deno without an `exit` event: there it is an event of the global, which a job may prevent. */
function onUncaughtInDeno(handle: () => void): void {
  const { addEventListener } = globalThis as unknown as {
    addEventListener: (type: string, listen: (event: { defaultPrevented: boolean }) => void) => void
  }
  for (const type of ['error', 'unhandledrejection']) {
    addEventListener(type, ({ defaultPrevented }) => {
      if (!defaultPrevented) handle()
    })
  }
}

/** Whether `exit` handlers run: then nothing asynchronous does. */
export function isExiting(): boolean {
  return (process as { _exiting?: boolean })._exiting === true
}
