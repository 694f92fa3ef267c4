import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryDirectory } from './directories.ts'

const shared = '/dev/shm'
/** A shared memory disk of a container is as small as this; one of a whole machine is not filled for a test. */
const sharedBytesMax = 256 * 1024 * 1024

/**
 * A directory on a disk of few megabytes, so that it can be filled for real: a tmpfs of its own where this user may mount
 * one, else the shared memory of a container. Throws where there is neither, so that nothing is skipped in silence.
 */
export function smallDisk(context: TestContext, megabytes: number): string {
  const directory = temporaryDirectory({ after: () => undefined })
  const options = `size=${megabytes}m,mode=0777`
  for (const become of [[], ['sudo', '-n']]) {
    if (!ran([...become, 'mount', '-t', 'tmpfs', '-o', options, 'tmpfs', directory])) continue
    context.after(() => {
      ran([...become, 'umount', '-l', directory])
      rmSync(directory, { recursive: true, force: true })
    })
    return directory
  }
  rmSync(directory, { recursive: true })
  const { blocks, bsize } = statfsSync(shared)
  if (blocks * bsize > sharedBytesMax) {
    throw new Error(`no disk can be filled: neither mount nor sudo mount works, and ${shared} is large`)
  }
  const inShared = mkdtempSync(join(shared, 'swansong-'))
  context.after(() => rmSync(inShared, { recursive: true, force: true }))
  return inShared
}

/** Writes until nothing fits any more. Returns what makes room again. */
export function fill(directory: string): () => void {
  const file = join(directory, 'filling')
  const descriptor = openSync(file, 'a')
  for (let bytes = 1024 * 1024; bytes >= 1; bytes = Math.floor(bytes / 4)) {
    const zeros = new Uint8Array(bytes)
    try {
      while (writeSync(descriptor, zeros) > 0);
    } catch {
      // No room for so much: try less.
    }
  }
  closeSync(descriptor)
  return () => rmSync(file)
}

function ran([command = '', ...args]: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
