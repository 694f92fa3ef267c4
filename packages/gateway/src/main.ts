import { Command } from 'commander'
import { addCheckConfig } from './commands/check-config.ts'
import { addDemo } from './commands/demo.ts'
import { addDoctor } from './commands/doctor.ts'
import { addGateway } from './commands/gateway.ts'
import { addShell } from './commands/shell.ts'
import { addStatus } from './commands/status.ts'
import { version } from './version.ts'

/** `node:sqlite` is there, and silent, from here on. */
const nodeMin: readonly [number, number] = [24, 15]

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < nodeMin[0] || (major === nodeMin[0] && minor < nodeMin[1])) {
  process.stderr.write(
    `swansong needs Node ${nodeMin.join('.')} or later; this is ${process.versions.node}\n`
  )
  process.exit(1)
}

const program = new Command('swansong')
program.description('Counts from processes that die before anyone can scrape them.').version(version)
addGateway(program)
addCheckConfig(program)
addStatus(program)
addDoctor(program)
addDemo(program)
addShell(program)
await program.parseAsync()
