/** Fetches the peers that the tests need before any test's clock runs. */
import { debianPeer } from './debian.ts'
import { runtime, runtimes } from './runtimes.ts'

process.stdout.write(`${await debianPeer('prometheus')}\n`)
for (const name of runtimes) process.stdout.write(`${await runtime(name)}\n`)
