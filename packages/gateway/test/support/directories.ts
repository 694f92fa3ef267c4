import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A test, or a file of tests: what is done at its end. */
export interface Ending {
  after: (clean: () => void) => void
}

/** A directory of the test's own, removed after it. */
export function temporaryDirectory(context: Ending): string {
  const directory = mkdtempSync(join(tmpdir(), 'swansong-'))
  context.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A data directory in which the reserve is made already, and small: most tests have no use for 64 MiB of zeros. */
export function dataDirectory(directory: string): string {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'reserve'), '')
  return directory
}

/** A named pipe, which Node cannot make. */
export function makePipe(path: string): void {
  execFileSync('sh', ['-c', 'mkfifo "$1"', 'sh', path])
}
