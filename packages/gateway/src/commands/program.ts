import { Command } from 'commander'
import { version } from '../version.ts'
import { addCheckConfig } from './check-config.ts'
import { addDemo } from './demo.ts'
import { addDoctor } from './doctor.ts'
import { addGateway } from './gateway.ts'
import { addShell } from './shell.ts'
import { addStatus } from './status.ts'

/** The whole command, but for what `push` and `run` load. */
export async function runProgram(): Promise<void> {
  const program = new Command('swansong')
  program.description('Counts from processes that die before anyone can scrape them.').version(version)
  addGateway(program)
  addCheckConfig(program)
  addStatus(program)
  addDoctor(program)
  addDemo(program)
  addShell(program)
  await program.parseAsync()
}
