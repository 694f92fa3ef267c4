import type { ChildProcess } from 'node:child_process'
import { asksForHelp, labelsOf, readArguments, say, UsageError, valueOf } from './arguments.ts'
import { dieAs, Forwarding } from './signals.ts'
import { type Inherited, readInherited, shellOf } from './inherited.ts'
import { MemoryWatch } from './memory-watch.ts'
import type { RunCounts } from './run-counts.ts'

const usage = `Usage: swansong run [--name NAME] [--label key=value]... [--] COMMAND [ARGUMENT]...

Runs COMMAND and counts that: starts, runs, failures, duration, CPU, peak memory, the last success and the last failure.
Its input and output, exit code and signals stay its own. The job is NAME, else OTEL_SERVICE_NAME, else the command's name.
`

interface Asked {
  name: string | undefined
  labels: Record<string, string>
  command: string[]
}

/**
 * `swansong run`: the command first, then its counting. Whatever becomes of that, the command runs, and its end is ours.
 * `given` begins with what bin/swansong found before Node changed it.
 */
export function run([inheritedText = '', ...given]: readonly string[]): void {
  const inherited = readInherited(inheritedText)
  let asked: Asked
  try {
    if (asksForHelp(given)) {
      process.stdout.write(usage)
      return
    }
    asked = readAsked(given)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    say(`run: ${error.message}`)
    process.exitCode = 1
    return
  }
  const forwarding = new Forwarding(inherited.ignored)
  const child = start(asked.command, inherited)
  forwarding.to(child)
  watch(child, asked, forwarding)
}

function readAsked(given: readonly string[]): Asked {
  const read = readArguments(given, ['--name', '--label'], true)
  if (read.words.length === 0) throw new UsageError('which command? As in: swansong run -- ./backup.sh')
  const name = valueOf(read, '--name')
  if (name === '') throw new UsageError('--name needs a name')
  return { name, labels: labelsOf(read), command: read.words }
}

/** By a shell, which puts back what Node has changed, and says what is wrong with a command as shells do. */
function start(command: readonly string[], inherited: Inherited): ChildProcess {
  const { spawn } = process.getBuiltinModule('node:child_process')
  const [program, ...rest] = shellOf(command, inherited)
  return spawn(program, rest, { stdio: inherited.stdio, env: inherited.env })
}

function watch(child: ChildProcess, asked: Asked, forwarding: Forwarding): void {
  const begun = performance.now()
  const memory = new MemoryWatch(child.pid)
  const counting = count(asked)
  child.once('error', (error) => {
    say(`run: ${asked.command[0]} could not be started: ${error.message}`)
    process.exitCode = 126
    if (child.pid === undefined) child.emit('exit', 126, null)
  })
  child.once('exit', (code: number | null, signal: NodeJS.Signals | null) => {
    const seconds = (performance.now() - begun) / 1000
    memory.stop()
    void counting
      .then((counts) => counts?.ended({ code, signal, seconds, memoryBytes: memory.peakBytes }))
      .catch(complain)
      .finally(() => dieAs(code, signal, forwarding))
  })
}

/** Nothing of it may reach the command; it runs by now. */
async function count({ name, labels, command }: Asked): Promise<RunCounts | undefined> {
  try {
    const { RunCounts } = await import('./run-counts.ts')
    return new RunCounts(name, command, labels)
  } catch (error) {
    complain(error)
    return undefined
  }
}

function complain(error: unknown): void {
  say(`run: not counted: ${error instanceof Error ? error.message : String(error)}`)
}
