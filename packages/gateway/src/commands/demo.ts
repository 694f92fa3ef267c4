import type { Command } from 'commander'

/** `swansong demo`: a gateway, real workers that die in every way, the sums beside the truth. */
export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('a gateway, 200 real workers that die in every way, the sums beside the truth')
    .option('--once', 'end afterwards: with 0 if the sums are equal to the truth, with 1 if not')
    .action(async (flags: { once?: true }) => {
      const { runDemo } = await import('./demo/run.ts') // The other commands need not load it.
      process.exit(await runDemo({ once: flags.once === true }))
    })
}
