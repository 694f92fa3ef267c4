import type { Command } from 'commander'
import { push } from './shell/push.ts'
import { run } from './shell/run.ts'

/** `swansong push` and `swansong run`, for the list of commands: bin/swansong gives them to an entry of their own. */
export function addShell(program: Command): void {
  const own = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .helpOption(false)
      .allowUnknownOption()
      .argument('[words...]')
  own('push', 'adds to a counter from a shell, once and durably').action(async (words: string[]) => {
    process.exitCode = await push(words)
  })
  own('run', 'runs a command and counts its runs, failures, duration, CPU and memory').action(
    (words: string[]) => {
      run(['', ...words])
    }
  )
}
