/** Fetches the peers that the tests need before any test's clock runs. */
import { debianPeer } from './debian.ts'

process.stdout.write(`${await debianPeer('prometheus')}\n`)
