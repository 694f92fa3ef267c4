import { buffer } from 'node:stream/consumers'
import { type Readable } from 'node:stream'
import { type ChildOptions, spawnThatDiesWithUs } from './child.ts'
import { swansong } from './gateway.ts'

export interface Said {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs the command as a user has it, to its end. */
export function runSwansong(...args: string[]): Promise<Said> {
  return runSwansongIn({}, ...args)
}

/** The same with an environment of its own, or in another program. */
export async function runSwansongIn(options: ChildOptions, ...args: string[]): Promise<Said> {
  const child = spawnThatDiesWithUs(swansong, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [code, stdout, stderr] = await Promise.all([
    ended,
    buffer(child.stdout as Readable),
    buffer(child.stderr as Readable),
  ])
  return { code, stdout: stdout.toString(), stderr: stderr.toString() }
}
